"""Cards of trimodal runs that never were, with models that are: figures out of metrics.json, and code that runs."""

import json
import re

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from tiny_trimodal import tiny_model, tiny_processor

from traceformers.model_cards.card import MissingFactError
from traceformers.model_cards.trimodal_card import DIRECTIONS, write_trimodal_card
from traceformers.training.trimodal.retrieval_directions import retrieval_report

ABOUT = {"name": "invented", "source": "nowhere", "people": "Nobody.", "licence": "Apache-2.0"}


def figures(seed):
    rng = np.random.default_rng(seed)
    vectors = {name: rng.normal(size=(20, 4)) for name in ("text", "image", "session")}
    return retrieval_report(vectors, ["a.test", "b.test"] * 10)


def write_run(folder, **changes):
    """Writes the output folder of run_trimodal.py with made-up figures; returns its metrics."""
    tiny_model(text_name="user/text", text_revision="abc").save_pretrained(folder / "model")
    tiny_processor().save_pretrained(folder / "model")
    counts = {"sessions": 7, "sites": 2, "windows": 1234, "screenshots": 56}
    metrics = {
        "retrieval": {"sessions": figures(0), "sites": figures(1)},
        "untrained": None,
        "train": {
            "steps": 4321,
            "epochs": 3.0,
            "seconds": 90.0,
            "resumed_from": None,
            "trained_parameters": 21,
            "temperatures": {"text-image": 0.07, "text-session": 0.02, "image-session": 0.05},
            "hardware": "1 x Imaginary 9000",
        },
        "data": {"train": counts, "sessions": counts, "sites": counts},
        "seed": 3,
        "command": "python run_scripts/run_trimodal.py made_up.yaml",
        "git_commit": "0123abc",
        "max_length": 256,
        **changes,
    }
    run = {"learning_rate": 0.004, "output_dir": "secret/place", "recordings": ["secret/recordings"]}
    (folder / "about.yaml").write_text(yaml.safe_dump(ABOUT))
    for name, content in {"metrics.json": metrics, "run.yaml": run}.items():
        (folder / name).write_text(json.dumps(content))  # JSON is YAML
    return metrics


def test_a_card_has_the_figures_of_its_run(tmp_path):
    metrics = write_run(tmp_path)
    card = ModelCard.load(write_trimodal_card(tmp_path, about_data=tmp_path / "about.yaml"))
    results = {(result.dataset_split, result.metric_name): result.metric_value for result in card.data.eval_results}
    assert len(results) == 2 * 6 * 3
    for direction in DIRECTIONS:
        row = metrics["retrieval"]["sites"]["all"][direction]
        assert results["sites it never saw", f"MRR, {direction}"] == row["mrr"]
        assert f"| {direction.replace('->', ' → ')} | {row['r_at_1']:.3f} | {row['r_at_5']:.3f} |" in card.text
    for part in ("sessions", "sites"):
        for pool in ("all", "within"):
            chance = metrics["retrieval"][part][pool]["chance"]
            assert f"| chance | {chance['r_at_1']:.3f} | {chance['r_at_5']:.3f} | {chance['mrr']:.3f} |" in card.text
    for said in (
        "1,234",
        "4,321 steps",
        "Imaginary 9000",
        "0123abc",
        "user/text at `abc`",
        "Nobody.",
        "text-image 0.070",
    ):
        assert said in card.text
    assert "secret" not in card.text
    assert card.data.base_model == ["user/text"]


def test_the_code_of_a_card_runs(tmp_path, capsys):
    write_run(tmp_path)
    text = write_trimodal_card(tmp_path, about_data=tmp_path / "about.yaml").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(code.replace(", trust_remote_code=True", ""), {})
    assert re.match(r"tensor\(\[\[.*\],\s+\[.*\]\]", capsys.readouterr().out, flags=re.DOTALL)


def test_a_run_without_held_out_sites_has_a_card_of_its_sessions(tmp_path):
    write_run(tmp_path, retrieval={"sessions": figures(0)})
    text = write_trimodal_card(tmp_path, about_data=tmp_path / "about.yaml").read_text()
    assert "Held-out sessions" in text and "Sites it never saw" not in text


def test_a_card_without_a_word_on_its_data_is_refused(tmp_path):
    write_run(tmp_path)
    with pytest.raises(MissingFactError, match="the card needs about_data"):
        write_trimodal_card(tmp_path)
    (tmp_path / "about.yaml").write_text(yaml.safe_dump({"name": "x"}))
    with pytest.raises(MissingFactError, match="'source'"):
        write_trimodal_card(tmp_path, about_data=tmp_path / "about.yaml")
