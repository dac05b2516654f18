"""Share of the relevant documents that are among the first k, as a module for `evaluate.load`."""

import datasets
import evaluate
import numpy as np

DESCRIPTION = """Number of relevant documents among the first k over the number of all relevant documents."""
KWARGS_DESCRIPTION = """
Args:
    predictions (list of list of int): for each query, the grades of the ranked documents, best rank first.
    references (list of list of int): for each query, the grades of all judged documents, in any order.
    k (int): ranks that count, 100.
    minimum_grade (int): grade from which a document is relevant, 1.
Returns:
    `recall_at_k`: the mean over the queries that have a relevant document.
Examples:
    >>> RecallAtK().compute(predictions=[[0, 1]], references=[[1, 0]])
    {'recall_at_k': 1.0}
"""


class RecallAtK(evaluate.Metric):
    """`evaluate.load("metrics/recall_at_k")`; as `training/evaluation/ranking_metrics.py`, for one list a query."""

    def _info(self):
        grades = datasets.Sequence(datasets.Value("int64"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": grades, "references": grades}),
        )

    def _compute(self, predictions, references, k=100, minimum_grade=1):
        values = [
            _relevant(ranked[:k], minimum_grade) / _relevant(judged, minimum_grade)
            for ranked, judged in zip(predictions, references, strict=True)
            if _relevant(judged, minimum_grade)
        ]
        if not values:
            raise ValueError("Expected a query with a relevant document, got none: there is nothing to find.")
        return {"recall_at_k": float(np.mean(values))}


def _relevant(grades, minimum_grade):
    return sum(grade >= minimum_grade for grade in grades)
