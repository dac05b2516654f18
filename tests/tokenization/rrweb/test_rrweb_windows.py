from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import SOURCE, click, element, meta, names, page, sessions, snapshot, tiny_tokenizer

from traceformers.tokenization.rrweb.rrweb_windows import SHORTEST_WINDOW, cut_windows, draw_window

LENGTHS = st.sampled_from([SHORTEST_WINDOW, 17, 24, 40, 64, 100, 257, 2048])


class Rigged:
    """Stands for a generator whose next integer is known."""

    def __init__(self, share):
        self.share = share

    def integers(self, low, high):
        return low + min(int(self.share * (high - low)), high - low - 1)


def tokenized(events):
    tok = tiny_tokenizer()
    return tok.tokenize_session(events), tok.window_tokens


@given(sessions(largest_event=40), LENGTHS)
def test_windows_without_headers_are_the_session(events, length):
    session, tokens = tokenized(events)
    windows, headers = cut_windows(session, length, tokens)
    bodies = [window[header:-1] for window, header in zip(windows, headers, strict=True)]
    assert np.array_equal(np.concatenate(bodies), session.ids)
    assert all(len(body) for body in bodies)


@given(sessions(largest_event=40), LENGTHS)
def test_every_window_fits_and_is_framed(events, length):
    session, tokens = tokenized(events)
    windows, headers = cut_windows(session, length, tokens)
    for number, (window, header) in enumerate(zip(windows, headers, strict=True)):
        assert len(window) <= length and window.dtype == np.uint16
        assert window[0] == tokens.cls and window[-1] == tokens.sep and window[header - 1] == tokens.body
        assert not {tokens.cls, tokens.sep, tokens.body} & set(window[header:-1].tolist())
        assert (header == 2) == (number == 0)


@given(sessions(largest_event=40), LENGTHS)
def test_only_an_event_larger_than_a_window_is_divided_and_then_between_nodes(events, length):
    session, tokens = tokenized(events)
    windows, headers = cut_windows(session, length, tokens)
    borders, nodes = session.event_offsets.tolist(), session.node_offsets.tolist()
    at = 0
    for window, header in zip(windows, headers, strict=True):
        continued = tokens.continued in window[:header].tolist()
        assert continued == (at not in borders)
        if continued:
            event = np.searchsorted(borders, at, side="right") - 1
            assert borders[event + 1] - borders[event] > length - header - 1 - 12
            node = np.searchsorted(nodes, at, side="right") - 1
            if at not in nodes:
                assert nodes[node + 1] - nodes[node] > length // 2 - 8, "a node is divided only if it is too long"
        at += len(window) - header - 1


@given(sessions(largest_event=40), LENGTHS, st.floats(0, 1, exclude_max=True))
def test_a_drawn_window_is_a_piece_of_the_session_and_fits(events, length, share):
    session, tokens = tokenized(events)
    window = draw_window(session, length, tokens, Rigged(share))
    body = window[window.tolist().index(tokens.body) + 1 : -1]
    assert len(window) <= length and window[0] == tokens.cls and window[-1] == tokens.sep
    ids = session.ids.tolist()
    nodes = session.node_offsets.tolist()
    long = [s for a, b in pairwise(nodes) if b - a > length // 3 for s in range(a, b)]
    starts = [s for s in [*nodes, *long] if ids[s : s + len(body)] == body.tolist()]
    assert body.size and starts, "it begins on an event or node border, or inside a node too long for it"


@pytest.mark.parametrize("length", [64, 250])
def test_every_token_of_a_session_can_be_drawn(length):
    session, tokens = tokenized(SOURCE)
    drawn = np.zeros(len(session.ids), dtype=bool)
    for share in np.linspace(0, 1, len(session.ids) + 2)[:-1]:
        window = draw_window(session, length, tokens, Rigged(share)).tolist()
        body = window[window.index(tokens.body) + 1 : -1]
        ids = session.ids.tolist()
        for start in range(len(ids)):
            if ids[start : start + len(body)] == body:
                drawn[start : start + len(body)] = True
    assert drawn.all(), f"never drawn: {np.flatnonzero(~drawn)}"


def test_windows_of_a_session_that_fits_are_that_session():
    session, tokens = tokenized(page(element(10, "p", "Hi")))
    whole = [tokens.cls, tokens.body, *session.ids.tolist(), tokens.sep]
    assert [w.tolist() for w in cut_windows(session, 2048, tokens)[0]] == [whole]
    assert draw_window(session, 2048, tokens, np.random.default_rng(0)).tolist() == whole


def test_draws_differ_and_are_repeated_by_the_seed():
    session, tokens = tokenized(SOURCE)
    first = [draw_window(session, 200, tokens, np.random.default_rng(s)).tolist() for s in range(10)]
    again = [draw_window(session, 200, tokens, np.random.default_rng(s)).tolist() for s in range(10)]
    assert first == again and len({tuple(w) for w in first}) > 3


def test_a_header_says_how_long_where_and_in_which_viewport():
    session, tokens = tokenized([*page(element(10, "button", "Pay")), *(click(10, 100 * i) for i in range(1, 40))])
    windows, headers = cut_windows(session, 200, tokens)
    header = names(windows[1][: headers[1]])
    assert header[:2] == ["[CLS]", "[elapsed]"] and header[2].startswith("[gap:")
    assert header[3:] == ["[page]", '"shop.test/cart"', "[width:7]", "[height:4]", "[body]"]


def test_a_page_is_divided_between_its_nodes_and_says_so():
    rows = [element(20 + i, "p", f"Row {i}") for i in range(60)]
    session, tokens = tokenized([meta(), snapshot(*rows)])
    windows, headers = cut_windows(session, 64, tokens)
    for window, header in list(zip(windows, headers, strict=True))[1:]:
        assert names(window[:header])[-3:] == ["[continued]", "[event:FullSnapshot]", "[body]"]
        assert names(window[header : header + 1]) == ["[tag:p]"]


def test_the_rest_of_an_event_of_another_browser_window_says_of_which():
    rows = [element(20 + i, "p", f"Row {i}") for i in range(60)]
    events = [meta() | {"windowId": "a"}, meta(time=5) | {"windowId": "b"}, snapshot(*rows) | {"windowId": "a"}]
    session, tokens = tokenized(events)
    windows, headers = cut_windows(session, 64, tokens)
    last = names(windows[-1][: headers[-1]])
    assert last[-5:] == ["[continued]", "[switch]", "[count:1]", "[event:FullSnapshot]", "[body]"]


@pytest.mark.parametrize("length", [0, 3, SHORTEST_WINDOW - 1])
def test_too_short_windows_are_refused(length):
    session, tokens = tokenized(page())
    for cut in (lambda: cut_windows(session, length, tokens), lambda: draw_window(session, length, tokens, Rigged(0))):
        with pytest.raises(ValueError, match=f"max_length >= {SHORTEST_WINDOW}, got {length}"):
            cut()
