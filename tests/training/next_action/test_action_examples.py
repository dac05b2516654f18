"""Windows before actions: nothing of the action or later is in them, and they are what the tokenizer would cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import click, element, page, sessions, tiny_tokenizer, typed

from traceformers.modeling.rrweb_bert.modeling_rrweb_next_action import window_before
from traceformers.tokenization.rrweb.rrweb_windows import window_header
from traceformers.training.masked_lm.text_swap import TextSwap
from traceformers.training.next_action.action_examples import ActionCollator, ActionExamples, ActionNames, ActionWindows

NODES = [
    element(5, "button", "Pay now"),
    element(6, "input", type="text"),
    *(element(i, "p", f"word {i}") for i in range(10, 60)),
]
EVENTS = [
    *page(*NODES),
    click(5, 900),
    typed(6, "Ada", 1500),
    click(6, 2500),
    *page(*NODES[:9], href="https://b.test/", time=4000),
    click(5, 5000),
]


def tokenized(events=EVENTS):
    return tiny_tokenizer().tokenize_session(events)


def windows(events=EVENTS, max_length=48, **options):
    tokenizer = tiny_tokenizer()
    examples = ActionExamples([tokenized(events)], tokenizer)
    return ActionWindows(examples, examples.names(least=1), tokenizer.window_tokens, max_length, **options)


@given(sessions(), st.integers(16, 90), st.data())
def test_a_window_holds_nothing_of_the_event_or_later(events, max_length, data):
    tokenizer = tiny_tokenizer()
    whole = tokenizer.tokenize_session(events)
    event = data.draw(st.integers(0, len(whole.event_times_ms)))
    ids = window_before(whole, event, max_length, tokenizer.window_tokens)
    assert len(ids) <= max_length and ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id
    body = ids[ids.tolist().index(tokenizer.window_tokens.body) + 1 : -1]
    end = int(whole.event_offsets[event])
    assert body.tolist() == whole.ids[end - len(body) : end].tolist()
    # what comes later can change as it likes
    cut = tokenizer.tokenize_session(events)
    cut.ids = cut.ids.copy()
    cut.ids[end:] = 7
    cut.event_times_ms = np.where(np.arange(len(cut.event_times_ms)) < event, cut.event_times_ms, 10**8)
    assert window_before(cut, event, max_length, tokenizer.window_tokens).tolist() == ids.tolist()


@given(sessions(), st.integers(16, 90))
def test_the_header_is_the_tokenizers(events, max_length):
    tokenizer = tiny_tokenizer()
    whole = tokenizer.tokenize_session(events)
    for event in range(len(whole.event_times_ms) + 1):
        ids = window_before(whole, event, max_length, tokenizer.window_tokens)
        n_header = ids.tolist().index(tokenizer.window_tokens.body) + 1
        start = int(whole.event_offsets[event]) - (len(ids) - n_header - 1)
        assert ids[:n_header].tolist() == window_header(whole, start, max_length, tokenizer.window_tokens).tolist()


def test_a_window_is_as_long_as_event_borders_allow():
    whole, tokens = tokenized(), tiny_tokenizer().window_tokens
    for event in range(3, len(whole.event_times_ms)):
        ids = window_before(whole, event, 64, tokens)
        n_body = len(ids) - ids.tolist().index(tokens.body) - 2
        start = int(whole.event_offsets[event]) - n_body
        assert start in whole.event_offsets or start in whole.node_offsets
        before = [int(b) for b in whole.event_offsets if b < start]
        if before and start in whole.event_offsets:  # one event more would not fit
            assert len(window_header(whole, before[-1], 64, tokens)) + n_body + start - before[-1] + 1 > 64


def test_an_event_that_is_not_there_and_a_window_too_short_are_refused():
    tokens = tiny_tokenizer().window_tokens
    with pytest.raises(ValueError, match="Expected an event between 0 and 8, got 9"):
        window_before(tokenized(), 9, 64, tokens)
    with pytest.raises(ValueError, match="Expected max_length >= 16, got 15"):
        window_before(tokenized(), 1, 15, tokens)


def test_each_action_is_an_example_with_its_names():
    found = windows()
    assert [found.names.kinds[k] for k, _ in found.labels] == ["click", "type", "click", "click"]
    assert [found.names.targets[t] for _, t in found.labels] == ["button", "input:text", "input:text", "button"]
    log = tiny_tokenizer().decode(found[1]["ids"].tolist())
    assert "click button" in log and "typed" not in log


def test_rare_targets_are_other_and_unknown_kinds_have_no_label():
    tokenizer = tiny_tokenizer()
    examples = ActionExamples([tokenized()], tokenizer)
    assert examples.names(least=3).targets == ("other", "none")
    assert ActionNames(("type",), ("other", "button")).numbers(examples.actions).tolist() == [
        [-100, 1],
        [0, 0],
        [-100, 0],
        [-100, 1],
    ]
    with pytest.raises(ValueError, match="found none in 1 sessions"):
        ActionExamples([tokenized(page(*NODES))], tokenizer).names()


def test_words_are_swapped_anew_each_epoch_and_the_same_for_a_seed():
    tokenizer = tiny_tokenizer()
    swap = TextSwap(tokenizer.structural_vocab_size, tokenizer.vocab_size, windows=1.0)
    first, again = (windows(shuffled=True, swap=swap, seed=1) for _ in range(2))
    rows = [item["ids"].tolist() for item in first]
    assert rows == [item["ids"].tolist() for item in again]
    assert sorted(rows) != sorted(item["ids"].tolist() for item in windows())
    first.set_epoch(1)
    assert sorted(rows) != sorted(item["ids"].tolist() for item in first)


def test_every_example_is_read_once_an_epoch_in_another_order():
    events = [*page(*NODES), *(click(5, 900 * n) for n in range(1, 30))]
    plain, shuffled = windows(events), windows(events, shuffled=True)
    orders = []
    for epoch in (0, 1, 0):
        shuffled.set_epoch(epoch)
        orders.append([item["ids"].tolist() for item in shuffled])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(item["ids"].tolist() for item in plain)
    found = [(item["ids"].tolist(), item["labels"].tolist()) for item in shuffled]
    assert sorted(found) == sorted((item["ids"].tolist(), item["labels"].tolist()) for item in plain)


def test_a_batch_is_one_row_with_borders():
    found = windows()
    items = [found[i] for i in range(3)]
    batch = ActionCollator(520)(items)
    assert batch["input_ids"].shape == (1, sum(len(item["ids"]) for item in items))
    assert batch["cu_seq_lens_q"].diff().tolist() == [len(item["ids"]) for item in items]
    assert batch["labels"].tolist() == found.labels[:3].tolist()
    assert batch["position_ids"][0, int(batch["cu_seq_lens_q"][1])] == 0
