"""Activity from the raw events of ActivityWatch buckets: pure functions on lists, for exported files and live servers.

Window events are flooded (aw-core's rule for short gaps and overlaps), cut to the time in which the person was there
(not afk, or a tab with sound in the focused browser), joined with the tab that was open, and given a category.

A span is `(start, end, what)`: milliseconds, milliseconds, anything hashable. Lists of spans are sorted by start;
after `flood` they do not overlap.
"""

import math
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from traceformers.datasets_scripts.activitywatch.aw_categories import Categorizer
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent
from traceformers.datasets_scripts.youtube.export_text import clean_text

WINDOW, AFK, BROWSER = "currentwindow", "afkstatus", "web.tab.current"
PULSE_SECONDS = 5.0  # of aw-core's flood: gaps up to this belong to the events beside them
LONGEST_DAYS = 31  # a longer event is a fault of a clock
FIRST_TIME, LAST_TIME = 0, 7_258_118_400_000  # 1970 to 2200
EPOCH, MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)

# What a browser's windows are called: a bucket's browser → parts of names of apps, in lower case.
BROWSER_APPS = {
    "chrome": ("chrome", "chromium"),
    "firefox": ("firefox", "nightly", "librewolf", "waterfox", "zen"),
    "edge": ("msedge", "microsoft edge", "microsoft-edge"),
    "brave": ("brave",),
    "opera": ("opera",),
    "vivaldi": ("vivaldi",),
    "safari": ("safari",),
    "arc": ("arc",),
}
# Watchers in a browser do not run in private windows, the watcher of windows does: the end of the title tells.
PRIVATE_WINDOW = re.compile(
    r"(?:\((?:incognito|private|inkognito|incógnito|navigation privée|privat|シークレット|无痕模式|시크릿 모드)\)"
    r"|private browsing|privater modus|navigation privée|navegación privada|プライベートブラウジング|隐私浏览)\W*$"
    r"|\Winprivate\W+(?:microsoft\W+edge\W*)?$",
    re.IGNORECASE,
)


class Bucket(NamedTuple):
    """What is known of a bucket besides its events."""

    name: str
    kind: str
    host: str | None  # None: unknown


def event_time(text):
    """Returns an ISO 8601 text as milliseconds since 1970, UTC; without an offset it is UTC.

    Raises:
        ValueError: if it is no time between 1970 and 2200.
    """
    if not isinstance(text, str):
        raise ValueError(f"Expected a time as ISO 8601 text, got {text!r}.")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        time = (moment - EPOCH) // MILLISECOND
    except OverflowError as error:
        raise ValueError(f"Expected a time between 1970 and 2200, got {text!r}.") from error
    if not FIRST_TIME <= time < LAST_TIME:
        raise ValueError(f"Expected a time between 1970 and 2200, got {text!r}.")
    return time


def event_span(event, what, dropped):
    """Returns the span of one raw event, or None; why not is counted in `dropped`.

    Args:
        event (`dict`): with timestamp (ISO 8601), duration (seconds; absent is 0) and data.
        what (callable): data (`dict`) → what the span is of, None to leave it out.
        dropped (`Counter`): reason → count.
    """
    if not isinstance(event, dict):
        dropped["event is no object"] += 1
        return None
    try:
        start = event_time(event.get("timestamp"))
    except ValueError:
        dropped["event without a readable time"] += 1
        return None
    duration = event.get("duration", 0)
    duration = 0 if duration is None else duration
    if isinstance(duration, bool) or not isinstance(duration, int | float) or not math.isfinite(duration):
        dropped["event without a readable duration"] += 1
        return None
    if duration < 0:
        dropped["event of negative duration"] += 1
        return None
    if duration > LONGEST_DAYS * 86_400:
        dropped[f"event longer than {LONGEST_DAYS} days"] += 1
        return None
    data = event.get("data")
    kind = what(data if isinstance(data, dict) else {})
    if kind is None:
        dropped["event without data"] += 1
        return None
    return start, start + round(duration * 1000), kind


