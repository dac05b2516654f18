"""Windows of activity: what came before, nothing that came after, and never the video that is judged."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.datasets_scripts.feed.feed_folder import table_of
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent
from traceformers.training.productive_feed.activity_window import ActivityEvents, ActivityWindow

HOUR = 3_600_000


def events_of(*rows):
    """Returns `ActivityEvents` of (start in ms, seconds, title, url) each."""
    return ActivityEvents.from_table(
        table_of(
            "events", [ActivityEvent("w", start, seconds, "app", title, url) for start, seconds, title, url in rows]
        )
    )


@given(
    starts=st.lists(st.integers(0, 100 * HOUR), max_size=30),
    moments=st.lists(st.integers(-HOUR, 101 * HOUR), min_size=1, max_size=5),
    hours=st.sampled_from([0.5, 6.0, 1000.0]),
    most=st.integers(1, 8),
)
def test_windows_are_those_of_a_loop_over_all_events(starts, moments, hours, most):
    events = events_of(*((start, 60.0 * (i % 5), f"title {i}", None) for i, start in enumerate(starts)))
    window = events.windows(moments, hours, most)
    for row, moment in enumerate(moments):
        before = [(start, i) for i, start in enumerate(starts) if moment - hours * HOUR <= start < moment]
        expected = sorted(before, reverse=True)[:most]
        found = window.event_index[row][window.mask[row]]
        titles = [events.distinct["title"][i] for i in found]
        assert titles == [f"title {i}" for _, i in expected]
        ends = [min(moment, start + 60_000 * (i % 5)) for start, i in expected]
        np.testing.assert_allclose(window.minutes_ago[row][window.mask[row]], [(moment - e) / 60_000 for e in ends])


def test_an_event_that_goes_on_counts_up_to_the_moment():
    window = events_of((0, 600.0, "long", None)).windows([60_000])
    assert window.seconds[0, 0] == 60 and window.minutes_ago[0, 0] == 0


def test_nothing_after_a_moment_changes_its_window():
    rows = [(0, 60.0, "a", None), (2 * HOUR, 60.0, "b", None)]
    one, both = events_of(rows[0]).windows([HOUR]), events_of(*rows).windows([HOUR])
    np.testing.assert_array_equal(one.mask, both.mask)
    np.testing.assert_array_equal(one.seconds, both.seconds)


def test_the_video_that_is_judged_is_no_activity_before_it():
    watch = "https://www.youtube.com/watch?t=3&v=abcdefghij-"
    rows = [(0, 60.0, "x", watch), (1, 60.0, "How to - YouTube — Firefox", None), (2, 60.0, "other - YouTube", None)]
    events = events_of(*rows)
    window = events.windows([HOUR, HOUR], video_ids=["abcdefghij-", "zzzzzzzzzzz"], titles=["How to", "?"])
    kept = [[events.distinct["title"][i] for i in row[row >= 0]] for row in window.event_index]
    assert kept == [["other - YouTube"], ["other - YouTube", "How to - YouTube — Firefox", "x"]]


def test_no_events_at_all_is_an_empty_window():
    events = ActivityEvents.from_table(table_of("events", []))
    window = events.windows([5, 6])
    assert window.mask.shape == (2, 1) and not window.mask.any() and (window.event_index == -1).all()


def test_a_part_of_a_window_is_only_as_wide_as_it_has_to_be():
    events = events_of(*((i * 60_000, 30.0, str(i), None) for i in range(10)))
    window = events.windows([60_000, 11 * 60_000])
    assert window.mask.shape == (2, 10) and window.rows([0]).mask.shape == (1, 1)
    np.testing.assert_array_equal(window.rows(np.array([False, True])).event_index, window.event_index[1:])


def test_from_table_gives_the_window_of_one_moment():
    table = table_of("events", [ActivityEvent("w", 0, 60.0, title="a", category=None)])
    window, events = ActivityWindow.from_table(table, 120_000)
    assert len(window) == 1 and window.minutes_ago[0, 0] == 1
    assert events.distinct["category"] == ["Uncategorized"]


def test_equal_events_are_stored_once_and_in_order():
    events = events_of((5, 1.0, "b", None), (3, 1.0, "a", "u"), (9, 1.0, "b", None))
    assert events.started_at.tolist() == [3, 5, 9] and events.distinct_count == 2
    assert [events.distinct["title"][i] for i in events.distinct_index] == ["a", "b", "b"]


@pytest.mark.parametrize("chunks", [1, 3])
def test_chunks_of_a_table_do_not_matter(chunks):
    table = table_of("events", [ActivityEvent("w", i, 1.0, title=str(i % 2)) for i in range(9)])
    parts = pa.concat_tables([table.slice(i * 9 // chunks, 9 // chunks) for i in range(chunks)])
    events = ActivityEvents.from_table(parts)
    assert events.distinct_count == 2 and len(events) == 9
