"""The arrays of a session: an entry an event, and the words of the log."""

import numpy as np
import pytest
from hypothesis import given
from tiny_rrweb import click, element, event, meta, mutation, page, sessions, snapshot, tiny_tokenizer, typed

from traceformers.tokenization.rrweb.rrweb_json import SessionFormatError
from traceformers.training.session_evidence.session_trace import clock, trace_of

SHOP = page(element(5, "button", "Save"), element(6, "input", type="email", placeholder="Your e-mail"))


@given(sessions())
def test_every_session_has_an_entry_an_event(events):
    trace = trace_of(events, tiny_tokenizer())
    assert len(trace) == len(trace.tokens.event_offsets) - 1
    for column in (trace.seconds, trace.sources, trace.kinds, trace.nodes, trace.x, trace.windows, trace.new_page):
        assert len(column) == len(trace)
    assert (np.diff(trace.seconds) >= 0).all()
    for i in range(len(trace)):
        assert "\n" not in trace.words(i) and "\n" not in trace.target(i)


def test_a_trace_comes_back_as_it_is():
    trace = trace_of(SHOP)
    assert trace_of(trace) is trace


def test_words_are_those_of_the_log():
    trace = trace_of([*SHOP, click(5, 500)], tiny_tokenizer())
    line = tiny_tokenizer().log([*SHOP, click(5, 500)]).splitlines()[-1]
    assert line.endswith(trace.words(2)) and trace.words(2).startswith("click")
    assert trace.target(2) == 'button "Save"'


def test_targets_are_the_same_without_a_tokenizer():
    events = [*SHOP, click(5, 500), typed(6, "ann@mail.example", 900)]
    with_one, without = trace_of(events, tiny_tokenizer()), trace_of(events)
    assert [with_one.target(i) for i in (2, 3)] == [without.target(i) for i in (2, 3)]
    assert without.target(3) == 'input type=email "Your e-mail"'


def test_what_was_typed_is_in_no_word():
    trace = trace_of([*SHOP, typed(6, "walrus", 900), mutation(1000, texts=[{"id": 1005, "value": "Hello walrus"}])])
    assert not any("walrus" in trace.words(i) + trace.target(i) for i in range(len(trace)))


def test_an_address_is_without_query_and_fragment():
    trace = trace_of(page(element(5, "p", "x"), href="https://shop.test/a%20b?q=1#top"))
    assert trace.address(0) == "shop.test/a b"
    assert trace.site == "shop.test"


def test_a_checkout_is_no_new_page_and_another_address_is():
    events = [*SHOP, meta(time=500), snapshot(time=510), meta("https://shop.test/pay", time=900)]
    assert trace_of(events).new_page.tolist() == [True, False, False, False, True]


def test_the_response_is_counted_from_the_click_in_its_own_window():
    events = [*SHOP, click(5, 1000), mutation(1600, texts=[{"id": 1005, "value": "Saved"}])]
    trace = trace_of(events)
    assert trace.seconds_to_response(trace.seconds[[2]], np.array([0])) == pytest.approx([0.6])
    assert trace.seconds_to_response(trace.seconds[[2]], np.array([7])) == [np.inf]


def test_values_that_no_page_has_are_missing_not_an_error():
    strange = event(3, {"source": 10**9, "id": -4, "x": "a", "y": float("inf"), "positions": 3}, 700)
    way = event(3, {"source": 1, "positions": [None, {"x": 1}, {"x": 1, "y": 2, "timeOffset": -10}]}, 800)
    trace = trace_of([*SHOP, strange, event(99_999, {}, 750), way])
    assert (trace.sources[2], trace.nodes[2], trace.types[3]) == (-1, -1, -1)
    assert np.isnan(trace.x[2]) and len(trace.path) == 1


def test_what_is_no_recording_is_refused():
    with pytest.raises(SessionFormatError, match="expected rrweb events"):
        trace_of([{"no": "event"}])


def test_a_clock_shows_minutes_and_seconds():
    assert (clock(0), clock(61.9)) == ("0:00", "1:01")
