"""A cascade: the student answers, and the queries it is least certain of go to the teacher. Their share is a dial.

Uncertainty is read from what the student knows before the teacher is asked:

    margin       how little the best document leads the second
    entropy      entropy of the best scores: how many documents seem alike
    top_score    how low the best score is
    unknown      share of the query's words that the student does not know
    disagreement share of the ten best documents that another ranking (BM25) does not have among its ten
    doubt        the distance to the teacher's vector that `StudentDoubt` guesses

`fit_uncertainty` learns their mixture on dev queries; their plain mean is a mixture too. Random routing of a share p
recovers p of the difference between student and teacher, on average: the control that every curve is drawn against.
"""

from dataclasses import dataclass

import numpy as np

SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
CHOICE_SHARES = (0.1, 0.2, 0.3, 0.4)  # a signal is chosen by what it recovers at these, on the mean
TOP = 10
TEMPERATURE = 0.02  # of the softmax over cosines of the ten best; they differ by a few hundredths


def uncertainty_signals(ranking, unknown_share=None, other=None, doubt=None):
    """Returns the signals of Q queries, `{name: float64 (Q,)}`, higher is less certain.

    Args:
        ranking (`Ranking`): the student's answers.
        unknown_share (`float (Q,)`, optional): share of unknown words; without it there is no "unknown".
        other (`Ranking`, optional): answers of another kind to the same queries; without it no "disagreement".
        doubt (`float (Q,)`, optional): guessed distances to the teacher; without them there is no "doubt".
    """
    scores = np.where(np.isfinite(ranking.scores[:, :TOP]), ranking.scores[:, :TOP], -1e9).astype(np.float64)
    second = scores[:, min(1, scores.shape[1] - 1)]
    signals = {
        "margin": -(scores[:, 0] - second),
        "entropy": _entropy(scores / TEMPERATURE),
        "top_score": -scores[:, 0],
    }
    if unknown_share is not None:
        signals["unknown"] = np.asarray(unknown_share, dtype=np.float64)
    if doubt is not None:
        signals["doubt"] = np.asarray(doubt, dtype=np.float64)
    if other is not None:
        pairs = zip(ranking.positions[:, :TOP].tolist(), other.positions[:, :TOP].tolist(), strict=True)
        signals["disagreement"] = np.array([1 - len(set(ours) & set(theirs) - {-1}) / TOP for ours, theirs in pairs])
    return signals


@dataclass(frozen=True)
class LearnedUncertainty:
    """A mixture of signals: `sum of weight (signal - mean) / deviation`, fitted to what the student loses.

    Attributes:
        names (`tuple[str]`): signals, in the order of the arrays.
        means, deviations, weights (`float64 (n,)`).
    """

    names: tuple
    means: np.ndarray
    deviations: np.ndarray
    weights: np.ndarray

    def __call__(self, signals):
        """Returns the uncertainty of Q queries, `float64 (Q,)`."""
        table = np.stack([signals[name] for name in self.names], axis=1)
        return (table - self.means) / self.deviations @ self.weights

    def to_dict(self):
        """Returns the mixture, JSON-safe: `{signal: [mean, deviation, weight]}`."""
        columns = zip(self.means.tolist(), self.deviations.tolist(), self.weights.tolist(), strict=True)
        return {name: list(column) for name, column in zip(self.names, columns, strict=True)}


def fit_uncertainty(signals, losses, ridge=10.0):
    """Returns the `LearnedUncertainty` of dev queries, by ridge regression of what the student lost to the teacher.

    Args:
        signals (`{name: float (Q,)}`): as `uncertainty_signals` gives them.
        losses (`float (Q,)`): the teacher's figure less the student's, of dev queries only; NaN is left out.
        ridge (`float`): strength towards zero weights, in queries.
    """
    names = tuple(sorted(signals))
    losses = np.asarray(losses, dtype=np.float64)
    known = ~np.isnan(losses)
    if known.sum() < 2:
        raise ValueError(f"Expected at least two dev queries with a figure to learn from, got {int(known.sum())}.")
    table = np.stack([signals[name] for name in names], axis=1)[known]
    means, deviations = table.mean(axis=0), table.std(axis=0)
    deviations = np.where(deviations > 0, deviations, 1.0)
    rows, targets = (table - means) / deviations, losses[known] - losses[known].mean()
    weights = np.linalg.solve(rows.T @ rows + ridge * np.eye(len(names)), rows.T @ targets)
    return LearnedUncertainty(names, means, deviations, weights)


