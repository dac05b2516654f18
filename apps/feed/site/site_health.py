"""How the feed is doing: last runs, quota, labels, and whether scores drift. Read from the database alone."""

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from traceformers.apps.feed.database.feed_pages import FeedFilters
from traceformers.apps.feed.site.label_balance import LabelBalance
from traceformers.datasets_scripts.feed.feed_records import HEADS

BINS, MOST_SCORES = 10, 2_000
PACIFIC = "America/Los_Angeles"  # where a day of YouTube's quota ends


@dataclass(frozen=True)
class HeadDrift:
    """The probabilities of one head in the newest feed.

    Attributes:
        head (`str`), mean (`float`), bins (`tuple[int]`): how many are in each of BINS equal steps from 0 to 1.
        said (`float`, *optional*): share of "yes" among the labels of this head.
    """

    head: str
    mean: float
    bins: tuple[int, ...]
    said: float | None = None


@dataclass(frozen=True)
class SiteHealth:
    """What the health page shows; `as_json` is what `GET /api/status` answers.

    Attributes:
        feed_id, feed_made_at (`int`, *optional*): of the newest feed. model (`str`): that scored it.
        runs (`list[Run]`): newest first. quota (`dict[str, tuple]`): source → (units spent today, limit or None).
        balance (`LabelBalance`), drift (`list[HeadDrift]`), notes (`list[str]`): what is to be done, in words.
    """

    feed_id: int | None = None
    feed_made_at: int | None = None
    model: str = ""
    runs: list = field(default_factory=list)
    quota: dict = field(default_factory=dict)
    balance: LabelBalance = field(default_factory=lambda: LabelBalance({}))
    drift: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def as_json(self):
        """Returns the same as a dict of JSON values."""
        return {
            "feed": {"feed_id": self.feed_id, "made_at": self.feed_made_at, "model": self.model},
            "runs": [
                {
                    name: getattr(run, name)
                    for name in ("run_id", "kind", "started_at", "finished_at", "status", "counts", "error")
                }
                for run in self.runs
            ],
            "quota": {source: {"spent": spent, "limit": limit} for source, (spent, limit) in self.quota.items()},
            "labels": [
                {"source": source, "head": head, "value": value, "count": count}
                for (source, head, value), count in sorted(self.balance.counts.items())
            ],
            "short": {head: self.balance.short(head) for head in HEADS},
            "drift": [
                {"head": one.head, "mean": one.mean, "bins": list(one.bins), "said": one.said} for one in self.drift
            ],
            "notes": list(self.notes),
        }


def site_health(database, quota_limits=None, now=None):
    """Returns the `SiteHealth` of a database.

    Args:
        database (`FeedDatabase`)
        quota_limits (`dict[str, int]`, *optional*): source → units a day; these sources are shown.
        now (`datetime`, *optional*): with a time zone.
    """
    about = database.feed_about() or {}
    balance = LabelBalance(database.label_counts())
    day = (now or datetime.now(ZoneInfo(PACIFIC))).astimezone(ZoneInfo(PACIFIC)).date().isoformat()
    quota = {source: (database.quota(source, day), limit) for source, limit in (quota_limits or {}).items()}
    runs, drift = database.runs(limit=20), feed_drift(database, about.get("feed_id"), balance)
    return SiteHealth(
        feed_id=about.get("feed_id"),
        feed_made_at=about.get("made_at"),
        model=about.get("model", ""),
        runs=runs,
        quota=quota,
        balance=balance,
        drift=drift,
        notes=_notes(about, balance, runs, quota, drift),
    )


def feed_drift(database, feed_id, balance):
    """Returns the `HeadDrift` of each head over the first MOST_SCORES videos of a feed; [] without one."""
    if feed_id is None:
        return []
    filters = FeedFilters(hide_watched=False, hide_rated=False, shorts=True, hidden_channels=False, show_hidden=True)
    rows = [card.row for card in database.feed_page(filters=filters, limit=MOST_SCORES, feed_id=feed_id)]
    drift = []
    for head in HEADS if rows else ():
        values = [min(max(getattr(row, head), 0.0), 1.0) for row in rows]
        bins = [0] * BINS
        for value in values:
            bins[min(int(value * BINS), BINS - 1)] += 1
        labels = balance.of(head)
        said = balance.of(head, 1.0) / labels if labels else None
        drift.append(HeadDrift(head, sum(values) / len(values), tuple(bins), said))
    return drift


def _notes(about, balance, runs, quota, drift):
    notes = []
    if not about:
        notes.append("There is no feed yet: run `traceformers feed run-once`.")
    for kind in dict.fromkeys(run.kind for run in runs):
        last = next(run for run in runs if run.kind == kind)
        if last.status in ("failed", "killed", "partial"):
            notes.append(f"The last run of {kind} {_ENDED[last.status]}{': ' + last.error if last.error else '.'}")
    for source, (spent, limit) in quota.items():
        if limit and spent >= 0.9 * limit:
            notes.append(f"{source}: {spent} of {limit} units of today are spent.")
    for one in drift:
        if max(one.bins) == sum(one.bins) and sum(one.bins) > 20:
            notes.append(f"All {one.head} probabilities are nearly equal: the model tells videos apart by nothing.")
        if one.said is not None and balance.of(one.head) >= 50 and abs(one.mean - one.said) > 0.35:
            notes.append(
                f"{one.head}: the feed expects {100 * one.mean:.0f} % yes, you said it to {100 * one.said:.0f} %. "
                "Train again."
            )
    return notes


_ENDED = {"failed": "failed", "killed": "was killed", "partial": "brought only a part"}
