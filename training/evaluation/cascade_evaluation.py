"""The choice of a cascade's signal on dev queries, and its curve on test queries, over several retrieval sets."""

from dataclasses import dataclass

import numpy as np

from traceformers.training.evaluation.cascade import (
    SHARES,
    as_quantiles,
    cascade_curve,
    fit_uncertainty,
    mean_recovered,
    recovered_error,
    signal_score,
)

LEARNED, MEAN = "learned", "mean"
ROUTED_SHARE = 0.2


@dataclass(frozen=True)
class CascadeQueries:
    """What is known of the queries of one set.

    Attributes:
        signals (`{name: float64 (Q,)}`): as `uncertainty_signals` gives them.
        student, teacher (`float64 (Q,)`): figures of each query.
        dev (`bool (Q,)`): the queries that choices are made on; the others are reported.
    """

    signals: dict
    student: np.ndarray
    teacher: np.ndarray
    dev: np.ndarray

    def part(self, dev):
        """Returns `(signals, student, teacher)` of the dev queries or of the others; signals as places in the set.

        Queries without a figure are left out.
        """
        chosen = (self.dev == dev) & ~np.isnan(self.student + self.teacher)
        places = {name: as_quantiles(values) for name, values in self.signals.items()}
        places[MEAN] = np.mean(list(places.values()), axis=0)
        signals = {name: values[chosen] for name, values in places.items()}
        return signals, self.student[chosen], self.teacher[chosen]


def evaluate_cascade(sets, share=ROUTED_SHARE, shares=SHARES):
    """Returns the report of a cascade, JSON-safe.

    Keys: `signal` (chosen on dev queries), `dev_scores` (`signal_score` of every signal), `learned` (the mixture),
    `curve` (means over sets, on the other queries), `share`, `recovered` and `recovered_error` (at that share, with its
    standard error) and `sets` (curves of each set).

    Two mixtures are signals too: "mean", of the places of a query in all signals, and, with two sets or more,
    "learned" on the dev queries of all sets, whose dev score is of mixtures learned on the other sets only.

    Args:
        sets (`{name: CascadeQueries}`): at least one with two queries in each part.
        share (`float`): share of the queries for `recovered`.
        shares (`tuple[float]`): shares of the curve.

    Raises:
        ValueError: if there is no such set.
    """
    sets = {name: one for name, one in sets.items() if all(len(one.part(dev)[1]) >= 2 for dev in (True, False))}
    if not sets:
        raise ValueError("Expected a set with two dev and two test queries or more, got none: a cascade needs choices.")
    dev = {name: one.part(True) for name, one in sets.items()}
    names = sorted(set.intersection(*(set(signals) for signals, _, _ in dev.values())))
    scores = {name: signal_score([(s[name], ours, theirs) for s, ours, theirs in dev.values()]) for name in names}
    mixture = _learn(dev.values())
    if len(sets) > 1:
        others = {name: _learn(part for key, part in dev.items() if key != name) for name in dev}
        scores[LEARNED] = signal_score([(others[n](s), ours, theirs) for n, (s, ours, theirs) in dev.items()])
    best = max(scores, key=lambda name: scores[name])
    asked = {}
    for name, one in sets.items():
        signals, ours, theirs = one.part(False)
        asked[name] = (mixture(signals) if best == LEARNED else signals[best], ours, theirs)
    curves = {name: cascade_curve(ours, theirs, sure, shares) for name, (sure, ours, theirs) in asked.items()}
    return {
        "signal": best,
        "dev_scores": scores,
        "learned": mixture.to_dict(),
        "share": share,
        "recovered": mean_recovered(list(asked.values()), share),
        "recovered_error": recovered_error(list(asked.values()), share),
        "curve": [_mean_row(rows) for rows in zip(*curves.values(), strict=True)],
        "sets": curves,
    }


def _learn(parts):
    parts = list(parts)
    names = sorted(set.intersection(*(set(signals) for signals, _, _ in parts)) - {MEAN})
    signals = {name: np.concatenate([part[0][name] for part in parts]) for name in names}
    return fit_uncertainty(signals, np.concatenate([theirs - ours for _, ours, theirs in parts]))


def _mean_row(rows):
    """Returns one row of a curve, the mean over sets; its retention is the mean of the sets' retentions."""
    mean = {name: float(np.mean([row[name] for row in rows])) for name in ("share", "value", "random")}
    kept = [row["retention"] for row in rows if row["retention"] is not None]
    back = [row["recovered"] for row in rows if row["recovered"] is not None]
    mean["retention"] = float(np.mean(kept)) if kept else None
    mean["recovered"] = float(np.mean(back)) if back else None
    mean["random_deviation"] = float(np.sqrt(np.sum([row["random_deviation"] ** 2 for row in rows])) / len(rows))
    return mean