def window_data(data):
    """Returns (app, title) of the data of a window event; Android names a package where it has no app."""
    app = clean_text(data.get("app")) or clean_text(data.get("package"))
    title = clean_text(data.get("title")) or clean_text(data.get("classname"))
    return (app, title) if app or title else None


def tab_data(data):
    """Returns (title, url or None, audible, incognito) of the data of a browser event."""
    title, url = clean_text(data.get("title")), clean_text(data.get("url"))
    if url.startswith("data:"):  # holds a whole page
        url = ""
    if not title and not url:
        return None
    return title, url or None, data.get("audible") is True, data.get("incognito") is True


def afk_data(data):
    """Returns "afk" or "not-afk"."""
    return data.get("status") if data.get("status") in ("afk", "not-afk") else None


def flood(spans, pulse_seconds=PULSE_SECONDS):
    """Returns the spans without short gaps and without overlaps.

    Neighbours of the same become one if no more than the pulse lies between them; a short gap between different ones
    is shared half and half; of two that overlap the later one has the time. What is left without time goes.

    Args:
        spans: in any order.
        pulse_seconds (`float`): the longest gap to fill.
    """
    pulse = round(pulse_seconds * 1000)
    filled = []
    for start, end, what in _in_order(spans):
        while filled:
            last = filled[-1]
            if last[2] == what and start - last[1] <= pulse:
                last[1] = max(last[1], end)
                break
            if start < last[1]:
                if start == end:
                    break  # a moment within a longer event takes no time from it
                last[1] = start
                if last[1] <= last[0]:
                    filled.pop()  # nothing is left of it: what was before it is the neighbour now
                    continue
            elif start - last[1] <= pulse:
                start = last[1] = (start + last[1]) // 2
            filled.append([start, max(start, end), what])
            break
        else:
            filled.append([start, end, what])
    return [tuple(span) for span in filled if span[1] > span[0]]


def _in_order(spans):
    """Returns spans by their times; of equal times by what they are of: the order they came in does not count."""
    ordered = sorted(spans, key=lambda span: span[:2])
    if any(first[:2] == second[:2] for first, second in pairwise(ordered)):
        ordered.sort(key=lambda span: (*span[:2], repr(span[2])))
    return ordered


def union(spans):
    """Returns the time that any of the spans covers: sorted spans of None that do not touch."""
    covered = []
    for start, end, *_ in sorted(spans, key=lambda span: span[:2]):
        if end <= start:
            continue
        if covered and start <= covered[-1][1]:
            covered[-1][1] = max(covered[-1][1], end)
        else:
            covered.append([start, end])
    return [(start, end, None) for start, end in covered]


def intersect(spans, periods):
    """Yields the parts of the spans that lie in the periods; both sorted, neither overlaps itself."""
    place = 0
    for start, end, what in spans:
        while place < len(periods) and periods[place][1] <= start:
            place += 1
        at = place
        while at < len(periods) and periods[at][0] < end:
            yield max(start, periods[at][0]), min(end, periods[at][1]), what
            at += 1


def browser_of_bucket(name):
    """Returns the browser that a bucket such as "aw-watcher-web-firefox_host" is of, in lower case, "" if unknown."""
    found = re.search(r"web-([a-z]+)", name.lower())
    return found[1] if found else ""


def is_browser(app, browser):
    """Returns whether an app of this name is the browser (of `browser_of_bucket`; "" is any)."""
    name = app.lower().removesuffix(".exe")
    if browser:
        return any(_names(part, name) for part in BROWSER_APPS.get(browser, (browser,)))
    return any(_names(part, name) for parts in BROWSER_APPS.values() for part in parts)


