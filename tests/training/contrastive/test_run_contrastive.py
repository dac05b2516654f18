"""Whole runs of run_contrastive.py on random sessions: interrupted, and read back by a stranger."""

import json

import pytest
import yaml
from assertions import assert_hub_folder_is_self_contained
from sentence_transformers import SentenceTransformer
from session_corpus import write_corpus
from started_runs import start_and_kill

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM
from traceformers.run_scripts import run_contrastive
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer

CONFIG = {
    "pooling": "kinds",
    "embedding_size": 16,
    "windows_per_view": 2,
    "mask_text_in": 0.5,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 6,
    "learning_rate": 0.003,
    "projection_learning_rate": 0.01,
    "eval_strategy": "steps",
    "eval_steps": 3,
    "save_steps": 3,
    "save_total_limit": 2,
    "logging_steps": 1,
    "dataloader_pin_memory": False,
    "use_cpu": True,
    "disable_tqdm": True,
    "seed": 3,
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    data_dir = write_corpus(tmp_path_factory.mktemp("corpus") / "data", n_train=24, n_other=12)
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = RRWebTokenizer.from_pretrained(str(data_dir / "tokenizer"))
    tokenizer.model_max_length = 48
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    RRWebBertForMaskedLM(
        RRWebBertConfig(
            vocab_size=tokenizer.vocab_size,
            structural_vocab_size=tokenizer.structural_vocab_size,
            max_position_embeddings=48,
            **shape,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = tmp_path_factory.mktemp("config") / "test.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"data_dir": str(data_dir), "model_name_or_path": str(folder)}))
    return str(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory, config):
    """An uninterrupted run in this process: (output folder, metrics)."""
    output_dir = tmp_path_factory.mktemp("runs") / "whole"
    return output_dir, run_contrastive.main([config, "--output_dir", str(output_dir)])


def history(output_dir, key):
    """Returns {step: value} of what a run logged under `key`."""
    state = json.loads((output_dir / "trainer_state.json").read_text())
    return {entry["step"]: entry[key] for entry in state["log_history"] if key in entry}


def test_a_run_leaves_its_record_and_an_encoder_for_strangers(run):
    output_dir, metrics = run
    assert json.loads((output_dir / "metrics.json").read_text()) == metrics
    for split in ("eval", "test"):
        assert {"mrr", "recall_at_1", "chance_mrr", "queries", "lengths", "baselines"} <= set(metrics[split])
        assert list(metrics[split]["lengths"]) == ["16"]
        assert metrics[split]["baselines"]["tfidf"]["queries"] == metrics[split]["queries"] == 24
    assert metrics["train"]["steps"] == 12 and metrics["train"]["sessions"] == 24
    assert_hub_folder_is_self_contained(output_dir / "model")
    card = (output_dir / "model" / "README.md").read_text()
    assert "before training" in card and "library_name: sentence-transformers" in card


def test_the_loss_falls(run):
    losses = list(history(run[0], "loss").values())
    assert len(losses) == 12 and sum(losses[-4:]) < sum(losses[:4])


@pytest.mark.parametrize("folder", ["model", "start", "checkpoint-12"])
def test_every_folder_names_repository_code_and_loads(run, folder):
    modules = json.loads((run[0] / folder / "modules.json").read_text())
    assert modules[0]["type"] == "sentence_rrweb_bert.SessionEncoder"
    assert not any("traceformers" in module["type"] for module in modules)
    encoder = SentenceTransformer(str(run[0] / folder), trust_remote_code=True, device="cpu")
    vectors = encoder.encode(["sign in", "pay"])
    assert vectors.shape == (2, 16) and abs((vectors**2).sum(1) - 1).max() < 1e-5
    short = SentenceTransformer(str(run[0] / folder), trust_remote_code=True, device="cpu", truncate_dim=4)
    assert short.encode(["sign in"]).shape == (1, 4)


def test_the_best_checkpoint_is_what_is_saved(run):
    output_dir, metrics = run
    found = history(output_dir, "eval_mrr")
    assert set(found) == {3, 6, 9, 12}
    assert metrics["eval"]["mrr"] == pytest.approx(max(found.values()), rel=1e-6)


def test_the_resolved_config_is_a_config(run, tmp_path):
    output_dir, metrics = run
    config = yaml.safe_load((output_dir / "run.yaml").read_text())
    assert {key: config[key] for key in CONFIG if key != "disable_tqdm"} == {
        key: value for key, value in CONFIG.items() if key != "disable_tqdm"
    }
    again = run_contrastive.main([str(output_dir / "run.yaml"), "--output_dir", str(tmp_path / "again")])
    assert again["test"] == metrics["test"]
    assert history(tmp_path / "again", "loss") == history(output_dir, "loss")


def test_a_killed_run_goes_on_to_the_same_losses(run, config, tmp_path):
    output_dir, metrics = run
    start_and_kill("run_contrastive", config, "--output_dir", str(tmp_path))
    assert not (tmp_path / "metrics.json").exists()
    resumed = run_contrastive.main([config, "--output_dir", str(tmp_path), "--resume_from_checkpoint", "auto"])
    assert resumed["train"]["resumed_from"] == "checkpoint-6"
    for key in ("loss", "grad_norm", "learning_rate", "eval_mrr"):
        assert history(tmp_path, key) == history(output_dir, key), key
    assert resumed["test"] == metrics["test"]


def test_an_encoder_or_data_set_that_is_not_named_is_asked_for(tmp_path):
    with pytest.raises(ValueError, match="--model_name_or_path"):
        run_contrastive.main(["--output_dir", str(tmp_path), "--data_dir", "data", "--use_cpu", "true"])
