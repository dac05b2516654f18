"""Vectors of events and what is read from them: the user's part, a burst, how often."""

import numpy as np
import pytest
import torch
from tiny_rrweb import click, element, page, tiny_tokenizer, typed

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertModel
from traceformers.training.session_probes.event_readout import EventReadout
from traceformers.training.session_probes.event_vectors import (
    GAP,
    KIND,
    REST,
    SessionEvents,
    event_vectors,
    event_weights,
    outline,
    parts_of,
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = RRWebBertConfig(
        vocab_size=len(tiny_tokenizer()), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    return RRWebBertModel._from_config(config, attn_implementation="sdpa_varlen").eval()


def form(clicks=3, every_ms=400):
    nodes = [
        element(10, "button", "Buy now"),
        element(11, "input", type="text"),
        *[element(20 + i, "p", "Milk") for i in range(9)],
    ]
    return [*page(*nodes), typed(11, "ada", 100), *[click(10, 200 + i * every_ms) for i in range(clicks)]]


def test_an_outline_keeps_every_event_and_cuts_pages_short():
    tokenizer = tiny_tokenizer()
    whole = tokenizer.tokenize_session(form())
    brief = outline(whole, tokenizer)
    lengths, most = np.diff(brief.event_offsets.astype(int)), np.diff(whole.event_offsets.astype(int))
    assert len(lengths) == len(most)
    assert lengths[1] == 2 < most[1]
    assert (lengths[2:] == most[2:]).all()
    for first, start, length in zip(brief.event_offsets, whole.event_offsets, lengths, strict=False):
        assert (brief.ids[first : first + length] == whole.ids[start : start + length]).all()


def test_the_same_done_again_counts_less_and_pages_nothing():
    tokenizer = tiny_tokenizer()
    weights = event_weights(outline(tokenizer.tokenize_session(form(clicks=4)), tokenizer), tokenizer)
    assert weights[1] == 0
    assert weights[2] == 1  # typed once
    assert np.allclose(weights[3:], (1 + np.log(4)) / 4)


def test_events_have_the_vectors_of_their_tokens(model):
    tokenizer = tiny_tokenizer()
    (events,) = event_vectors(model, tokenizer, [form()])
    brief = outline(tokenizer.tokenize_session(form()), tokenizer)
    assert events.parts.shape == (len(brief.event_times_ms), 7, 16)
    assert events.seconds.tolist() == (brief.event_times_ms / 1000).tolist()
    table = model.get_input_embeddings()
    types = model.embeddings.token_type_embeddings
    offsets, ids = brief.event_offsets.astype(int), torch.from_numpy(brief.ids.astype(np.int64))
    with torch.no_grad():
        embedded = model.embeddings.norm(table(ids) + types((ids >= tokenizer.structural_vocab_size).long())).numpy()
    at = parts_of(2).index
    assert np.allclose(events.parts[:, at((0, GAP))], embedded[offsets[:-1]], atol=2e-3)
    assert np.allclose(events.parts[:, at((0, KIND))], embedded[offsets[:-1] + 1], atol=2e-3)


def test_a_session_has_the_same_vectors_beside_others(model):
    tokenizer = tiny_tokenizer()
    alone, beside = (list(event_vectors(model, tokenizer, batch))[-1] for batch in ([form(5)], [form(2), form(5)]))
    assert np.array_equal(alone.parts, beside.parts)


def test_a_burst_is_seen_however_long_the_session(model):
    tokenizer = tiny_tokenizer()
    calm, burst = (next(event_vectors(model, tokenizer, [form(8, every)])) for every in (4000, 50))
    readout = EventReadout(2, clusters=4).fit([calm, burst])
    width = 2 * 16
    vectors = readout.transform([calm, burst])
    assert vectors.shape[0] == 2
    book = len(readout.centres[1])  # layer 1: contexts are alike, only times differ
    start = width + 3 * len(readout.centres[0])
    fullest = vectors[:, start + book : start + 2 * book].max(1)  # within 1.5 s
    assert fullest[1] > fullest[0]


def test_counts_are_logarithms_of_events():
    rng = np.random.default_rng(0)
    session = SessionEvents(rng.normal(size=(9, 7, 4)).astype(np.float16), np.arange(9.0), np.ones(9, np.float32))
    readout = EventReadout(2, clusters=3).fit([session])
    vector = readout.transform([session])[0]
    book = len(readout.centres[0])
    assert np.isclose(np.expm1(vector[8 : 8 + book]).sum(), 9)
    assert (np.expm1(vector[8 + book : 8 + 2 * book]) <= 2 + 1e-6).all()  # two events in 1.5 s at most


def test_no_events_nothing_learned_and_an_empty_session_still_has_a_vector():
    empty = SessionEvents(np.zeros((0, 7, 4), np.float16), np.zeros(0), np.zeros(0, np.float32))
    with pytest.raises(ValueError, match="found none"):
        EventReadout(2).fit([empty])
    full = SessionEvents(np.ones((3, 7, 4), np.float16), np.arange(3.0), np.ones(3, np.float32))
    assert np.isfinite(EventReadout(2).fit([full]).transform([empty, full])).all()


def test_parts_are_of_the_embeddings_the_first_and_a_middle_layer():
    assert parts_of(12)[-1] == (8, REST)
    assert {layer for layer, _ in parts_of(3)} == {0, 1, 2}
