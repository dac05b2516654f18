import math

import pytest
import torch
from session_corpus import TOKEN_CLASSES, TOKENS, masking, random_sessions, write_store

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM
from traceformers.training.masked_lm.mlm_arguments import MLMTrainingArguments
from traceformers.training.masked_lm.mlm_trainer import MLMTrainer
from traceformers.training.masked_lm.packing import IGNORED, PackingCollator, PaddingCollator
from traceformers.training.masked_lm.session_store import SessionStore
from traceformers.training.masked_lm.window_dataset import FixedWindows, RandomWindows


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_store(folder, "train", random_sessions(0, 20))
    return SessionStore(folder, "train")


@pytest.fixture(scope="module")
def evaluation():
    return FixedWindows(random_sessions(1, 7), TOKENS, 48)


def new_model(dropout=0.0, seed=0):
    torch.manual_seed(seed)
    config = RRWebBertConfig(
        vocab_size=len(TOKEN_CLASSES),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=48,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return RRWebBertForMaskedLM._from_config(config, attn_implementation="sdpa_varlen")


def trainer(folder, model, store=None, evaluation=None, samples=16, collator=PackingCollator, **arguments):
    defaults = {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False, "logging_steps": 1}
    defaults |= {"use_cpu": True, "disable_tqdm": True, "dataloader_pin_memory": False, "max_steps": 2}
    return MLMTrainer(
        model=model,
        args=MLMTrainingArguments(output_dir=str(folder), **(defaults | arguments)),
        data_collator=collator(masking(), 520),
        train_dataset=store and RandomWindows(store, TOKENS, 48, samples_per_epoch=samples),
        eval_dataset=evaluation,
        token_classes=TOKEN_CLASSES,
    )


def losses(run):
    return [entry["loss"] for entry in run.state.log_history if "loss" in entry]


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_evaluation_is_a_mean_over_tokens_at_any_batch_size(tmp_path, evaluation, batch_size):
    model = new_model()
    run = trainer(tmp_path, model, evaluation=evaluation, per_device_eval_batch_size=batch_size)
    metrics = run.evaluate()
    batch = PaddingCollator(masking(), 520)([evaluation[i] for i in range(len(evaluation))])
    with torch.no_grad():
        logits = model.eval()(**batch).logits
    keep = batch["labels"] != IGNORED
    expected = torch.nn.functional.cross_entropy(logits[keep].double(), batch["labels"][keep]).item()
    assert metrics["eval_tokens"] == keep.sum().item()
    assert metrics["eval_loss"] == pytest.approx(expected, rel=1e-6)
    assert metrics["eval_bits_per_token"] == pytest.approx(expected / math.log(2), rel=1e-6)
    right = (logits[keep].argmax(-1) == batch["labels"][keep]).double().mean().item()
    assert metrics["eval_top1"] == pytest.approx(right)


def test_padded_batches_give_the_same_evaluation(tmp_path, evaluation):
    model = new_model()
    packed = trainer(tmp_path, model, evaluation=evaluation).evaluate()
    padded = trainer(tmp_path, model, evaluation=evaluation, collator=PaddingCollator).evaluate()
    for name in ("eval_loss", "eval_text_bits_per_token", "eval_gap_bits_per_token"):
        assert packed[name] == pytest.approx(padded[name], rel=1e-5)


def test_evaluation_masks_are_fixed_and_draw_nothing_from_training(tmp_path, store, evaluation):
    run = trainer(tmp_path, new_model(), store, evaluation)
    first = run.evaluate()["eval_loss"]
    run.train_dataset.set_epoch(7)
    before = torch.get_rng_state()
    assert run.evaluate()["eval_loss"] == first
    assert torch.equal(torch.get_rng_state(), before)


def test_a_random_model_guesses_among_all_ids(tmp_path, evaluation):
    loss = trainer(tmp_path, new_model(), evaluation=evaluation).evaluate()["eval_loss"]
    assert loss == pytest.approx(math.log(len(TOKEN_CLASSES)), rel=0.03)


def test_accumulated_batches_are_one_batch(tmp_path, store):
    weights = []
    for batch_size, accumulated in ((8, 1), (4, 2), (1, 8)):
        model = new_model()
        run = trainer(
            tmp_path,
            model,
            store,
            per_device_train_batch_size=batch_size,
            gradient_accumulation_steps=accumulated,
            learning_rate=1e-2,
        )
        run.train()
        weights.append((losses(run), torch.cat([p.detach().flatten() for p in model.parameters()])))
    for found, parameters in weights[1:]:
        assert found == pytest.approx(weights[0][0], rel=1e-5)
        torch.testing.assert_close(parameters, weights[0][1], atol=2e-4, rtol=0)


def test_the_logged_loss_is_the_mean_over_masked_tokens(tmp_path, store):
    model = new_model()
    run = trainer(tmp_path, model, store, max_steps=1, per_device_train_batch_size=8)
    dataset = run.train_dataset
    batch = run.data_collator([dataset[i] for i in range(8)])
    with torch.no_grad():
        expected = model(**batch).loss.item()
    run.train()
    assert losses(run) == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize("n_workers", [0, 1])
def test_every_epoch_trains_on_other_windows(tmp_path, store, n_workers):
    # the learning rate is 0: losses differ by the windows alone
    run = trainer(
        tmp_path,
        new_model(),
        store,
        samples=8,
        max_steps=3,
        per_device_train_batch_size=8,
        learning_rate=0.0,
        dataloader_num_workers=n_workers,
        dataloader_persistent_workers=n_workers > 0,
    )
    run.train()
    found = losses(run)
    expected = []
    for epoch in range(3):
        run.train_dataset.set_epoch(epoch)
        batch = run.data_collator([run.train_dataset[i] for i in range(8)])
        with torch.no_grad():
            expected.append(run.model.eval()(**batch).loss.item())
    assert found == pytest.approx(expected, rel=1e-5)
    assert len({round(loss, 4) for loss in expected}) == 3


def test_warm_restarts_restart_at_the_epochs_asked_for(tmp_path, store):
    run = trainer(
        tmp_path,
        new_model(),
        store,
        samples=8,
        max_steps=-1,
        num_train_epochs=6,
        per_device_train_batch_size=2,
        lr_scheduler_type="cosine_warm_restarts",
        restart_epochs=2,
        restart_growth=2,
        learning_rate=1e-3,
    )
    run.train()
    rates = [entry["learning_rate"] for entry in run.state.log_history if "loss" in entry]
    assert len(rates) == 24
    assert [step for step in range(1, 24) if rates[step] > rates[step - 1]] == [8]
    assert rates[0] == rates[8] == pytest.approx(1e-3)


def test_activation_checkpointing_changes_no_loss(tmp_path, store):
    found = []
    for activation_checkpointing in (False, True):
        run = trainer(
            tmp_path,
            new_model(dropout=0.1),
            store,
            activation_checkpointing=activation_checkpointing,
            learning_rate=1e-2,
        )
        run.train()
        found.append(losses(run))
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_training_learns(tmp_path, store, evaluation):
    run = trainer(
        tmp_path,
        new_model(),
        store,
        evaluation,
        samples=64,
        max_steps=40,
        learning_rate=1e-2,
        per_device_train_batch_size=8,
    )
    before = run.evaluate()["eval_loss"]
    run.train()
    assert run.evaluate()["eval_loss"] < before - 1
