"""How the feed is doing: last runs, quota, labels, and whether scores drift. Read from the database alone."""

from dataclasses import asdict, dataclass, field

from traceformers.apps.feed.feed_clock import now_ms, quota_day
from traceformers.apps.feed.feed_drift import feed_drift
from traceformers.apps.feed.site.label_balance import LabelBalance
from traceformers.datasets_scripts.feed.feed_records import HEADS


@dataclass(frozen=True)
class SiteHealth:
    """What the health page shows; `as_json` is what `GET /api/status` answers.

    Attributes:
        feed_id, feed_made_at (`int`, *optional*): of the newest feed. model (`str`): that scored it.
        runs (`list[Run]`): newest first. quota (`dict[str, tuple]`): source → (units spent today, limit or None).
        next_run_at (`int`, *optional*): when the scheduler of this site starts next; None where it has none.
        balance (`LabelBalance`), drift (`list[HeadDrift]`), notes (`list[str]`): what is to be done, in words.
    """

    feed_id: int | None = None
    feed_made_at: int | None = None
    model: str = ""
    next_run_at: int | None = None
    runs: list = field(default_factory=list)
    quota: dict = field(default_factory=dict)
    balance: LabelBalance = field(default_factory=lambda: LabelBalance({}))
    drift: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def as_json(self):
        """Returns the same as a dict of JSON values."""
        return {
            "feed": {"feed_id": self.feed_id, "made_at": self.feed_made_at, "model": self.model},
            "next_run_at": self.next_run_at,
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
            "drift": [asdict(one) for one in self.drift],
            "notes": list(self.notes),
        }


def site_health(database, quota_limits=None, now=None, next_run_at=None):
    """Returns the `SiteHealth` of a database.

    Args:
        database (`FeedDatabase`)
        quota_limits (`dict[str, int]`, *optional*): source → units a day; these sources are shown.
        now (`int`, *optional*): ms. next_run_at (`int`, *optional*): ms, of the scheduler.
    """
    about = database.feed_about() or {}
    balance = LabelBalance(database.label_counts())
    day = quota_day(now_ms() if now is None else now)
    quota = {source: (database.quota(source, day), limit) for source, limit in (quota_limits or {}).items()}
    runs, drift = database.runs(limit=20), feed_drift(database)
    return SiteHealth(
        feed_id=about.get("feed_id"),
        feed_made_at=about.get("made_at"),
        model=about.get("model", ""),
        next_run_at=next_run_at,
        runs=runs,
        quota=quota,
        balance=balance,
        drift=drift,
        notes=[*_notes(about, runs, quota), *(note for one in drift for note in one.notes())],
    )


def _notes(about, runs, quota):
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
    return notes


_ENDED = {"failed": "failed", "killed": "was killed", "partial": "brought only a part"}
