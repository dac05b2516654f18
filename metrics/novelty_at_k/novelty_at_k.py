"""How surprising the recommended items are, as a module for `evaluate.load`."""

import datasets
import evaluate
import numpy as np

DESCRIPTION = """Mean self-information of the first k items, in bits: -log2 of an item's share of all interactions."""
CITATION = """
@article{zhou2010solving,
  title   = {Solving the apparent diversity-accuracy dilemma of recommender systems},
  author  = {Zhou, Tao and Kuscsik, Zolt{\\'a}n and Liu, Jian-Guo and Medo, Mat{\\'u}{\\v{s}} and Wakeling, Joseph Rushton and Zhang, Yi-Cheng},
  journal = {PNAS},
  year    = {2010},
  note    = {arXiv 0808.2670}
}
"""  # noqa: E501
KWARGS_DESCRIPTION = """
Args:
    predictions (list of list of str): for each user, the recommended items, best first.
    item_counts (dict of str to int): interactions of each item in training. One without any counts as one.
    k (int): ranks that count, 10.
Returns:
    `novelty_at_k`: the mean over the users who are recommended something of the mean over their items.
Examples:
    >>> NoveltyAtK().compute(predictions=[["a", "b"], ["b"]], item_counts={"a": 6, "b": 2})
    {'novelty_at_k': 1.6037593748197004}
"""


class NoveltyAtK(evaluate.Metric):
    """`evaluate.load("metrics/novelty_at_k")`; as `ranking_report.py` counts it from token ids."""

    def _info(self):
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Sequence(datasets.Value("string"))}),
        )

    def _compute(self, predictions, item_counts, k=10):
        if k < 1:
            raise ValueError(f"Expected k of at least 1, got {k}: it is how many items of each list count.")
        total = sum(item_counts.values())
        if total < 1:
            raise ValueError("Expected item_counts of the training interactions, got none: count them by item.")
        bits = {item: -np.log2(max(count, 1) / total) for item, count in item_counts.items()}
        means = [np.mean([bits.get(item, np.log2(total)) for item in items[:k]]) for items in predictions if items]
        if not means:
            raise ValueError("Expected a user with recommended items, got none: there is nothing to rate.")
        return {"novelty_at_k": float(np.mean(means))}
