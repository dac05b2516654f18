"""Whole runs of run_mlm.py on random sessions: interrupted, on two ranks, and read back by a stranger."""

import json

import pytest
import yaml
from assertions import assert_hub_folder_is_self_contained
from session_corpus import write_corpus
from started_runs import start, start_and_kill

from traceformers.run_scripts import evaluate_mlm, run_mlm

CONFIG = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "max_length": 48,
    "samples_per_epoch": 32,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 8,
    "per_device_eval_batch_size": 5,
    "learning_rate": 0.01,
    "warmup_steps": 2,
    "lr_scheduler_type": "cosine_warm_restarts",
    "restart_epochs": 1,
    "restart_growth": 2,
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
def data_dir(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "data")


@pytest.fixture(scope="module")
def config(tmp_path_factory, data_dir):
    path = tmp_path_factory.mktemp("config") / "test.yaml"
    path.write_text(yaml.safe_dump(CONFIG | {"data_dir": str(data_dir)}))
    return str(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory, config):
    """An uninterrupted run on one rank, in this process: (output folder, metrics)."""
    output_dir = tmp_path_factory.mktemp("runs") / "whole"
    return output_dir, run_mlm.main([config, "--output_dir", str(output_dir)])


def history(output_dir, key):
    """Returns {step: value} of what a run logged under `key`."""
    state = json.loads((output_dir / "trainer_state.json").read_text())
    return {entry["step"]: entry[key] for entry in state["log_history"] if key in entry}


def test_a_run_leaves_its_record_and_a_model_for_strangers(run):
    output_dir, metrics = run
    assert json.loads((output_dir / "metrics.json").read_text()) == metrics
    for split in ("eval", "test"):
        assert {"loss", "bits_per_token", "top1", "perplexity", "tokens", "classes", "baselines"} <= set(metrics[split])
        for baseline in ("unigram", "bidirectional"):
            report = metrics[split]["baselines"][baseline]
            assert {"bits_per_token", "top1", "classes"} <= set(report)
            assert report["tokens"] == metrics[split]["tokens"]
    assert metrics["seed"] == 3 and metrics["dataset"] == "random sessions" and "command" in metrics
    assert metrics["train"]["steps"] == 12 and metrics["train"]["tokens"] > 0
    assert (output_dir / "trainer_state.json").exists()
    assert_hub_folder_is_self_contained(output_dir / "model")
    assert (output_dir / "model" / "text_bpe.json").exists()


def test_the_best_checkpoint_is_what_is_saved(run):
    output_dir, metrics = run
    losses = history(output_dir, "eval_loss")
    assert set(losses) == {3, 6, 9, 12}
    assert metrics["eval"]["loss"] == pytest.approx(min(losses.values()), rel=1e-6)


def test_the_resolved_config_is_a_config(run, tmp_path):
    output_dir, metrics = run
    config = yaml.safe_load((output_dir / "run.yaml").read_text())
    assert {key: config[key] for key in CONFIG if key != "disable_tqdm"} == {
        key: value for key, value in CONFIG.items() if key != "disable_tqdm"
    }
    again = run_mlm.main([str(output_dir / "run.yaml"), "--output_dir", str(tmp_path / "again")])
    assert again["test"] == metrics["test"]
    assert history(tmp_path / "again", "loss") == history(output_dir, "loss")


def test_evaluating_the_saved_model_gives_the_figures_of_the_run(run, data_dir, tmp_path, capsys):
    output_dir, metrics = run
    report = evaluate_mlm.main(
        [
            *("--model_name_or_path", str(output_dir / "model"), "--data_dir", str(data_dir)),
            *("--split", "test", "--max_length", "48", "--use_cpu", "--output_file", str(tmp_path / "test.json")),
        ]
    )
    assert report["loss"] == pytest.approx(metrics["test"]["loss"], rel=1e-6)
    assert report["baselines"] == metrics["test"]["baselines"]
    assert json.loads(capsys.readouterr().out) == report == json.loads((tmp_path / "test.json").read_text())


def test_a_killed_run_goes_on_to_the_same_losses(run, config, tmp_path):
    output_dir, metrics = run
    start_and_kill("run_mlm", config, "--output_dir", str(tmp_path))
    assert not (tmp_path / "metrics.json").exists()
    (tmp_path / "checkpoint-7").mkdir()  # one that was never finished
    resumed = run_mlm.main([config, "--output_dir", str(tmp_path), "--resume_from_checkpoint", "auto"])
    assert resumed["train"]["resumed_from"] == "checkpoint-6"
    assert list(history(tmp_path, "loss")) == list(range(1, 13))
    for key in ("loss", "grad_norm", "learning_rate", "eval_loss", "num_input_tokens_seen"):
        assert history(tmp_path, key) == history(output_dir, key), key
    assert resumed["test"] == metrics["test"]


def test_two_ranks_train_and_evaluate_like_one(config, data_dir, tmp_path):
    # without dropout, 2 ranks of 4 windows are one rank of 8: in the loss of every step of every epoch, and in the end
    same = [config, "--hidden_dropout_prob", "0", "--attention_probs_dropout_prob", "0"]
    one = run_mlm.main([*same, "--output_dir", str(tmp_path / "one")])
    launched = start(
        *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
        *(run_mlm.__file__, *same, "--output_dir", str(tmp_path / "two")),
        *("--per_device_train_batch_size", "4", "--dataloader_num_workers", "1"),
        *("--dataloader_persistent_workers", "true"),
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    two = json.loads((tmp_path / "two" / "metrics.json").read_text())
    assert two["train"]["ranks"] == 2
    for key in ("loss", "eval_loss"):
        found, expected = (history(tmp_path / name, key) for name in ("two", "one"))
        assert list(found) == list(expected)
        assert list(found.values()) == pytest.approx(list(expected.values()), rel=2e-3)
    assert history(tmp_path / "two", "num_input_tokens_seen") == history(tmp_path / "one", "num_input_tokens_seen")
    assert two["test"]["tokens"] == one["test"]["tokens"]
    assert two["test"]["loss"] == pytest.approx(one["test"]["loss"], rel=2e-3)
    assert two["test"]["baselines"] == one["test"]["baselines"]

    # the figures of two ranks are those of the same weights on one rank, at another batch size
    alone = evaluate_mlm.main(
        [
            *("--model_name_or_path", str(tmp_path / "two" / "model"), "--data_dir", str(data_dir), "--use_cpu"),
            *("--split", "test", "--max_length", "48", "--baselines", "false", "--per_device_eval_batch_size", "3"),
        ]
    )
    assert alone["tokens"] == two["test"]["tokens"]
    for name, figures in alone["classes"].items():
        assert two["test"]["classes"][name] == pytest.approx(figures, rel=1e-5)
    assert two["test"]["loss"] == pytest.approx(alone["loss"], rel=1e-6)


def test_help_shows_a_command(capsys):
    for script in (run_mlm, evaluate_mlm):
        with pytest.raises(SystemExit) as caught:
            script.main(["--help"])
        assert caught.value.code == 0
        assert f"python run_scripts/{script.__name__.rpartition('.')[2]}.py" in capsys.readouterr().out
