"""One ranking made of several by reciprocal ranks, and the choice of their weights on queries kept for choices.

    score(d) = sum over rankings i of  weight_i / (k + rank_i(d))

with ranks from 1; a ranking that does not list d adds nothing (Cormack, Clarke and Buettcher, SIGIR 2009; there all
weights are 1 and k is 60).
"""

from dataclasses import asdict, dataclass

import numpy as np

from traceformers.training.evaluation.ranked_evaluation import DEPTH, Ranking, evaluate_ranking
from traceformers.training.evaluation.ranking_metrics import paired_difference

WEIGHTS = tuple(round(0.05 * i, 2) for i in range(21))
CONSTANTS = (1, 3, 10, 30, 60)


@dataclass(frozen=True)
class Fusion:
    """How a dense and a lexical ranking are joined.

    Attributes:
        weight (`float`): weight of the lexical ranking, 0 to 1; the dense one has the rest.
        k (`float`): the constant of the formula; a small one trusts first ranks more.
    """

    weight: float = 0.5
    k: float = 60.0

    def __post_init__(self):
        if not 0 <= self.weight <= 1 or self.k < 0:
            raise ValueError(f"Expected a weight of 0 to 1 and k of at least 0, got {self.weight} and {self.k}.")

    def __call__(self, dense, lexical, depth=DEPTH):
        """Returns the fused `Ranking`; a weight of 0 or 1 gives one of the two as it is."""
        if self.weight in (0, 1):
            return dense if self.weight == 0 else lexical
        return fuse([dense, lexical], [1 - self.weight, self.weight], self.k, depth)

    def to_dict(self):
        """Returns the settings, JSON-safe."""
        return asdict(self)


def fuse(rankings, weights=None, k=60.0, depth=DEPTH):
    """Returns one `Ranking` of several rankings of the same queries.

    Args:
        rankings (`list[Ranking]`): of Q queries each.
        weights (`list[float]`): one a ranking; all 1 if None.
        k (`float`): the constant of the formula.
        depth (`int`): documents kept for each query.

    Raises:
        ValueError: if the rankings are not of the same number of queries, or the weights not as many.
    """
    weights = [1.0] * len(rankings) if weights is None else list(weights)
    if len({len(ranking) for ranking in rankings}) != 1 or len(weights) != len(rankings):
        raise ValueError(
            f"Expected rankings of the same queries and a weight each, got {[len(r) for r in rankings]} queries and "
            f"{len(weights)} weights."
        )
    listed = np.concatenate([ranking.positions for ranking in rankings], axis=1)  # (Q, sum of depths)
    parts = [
        np.broadcast_to(weight / (k + np.arange(1, 1 + ranking.positions.shape[1])), ranking.positions.shape)
        for ranking, weight in zip(rankings, weights, strict=True)
    ]
    gains = np.where(listed >= 0, np.concatenate(parts, axis=1), 0.0)
    depth = min(depth, listed.shape[1])
    scores = np.full((len(listed), depth), -np.inf, dtype=np.float32)
    positions = np.full((len(listed), depth), -1, dtype=np.int64)
    for row, (names, values) in enumerate(zip(listed, gains, strict=True)):
        documents, place = np.unique(names, return_inverse=True)
        total = np.bincount(place, weights=values)
        documents, total = documents[documents >= 0], total[documents >= 0]
        order = np.lexsort((documents, -total))[:depth]
        scores[row, : len(order)], positions[row, : len(order)] = total[order], documents[order]
    return Ranking(scores, positions)


def tune_fusion(sets, dense, lexical, weights=WEIGHTS, constants=CONSTANTS, figure="ndcg@10"):
    """Returns `(Fusion, score)`: chosen on the dev queries of some sets, by the mean over sets.

    The best constant k, and with it the least lexical weight that is within one paired standard error of the best one
    (Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984, 3.4.3): dev queries are few,
    and where words mislead, a large weight on them costs more than it gains elsewhere. Only dev queries
    (`RetrievalSet.part`) are looked at, so figures on test queries stay unseen.

    Args:
        sets (`list[RetrievalSet]`): with all their queries.
        dense, lexical (`list[Ranking]`): one a set, of all its queries.

    Raises:
        ValueError: if no set has dev queries.
    """
    parts = []
    for one, dense_ranking, lexical_ranking in zip(sets, dense, lexical, strict=True):
        dev = one.part("dev")
        if dev.any():
            parts.append((one.select(dev), dense_ranking.select(dev), lexical_ranking.select(dev)))
    if not parts:
        raise ValueError("Expected dev queries to choose the weight of the fusion on, got none: give larger sets.")
    figures = {
        (k, weight): [evaluate_ranking(s, Fusion(weight, k)(d, w))[figure] for s, d, w in parts]
        for k in sorted(constants, reverse=True)
        for weight in sorted(weights)
    }
    scores = {setting: float(np.mean([np.nanmean(one) for one in rows])) for setting, rows in figures.items()}
    best = max(scores, key=scores.get)  # of equals the first: the larger k, the smaller weight
    for weight in sorted(weights):
        setting = best[0], weight
        if scores[best] - scores[setting] <= _standard_error(figures[best], figures[setting]):
            return Fusion(weight, best[0]), scores[setting]
    raise AssertionError("the best setting is within its own error")


def _standard_error(figures, others):
    """Returns that of the mean over sets of the differences between two lists of figures, one array a set."""
    errors = [paired_difference(one, other)[1] for one, other in zip(figures, others, strict=True)]
    return float(np.sqrt(np.sum(np.square([error or 0.0 for error in errors]))) / len(errors))
