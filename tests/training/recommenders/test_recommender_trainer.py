import json

import numpy as np
import pytest
import torch
from invented_walks import write_walks
from transformers import EarlyStoppingCallback

from traceformers.training.evaluation.next_item_ranks import next_item_ranks
from traceformers.training.recommenders.gate_callback import GateCallback
from traceformers.training.recommenders.recommender_arguments import parse_recommender
from traceformers.training.recommenders.recommender_run import RecommenderData, build_model, build_trainer
from traceformers.training.recommenders.split_evaluation import split_figures
from traceformers.training.recommenders.training_pictures import points, save_pictures


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_walks(tmp_path_factory.mktemp("walks"))


def trainer_of(tables, folder, *overrides):
    """Returns the trainer of a run on the walks, and its data."""
    rows, films = map(str, tables)
    common = ["--data", rows, "--items_path", films, "--output_dir", str(folder), "--use_cpu", "true"]
    small = ["--hidden_size", "16", "--num_attention_heads", "2", "--max_history", "20", "--hidden_dropout_prob", "0"]
    quiet = ["--disable_tqdm", "true", "--dataloader_pin_memory", "false", "--report_to", "none"]
    sizes = ["--per_device_train_batch_size", "16", "--num_train_epochs", "4"]
    model, data, arguments = parse_recommender([*common, *small, *quiet, *sizes, *overrides])
    torch.manual_seed(arguments.seed)
    data = RecommenderData(data, arguments.seed)
    return build_trainer(data, arguments, build_model(model, data)), data


def test_evaluation_gives_the_figures_of_ranks_among_all_items(tables, tmp_path):
    trainer, data = trainer_of(tables, tmp_path)
    asked = data.split.validation
    ranks = next_item_ranks(trainer.model, asked.histories.items, asked.histories.offsets, asked.targets)
    trainer.model.train()
    metrics = trainer.evaluate()
    assert metrics["eval_hr@10"] == (ranks <= 10).mean()
    assert metrics["eval_ndcg@10"] == pytest.approx(np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0).mean())
    assert trainer.model.training  # as it was
    assert trainer.evaluate(asked, metric_key_prefix="other")["other_mrr"] == pytest.approx((1 / ranks).mean())


def test_batches_of_an_epoch_are_those_of_its_order(tables, tmp_path):
    trainer, _ = trainer_of(tables, tmp_path, "--model_type", "sasrec")
    loader = trainer.get_train_dataloader()
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        batches = list(loader)
        order = trainer.train_dataset.order
        assert trainer.train_dataset.epoch == epoch and sum(len(b["labels"]) for b in batches) == len(order)
        expected = trainer.train_dataset.batch(order[16:32])
        assert all(torch.equal(batches[1][name], torch.from_numpy(expected[name])) for name in expected)


def test_evaluations_come_every_so_many_epochs_and_at_the_end(tables, tmp_path):
    trainer, _ = trainer_of(tables, tmp_path, "--eval_every_epochs", "3")
    trainer.train()
    assert points(trainer.state.log_history, "eval_ndcg@10")[0] == [3, 4]
    assert points(trainer.state.log_history, "loss")[0] == [1, 2, 3, 4]
    assert {path.name for path in tmp_path.glob("checkpoint-*")} == {"checkpoint-12", "checkpoint-16"}


def test_a_run_that_ends_by_steps_is_evaluated_at_its_end_too(tables, tmp_path):
    trainer, _ = trainer_of(tables, tmp_path, "--eval_every_epochs", "5", "--max_steps", "6")
    trainer.train()
    assert [entry["step"] for entry in trainer.state.log_history if "eval_ndcg@10" in entry] == [6]
    assert trainer.state.best_global_step == 6


def test_the_count_of_evaluations_without_a_better_figure_survives_a_resume(tables, tmp_path):
    still = ["--learning_rate", "0", "--save_total_limit", "9", "--num_train_epochs", "9"]  # nothing ever gets better
    trainer, _ = trainer_of(tables, tmp_path, *still, "--early_stopping_patience", "3")
    trainer.train()
    assert trainer.state.epoch == 4
    resumed, _ = trainer_of(tables, tmp_path, *still, "--early_stopping_patience", "3")
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-12"))
    assert resumed.state.epoch == 4
    assert any(isinstance(each, EarlyStoppingCallback) for each in resumed.callback_handler.callbacks)


def test_gates_are_logged_at_each_evaluation_and_drawn(tables, tmp_path):
    trainer, _ = trainer_of(tables, tmp_path, "--metadata_fusion", "gate", "--report_to", "tensorboard")
    trainer.train()
    history = trainer.state.log_history
    names = [f"val_gate/{name}" for name in ("item", "genre", "director", "writer")]
    for name in names:
        assert points(history, name)[0] == [1, 2, 3, 4]
    logged = [[entry[name] for name in names] for entry in history if names[0] in entry]
    np.testing.assert_allclose(np.sum(logged, axis=1), 1, atol=1e-5)
    save_pictures(tmp_path, history)
    assert (tmp_path / "gates.png").stat().st_size > 1000 < (tmp_path / "learning_curves.png").stat().st_size
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = [path.parent for path in tmp_path.rglob("events.out.tfevents*")]
    board = EventAccumulator(str(events[0]))
    board.Reload()
    assert set(names) <= set(board.Tags()["scalars"]) and len(board.Scalars("val_gate/genre")) == 4


def test_gate_shares_are_means_over_what_users_chose(tables, tmp_path):
    trainer, data = trainer_of(tables, tmp_path, "--metadata_fusion", "gate")
    histories = data.split.validation.histories
    shares = GateCallback(histories, trainer).shares(trainer.model)
    expected = trainer.model.gates(torch.from_numpy(histories.items.astype(np.int64))).mean(0)
    assert list(shares) == ["item", "genre", "director", "writer"]
    np.testing.assert_allclose(list(shares.values()), expected.numpy(), rtol=1e-5)


def test_figures_of_a_split_are_json_with_errors_and_slices(tables, tmp_path):
    trainer, data = trainer_of(tables, tmp_path)
    figures = split_figures(trainer.model, data.split.test, data.split.train, len(data.tokenizer))
    assert json.loads(json.dumps(figures)) == figures
    assert figures["users"] == len(data.split.test) == 60
    assert {"hr@10", "ndcg@5", "mrr@20", "coverage@10", "novelty@10"} <= set(figures)
    assert set(figures["slices"]) == {"history_length", "target_popularity"} and figures["errors"]["ndcg@10"] > 0


@pytest.mark.parametrize(
    ("overrides", "match"),
    [
        (["--model_type", "gru4rec"], "Expected model_type of bert4rec"),
        (["--protocol", "C"], "Expected protocol of A, B, time"),
        (["--eval_every_epochs", "0"], "Expected eval_every_epochs of 1 or more, got 0"),
        (["--model_type", "ensemble_recommender"], "Expected --members or --member_configs with model_type"),
        (["--members", "x"], "Expected --members or --member_configs with model_type"),
        (["--latent_size", "8"], "Expected arguments that a bert4rec has, got --latent_size"),
    ],
)
def test_bad_arguments_are_named(tables, tmp_path, overrides, match):
    with pytest.raises(ValueError, match=match):
        trainer_of(tables, tmp_path, *overrides)