def join_tabs(windows, tabs, dropped):
    """Yields the spans of windows, cut where the tab changes: of (app, window title, tab title or None, url or None,
    audible).

    Time in a private tab is left out, and so is a browser's window whose title says that it is private.

    Args:
        windows: flooded spans of (app, title).
        tabs (`dict`): browser → flooded spans of `tab_data`.
        dropped (`Counter`): reason → count.
    """
    places = dict.fromkeys(tabs, 0)
    browsers = {}  # app → whether it is any browser, the browsers with a bucket
    for start, end, (app, title) in windows:
        if app not in browsers:
            browsers[app] = is_browser(app, ""), [browser for browser in tabs if is_browser(app, browser)]
        any_browser, known = browsers[app]
        if (any_browser or known) and PRIVATE_WINDOW.search(title):
            dropped["private window"] += 1
            continue
        parts = [(start, end, None)]
        for browser in known:
            opened = tabs[browser]
            place = places[browser]
            while place < len(opened) and opened[place][1] <= start:
                place += 1
            places[browser] = place
            parts = [piece for part in parts for piece in _cut(part, opened, place)]
        for from_, to, tab in parts:
            if tab is None:
                yield from_, to, (app, title, None, None, False)
            elif tab[3]:
                dropped["private tab"] += 1
            else:
                yield from_, to, (app, title, tab[0], tab[1], tab[2])


def _cut(part, opened, place):
    """Yields a part of a window, cut by the tabs from `place` on; a part that has a tab already stays whole."""
    start, end, tab = part
    if tab is not None:
        yield part
        return
    while place < len(opened) and opened[place][0] < end:
        tab_start, tab_end, tab = opened[place]
        if tab_end > start:
            if tab_start > start:
                yield start, tab_start, None
            yield max(start, tab_start), min(end, tab_end), tab
            start = min(end, tab_end)
        place += 1
    if start < end:
        yield start, end, None


def host_activity(source, windows, afk, tabs, categorizer=None, pulse_seconds=PULSE_SECONDS, dropped=None):
    """Yields the `ActivityEvent` of one computer, in order of time, none overlapping another.

    Args:
        source (`str`): bucket id to record.
        windows: spans of (app, title), in any order.
        afk: spans of "afk" and "not-afk"; None if there is no such bucket: then all time counts.
        tabs (`dict`): browser → spans of `tab_data`. Without windows they alone are the activity.
        categorizer (`Categorizer`, *optional*): the default classes if None.
        pulse_seconds (`float`): see `flood`.
        dropped (`Counter`, *optional*): reason → count, filled while this is read.
    """
    categorizer = categorizer or Categorizer()
    dropped = Counter() if dropped is None else dropped
    tabs = {browser: flood(spans, pulse_seconds) for browser, spans in tabs.items()}
    flooded = flood(windows, pulse_seconds)

    def pieces(counts):
        return join_tabs(flooded, tabs, counts) if windows else _tabs_alone(tabs, counts)

    joined = pieces(dropped)
    if afk is not None:
        there = [span for span in flood(afk, pulse_seconds) if span[2] == "not-afk"]
        there += [span for span in pieces(Counter()) if span[2][4]]  # walked twice: a list would be as large as all
        joined = _present(joined, union(there), dropped)
    last = None  # sound switched on or off, a window renamed beside the same tab: one event
    for start, end, (app, title, tab_title, url, _) in joined:
        shown = tab_title or title
        if last is not None and last[1] == start and last[2:5] == (app, shown, url):
            last = (last[0], end, *last[2:])
            continue
        if last is not None:
            yield _event(source, last)
        last = (start, end, app, shown, url, categorizer.category(app, title, url, tab_title))
    if last is not None:
        yield _event(source, last)


def _present(joined, there, dropped):
    """Yields the parts of spans in which the person was there; counts the seconds left out."""
    before = after = 0

    def counted():
        nonlocal before
        for span in joined:
            before += span[1] - span[0]
            yield span

    for span in intersect(counted(), there):
        after += span[1] - span[0]
        yield span
    if before > after:
        dropped["seconds away from the computer"] += round((before - after) / 1000)


