"""Counters: the same names for every session, finite, and right where they can be counted by hand."""

import numpy as np
from hypothesis import given
from tiny_rrweb import SOURCE, click, element, event, moved, page, sessions, typed

from traceformers.training.session_evidence.session_counters import session_counters

SHOP = page(element(5, "button", "Save"), element(6, "input", type="text"))
NAMES = set(session_counters(SHOP))


@given(sessions())
def test_every_session_has_all_counters_and_they_are_finite(events):
    counters = session_counters(events)
    assert set(counters) == NAMES
    assert all(isinstance(value, float) and np.isfinite(value) for value in counters.values())


def test_a_session_of_one_event_has_them_too():
    assert session_counters([event(4, {"href": "https://a.test/", "width": 1, "height": 1})])["events"] == 1.0


def test_counts_are_those_of_the_events():
    events = [*SHOP, click(5, 2000), click(5, 2300), typed(6, "a", 6000), typed(6, "ab", 6100)]
    counters = session_counters(events)
    assert (counters["clicks"], counters["inputs"], counters["fields"], counters["pages"]) == (2, 2, 1, 1)
    assert (counters["steps"], counters["clicks_per_step"]) == (3, 2 / 3)
    assert counters["duration_s"] == 6.1
    assert counters["characters_per_input"] == 1.0


def test_a_click_where_no_pointer_was_is_a_scripts():
    by_hand = [*SHOP, moved([(630, 395, 5)], time=1900), click(5, 2000)]
    assert session_counters(by_hand)["clicks_without_pointer"] == 0.0
    assert session_counters([*SHOP, click(5, 2000)])["clicks_without_pointer"] == 1.0
    assert session_counters([*SHOP, click(5, 2000, pointerType=2)])["clicks_without_pointer"] == 0.0


def test_a_recording_in_a_file_is_read():
    assert session_counters(SOURCE)["events"] > 50
