"""Thinning: short sessions stay as they are, long ones keep whole events from their beginning to their end."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_corpus import random_session
from tiny_rrweb import click, page, tiny_tokenizer

from traceformers.apps.sessions.session_thinning import STRETCHES, thinned


def pieces(session):
    """Returns the tokens of each event with its time and page."""
    offsets = session.event_offsets.tolist()
    bodies = [tuple(session.ids[a:b].tolist()) for a, b in pairwise(offsets)]
    return list(zip(session.event_times_ms.tolist(), session.context_of_event.tolist(), bodies, strict=True))


def test_a_session_that_is_short_enough_comes_back_as_it_is():
    session = random_session(np.random.default_rng(0))
    assert thinned(session, len(session)) is session


@given(st.integers(0, 1000), st.integers(STRETCHES, 2000), st.integers(1, 200))
def test_what_is_kept_is_in_order_of_this_session_and_no_more_than_asked(seed, most, n_events):
    session = random_session(np.random.default_rng(seed), n_events=n_events, largest_event=30)
    short = thinned(session, most)
    assert len(short) <= max(most, 0) and len(short.event_offsets) == len(short.event_times_ms) + 1
    assert short.event_offsets[0] == 0 and short.event_offsets[-1] == len(short.ids)
    assert set(short.event_offsets.tolist()) <= set(short.node_offsets.tolist())
    whole = {(time, context): body for time, context, body in pieces(session)}
    for time, context, body in pieces(short):
        assert body and whole[time, context][: len(body)] == body


def test_beginning_middle_and_end_are_kept():
    session = random_session(np.random.default_rng(0), n_events=3000)
    times = thinned(session, 4000).event_times_ms / session.event_times_ms[-1]
    assert times[0] == 0 and times[-1] > 0.9
    assert np.diff(times).max() < 2 / STRETCHES


@pytest.mark.parametrize("most", [64, 500])
def test_windows_are_cut_from_it_as_from_any_other(most):
    tok = tiny_tokenizer()
    session = tok.tokenize_session([*page(), *(click(3, 1000 * n) for n in range(1, 400))])
    rows = tok.windows(thinned(session, most), max_length=64, return_header_lengths=True)
    bodies = [row[start:-1] for row, start in zip(rows["input_ids"], rows["header_lengths"], strict=True)]
    assert sum(map(len, bodies)) == len(thinned(session, most)) <= most
