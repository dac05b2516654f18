"""Whole runs of run_classification.py on recordings made by hand: with an adapter and without, killed, read back."""

import json

import pandas as pd
import pytest
import torch
import yaml
from assertions import assert_hub_folder_is_self_contained, assert_same_tensors
from peft import PeftModel
from safetensors.torch import load_file
from started_runs import start_and_kill
from tiny_labelled_sessions import SITES, write_encoder, write_recordings
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from traceformers.run_scripts import predict_sessions, run_classification
from traceformers.training.session_classification.classification_run import FINE_TUNED, WITH_COUNTERS

CONFIG = {
    "label_column": "outcome",
    "folds": 2,
    "max_length": 48,
    "windows_per_session": 2,
    "validation_share": 0.5,
    "swap_text_in": 0.0,
    "num_train_epochs": 4,
    "per_device_train_batch_size": 4,
    "learning_rate": 0.03,
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
    room = tmp_path_factory.mktemp("labelled")
    labels, encoder = write_recordings(room / "recordings"), write_encoder(room / "encoder")
    path = room / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"labels": str(labels), "model_name_or_path": str(encoder)}))
    return labels, encoder, str(path)


@pytest.fixture(scope="module")
def run(places, tmp_path_factory):
    """A run with an adapter and all baselines: (output folder, metrics)."""
    output_dir = tmp_path_factory.mktemp("runs") / "adapted"
    return output_dir, run_classification.main([places[2], "--output_dir", str(output_dir)])


def test_one_table_has_the_fine_tuned_model_and_the_baselines(run):
    _, metrics = run
    names = list(metrics["compared"])
    assert names[0] == "majority" and names[-1] == FINE_TUNED
    assert {WITH_COUNTERS, "counters", "frozen encoder, linear probe"} < set(names) and any(
        "TF-IDF" in name for name in names
    )
    for row in metrics["compared"].values():
        assert row["n"] == 24 and 0 <= row["macro_f1"] <= 1 and row["macro_f1_spread"] == 0
    assert metrics["compared"]["majority"]["accuracy"] == 0.5
    assert metrics["compared"][FINE_TUNED]["macro_f1"] > 0.9  # what was done is all there is to learn


def test_no_site_is_on_both_sides(run):
    _, metrics = run
    out = [site for fold in metrics["folds"] for site in fold["groups_out"]]
    assert sorted(out) == sorted(SITES)
    for fold in metrics["folds"]:
        assert fold["validation_groups"] and not set(fold["validation_groups"]) & set(fold["groups_out"])


def test_a_run_leaves_its_record(run):
    output_dir, metrics = run
    assert json.loads((output_dir / "metrics.json").read_text()) == metrics
    told = pd.read_csv(output_dir / "predictions.csv")
    assert len(told) == 24 and (told["label"] == told["foretold"]).mean() == metrics["test"]["accuracy"]
    assert (output_dir / "confusion.png").read_bytes()[:4] == b"\x89PNG"
    card = (output_dir / "model" / "README.md").read_text()
    assert f"| {FINE_TUNED} | {metrics['test']['macro_f1']:.3f} ± 0.000 |" in card and "buys, writes" in card
    config = yaml.safe_load((output_dir / "run.yaml").read_text())
    assert {key: config[key] for key in CONFIG if key != "disable_tqdm"} == {
        key: value for key, value in CONFIG.items() if key != "disable_tqdm"
    }


def test_the_saved_model_has_the_adapter_in_it_and_beside_it(run, places):
    output_dir, _ = run
    folder = output_dir / "model"
    assert_hub_folder_is_self_contained(folder)
    assert not (folder / "adapter_config.json").exists()  # in the root it would send AutoModel elsewhere
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.id2label == {0: "buys", 1: "writes"} and tokenizer.model_max_length == 48
    base = AutoModelForSequenceClassification.from_pretrained(places[1], num_labels=2)
    adapted = PeftModel.from_pretrained(base, folder / "adapter").eval()
    ids = torch.tensor([[2, 30, 50, 521, 522, 3]])
    with torch.no_grad():
        torch.testing.assert_close(adapted(input_ids=ids).logits, model(ids).logits, atol=1e-5, rtol=1e-4)


def test_new_recordings_get_their_labels(run, places, tmp_path, capsys):
    output_dir, _ = run
    (places[0].parent / "broken.json").write_text("no recording")
    try:
        table = predict_sessions.main(
            [str(output_dir / "model"), str(places[0].parent), "--output", str(tmp_path / "new.csv")]
        )
    finally:
        (places[0].parent / "broken.json").unlink()
    assert "1 of 25 files could not be read" in capsys.readouterr().err
    told = pd.read_csv(tmp_path / "new.csv")
    assert list(told.columns[:4]) == ["file", "label", "probability", "error"] and len(told) == len(table) == 25
    labels = pd.read_csv(places[0]).assign(file=lambda rows: rows["file"].str.removesuffix(".json.gz"))
    both = told.merge(labels, on="file")
    assert (both["label"] == both["outcome"]).mean() > 0.9
    assert told[told["file"] == "broken"]["error"].iloc[0]