def routed(uncertainty, share):
    """Returns which of Q queries go to the teacher, `bool (Q,)`: the least certain `share`, rounded to whole queries.

    Queries of equal uncertainty go in their order.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"Expected a share of 0 to 1, got {share}.")
    count = int(np.floor(share * len(uncertainty) + 0.5))
    chosen = np.zeros(len(uncertainty), dtype=bool)
    chosen[np.argsort(-np.asarray(uncertainty), kind="stable")[:count]] = True
    return chosen


def threshold_for_share(uncertainty, share):
    """Returns the uncertainty from which queries go to the teacher, so that of a sample `share` do: the dial.

    Args:
        uncertainty (`float (n,)`): of a sample of queries as they come.
    """
    return float(np.quantile(np.asarray(uncertainty, dtype=np.float64), 1 - share, method="higher"))


def cascade_curve(student, teacher, uncertainty, shares=SHARES):
    """Returns what a cascade reaches at several shares, a list of JSON-safe rows.

    Each row: `share` (of the queries that really went to the teacher), `value` (mean figure), `retention` (of the
    teacher's mean), `recovered` (share of the difference teacher - student that came back; None if there is none),
    `random` (the mean that random routing of as many queries reaches on average) and `random_deviation` (its standard
    deviation).

    Args:
        student, teacher (`float (Q,)`): figures of each query; NaN in either is left out.
        uncertainty (`float (Q,)`): higher goes first.
    """
    student, teacher, uncertainty = (np.asarray(x, dtype=np.float64) for x in (student, teacher, uncertainty))
    known = ~np.isnan(student + teacher)
    student, teacher, uncertainty = student[known], teacher[known], uncertainty[known]
    if not len(student):
        raise ValueError("Expected queries with a figure, got none.")
    gains = teacher - student
    deviation = gains.std(ddof=1) if len(gains) > 1 else 0.0
    rows = []
    for share in shares:
        sent = routed(uncertainty, share)
        n, total = int(sent.sum()), len(sent)
        value = float(np.where(sent, teacher, student).mean())
        rows.append(
            {
                "share": n / total,
                "value": value,
                "retention": value / float(teacher.mean()) if teacher.mean() else None,
                "recovered": float(gains[sent].sum() / gains.sum()) if abs(gains.sum()) > 1e-12 else None,
                "random": float(student.mean() + n / total * gains.mean()),
                # of a mean over n of the gains drawn without replacement, spread over all queries
                "random_deviation": float(deviation * np.sqrt(n * (1 - n / total)) / total),
            }
        )
    return rows


def _entropy(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = shifted / shifted.sum(axis=1, keepdims=True)
    return -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=1)


def signal_score(sets, shares=CHOICE_SHARES):
    """Returns how well a signal routes, by the mean over shares of what it recovers: 0.25 is what random routing gets.

    One share alone would let the luck of a few dev queries decide.

    Args:
        sets (`list[tuple]`): `(uncertainty, student, teacher)` of the dev queries of each set.
    """
    return float(np.mean([mean_recovered(sets, share) for share in shares]))


def mean_recovered(sets, share):
    """Returns the share of the loss, averaged over sets, that comes back when `share` of each set goes to the teacher.

    Args:
        sets (`list[tuple]`): `(uncertainty, student, teacher)` of the queries of each set, `float (Q,)` each.
    """
    gained = lost = 0.0
    for uncertainty, student, teacher in sets:
        (row,) = cascade_curve(student, teacher, uncertainty, (share,))
        first, last = cascade_curve(student, teacher, uncertainty, (0.0, 1.0))
        gained += row["value"] - first["value"]
        lost += last["value"] - first["value"]
    return gained / lost if abs(lost) > 1e-12 else 0.0


def recovered_error(sets, share):
    """Returns the standard error of `mean_recovered`, to first order, with the routed queries taken as given.

    Args:
        sets (`list[tuple]`), share (`float`): as for `mean_recovered`.
    """
    ratio, lost, variance = mean_recovered(sets, share), 0.0, 0.0
    for uncertainty, student, teacher in sets:
        gains = np.asarray(teacher, dtype=np.float64) - np.asarray(student, dtype=np.float64)
        lost += gains.mean()
        left = gains * (routed(uncertainty, share) - ratio)
        variance += left.var(ddof=1) / len(left) if len(left) > 1 else 0.0
    return float(np.sqrt(variance) / abs(lost)) if abs(lost) > 1e-12 else 0.0


def as_quantiles(values):
    """Returns the place of each value among all, `float64 (Q,)`, 0 to 1; equal values share one place.

    Signals of different sets become comparable by it: cosines lie higher in one corpus than in another.
    """
    values = np.asarray(values, dtype=np.float64)
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts + 1) / 2
    return middle[place] / max(len(values) - 1, 1)
