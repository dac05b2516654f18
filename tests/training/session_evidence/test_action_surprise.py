"""Actions and their surprise: grouped with all their events, masked together, the same whatever the batch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from tiny_rrweb import SOURCE, click, element, incremental, interaction, page, sessions, tiny_tokenizer, typed

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM
from traceformers.training.session_evidence.action_surprise import action_surprise, masked_row
from traceformers.training.session_evidence.session_actions import DEAD, RAGE, RETYPED, action_groups, session_actions
from traceformers.training.session_evidence.session_trace import trace_of

SHOP = page(element(5, "button", "Save"), element(6, "input", type="text", name="city"))


def press(time, node=5):
    """Returns what a real click consists of."""
    return [interaction(kind, node, time + 10 * i, x=100, y=100) for i, kind in enumerate((1, 5, 0, 2))]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    tok = tiny_tokenizer()
    config = RRWebBertConfig(
        vocab_size=len(tok),
        structural_vocab_size=tok.structural_vocab_size,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=256,
    )
    return RRWebBertForMaskedLM(config).eval()


# -- actions --------------------------------------------------------------------------------------------------


def test_press_and_release_are_one_action_called_by_its_click():
    (opened, pressed) = session_actions([*SHOP, *press(1000)])
    assert opened.action.startswith("page") and pressed.action.startswith("click")
    assert pressed.target == 'button "Save"' and len(pressed.events) == 4


def test_two_presses_are_two_actions_and_so_are_two_clicks_without_press():
    assert len(session_actions([*SHOP, *press(1000), *press(1100)])) == 3
    assert len(session_actions([*SHOP, click(5, 1000), click(5, 1100)])) == 3


def test_keys_in_one_field_are_one_action():
    actions = session_actions([*SHOP, *(typed(6, "x" * n, 1000 + 50 * n) for n in range(1, 9))])
    assert [action.action.split(" ")[0] for action in actions] == ["page", "input"]
    assert actions[1].action.endswith("in 8 steps")


def test_focus_alone_is_no_action():
    assert len(session_actions([*SHOP, interaction(5, 6, 1000), interaction(6, 6, 3000)])) == 1


@given(sessions())
def test_no_event_is_in_two_actions_and_times_ascend(events):
    trace = trace_of(events, tiny_tokenizer())
    found = [i for group in action_groups(trace) for i in group]
    assert len(found) == len(set(found))
    assert set(trace.actions.tolist()) <= set(found)
    seconds = [action.seconds for action in session_actions(trace)]
    assert seconds == sorted(seconds)


def test_flags_stand_where_the_rules_find_something():
    events = [*SHOP, *press(1000), *press(1300), *press(1600), typed(6, "berlin", 9000), typed(6, "", 9500),
              typed(6, "rome", 9900), incremental(3, 60_000, id=1, x=0, y=500)]  # fmt: skip
    flags = [action.flags for action in session_actions(events)]
    assert flags[0] == [] and all(set(found) == {RAGE, DEAD} for found in flags[1:4]) and flags[4] == [RETYPED]


def test_a_long_session_is_thinned_evenly():
    events = [*SHOP, *(click(5, 1000 + 5000 * n) for n in range(99))]
    kept = session_actions(events, most_actions=10)
    assert len(kept) == 10 and kept[0].seconds == 0.0 and kept[-1].seconds == pytest.approx(491.0)


# -- surprise -------------------------------------------------------------------------------------------------


def test_every_action_has_bits_and_they_are_near_those_of_guessing(model):
    actions = action_surprise(model, tiny_tokenizer(), SOURCE, context_tokens=128)
    bits = np.array([action.surprise_bits for action in actions])
    assert len(bits) > 5 and np.isfinite(bits).all()
    assert abs(bits.mean() - np.log2(len(tiny_tokenizer()))) < 1.0


def test_bits_do_not_depend_on_the_batch(model):
    alone = action_surprise(model, tiny_tokenizer(), SOURCE, context_tokens=128, rows_per_forward=1)
    together = action_surprise(model, tiny_tokenizer(), SOURCE, context_tokens=128, rows_per_forward=64)
    assert [a.surprise_bits for a in alone] == pytest.approx([a.surprise_bits for a in together], abs=1e-3)


def test_bits_are_the_cross_entropy_of_the_whole_logits(model):
    tok, trace = tiny_tokenizer(), trace_of([*SHOP, *press(1000)], tiny_tokenizer())
    action = action_surprise(model, tok, trace, context_tokens=128)[1]
    ids, first, last = masked_row(trace, action.events, 128)
    masked = torch.tensor(ids)[None].clone()
    types = (masked >= tok.structural_vocab_size).long()
    masked[0, first:last] = tok.mask_token_id
    with torch.no_grad():
        logits = model(input_ids=masked, token_type_ids=types).logits[0, first:last]
    nats = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[first:last]))
    assert action.surprise_bits == pytest.approx(float(nats) / np.log(2), abs=1e-3)
    assert action.n_tokens == last - first


def test_a_row_holds_the_action_once_and_fits_the_context():
    trace = trace_of(SOURCE, tiny_tokenizer())
    window = tiny_tokenizer().window_tokens
    for events in action_groups(trace):
        ids, first, last = masked_row(trace, events, 96)
        offsets = trace.tokens.event_offsets
        own = np.concatenate([trace.tokens.ids[offsets[i] : offsets[i + 1]] for i in events])[: 96 // 3]
        assert len(ids) <= 96 and ids[0] == window.cls and ids[-1] == window.sep
        assert ids[first:last].tolist() == own.tolist()


def test_what_cannot_be_scored_is_refused(model):
    with pytest.raises(ValueError, match="context_tokens between 64 and 256"):
        action_surprise(model, tiny_tokenizer(), SHOP, context_tokens=512)
    with pytest.raises(ValueError, match="the model's tokenizer"):
        action_surprise(model, tiny_tokenizer(), trace_of(SHOP), context_tokens=128)
