"""How good and how well ordered the first k documents of a ranking are, as a module for `evaluate.load`."""

import datasets
import evaluate
import numpy as np

DESCRIPTION = (
    """Normalised discounted cumulative gain of the first k documents: linear gain, discount 1 / log2(1 + rank)."""
)
KWARGS_DESCRIPTION = """
Args:
    predictions (list of list of int): for each query, the grades of the ranked documents, best rank first.
    references (list of list of int): for each query, the grades of all judged documents, in any order.
    k (int): ranks that count, 10.
Returns:
    `ndcg_at_k`: the mean over the queries that have a relevant document.
Examples:
    >>> NDCGAtK().compute(predictions=[[0, 1]], references=[[1, 0]])
    {'ndcg_at_k': 0.6309297535714575}
"""


class NDCGAtK(evaluate.Metric):
    """`evaluate.load("metrics/ndcg_at_k")`; as `ranking_metrics.py`, for one list a query."""

    def _info(self):
        grades = datasets.Sequence(datasets.Value("int64"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": grades, "references": grades}),
        )

    def _compute(self, predictions, references, k=10):
        values = [
            _gain(ranked, k) / _gain(sorted(judged, reverse=True), k)
            for ranked, judged in zip(predictions, references, strict=True)
            if max(judged, default=0) > 0
        ]
        if not values:
            raise ValueError("Expected a query with a relevant document, got none: there is nothing to find.")
        return {"ndcg_at_k": float(np.mean(values))}


def _gain(grades, k):
    return sum(max(grade, 0) / np.log2(1 + rank) for rank, grade in enumerate(grades[:k], 1))
