"""The next-action model: its heads, its loss, what it tells of a session, and strangers who load it."""

import math

import pytest
import torch
from assertions import assert_loads_without_our_package, assert_save_load_keeps_outputs
from tiny_rrweb import click, element, page, tiny_tokenizer, typed
from transformers import AutoModelForNextSentencePrediction

from traceformers import RRWebBertConfig, RRWebBertForMaskedLM, RRWebBertForNextAction
from traceformers.modeling.rrweb_bert.modeling_rrweb_next_action import ACTION_KINDS, ACTION_TARGETS

SESSION = [
    *page(element(5, "button", "Pay now"), element(6, "input", type="text")),
    click(5, 700),
    typed(6, "abc", 1400),
]


def tiny(seed=0, **changes):
    shape = {"vocab_size": 99, "structural_vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2}
    shape |= {"num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 64}
    implementation = changes.pop("attn_implementation", "sdpa")
    torch.manual_seed(seed)
    config = RRWebBertConfig(**(shape | changes))
    return RRWebBertForNextAction._from_config(config, attn_implementation=implementation).eval()


def reading(**changes):
    """Returns a model that reads what the tiny tokenizer writes."""
    sizes = {"vocab_size": tiny_tokenizer().vocab_size, "structural_vocab_size": 520}
    return tiny(**(sizes | {"max_position_embeddings": 128} | changes))


def ids_of(rows=2, tokens=11, seed=1):
    return torch.randint(5, 99, (rows, tokens), generator=torch.Generator().manual_seed(seed))


def test_both_heads_have_the_names_of_the_config():
    outputs = tiny()(ids_of())
    assert outputs.kind_logits.shape == (2, len(ACTION_KINDS)) and outputs.target_logits.shape == (
        2,
        len(ACTION_TARGETS),
    )
    named = tiny(action_kinds=["click", "type"], action_targets=["other", "a", "button"])(ids_of())
    assert named.kind_logits.shape == (2, 2) and named.target_logits.shape == (2, 3)


@pytest.mark.parametrize("names", [["click"], ["click", "click"], "click", [1, 2]])
def test_names_are_checked(names):
    with pytest.raises(ValueError, match="action_kinds to be None or a list of at least two different names"):
        RRWebBertConfig(action_kinds=names)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_does_not_change_a_row(side):
    model, ids = tiny(), ids_of()
    pad = (5, 0) if side == "left" else (0, 5)
    padded = torch.nn.functional.pad(ids, pad)
    mask = torch.nn.functional.pad(torch.ones_like(ids), pad)
    for name in ("kind_logits", "target_logits"):
        torch.testing.assert_close(model(padded, attention_mask=mask)[name], model(ids)[name], rtol=0, atol=1e-5)


def test_windows_of_a_packed_row_are_told_as_alone():
    model, ids = tiny(attn_implementation="sdpa_varlen"), ids_of(1, 30)
    borders = torch.tensor([0, 8, 19, 30], dtype=torch.int32)
    packed = model(ids, cu_seq_lens_q=borders, cu_seq_lens_k=borders, max_length_q=11, max_length_k=11)
    for i, (start, stop) in enumerate([(0, 8), (8, 19), (19, 30)]):
        alone = model(ids[:, start:stop])
        torch.testing.assert_close(packed.kind_logits[i], alone.kind_logits[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(packed.target_logits[i], alone.target_logits[0], rtol=0, atol=1e-5)


def test_the_last_token_is_read():
    model, ids = tiny(), ids_of()
    changed = ids.clone()
    changed[:, -1] = (changed[:, -1] - 4) % 90 + 5
    assert (model(ids).kind_logits - model(changed).kind_logits).abs().max() > 1e-4


def test_the_loss_is_the_mean_over_the_labels_there_are():
    model, ids = tiny(), ids_of(3)
    labels = torch.tensor([[0, 2], [-100, 1], [3, -100]])
    outputs = model(ids, labels=labels)
    of_kinds = torch.nn.functional.cross_entropy(outputs.kind_logits, labels[:, 0], reduction="sum")
    of_targets = torch.nn.functional.cross_entropy(outputs.target_logits, labels[:, 1], reduction="sum")
    torch.testing.assert_close(outputs.loss, (of_kinds + of_targets) / 4)
    parts = [model(ids[i : i + 1], labels=labels[i : i + 1], num_items_in_batch=4).loss for i in range(3)]
    torch.testing.assert_close(sum(parts), outputs.loss)
    nothing = model(ids, labels=torch.full((3, 2), -100)).loss
    nothing.backward()
    assert nothing.item() == 0 and not model.next_action.kind.weight.grad.any()


def test_a_new_model_guesses():
    labels = torch.zeros(40, 2, dtype=torch.long)
    loss = tiny()(ids_of(40), labels=labels).loss.item()
    assert loss == pytest.approx((math.log(len(ACTION_KINDS)) + math.log(len(ACTION_TARGETS))) / 2, abs=0.2)


def test_it_learns_and_every_parameter_gets_a_gradient():
    model, ids = tiny(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train(), ids_of(6)
    labels = torch.arange(6)[:, None] * torch.tensor([[1, 2]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        loss = model(ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        assert [name for name, p in model.named_parameters() if p.grad is None] == []
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_save_and_load_keep_everything():
    assert_save_load_keeps_outputs(tiny(action_kinds=["click", "type"]), {"input_ids": ids_of()})


def test_heads_are_drawn_anew_on_an_encoder_without_them(tmp_path):
    torch.manual_seed(3)
    trained = RRWebBertForMaskedLM(tiny().config)
    trained.save_pretrained(tmp_path)
    model = RRWebBertForNextAction.from_pretrained(tmp_path, action_targets=["other", "a"])
    assert model.next_action.target.weight.shape == (2, 32) and 0 < model.next_action.target.weight.std() < 0.1
    assert torch.equal(model.rrweb_bert.norm.weight, trained.rrweb_bert.norm.weight)
    assert not [name for name, tensor in model.state_dict().items() if tensor.is_meta]


def test_a_session_is_told_by_what_came_before():
    model, tokenizer = reading(), tiny_tokenizer()
    found = model.predict(tokenizer, SESSION, k=3)
    assert len(found.kinds) == len(found.targets) == 3 and found.kinds[0][0] in ACTION_KINDS
    assert [p for _, p in found.kinds] == sorted((p for _, p in found.kinds), reverse=True)
    # before the third event the fourth makes no difference
    assert model.predict(tokenizer, SESSION, event=3) == model.predict(tokenizer, SESSION[:3])
    assert model.predict(tokenizer, tokenizer.tokenize_session(SESSION)) == found
    assert sum(p for _, p in model.predict(tokenizer, SESSION, k=99).kinds) == pytest.approx(1)


def test_telling_leaves_a_model_in_training_as_it_was():
    model = reading().train()
    model.predict(tiny_tokenizer(), SESSION)
    assert model.training


def test_a_next_action_model_loads_without_our_package(tmp_path, hub):
    tokenizer, model = tiny_tokenizer(), reading(action_targets=["other", "button", "input:text"])
    inputs = dict(tokenizer(events=[SESSION, SESSION[:3]], padding=True, return_tensors="pt"))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    found = assert_loads_without_our_package(tmp_path, hub, {"events": [SESSION, SESSION[:3]]}, inputs)
    with torch.no_grad():
        expected = model(**inputs)
    for name in ("kind_logits", "target_logits"):
        assert torch.equal(found[f"AutoModelForNextSentencePrediction.{name}"], expected[name])
    again = AutoModelForNextSentencePrediction.from_pretrained(tmp_path, trust_remote_code=True)
    assert again.predict(tokenizer, SESSION) == model.predict(tokenizer, SESSION)
