"""Activity from a running ActivityWatch server, here or on another computer.

Buckets are found by asking the server for them, by their type; a host that is unknown is no obstacle. Time goes by in
pieces, so that memory is bounded whatever the server holds. What two pieces join is what one would: a piece ends where
an activity begins, and the next one starts there, with what was before as context.

Events still change near the present (the last one grows, a tab's address comes later than its window), so that the
last two minutes are left for the next time, and what the last hours made is joined again; the database keeps one row of
an event and its longest duration.
"""

from collections import Counter

from traceformers.apps.feed.sources.activitywatch_client import DAY_MS, HOUR_MS, ActivityWatchClient
from traceformers.apps.feed.sources.privacy_filter import REDACTED, PrivacyFilter
from traceformers.apps.feed.sources.source_report import SourceError, SourceReport
from traceformers.datasets_scripts.activitywatch.aw_categories import Categorizer
from traceformers.datasets_scripts.activitywatch.aw_events import (
    READERS,
    Bucket,
    browser_of_bucket,
    event_span,
    group_hosts,
    host_activity,
    known_host,
)

UNSETTLED_MS = 120_000  # a browser's watcher says every minute where it is
OVERLAP_MS = 6 * HOUR_MS
CONTEXT_MS = 600_000  # what lies before the first event that is kept: a predecessor to share a short gap with
FLOOD_MS = 10_000  # a later event changes no earlier one by more
PRIVATE = ("\0private",)
MARK = "\0"  # before a name of an app, backwards, whose tabs must not be looked at


