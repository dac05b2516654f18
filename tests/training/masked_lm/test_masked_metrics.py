import json
import math

import pytest
import torch
from session_corpus import TOKEN_CLASSES

from traceformers.tokenization.rrweb.rrweb_vocabulary import CLASSES
from traceformers.training.masked_lm.masked_metrics import (
    empty_sums,
    flat_report,
    masked_report,
    masked_sums,
    prediction_sums,
)

CLASS_OF_ID = torch.from_numpy(TOKEN_CLASSES.astype("int64"))


def predictions(n=200, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(5, len(TOKEN_CLASSES), (n,), generator=generator)
    return torch.randn(n, len(TOKEN_CLASSES), generator=generator), labels


def test_figures_by_hand():
    nll = torch.tensor([math.log(2), math.log(8), math.log(4)])
    classes = torch.tensor([CLASSES.index("action"), CLASSES.index("text"), CLASSES.index("text")])
    report = masked_report(masked_sums(nll, torch.tensor([True, False, True]), classes))
    assert report["bits_per_token"] == pytest.approx(2)
    assert report["loss"] == pytest.approx(2 * math.log(2))
    assert report["perplexity"] == pytest.approx(4)
    assert report["top1"] == pytest.approx(2 / 3)
    assert set(report["classes"]) == {"action", "text"}
    assert report["classes"]["text"]["bits_per_token"] == pytest.approx(2.5)
    assert report["classes"]["text"]["top1"] == 0.5
    assert [report["classes"][name]["tokens"] for name in ("action", "text")] == [1, 2]
    json.dumps(report, allow_nan=False)


def test_sums_add_up_over_any_batches():
    logits, labels = predictions()
    whole = prediction_sums(logits, labels, CLASS_OF_ID)
    for sizes in ([200], [1] * 200, [3, 150, 47]):
        parts = zip(logits.split(sizes), labels.split(sizes), strict=True)
        total = sum((prediction_sums(*part, CLASS_OF_ID) for part in parts), empty_sums())
        torch.testing.assert_close(total, whole, rtol=1e-6, atol=1e-6)


def test_sums_are_those_of_cross_entropy():
    logits, labels = predictions()
    report = masked_report(prediction_sums(logits, labels, CLASS_OF_ID))
    expected = torch.nn.functional.cross_entropy(logits.double(), labels).item()
    assert report["loss"] == pytest.approx(expected, rel=1e-6)
    assert report["tokens"] == sum(figures["tokens"] for figures in report["classes"].values()) == 200
    average = sum(figures["loss"] * figures["tokens"] for figures in report["classes"].values()) / 200
    assert report["loss"] == pytest.approx(average)


def test_half_precision_logits_are_summed_in_full():
    logits, labels = predictions()
    half = prediction_sums(logits.bfloat16(), labels, CLASS_OF_ID)
    full = prediction_sums(logits.bfloat16().float(), labels, CLASS_OF_ID)
    assert torch.equal(half, full)


def test_a_flat_report_has_the_names_that_trainer_looks_for():
    flat = flat_report(masked_report(prediction_sums(*predictions(), CLASS_OF_ID)))
    assert {"eval_loss", "eval_bits_per_token", "eval_top1", "eval_perplexity", "eval_text_top1"} <= set(flat)


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(ValueError, match="at least one masked token"):
        masked_report(empty_sums())
