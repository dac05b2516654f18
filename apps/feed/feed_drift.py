"""Drift: how far the probabilities of the newest feed are from those before it, and from what the person says.

The first is the population stability index of the newest scoring against the earlier ones by the same model.
"""

from dataclasses import dataclass

import numpy as np

from traceformers.apps.feed.score_histogram import LARGE, SMALL, stability_index
from traceformers.datasets_scripts.feed.feed_records import HEADS

BINS, MOST_SCORES, AMONG = 10, 2_000, 20


@dataclass(frozen=True)
class HeadDrift:
    """The probabilities of one head in the newest feed.

    Attributes:
        head (`str`), mean (`float`), bins (`tuple[int]`): how many of its first videos are in each of `BINS` equal
            steps from 0 to 1.
        said (`float`, *optional*): share of "yes" among the labels of this head. labels (`int`): how many there are.
        psi (`float`, *optional*): against the scorings before, None without any.
        change (`str`): what that means: none, some, large, or unknown.
    """

    head: str
    mean: float
    bins: tuple[int, ...]
    said: float | None = None
    labels: int = 0
    psi: float | None = None
    change: str = "unknown"

    def notes(self):
        """Yields what is to be looked at, in words."""
        if max(self.bins) == sum(self.bins) > 20:
            yield f"All {self.head} probabilities are nearly equal: the model tells videos apart by nothing."
        if self.said is not None and self.labels >= 50 and abs(self.mean - self.said) > 0.35:
            yield (
                f"{self.head}: the feed expects {100 * self.mean:.0f} % yes, you said it to {100 * self.said:.0f} %. "
                "Train again."
            )
        if self.change in ("some", "large"):
            yield (
                f"{self.head}: the probabilities of the newest feed differ from those before: {self.change} change "
                f"(PSI {self.psi:.2f})."
            )


def feed_drift(database):
    """Returns the `HeadDrift` of each head; [] without a feed that has videos.

    Args:
        database (`FeedDatabase`).
    """
    scores = np.clip(np.array(database.feed_scores(MOST_SCORES), dtype=np.float64).reshape(-1, len(HEADS)), 0, 1)
    if not len(scores):
        return []
    labels, yes = dict.fromkeys(HEADS, 0), dict.fromkeys(HEADS, 0)
    for (_, head, value), count in database.label_counts().items():
        labels[head] += count
        yes[head] += count * (value >= 0.5)
    found = []
    for head, values, psi in zip(HEADS, scores.T, _indices(database), strict=True):
        bins, _ = np.histogram(values, bins=BINS, range=(0, 1))
        said = yes[head] / labels[head] if labels[head] else None
        change = "unknown" if psi is None else "none" if psi < SMALL else "some" if psi < LARGE else "large"
        psi = None if psi is None else round(psi, 4)
        found.append(HeadDrift(head, float(values.mean()), tuple(bins.tolist()), said, labels[head], psi, change))
    return found


def _indices(database):
    """Returns the stability index of each head's newest scoring, None where there is nothing to compare it with."""
    runs = [run.counts for run in database.runs(kind="score", limit=AMONG) if run.status == "ok" and run.counts]
    runs = [counts for counts in runs if counts.get("histogram")]
    earlier = [counts for counts in runs[1:] if counts["model"] == runs[0]["model"]]
    if not earlier:
        return [None] * len(HEADS)
    before = {head: np.sum([counts["histogram"][head] for counts in earlier], axis=0) for head in HEADS}
    return [stability_index(before[head], runs[0]["histogram"][head]) for head in HEADS]
