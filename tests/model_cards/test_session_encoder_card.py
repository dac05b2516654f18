"""The card of a session encoder says what the run left, and nothing it did not."""

import json

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from traceformers.model_cards.card import MissingFactError
from traceformers.model_cards.session_encoder_card import render_session_encoder_card, write_session_encoder_card

FIGURES = {
    "mrr": 0.61,
    "recall_at_1": 0.4,
    "chance_mrr": 0.1,
    "queries": 1234,
    "lengths": {"16": {"mrr": 0.61, "recall_at_1": 0.4}, "8": {"mrr": 0.5, "recall_at_1": 0.3}},
    "baselines": {"tfidf": {"mrr": 0.52, "recall_at_1": 0.33}},
}
METRICS = {
    "test": FIGURES,
    "before": FIGURES | {"mrr": 0.55},
    "train": {"steps": 40, "pairs": 640, "sessions": 99, "seconds": 3600, "resumed_from": None, "hardware": "2 cores"},
    "seed": 0,
    "command": "python run_scripts/run_contrastive.py some.yaml",
    "git_commit": None,
    "encoder": {"name": "user/rrweb", "revision": "v1"},
    "pooling": "kinds",
    "dataset": "shop recordings",
    "max_length": 256,
}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "shop"
    (folder / "model" / "1_Dense").mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    (folder / "run.yaml").write_text(yaml.safe_dump({"temperature": 0.05, "output_dir": "secret/place"}))
    config = {"model_type": "rrweb_bert", "num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2}
    (folder / "model" / "config.json").write_text(json.dumps(config))
    (folder / "model" / "session_encoder.json").write_text(json.dumps({"pooling": "kinds"}))
    save_file({"w": np.zeros((3, 4), np.float32)}, folder / "model" / "model.safetensors")
    save_file({"linear.weight": np.zeros((2, 4), np.float32)}, folder / "model" / "1_Dense" / "model.safetensors")
    return folder


def test_the_figures_stand_beside_their_baselines(run):
    text = write_session_encoder_card(run, "user/shop").read_text()
    for row in (
        "| TF-IDF of the same tokens | 0.520 | 33.0 % |",
        "| before training | 0.550 |",
        "| 8 numbers | 0.500 |",
    ):
        assert row in text
    assert "1,234 queries" in text and "| 20 |" in text and "`0.05`" in text
    assert "secret/place" not in text and "More Information Needed" not in text
    assert 'SentenceTransformer("user/shop"' in text and "truncate_dim=8" in text


def test_the_block_at_the_top_is_yaml_that_the_hub_reads(run):
    block = yaml.safe_load(render_session_encoder_card(run).split("---")[1])
    assert block["library_name"] == "sentence-transformers" and block["license"] == "apache-2.0"
    metrics = {metric["type"]: metric["value"] for metric in block["model-index"][0]["results"][0]["metrics"]}
    assert metrics == {"mrr": 0.61, "recall_at_1": 0.4}


def test_what_the_owner_told_of_the_data_is_said(run, tmp_path):
    about = tmp_path / "about.yaml"
    about.write_text(yaml.safe_dump({"source": "our shop", "people": "volunteers", "licence": "CC0"}))
    text = render_session_encoder_card(run, about_data=about)
    assert "our shop" in text and "volunteers" in text and "not told by the run" not in text
    assert "not told by the run" in render_session_encoder_card(run)


def test_a_run_without_figures_is_refused(run):
    (run / "metrics.json").write_text(json.dumps({"train": {}}))
    with pytest.raises(MissingFactError, match="'test' or 'eval'"):
        render_session_encoder_card(run)
