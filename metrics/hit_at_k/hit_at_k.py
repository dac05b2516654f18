"""How many users have a right item among the first k, as a module for `evaluate.load`."""

import datasets
import evaluate
import numpy as np

DESCRIPTION = """The share of users with at least one right item among the first k of their ranking (HR@k)."""
KWARGS_DESCRIPTION = """
Args:
    predictions (list of list of str): for each user, the recommended items, best first.
    references (list of list of str): for each user, the right items, in any order; one where the next item is asked.
    k (int): ranks that count, 10.
Returns:
    `hit_at_k`: the mean over the users who have a right item.
Examples:
    >>> HitAtK().compute(predictions=[["a", "b"], ["a", "c"]], references=[["b"], ["d"]])
    {'hit_at_k': 0.5}
"""


class HitAtK(evaluate.Metric):
    """`evaluate.load("metrics/hit_at_k")`; as `ranking_report.py` counts it from ranks."""

    def _info(self):
        items = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": items, "references": items}),
        )

    def _compute(self, predictions, references, k=10):
        if k < 1:
            raise ValueError(f"Expected k of at least 1, got {k}: it is how many items of each list count.")
        hits = [
            not set(right).isdisjoint(items[:k]) for items, right in zip(predictions, references, strict=True) if right
        ]
        if not hits:
            raise ValueError("Expected a user with a right item, got none: there is nothing to find.")
        return {"hit_at_k": float(np.mean(hits))}
