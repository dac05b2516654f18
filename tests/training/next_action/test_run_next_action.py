"""Whole runs of run_next_action.py on recordings made by hand, and the figures over folds of sites."""

import json

import pytest
import yaml
from assertions import assert_hub_folder_is_self_contained
from started_runs import start_and_kill
from tiny_labelled_sessions import SITES, recording, write_encoder, write_recordings
from tiny_rrweb import click, tiny_tokenizer
from transformers import AutoModelForNextSentencePrediction, AutoTokenizer

from traceformers.datasets_scripts.rrweb_sessions import prepare_rrweb_sessions
from traceformers.run_scripts import run_next_action
from traceformers.training.next_action.frozen_actions import FROZEN, WITH_COUNTERS
from traceformers.training.next_action.next_action_evaluation import evaluate_next_action
from traceformers.training.next_action.next_action_run import MODEL
from traceformers.training.session_probes.labelled_sessions import read_labels

CONFIG = {
    "max_length": 48,
    "least_actions": 1,
    "swap_text_in": 0.25,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 16,
    "learning_rate": 0.01,
    "eval_strategy": "steps",
    "eval_steps": 3,
    "save_strategy": "steps",
    "save_steps": 3,
    "save_total_limit": 2,
    "logging_steps": 1,
    "dataloader_pin_memory": False,
    "use_cpu": True,
    "disable_tqdm": True,
    "seed": 1,
}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """(labels.csv, encoder folder, config file)."""
    room = tmp_path_factory.mktemp("next-action")
    labels, encoder = write_recordings(room / "recordings", n_each=6), write_encoder(room / "encoder")
    options = ["--tokenizer", str(encoder), "--output-dir", str(room / "data"), "--num-proc", "1"]
    prepare_rrweb_sessions.main(
        [
            str(room / "recordings"),
            *options,
            "--validation-share",
            "0.25",
            "--test-share",
            "0.25",
            "--split-by",
            "session",
        ]
    )
    path = room / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"data_dir": str(room / "data"), "model_name_or_path": str(encoder)}))
    return labels, encoder, str(path)


@pytest.fixture(scope="module")
def run(places, tmp_path_factory):
    """An uninterrupted run: (output folder, metrics)."""
    output_dir = tmp_path_factory.mktemp("runs") / "whole"
    return output_dir, run_next_action.main([places[2], "--output_dir", str(output_dir)])


def history(output_dir, key):
    state = json.loads((output_dir / "trainer_state.json").read_text())
    return {entry["step"]: entry[key] for entry in state["log_history"] if key in entry}


def test_a_run_leaves_its_record_with_the_baselines_in_one_table(run):
    output_dir, metrics = run
    assert json.loads((output_dir / "metrics.json").read_text()) == metrics
    for split in ("eval", "test"):
        assert list(metrics[split]["compared"]) == ["majority", "bigram", "boosted counters", MODEL]
        for part in ("kind", "target"):
            assert metrics[split]["compared"][MODEL][part]["accuracy"] == metrics[split][part]["accuracy"]
            assert {"top3", "macro_f1", "log_loss", "by_class"} < set(metrics[split][part])
    assert metrics["targets"][0] == "other" and "button" in metrics["targets"]
    card = (output_dir / "model" / "README.md").read_text()
    assert f"| {MODEL} | {metrics['test']['kind']['accuracy']:.3f} |" in card and "More Information" not in card


def test_the_saved_model_tells_what_comes_next(run):
    folder = run[0] / "model"
    assert_hub_folder_is_self_contained(folder)
    model = AutoModelForNextSentencePrediction.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    buyer = [*recording(1, "buys", "new.test")[:4], click(5, 2600)]
    assert model.predict(tokenizer, buyer, max_length=48).kinds[0][0] == "click"


def test_a_killed_run_goes_on_to_the_same_losses(run, places, tmp_path):
    output_dir, metrics = run
    start_and_kill("run_next_action", places[2], "--output_dir", str(tmp_path))
    resumed = run_next_action.main([places[2], "--output_dir", str(tmp_path), "--resume_from_checkpoint", "auto"])
    assert resumed["train"]["resumed_from"] == "checkpoint-6"
    for key in ("loss", "grad_norm", "eval_loss", "eval_kind_macro_f1"):
        assert history(tmp_path, key) == history(output_dir, key), key
    assert resumed["test"] == metrics["test"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model_name_or_path", ""], "Expected --model_name_or_path"),
        (["--data_dir", ""], "Expected --data_dir"),
        (["--max_length", "256"], "Expected max_length of at most 128"),
        (["--frozen_layers", "4"], "Expected frozen_layers between 0 and 1"),
        (["--test_split", "none", "--eval_split", "nothing"], "nothing-00000-of-NNNNN.arrow"),
    ],
)
def test_what_cannot_be_is_refused(places, tmp_path, options, said):
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        run_next_action.main([places[2], "--output_dir", str(tmp_path), *options])


def test_folds_put_the_answers_of_all_sites_together(places, tmp_path):
    labels = read_labels(places[0])
    folds = {"0": list(SITES[:2]), "1": list(SITES[2:])}
    found = evaluate_next_action(
        dict.fromkeys(folds, places[1]), labels, folds, max_length=48, seeds=(0, 1), num_train_epochs=1,
        per_device_train_batch_size=32, output_dir=tmp_path,
    )  # fmt: skip
    assert list(found["compared"]) == [
        "majority",
        "bigram",
        "boosted counters",
        FROZEN,
        FROZEN + WITH_COUNTERS,
        MODEL,
        MODEL + WITH_COUNTERS,
    ]
    kinds = {name: row["kind"] for name, row in found["compared"].items()}
    assert {row["n"] for row in kinds.values()} == {found["examples"]}
    assert sum(found["folds"][fold]["bigram"]["kind"]["n"] for fold in folds) == found["examples"]
    assert "spread" in found["compared"][MODEL] and "spread" not in found["compared"]["bigram"]
    tiny_tokenizer()  # the saved model of a fold loads with its names
    assert "click" in AutoModelForNextSentencePrediction.from_pretrained(tmp_path / "0").config.action_kinds
    with pytest.raises(ValueError, match="got guessing"):
        evaluate_next_action({"0": places[1]}, labels, folds, methods=("guessing",))
    with pytest.raises(ValueError, match=r"found none for c\.test, d\.test"):
        evaluate_next_action({"0": places[1]}, labels, {"0": list(SITES[:2])})