class ActivityWatchSource:
    """Collects from one server.

    Args:
        host (`str`), port (`int`): of the server.
        hostname (`str`): only buckets of this computer, and those of no known one; "" is all.
        privacy (`PrivacyFilter`, *optional*).
        first_days (`int` or None): how far the first collection goes back; None is to the first event.
        client (`ActivityWatchClient`, *optional*): instead of one made from host and port.
        again (`bool`): forgets how far earlier collections came.
    """

    def __init__(
        self, host="127.0.0.1", port=5600, hostname="", privacy=None, first_days=None, client=None, again=False
    ):
        self.name = "activitywatch"
        self.hostname, self.first_days, self.again = hostname or "", first_days, again
        self.privacy = privacy or PrivacyFilter()
        self.client = client or ActivityWatchClient(host, port)

    def collect(self, db, now):
        """Stores the activity since the last time; returns a `SourceReport`.

        Args:
            db (`FeedDatabase`). now (`int`): milliseconds since 1970.
        """
        report = SourceReport(self.name)
        try:
            self.client.info()
            categorizer = Categorizer(self.client.classes())
            report.warnings += [f"left out of the categories: {fault}" for fault in categorizer.faults]
            for group in self.groups():
                self._collect_group(db, now - UNSETTLED_MS, group, categorizer, report)
        except Exception as error:  # what came before it is stored
            report.fail(error)
        return report

    def groups(self):
        """Returns [(window ids, afk ids or None, browser ids)], the computer that was last active first.

        Raises:
            SourceError: no bucket holds windows or tabs, or none is of `hostname`.
        """
        described = self.client.buckets()
        known = [
            Bucket(name, bucket["type"], known_host(name, bucket.get("hostname")))
            for name, bucket in described.items()
            if bucket.get("type") in READERS
        ]
        if self.hostname:
            mine = [bucket for bucket in known if bucket.host in (None, self.hostname)]
            if known and not any(bucket.host for bucket in mine):
                hosts = ", ".join(sorted({bucket.host for bucket in known if bucket.host})) or "none that is known"
                raise SourceError(
                    f"Expected buckets of the computer {self.hostname!r} on {self.client.place}, it has those of: "
                    f"{hosts}. Correct hostname of [activitywatch] in the settings, or leave it empty."
                )
            known = mine
        groups = group_hosts(known)
        if not groups:
            raise SourceError(
                f"Expected windows or browser tabs on the ActivityWatch server at {self.client.place}, it has no such "
                "bucket. Start its watchers (aw-watcher-window, aw-watcher-afk)."
            )

        def last_updated(group):
            return max(str(described[name].get("last_updated") or "") for name in group[0] or group[2])

        return sorted(groups, key=last_updated, reverse=True)

    def _collect_group(self, db, end, group, categorizer, report):
        windows, afk, browsers = group
        source = (windows or browsers)[0]
        names = [*windows, *(afk or ()), *browsers]
        key = f"cursor {source}"
        cut = None if self.again else db.state(self.name, key)
        if cut is None:
            cut = min(self.client.first_event_time(name, end) for name in windows or browsers)
            if self.first_days is not None:
                cut = max(cut, end - self.first_days * DAY_MS)
        elif cut > end:  # the clock was ahead when this was noted
            cut = end - OVERLAP_MS
        resume = cut
        spans, first = {name: [] for name in names}, True
        for start, stop in self.client.pieces(names, max(0, cut - CONTEXT_MS), end):
            dropped = Counter()
            for name in names:
                raw = self.client.events(name, start, stop, overlapping=first)
                spans[name] = [span for span in spans[name] if span[1] >= cut - CONTEXT_MS]
                spans[name] += self._spans(raw, name in windows, name in browsers, end, dropped)
            first = False
            joined = self._joined(group, source, spans, categorizer, dropped)
            joined = [event for event in joined if event.started_at >= cut]
            # An activity that begins so long before the end of the piece begins there, whatever comes.
            begun = [event.started_at for event in joined if event.started_at <= stop - FLOOD_MS]
            if begun:
                cut = begun[-1]
            elif not joined:
                cut = max(cut, stop - FLOOD_MS)
            # Where it ends is known when the next one has begun: until then it waits for the next piece.
            known = joined if stop == end else [event for event in joined if event.started_at < cut]
            report.count(db.add_events(map(self._shown, self.privacy.events(known))))
            settled = [time for time in (*begun, cut) if time <= end - OVERLAP_MS]
            if settled:
                resume = max(resume, settled[-1])
            db.set_state(self.name, key, resume)
            self._count_dropped(report, dropped)

    def _count_dropped(self, report, dropped):
        for reason, count in (dropped + Counter(self.privacy.take_counts())).items():
            if not reason.startswith("seconds"):
                report.drop(reason, count)

    def _spans(self, raw, is_window, is_browser, end, dropped):
        """Returns the spans of raw events up to `end`; what the reader's patterns match is taken out of them."""
        reader = READERS["currentwindow" if is_window else "web.tab.current" if is_browser else "afkstatus"]

        def read(data):
            what = reader(data)
            if what is None or not self.privacy.rules:
                return what
            if is_window:
                if self.privacy.matches("drop", *what):
                    return PRIVATE
                redacted = self.privacy.matches("redact", *what)
                if redacted:  # no tab may fill in again what is taken out here
                    app = REDACTED if "app" in redacted else what[0]
                    return MARK + app[::-1], REDACTED
            elif is_browser and self.privacy.matches("drop", "", what[0], what[1]):
                return (*what[:3], True)  # as a private one: its time is left out
            return what

        spans = (event_span(event, read, dropped) for event in raw)
        spans = [(start, min(stop, end), what) for start, stop, what in filter(None, spans) if start < end]
        kept = [span for span in spans if span[2] is not PRIVATE]
        dropped["private"] += len(spans) - len(kept)
        return kept

    def _joined(self, group, source, spans, categorizer, dropped):
        windows, afk, browsers = group
        tabs = {}
        for name in browsers:
            tabs.setdefault(browser_of_bucket(name), []).extend(spans[name])
        held = [span for name in windows for span in spans[name]]
        if windows and not held:
            return []  # tabs count where there is a window; without one, nothing is known to be in front
        away = None if afk is None else [span for name in afk for span in spans[name]]
        return list(host_activity(source, held, away, tabs, categorizer, dropped=dropped))

    def _shown(self, event):
        if not event.app.startswith(MARK):
            return event
        return type(event)(event.source, event.started_at, event.duration, event.app[1:][::-1], REDACTED)
