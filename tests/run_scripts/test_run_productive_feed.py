"""Whole runs on an invented person: they learn, leave what they promise, and go on after a kill to the same losses."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from assertions import assert_hub_folder_is_self_contained
from invented_feed import write_invented_feed
from started_runs import start, start_and_kill
from tiny_encoder_folder import encoder_folder
from tiny_teacher import tiny_teacher

from traceformers.modeling.productive_feed.modeling_productive_feed import ProductiveFeedModel
from traceformers.run_scripts import run_productive_feed
from traceformers.training.productive_feed import feed_run
from traceformers.training.productive_feed.feed_arguments import parse_feed
from traceformers.training.productive_feed.feed_examples import read_examples
from traceformers.training.productive_feed.feed_model import score_examples
from traceformers.training.productive_feed.feed_run import train_feed

QUIET = {"use_cpu": True, "disable_tqdm": True, "dataloader_pin_memory": False}
SMALL = {"event_size": 24, "activity_hidden_size": 16, "film_hidden_size": 8, "head_hidden_size": 16}
STEPS = {"learning_rate": 0.01, "per_device_train_batch_size": 16, "logging_strategy": "steps", "logging_steps": 1}
NO_DROPOUT = [f"--{name}_dropout=0" for name in ("interest", "productive", "activity")]
HYBRID = QUIET | SMALL | STEPS | {"model": "hybrid", "use_lora": False, "num_train_epochs": 4, "save_total_limit": 9}


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    return write_invented_feed(tmp_path_factory.mktemp("feed") / "export", videos=200)


@pytest.fixture(scope="module")
def config(tmp_path_factory, feed):
    path = tmp_path_factory.mktemp("config") / "hybrid.yaml"
    settings = HYBRID | {"data": str(feed), "encoder": str(encoder_folder()), "gradient_accumulation_steps": 2}
    path.write_text(yaml.safe_dump(settings))
    return str(path)


@pytest.fixture(scope="module")
def linear(tmp_path_factory, feed):
    """A linear run with peers and folds: (output folder, metrics)."""
    output_dir = tmp_path_factory.mktemp("runs") / "linear"
    peers = {"baselines": ["tfidf_logistic", "tfidf_svm", "random_forest"], "folds": 3, "keep_fold_models": True}
    trained = train_feed(feed, output_dir, model="linear", encoder=str(encoder_folder()), **QUIET, **peers)
    assert trained.path == output_dir / "model"
    return output_dir, trained.metrics


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory, config):
    """An uninterrupted run on one rank, in this process: (output folder, metrics)."""
    output_dir = tmp_path_factory.mktemp("runs") / "hybrid"
    return output_dir, run_productive_feed.main([config, "--output_dir", str(output_dir)])


def history(output_dir, key):
    """Returns {step: value} of what a run logged under `key`."""
    state = json.loads((output_dir / "trainer_state.json").read_text())
    return {entry["step"]: entry[key] for entry in state["log_history"] if key in entry}


def test_a_linear_run_finds_the_rule_and_beats_peers_that_see_no_match(linear):
    _, metrics = linear
    assert metrics["test"]["interest"]["average_precision"] > 0.9
    productive = metrics["test"]["productive"]
    assert productive["average_precision"] > productive["base_rate"] + 0.3
    assert productive["brier"] < productive["brier_of_base_rate"]
    names = [row["name"] for row in metrics["compared"]]
    assert len(names) == 4 and names[0] == "frozen encoder + logistic regression" and "TF-IDF + linear SVM" in names


def test_a_run_leaves_what_it_promises(linear):
    output_dir, metrics = linear
    assert json.loads((output_dir / "metrics.json").read_text()) == metrics
    assert json.loads((output_dir / "model" / "metrics.json").read_text()) == metrics
    for name in ("run.yaml", "calibration.png", "label_balance.png", "model/README.md", "model/config.json"):
        assert (output_dir / name).stat().st_size > 100, name
    assert metrics["seed"] == 42 and metrics["data"]["split"]["test"] == 40 and "command" in metrics
    assert metrics["train"]["seconds"] > 0 < metrics["train"]["parameters"]
    assert_hub_folder_is_self_contained(output_dir / "model")


def test_what_was_trained_on_is_told_label_by_label(linear):
    output_dir, metrics = linear
    rows = pq.read_table(output_dir / "labels.parquet").to_pydict()
    assert len(rows["head"]) == sum(sum(each.values()) for each in metrics["data"]["labels"].values())
    said_at = {
        part: [t for t, p in zip(rows["said_at"], rows["part"], strict=True) if p == part] for part in set(rows["part"])
    }
    assert max(said_at["train"]) < min(said_at["validation"]) and max(said_at["validation"]) < min(said_at["test"])
    model = ProductiveFeedModel.from_pretrained(output_dir / "model")
    assert model.config.trained_until == max(said_at["validation"]) == metrics["data"]["trained_until"]


def test_the_saved_model_gives_the_probabilities_of_the_figures(linear, hybrid, feed):
    for output_dir, metrics in (linear, hybrid):
        model = ProductiveFeedModel.from_pretrained(output_dir / "model")
        examples = read_examples(feed)
        rows = examples.rows(examples.moments >= metrics["data"]["split"]["test_from"])
        p = score_examples(model, rows)
        said = rows.said(1)
        brier = np.mean((p[said, 1] - rows.labels[said, 1]) ** 2)
        assert brier == pytest.approx(metrics["test"]["productive"]["brier"], rel=1e-4)


def test_folds_are_judged_and_their_models_kept(linear):
    output_dir, metrics = linear
    assert len(metrics["folds"]) == 3 and all(fold["interest"]["n"] for fold in metrics["folds"])
    for number in range(3):
        kept = ProductiveFeedModel.from_pretrained(output_dir / "folds" / f"fold_{number}" / "model")
        assert kept.config.head == "linear"


def test_a_run_from_the_start_learns_and_keeps_the_best_of_the_average(config, tmp_path):
    output_dir = tmp_path
    metrics = run_productive_feed.main([config, "--output_dir", str(output_dir), "--linear_start", "false"])
    found = history(output_dir, "eval_ema_f1")
    f1 = list(history(output_dir, "eval_f1").values())
    smoothed = f1[0]
    for value, ema in zip(f1[1:], list(found.values())[1:], strict=True):
        smoothed = 0.6 * value + 0.4 * smoothed
        assert ema == pytest.approx(smoothed)
    assert metrics["train"]["best_step"] == max(found, key=found.get)
    losses = list(history(output_dir, "loss").values())
    assert losses[-1] < losses[0]
    assert (output_dir / "learning_curves.png").exists()
    saved = ProductiveFeedModel.from_pretrained(output_dir / "model").config
    assert saved.head == "mlp" and saved.use_activity and saved.categories == ["Home", "Work", "Work > Code"]
    assert saved.temperatures == [
        metrics["chosen"]["calibration"][h]["temperature"] for h in ("interest", "productive")
    ]


def test_a_hybrid_is_judged_before_its_first_step_and_stays_linear_without_a_gain(feed, linear, tmp_path):
    """With steps as wild as these, nothing can be gained: what is left is the linear model, figure by figure."""
    settings = HYBRID | {"learning_rate": 3.0, "num_train_epochs": 2}
    trained = train_feed(feed, tmp_path, encoder=str(encoder_folder()), **settings)
    assert min(history(tmp_path, "eval_log_loss")) == 0
    assert trained.metrics["chosen"]["added_to_linear"] == [] and trained.metrics["train"]["best_step"] == 0
    assert trained.metrics["chosen"]["heads"] == linear[1]["chosen"]["heads"]
    assert trained.metrics["chosen"]["calibration"] == linear[1]["chosen"]["calibration"]
    for part in ("eval", "test"):
        for head, figures in linear[1][part].items():
            assert trained.metrics[part][head] == pytest.approx(figures, abs=1e-5), (part, head)
    models = [ProductiveFeedModel.from_pretrained(folder) for folder in (linear[0] / "model", trained.path)]
    examples = read_examples(feed)
    np.testing.assert_allclose(*(score_examples(model, examples) for model in models), atol=1e-6)


def test_the_best_checkpoint_has_a_lower_log_loss_than_the_linear_model_and_no_lower_f1(hybrid):
    output_dir, metrics = hybrid
    loss, f1 = history(output_dir, "eval_log_loss"), history(output_dir, "eval_ema_f1")
    candidates = [step for step in loss if step and loss[step] < loss[0] and f1[step] >= f1[0]]
    best = max(candidates, key=f1.get) if candidates else 0
    assert metrics["train"]["best_step"] == best
    assert bool(candidates) or metrics["chosen"]["added_to_linear"] == []


def test_training_ends_when_the_log_loss_falls_no_more(feed, tmp_path):
    settings = HYBRID | {"learning_rate": 3.0, "num_train_epochs": 9, "patience": 2}
    train_feed(feed, tmp_path, encoder=str(encoder_folder()), **settings)
    losses = list(history(tmp_path, "eval_log_loss").values())
    assert len(losses) < 10 and int(np.argmin(losses)) == len(losses) - 3


def test_the_resolved_config_is_a_config_and_gives_the_same(hybrid, tmp_path):
    output_dir, metrics = hybrid
    again = run_productive_feed.main([str(output_dir / "run.yaml"), "--output_dir", str(tmp_path / "again")])
    assert again["test"] == metrics["test"] and again["eval"] == metrics["eval"]
    assert history(tmp_path / "again", "loss") == history(output_dir, "loss")


def test_a_killed_run_goes_on_to_the_same_losses(hybrid, config, tmp_path):
    output_dir, metrics = hybrid
    start_and_kill("run_productive_feed", config, "--output_dir", str(tmp_path))
    assert not (tmp_path / "metrics.json").exists()
    resumed = run_productive_feed.main([config, "--output_dir", str(tmp_path), "--resume_from_checkpoint", "auto"])
    assert resumed["train"]["resumed_from"] is not None
    for key in ("loss", "eval_ema_f1"):  # another process rounds the last digit otherwise
        assert history(tmp_path, key) == pytest.approx(history(output_dir, key), rel=1e-4), key
    expected = metrics["test"]["productive"]["brier"]
    assert resumed["test"]["productive"]["brier"] == pytest.approx(expected, rel=1e-4)


def test_lora_trains_is_saved_as_an_adapter_and_scores_the_same(feed, tmp_path):
    encoder = tiny_teacher(tmp_path / "encoder")
    settings = HYBRID | {
        "use_lora": True,
        "num_train_epochs": 1,
        "lora_rank": 2,
        "lora_alpha": 4,
        "gradient_accumulation_steps": 2,
    }
    trained = train_feed(feed, tmp_path / "run", encoder=encoder, **settings)
    assert (trained.path / "adapter" / "adapter_model.safetensors").is_file()
    assert not (trained.path / "adapter_config.json").exists()
    model = ProductiveFeedModel.from_pretrained(trained.path)
    assert model.config.lora["r"] == 2
    examples = read_examples(feed)
    rows = examples.rows(examples.moments >= trained.metrics["data"]["split"]["test_from"])
    said = rows.said(0)
    brier = np.mean((score_examples(model, rows)[said, 0] - rows.labels[said, 0]) ** 2)
    assert brier == pytest.approx(trained.metrics["test"]["interest"]["brier"], rel=1e-3)


def test_an_adapter_that_gains_nothing_leaves_the_linear_model(feed, tmp_path):
    encoder = tiny_teacher(tmp_path / "encoder")
    wild = {"use_lora": True, "lora_rank": 2, "learning_rate": 3.0, "num_train_epochs": 1}
    hybrid = train_feed(feed, tmp_path / "hybrid", encoder=encoder, **HYBRID | wild)
    linear = train_feed(feed, tmp_path / "linear", encoder=encoder, model="linear", **QUIET)
    assert hybrid.metrics["chosen"]["added_to_linear"] == []
    examples = read_examples(feed)
    models = [ProductiveFeedModel.from_pretrained(trained.path) for trained in (linear, hybrid)]
    assert models[1].has_lora
    np.testing.assert_allclose(*(score_examples(model, examples) for model in models), atol=1e-5)


def test_the_base_model_reads_no_activity(feed, tmp_path):
    trained = train_feed(
        feed, tmp_path, encoder=str(encoder_folder()), **HYBRID | {"model": "base", "num_train_epochs": 1}
    )
    config = ProductiveFeedModel.from_pretrained(trained.path).config
    assert not config.use_activity and config.categories == []


def test_auto_keeps_the_better_on_validation_and_says_why(feed, tmp_path, monkeypatch):
    monkeypatch.setattr(feed_run, "ENOUGH_FOR_GRADIENTS", 50)
    settings = HYBRID | {"model": "auto", "num_train_epochs": 1}
    metrics = train_feed(feed, tmp_path, encoder=str(encoder_folder()), **settings).metrics
    chosen = metrics["chosen"]
    assert [row["name"] for row in metrics["compared"]] == [feed_run.NAMES["linear"], feed_run.NAMES["hybrid"]]
    assert chosen["why"].startswith("Average precision")
    assert (chosen["model"] == "hybrid") == (": better." in chosen["why"])
    assert metrics["test"] == metrics["compared"][chosen["model"] == "hybrid"]["test"]


def test_auto_is_linear_where_labels_are_few(feed, tmp_path):
    settings = HYBRID | {"model": "auto", "num_train_epochs": 1}
    metrics = train_feed(feed, tmp_path, encoder=str(encoder_folder()), **settings).metrics
    assert metrics["chosen"]["model"] == "linear" and metrics["chosen"]["why"] is None


@pytest.mark.slow
def test_two_ranks_train_and_evaluate_like_one(config, tmp_path):
    options = [*NO_DROPOUT, "--num_train_epochs", "2"]
    launched = start(
        *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
        *(run_productive_feed.__file__, config, "--output_dir", str(tmp_path / "two"), *options),
        *("--per_device_train_batch_size", "8"),
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    one = run_productive_feed.main([config, "--output_dir", str(tmp_path / "one"), *options])
    two = json.loads((tmp_path / "two" / "metrics.json").read_text())
    assert two["train"]["ranks"] == 2 and one["train"]["steps"] == two["train"]["steps"]
    assert two["test"]["interest"]["brier"] == pytest.approx(one["test"]["interest"]["brier"], rel=0.2)


def test_too_few_labels_are_refused_before_anything_is_written(tmp_path):
    feed = write_invented_feed(tmp_path / "feed", videos=20)
    with pytest.raises(ValueError, match="Expected 40 labels of interest or of productive with 10 of each answer"):
        train_feed(feed, tmp_path / "run", model="linear", encoder=str(encoder_folder()), **QUIET)
    assert not (tmp_path / "run" / "model").exists() and not (tmp_path / "run" / "run.yaml").exists()


@pytest.mark.parametrize(
    ("overrides", "match"),
    [
        (["--model", "gbm"], "Expected model of auto, linear, base, hybrid"),
        (["--sampler_interest_ratio", "1.5"], "Expected sampler ratios from 0 to 1"),
        (["--sampler_interest_ratio", "0.5", "--sampler_productive_ratio", "0.9"], "that sum to 1"),
        (["--ema_alpha", "0"], "Expected ema_alpha above 0"),
        (["--folds", "1"], "Expected folds of 0 or of 2 and more"),
        (["--baselines", "bert"], "Expected baselines of"),
        (["--about_data", "nowhere.yaml"], "Expected a YAML file of source"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_bad_arguments_are_named(config, tmp_path, overrides, match):
    with pytest.raises((ValueError, OSError), match=match):
        run_productive_feed.main([config, "--output_dir", str(tmp_path), *overrides])


def test_nothing_is_reported_anywhere_unless_asked(config, tmp_path):
    arguments = parse_feed([config, "--output_dir", str(tmp_path)])[2]
    assert arguments.report_to in ("none", [], ["none"])


def test_defaults_are_those_of_the_forebear(tmp_path):
    model, data, training = parse_feed(["--data", "x", "--output_dir", str(tmp_path)])
    assert model.encoder == "BAAI/bge-m3" and model.max_length == 8192 and training.seed == 42
    assert (training.learning_rate, training.weight_decay, training.num_train_epochs) == (5e-5, 1e-3, 10)
    assert (training.per_device_train_batch_size, training.gradient_accumulation_steps) == (4, 4)
    assert training.compile_model and (training.ema_alpha, training.ema_productive_weight) == (0.6, 0.65)
    assert (model.use_lora, model.lora_rank, model.lora_alpha, model.lora_target) == (True, 8, 16, "all-linear")
    assert model.interest_dropout == model.productive_dropout == 0.1
    assert model.interest_loss_weight == model.productive_loss_weight == 1
    assert model.interest_label_smoothing == model.productive_label_smoothing == 0
    assert data.sampler_interest_ratio == data.sampler_productive_ratio == 0.5


def test_a_run_ends_with_what_it_reached():
    head = {"n": 1060, "average_precision": 0.8042, "brier": 0.1812, "base_rate": 0.41}
    metrics = {"chosen": {"model": "linear"}, "test": {"interest": head, "productive": {"n": 0}}}
    line = run_productive_feed.summary_line(metrics, "runs/x")
    assert line.endswith("Brier 0.181 of 1,060 labels, productive no labels -> runs/x")