def test_a_masked_language_model_is_no_classifier(places):
    with pytest.raises(ValueError, match=r"Expected a classifier in .*RRWebBertForMaskedLM"):
        predict_sessions.main([str(places[1]), str(places[0].parent)])


def test_all_weights_can_learn_on_one_split_with_named_sites(places, tmp_path):
    metrics = run_classification.main(
        [
            *(places[2], "--output_dir", str(tmp_path), "--lora", "false", "--baselines", "none"),
            *("--test_groups", "d.test", "--validation_groups", "c.test", "--learning_rate", "0.01"),
        ]
    )
    assert [fold["groups_out"] for fold in metrics["folds"]] == [["d.test"]]
    assert metrics["train"]["validation_groups"] == ["c.test"] and metrics["test"]["n"] == 6
    assert list(metrics["compared"]) == [FINE_TUNED] and not (tmp_path / "model" / "adapter").exists()


def history(folder, key):
    state = json.loads((folder / "trainer_state.json").read_text())
    return {entry["step"]: entry[key] for entry in state["log_history"] if key in entry}


@pytest.mark.parametrize("lora", ["true", "false"])
def test_a_killed_run_goes_on_to_the_same_losses(places, tmp_path, lora):
    same = [places[2], "--baselines", "none", "--save_steps", "3", "--save_strategy", "steps", "--lora", lora]
    same += ["--eval_strategy", "steps", "--eval_steps", "3", "--test_groups", "d.test"]
    whole = run_classification.main([*same, "--output_dir", str(tmp_path / "whole")])
    start_and_kill("run_classification", *same, "--output_dir", str(tmp_path / "killed"))
    again = [*same, "--output_dir", str(tmp_path / "killed"), "--resume_from_checkpoint", "auto"]
    resumed = run_classification.main(again)
    assert resumed["folds"][0]["resumed_from"] == "checkpoint-6"
    assert resumed["compared"] == whole["compared"]
    rooms = [tmp_path / name / "folds" / "test-seed-1" for name in ("whole", "killed")]
    last = [sorted(room.glob("checkpoint-*"), key=lambda path: int(path.name[11:]))[-1] for room in rooms]
    for key in ("loss", "eval_loss", "grad_norm"):
        assert history(last[0], key) == history(last[1], key), key
    done = run_classification.main(again)  # what is done is read from its files
    assert done["folds"] == resumed["folds"] and done["compared"] == whole["compared"]
    weights = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed")]
    assert_same_tensors(*weights, "the model of a run that was killed, and of one that was not")


def test_a_training_that_gains_nothing_stops(places, tmp_path):
    metrics = run_classification.main(
        [
            *(places[2], "--output_dir", str(tmp_path), "--lora", "false", "--baselines", "none"),
            *("--test_groups", "d.test", "--learning_rate", "0", "--early_stopping_patience", "1", "--seed", "2"),
        ]
    )
    fold = metrics["folds"][0]
    per_epoch = -(-fold["sessions"] // 4)
    assert fold["steps"] == 2 * per_epoch and fold["best_step"] == per_epoch  # of 4 epochs


def test_a_file_that_is_no_recording_is_named(places, tmp_path):
    for file in places[0].parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "s007.json.gz").write_bytes(b"no recording")
    with pytest.raises(ValueError, match=r"Expected an rrweb recording in .*s007\.json\.gz, got none"):
        run_classification.main(
            [places[2], "--labels", str(tmp_path / "labels.csv"), "--output_dir", str(tmp_path / "run")]
        )


def test_an_encoder_has_to_be_named(places, tmp_path):
    with pytest.raises(ValueError, match="Expected --model_name_or_path"):
        run_classification.main([places[2], "--model_name_or_path", "", "--output_dir", str(tmp_path)])


def test_encoders_of_folds_are_taken_by_their_names(places, tmp_path):
    """Each fold has an encoder that never saw its sites: `{fold}` in the name, and a file of the folds."""
    folds = {"left": list(SITES[:2]), "right": list(SITES[2:])}
    (tmp_path / "folds.json").write_text(json.dumps(folds))
    for seed, name in enumerate(folds):
        write_encoder(tmp_path / "encoders" / name, seed=seed)
    metrics = run_classification.main(
        [
            *(places[2], "--model_name_or_path", str(tmp_path / "encoders" / "{fold}"), "--final_model", "false"),
            *("--folds_file", str(tmp_path / "folds.json"), "--baselines", "probe", "--num_train_epochs", "1"),
            *("--output_dir", str(tmp_path / "run")),
        ]
    )
    assert [(fold["fold"], fold["groups_out"]) for fold in metrics["folds"]] == list(folds.items())
    assert "frozen encoder, linear probe" in metrics["compared"]


@pytest.mark.parametrize("script", [run_classification, predict_sessions])
def test_help_shows_a_command(script, capsys):
    with pytest.raises(SystemExit) as caught:
        script.main(["--help"])
    assert caught.value.code == 0
    assert f"python run_scripts/{script.__name__.rpartition('.')[2]}.py" in capsys.readouterr().out
