"""How much of a catalogue is recommended to anyone, as a module for `evaluate.load`."""

import datasets
import evaluate

DESCRIPTION = """The share of a catalogue that is among the first k items of at least one user."""
KWARGS_DESCRIPTION = """
Args:
    predictions (list of list of str): for each user, the recommended items, best first.
    catalogue_size (int): how many items there are.
    k (int): ranks that count, 10.
Returns:
    `coverage_at_k`: different items in the lists over `catalogue_size`.
Examples:
    >>> CoverageAtK().compute(predictions=[["a", "b"], ["a", "c"]], catalogue_size=6)
    {'coverage_at_k': 0.5}
"""


class CoverageAtK(evaluate.Metric):
    """`evaluate.load("metrics/coverage_at_k")`; as `ranking_report.py` counts it from token ids."""

    def _info(self):
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Sequence(datasets.Value("string"))}),
        )

    def _compute(self, predictions, catalogue_size, k=10):
        if k < 1:
            raise ValueError(f"Expected k of at least 1, got {k}: it is how many items of each list count.")
        shown = {item for items in predictions for item in items[:k]}
        if catalogue_size < max(1, len(shown)):
            raise ValueError(
                f"Expected a catalogue_size of all items, got {catalogue_size} with {len(shown)} recommended: count "
                "the items that could be recommended."
            )
        return {"coverage_at_k": len(shown) / catalogue_size}
