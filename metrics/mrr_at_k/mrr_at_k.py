"""How early the first relevant document comes, as a module for `evaluate.load`."""

import datasets
import evaluate
import numpy as np

DESCRIPTION = """Reciprocal rank of the first relevant document, 0 if it is not among the first k."""
KWARGS_DESCRIPTION = """
Args:
    predictions (list of list of int): for each query, the grades of the ranked documents, best rank first.
    references (list of list of int): for each query, the grades of all judged documents, in any order.
    k (int): ranks that count, 10.
    minimum_grade (int): grade from which a document is relevant, 1.
Returns:
    `mrr_at_k`: the mean over the queries that have a relevant document.
Examples:
    >>> MRRAtK().compute(predictions=[[0, 1]], references=[[1, 0]])
    {'mrr_at_k': 0.5}
"""


class MRRAtK(evaluate.Metric):
    """`evaluate.load("metrics/mrr_at_k")`; as `ranking_metrics.py`, for one list a query."""

    def _info(self):
        grades = datasets.Sequence(datasets.Value("int64"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": grades, "references": grades}),
        )

    def _compute(self, predictions, references, k=10, minimum_grade=1):
        values = [
            next((1 / rank for rank, grade in enumerate(ranked[:k], 1) if grade >= minimum_grade), 0.0)
            for ranked, judged in zip(predictions, references, strict=True)
            if max(judged, default=0) >= minimum_grade
        ]
        if not values:
            raise ValueError("Expected a query with a relevant document, got none: there is nothing to find.")
        return {"mrr_at_k": float(np.mean(values))}
