"""How a feed is doing: labels and what is short, models, last runs, quota, and drift.

Drift is told in two ways: how far the probabilities of the newest feed are from those before it (population stability
index), and how the share of yes among the labels changes from month to month.
"""

import math
import textwrap
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from traceformers.apps.feed.feed_clock import now_ms, quota_day
from traceformers.apps.feed.feed_drift import feed_drift
from traceformers.apps.feed.training_need import label_numbers, training_need
from traceformers.datasets_scripts.feed.feed_records import HEADS

MONTHS = 6
WIDTH, INDENT = 110, " " * 10
COUNTED = ("videos", "events", "watches", "subscriptions")


@dataclass(frozen=True)
class FeedStatus:
    """All of it, JSON-safe.

    Attributes:
        labels (list of `dict`): source, head, yes, no.
        short (list of `str`): what is missing for good results.
        model (`dict` or None): name and its figures on the newest labels; models (list of `str`): those that are kept.
        training (`str`): whether the next scheduled run trains, and why.
        feed (`dict` or None): the newest: feed_id, made_at, model, context.
        runs (list of `dict`): newest first. dead (list of `int`): runs that were killed and are noted as that now.
        quota (`{source: {"spent", "limit"}}`): of this day. waits (`{source: ms}`): left alone until then.
        drift (`dict`): `HeadDrift` by head, and the label balance by month.
        counts (`dict`): videos, events, watches, subscriptions.
    """

    labels: list
    short: list
    model: dict | None
    models: list
    training: str
    feed: dict | None
    runs: list
    quota: dict
    waits: dict
    drift: dict
    counts: dict

    def to_json(self):
        """Returns the fields, JSON-safe."""
        return asdict(self)


def feed_status(feed, limit=10):
    """Returns the `FeedStatus` of a feed.

    Args:
        feed (`OpenFeed`). limit (`int`): of runs.
    """
    from traceformers.training.productive_feed.label_needs import advice

    database, registry = feed.database, feed.registry
    current = registry.current()
    runs = [asdict(run) for run in database.runs(limit=limit)]
    return FeedStatus(
        labels=labels_by_source(database),
        short=advice(label_numbers(database)),
        model={"name": current, "metrics": registry.metrics(current)} if current else None,
        models=registry.names(),
        training=training_need(feed)[1],
        feed=database.feed_about(),
        runs=runs,
        quota=quotas(feed),
        waits={
            name: until
            for name in ("activitywatch", "rss", "youtube")
            if (until := database.state(name, "retry_after")) is not None
        },
        drift={
            "scores": {one.head: asdict(one) for one in feed_drift(database)},
            "labels": label_balance(database.feedback_table(), feed.settings.zone),
        },
        counts={name: count for name, count in database.record_counts().items() if name in COUNTED}
        | {"subscriptions": len(database.subscriptions())},  # of a channel that two sources name, one
    )


def labels_by_source(database):
    """Returns `[{"source", "head", "yes", "no"}]` of the opinions that count, by source and head."""
    found = {}
    for (source, head, value), count in sorted(database.label_counts().items()):
        row = found.setdefault((source, head), {"source": source, "head": head, "yes": 0, "no": 0})
        row["yes" if value >= 0.5 else "no"] += count
    return list(found.values())


def label_balance(feedback, zone, months=MONTHS):
    """Returns `{head: [{"month", "yes", "no"}]}` of the newest months in which something was said, oldest first.

    Args:
        feedback (`pa.Table`): the history. zone (`ZoneInfo`): whose months. months (`int`).
    """
    found = {head: {} for head in HEADS}
    rows = zip(*(feedback[name].to_pylist() for name in ("head", "value", "said_at")), strict=True)
    for head, value, said_at in rows:
        if value is None or math.isnan(value):
            continue
        month = datetime.fromtimestamp(said_at / 1000, UTC).astimezone(zone).strftime("%Y-%m")
        row = found[head].setdefault(month, {"month": month, "yes": 0, "no": 0})
        row["yes" if value >= 0.5 else "no"] += 1
    return {head: [rows[month] for month in sorted(rows)[-months:]] for head, rows in found.items()}


def quotas(feed):
    """Returns `{"youtube": {"spent", "limit", "day"}}` where the API is in use."""
    day = quota_day(now_ms())
    spent = feed.database.quota("youtube", day)
    used = spent or feed.secrets.youtube_api_key or feed.secrets.youtube_client_id
    return {"youtube": {"spent": spent, "limit": feed.settings.youtube.daily_units, "day": day}} if used else {}


def status_lines(status, zone):
    """Yields a `FeedStatus` as lines for a terminal; times are those of the zone."""

    def clock(ms):
        return datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M") if ms else "-"

    yield "  ".join(f"{count:,} {name}" for name, count in status.counts.items())
    yield ""
    yield f"{'labels':12} {'head':11} {'yes':>6} {'no':>6}"
    for row in status.labels:
        yield f"{row['source']:12} {row['head']:11} {row['yes']:6} {row['no']:6}"
    yield from (f"  short: {line}" for line in status.short)
    yield ""
    yield f"model: {status.model['name'] if status.model else 'none yet: newest first (cold start)'}"
    yield f"training: {status.training}"
    if status.feed:
        yield f"feed: {status.feed['feed_id']} of {clock(status.feed['made_at'])} by {status.feed['model']}"
    else:
        yield "feed: none yet. Run `traceformers feed score`."
    for head, row in status.drift["scores"].items():
        psi = "-" if row["psi"] is None else f"{row['psi']:.3f}"
        yield f"drift of {head} scores: {row['change']} (PSI {psi})"
    for head, rows in status.drift["labels"].items():
        if rows:
            shares = ", ".join(f"{row['month']} {row['yes'] / (row['yes'] + row['no']):.0%}" for row in rows)
            yield f"share of yes, {head}: {shares}"
    for source, row in status.quota.items():
        yield f"quota of {source}: {row['spent']} of {row['limit']} units on {row['day']}"
    for source, until in status.waits.items():
        yield f"{source} is left alone until {clock(until)}"
    yield ""
    yield f"{'run':9} {'began':17} {'status':8} "
    told = set()
    for run in status.runs:
        error = " ".join((run["error"] or "").split())
        again = error and (run["kind"], error) in told
        told.add((run["kind"], error))
        yield f"{run['kind']:9} {clock(run['started_at']):17} {run['status']:8} {'as above' if again else ''}".rstrip()
        if not again:
            yield from textwrap.wrap(error, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
