"""Activity from raw events: flood, presence, tabs, private windows, several computers, hostile events."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.datasets_scripts.activitywatch.aw_events import (
    activity_events,
    browser_of_bucket,
    event_time,
    flood,
    intersect,
    is_browser,
    known_host,
    union,
)

NOON = event_time("2026-03-02T12:00:00Z")


def event(minute, minutes, **data):
    """Returns a raw event that begins so many minutes after noon."""
    hours, rest = divmod(minute, 60)
    return {"timestamp": f"2026-03-02T{12 + hours:02}:{rest:02}:00+00:00", "duration": minutes * 60.0, "data": data}


def bucket(kind, *events, host="desk"):
    return {"type": kind, "hostname": host, "events": list(events)}


def window(*events, host="desk"):
    return bucket("currentwindow", *events, host=host)


def afk(*events, host="desk"):
    return bucket("afkstatus", *events, host=host)


def browser(*events, host="desk"):
    return bucket("web.tab.current", *events, host=host)


def activity(buckets, **options):
    """Returns (minute, minutes, app, title, url) of each event."""
    return [
        ((made.started_at - NOON) / 60_000, made.duration / 60, made.app, made.title, made.url)
        for made in activity_events(buckets, **options)
    ]


# -- times ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T12:00:00Z",
        "2026-03-02T12:00:00.000000+00:00",
        "2026-03-02T12:00:00",  # without an offset: UTC
        "2026-03-02T17:45:00+05:45",  # Nepal
        "2026-03-02T08:30:00-03:30",  # Newfoundland
        "2026-03-02T12:00:00.000000000Z",  # nanoseconds, as the Rust server writes them
    ],
)
def test_one_moment_is_one_number_however_it_is_written(text):
    assert event_time(text) == NOON


def test_an_hour_that_comes_twice_in_autumn_is_two_hours():
    first, second = event_time("2026-10-25T02:30:00+02:00"), event_time("2026-10-25T02:30:00+01:00")
    assert second - first == 3_600_000


@pytest.mark.parametrize(
    "wrong", [None, 5, "", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31"]
)
def test_what_is_no_time_is_refused(wrong):
    with pytest.raises(ValueError, match=r"time|isoformat|month"):
        event_time(wrong)


# -- spans ----------------------------------------------------------------------------------------------------------


def test_short_gaps_are_filled_and_long_ones_are_left():
    assert flood([(0, 1000, "a"), (3000, 4000, "a")]) == [(0, 4000, "a")]
    assert flood([(0, 1000, "a"), (3000, 4000, "b")]) == [(0, 2000, "a"), (2000, 4000, "b")]
    assert flood([(0, 1000, "a"), (9000, 9500, "a")]) == [(0, 1000, "a"), (9000, 9500, "a")]


def test_of_overlapping_events_the_later_one_has_the_time():
    assert flood([(0, 5000, "a"), (3000, 6000, "b")]) == [(0, 3000, "a"), (3000, 6000, "b")]
    assert flood([(0, 5000, "a"), (3000, 6000, "a")]) == [(0, 6000, "a")]


def test_an_event_without_duration_takes_no_time_and_gets_the_gap_beside_it():
    assert flood([(0, 5000, "a"), (3000, 3000, "b")]) == [(0, 5000, "a")]
    assert flood([(0, 0, "a"), (4000, 9000, "b")]) == [(0, 2000, "a"), (2000, 9000, "b")]
    assert flood([(0, 0, "a")]) == []


spans = st.lists(
    st.tuples(st.integers(0, 60_000), st.integers(0, 20_000), st.sampled_from("abc")).map(
        lambda drawn: (drawn[0], drawn[0] + drawn[1], drawn[2])
    ),
    max_size=12,
)


@given(spans, st.randoms(use_true_random=False))
def test_flooded_spans_never_overlap_and_do_not_depend_on_the_order(drawn, shuffler):
    flooded = flood(drawn)
    assert all(end > start for start, end, _ in flooded)
    assert all(first[1] <= second[0] for first, second in pairwise(flooded))
    shuffled = list(drawn)
    shuffler.shuffle(shuffled)
    assert flood(shuffled) == flooded


@given(spans, spans)
def test_an_intersection_is_exactly_the_time_in_both(first, second):
    first, periods = flood(first), union(second)
    moments = {time for span in [*first, *periods] for time in span[:2]}
    made = list(intersect(first, periods))
    for moment in moments:
        inside = [what for start, end, what in first if start <= moment < end]
        present = any(start <= moment < end for start, end, _ in periods)
        assert [what for start, end, what in made if start <= moment < end] == (inside if present else [])


# -- what becomes of events -----------------------------------------------------------------------------------------


def test_time_away_is_left_out():
    dropped = Counter()
    found = activity(
        {
            "w_desk": window(event(0, 60, app="Code", title="x")),
            "a_desk": afk(event(0, 20, status="not-afk"), event(20, 30, status="afk"), event(50, 10, status="not-afk")),
        },
        dropped=dropped,
    )
    assert found == [(0, 20, "Code", "x", None), (50, 10, "Code", "x", None)]
    assert dropped == {"seconds away from the computer": 1800}


def test_a_tab_with_sound_in_the_focused_browser_counts_as_being_there():
    tab = {"url": "https://v.example/1", "title": "Lecture", "incognito": False}
    buckets = {
        "w_desk": window(event(0, 40, app="Firefox", title="Lecture — Mozilla Firefox"), event(40, 20, app="Code")),
        "a_desk": afk(event(0, 60, status="afk")),
    }
    silent = {**buckets, "aw-watcher-web-firefox_desk": browser(event(0, 60, **tab, audible=False))}
    loud = {**buckets, "aw-watcher-web-firefox_desk": browser(event(0, 60, **tab, audible=True))}
    assert activity(silent) == []
    # in the editor the sound goes on, but nobody is there
    assert activity(loud) == [(0, 40, "Firefox", "Lecture", "https://v.example/1")]


def test_a_window_is_cut_where_its_tab_changes_and_keeps_its_title_where_no_tab_is_known():
    found = activity(
        {
            "w_desk": window(event(0, 30, app="Google Chrome", title="Page")),
            "aw-watcher-web-chrome_desk": browser(
                event(5, 10, url="https://a.example", title="A"), event(15, 5, url="https://b.example", title="B")
            ),
        }
    )
    assert [(start, length, title, url) for start, length, _, title, url in found] == [
        (0, 5, "Page", None),
        (5, 10, "A", "https://a.example"),
        (15, 5, "B", "https://b.example"),
        (20, 10, "Page", None),
    ]


def test_tabs_of_another_browser_are_not_joined():
    found = activity(
        {
            "w_desk": window(event(0, 10, app="firefox.exe", title="Page")),
            "aw-watcher-web-chrome_desk": browser(event(0, 10, url="https://a.example", title="A")),
        }
    )
    assert found == [(0, 10, "firefox.exe", "Page", None)]


def test_private_tabs_and_windows_never_come_out():
    dropped = Counter()
    found = activity(
        {
            "w_desk": window(
                event(0, 10, app="Firefox", title="Secret — Mozilla Firefox"),
                event(10, 10, app="Firefox", title="Other secret — Mozilla Firefox Private Browsing"),
                event(20, 10, app="chrome.exe", title="Third secret - Google Chrome (Incognito)"),
                event(30, 10, app="msedge.exe", title="Fourth secret - [InPrivate] - Microsoft Edge"),
                event(40, 10, app="Notes", title="About Private Browsing"),
                event(50, 10, app="chrome.exe", title="A guide to private browsing - Google Chrome"),
            ),
            "aw-watcher-web-firefox_desk": browser(
                event(0, 10, url="https://secret.example", title="Secret", incognito=True)
            ),
        },
        dropped=dropped,
    )
    assert [made[2:4] for made in found] == [
        ("Notes", "About Private Browsing"),
        ("chrome.exe", "A guide to private browsing - Google Chrome"),
    ]
    assert dropped == {"private tab": 1, "private window": 3}


def test_without_an_afk_bucket_all_time_counts():
    assert activity({"w": window(event(0, 5, app="x"))}) == [(0, 5, "x", "", None)]


def test_without_a_window_bucket_the_tabs_are_the_activity():
    found = activity(
        {"aw-watcher-web-firefox": browser(event(0, 5, url="https://a.example", title="A"), host="unknown")}
    )
    assert found == [(0, 5, "firefox", "A", "https://a.example")]


@pytest.mark.parametrize("host", ["unknown", None, "", "None"])
def test_buckets_of_an_unknown_host_belong_to_the_only_computer(host):
    found = activity(
        {
            "aw-watcher-window_desk": window(event(0, 10, app="Firefox", title="t")),
            "aw-watcher-afk_unknown": afk(event(0, 5, status="not-afk"), host=host),
            "aw-watcher-web-firefox": browser(event(0, 10, url="https://a.example", title="A"), host=host),
        }
    )
    assert found == [(0, 5, "Firefox", "A", "https://a.example")]


def test_a_host_is_named_by_the_bucket_if_it_does_not_say_so_itself():
    assert known_host("aw-watcher-window_desk", None) == "desk"
    assert known_host("aw-watcher-window_unknown", "unknown") is None
    assert known_host("aw-watcher-web-firefox", "laptop") == "laptop"


def test_two_computers_do_not_share_their_presence():
    found = list(
        activity_events(
            {
                "w_desk": window(event(0, 10, app="a")),
                "afk_desk": afk(event(0, 10, status="not-afk")),
                "w_lap": window(event(0, 10, app="b"), host="lap"),
                "afk_lap": afk(event(0, 10, status="afk"), host="lap"),
            }
        )
    )
    assert [(made.source, made.app) for made in found] == [("w_desk", "a")]


def test_faulty_events_are_left_out_and_counted():
    dropped = Counter()
    good = event(0, 5, app="x")
    faulty = [
        None,
        {},
        {**good, "timestamp": "soon"},
        {**good, "duration": -1},
        {**good, "duration": "long"},
        {**good, "duration": float("nan")},
        {**good, "duration": 1e12},
        {**good, "data": None},
        {**good, "data": {"app": 5}},
    ]
    assert activity({"w": window(good, *faulty)}, dropped=dropped) == [(0, 5, "x", "", None)]
    assert sum(dropped.values()) == len(faulty)


def test_a_missing_duration_is_none():
    assert activity(
        {"w": window({"timestamp": "2026-03-02T12:00:00Z", "data": {"app": "x"}}, event(5, 1, app="y"))}
    ) == [(5, 1, "y", "", None)]


def test_texts_come_out_fit_for_every_database():
    (made,) = activity_events({"w": window(event(0, 5, app="a\0b", title="half \ud83d of a pair"))})
    assert (made.app, made.title) == ("ab", "half \ufffd of a pair")


@pytest.mark.parametrize(
    ("app", "name", "expected"),
    [
        ("Google-chrome", "chrome", True),
        ("chromium.exe", "chrome", True),
        ("Firefox Developer Edition", "firefox", True),
        ("org.mozilla.firefox", "firefox", True),
        ("Microsoft Edge", "edge", True),
        ("Knowledge Base", "edge", False),
        ("search", "arc", False),
        ("Floorp", "floorp", True),  # not in the list: by its own name
    ],
)
def test_browsers_are_known_by_their_windows(app, name, expected):
    assert is_browser(app, name) is expected


def test_a_bucket_names_its_browser():
    assert browser_of_bucket("aw-watcher-web-firefox_desk") == "firefox"
    assert browser_of_bucket("aw-watcher-web-chrome") == "chrome"


texts = st.none() | st.integers() | st.text(max_size=6) | st.sampled_from(["Firefox", "Code", "afk", "not-afk"])
raw_events = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "timestamp": st.sampled_from(
            [f"2026-03-29T0{hour}:59:5{second}+01:00" for hour in range(4) for second in range(9)]
        )
        | st.text(max_size=5),
        "duration": st.floats(-10, 4000) | st.none() | st.text(max_size=3),
        "data": st.dictionaries(
            st.sampled_from(["app", "title", "url", "status", "audible", "incognito"]), texts | st.booleans()
        ),
    },
)


@given(
    st.dictionaries(
        st.sampled_from(["w_a", "w_b", "w_unknown", "f_a", "aw-watcher-web-firefox", "aw-watcher-web-chrome_b"]),
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(["currentwindow", "afkstatus", "web.tab.current", "x"]),
                "hostname": st.sampled_from(["a", "b", "unknown", None]),
                "events": st.lists(raw_events, max_size=6),
            }
        ),
        max_size=4,
    )
)
def test_whatever_comes_events_of_one_computer_never_overlap_and_reading_twice_gives_the_same(buckets):
    found = list(activity_events(buckets))
    by_source = {}
    for made in found:
        assert made.duration > 0
        by_source.setdefault(made.source, []).append(made)
    for made in by_source.values():
        assert all(one.started_at + one.duration * 1000 <= two.started_at + 0.5 for one, two in pairwise(made))
    shuffled = {
        name: {**each, "events": random.Random(1).sample(each["events"], len(each["events"]))}
        for name, each in buckets.items()
    }
    assert list(activity_events(shuffled)) == found