def _event(source, made):
    start, end, app, shown, url, category = made
    return ActivityEvent(source, start, (end - start) / 1000, app, shown, url, category)


def _tabs_alone(tabs, dropped):
    spans = [(start, end, (browser, *tab)) for browser, opened in tabs.items() for start, end, tab in opened]
    for start, end, (browser, title, url, audible, incognito) in flood(spans, 0):
        if incognito:
            dropped["private tab"] += 1
            continue
        yield start, end, (browser, "", title, url, audible)


def known_host(bucket_id, hostname):
    """Returns the host of a bucket, None if it is not known: "unknown", "None" and nothing at all are no names."""
    for name in (hostname, bucket_id.partition("_")[2]):
        if isinstance(name, str) and name.strip() and name.strip().lower() not in ("unknown", "none", "null"):
            return name.strip()
    return None


def group_hosts(buckets):
    """Returns, for each computer, (window ids, afk ids or None, browser ids): which buckets belong together.

    Buckets go by their host. One of an unknown host goes with every computer (only the time in which its browser had
    the focus counts there); if windows come from one computer only, all the buckets are its own.

    Args:
        buckets: of `Bucket`.
    """
    kinds = {kind: [bucket for bucket in buckets if bucket.kind == kind] for kind in (WINDOW, AFK, BROWSER)}
    hosts = list(dict.fromkeys(bucket.host for bucket in kinds[WINDOW] or kinds[BROWSER]))
    groups = []
    for host in hosts:
        mine = {
            kind: sorted(
                bucket.name
                for bucket in found
                if len(hosts) == 1 or bucket.host == host or (kind != WINDOW and (bucket.host is None or host is None))
            )
            for kind, found in kinds.items()
        }
        groups.append((mine[WINDOW], mine[AFK] or None, mine[BROWSER]))
    return groups


def activity_events(buckets, categorizer=None, pulse_seconds=PULSE_SECONDS, dropped=None):
    """Yields the `ActivityEvent` of all buckets, one computer after another, each in order of time.

    Args:
        buckets (`dict`): id → {"type", "hostname", "events": raw events in any order}, as a server and its export
            have them; types other than windows, afk and browsers are not read.
        categorizer, pulse_seconds, dropped: see `host_activity`.
    """
    dropped = Counter() if dropped is None else dropped
    known, spans = [], {}
    for name, bucket in buckets.items():
        reader = READERS.get(bucket.get("type"))
        if reader is None:
            dropped["event of another kind of bucket"] += len(bucket.get("events") or ())
            continue
        known.append(Bucket(name, bucket["type"], known_host(name, bucket.get("hostname"))))
        read = (event_span(event, reader, dropped) for event in bucket.get("events") or ())
        spans[name] = [span for span in read if span is not None]
    yield from joined_activity(known, spans, categorizer, pulse_seconds, dropped)


def joined_activity(buckets, spans, categorizer=None, pulse_seconds=PULSE_SECONDS, dropped=None):
    """Yields what `activity_events` does, from buckets whose events are spans already.

    Args:
        buckets: of `Bucket`.
        spans (`dict`): name of the bucket → its spans.
        categorizer, pulse_seconds, dropped: see `host_activity`.
    """
    categorizer = categorizer or Categorizer()
    for windows, afk, browsers in group_hosts(buckets):
        tabs = {}
        for name in browsers:
            tabs.setdefault(browser_of_bucket(name), []).extend(spans[name])
        yield from host_activity(
            (windows or browsers)[0],
            [span for name in windows for span in spans[name]],
            None if afk is None else [span for name in afk for span in spans[name]],
            tabs,
            categorizer,
            pulse_seconds,
            dropped,
        )


def _names(part, name):
    return re.search(rf"(?<![a-z]){re.escape(part)}(?![a-z])", name) is not None


READERS = {WINDOW: window_data, AFK: afk_data, BROWSER: tab_data}
