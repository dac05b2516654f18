"""How often what comes next was foretold: first guess, first three, macro-F1, as a module for `evaluate.load`."""

import datasets
import evaluate
import numpy as np

DESCRIPTION = (
    """Accuracy of the first of some ranked classes, share of true ones among the first three, and macro-F1."""
)
KWARGS_DESCRIPTION = """
Args:
    predictions (list of list of int): for each action the classes foretold, the likeliest first.
    references (list of int): the true class; one that cannot be foretold, -100 say, is always a miss.
    least (int): examples that a class needs to count in macro-F1, 10; all count where none has so many.
Returns:
    `accuracy`, `top3` and `macro_f1`.
Examples:
    >>> NextActionAccuracy().compute(predictions=[[0, 1, 2], [1, 0, 2]], references=[0, 2])
    {'accuracy': 0.5, 'top3': 1.0, 'macro_f1': 0.5}
"""


class NextActionAccuracy(evaluate.Metric):
    """`evaluate.load("metrics/next_action_accuracy")`; as `next_action_metrics.py`, for ranked classes."""

    def _info(self):
        ranked = datasets.Sequence(datasets.Value("int64"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": ranked, "references": datasets.Value("int64")}),
        )

    def _compute(self, predictions, references, least=10):
        if not len(references):
            raise ValueError("Expected at least one action, got none: nothing was asked.")
        references = np.asarray(references)
        first = np.array([ranked[0] for ranked in predictions])
        known, counts = np.unique(references[references >= 0], return_counts=True)
        counted = known[counts >= least] if (counts >= least).any() else known
        scores = [_f1(references == each, first == each) for each in counted]
        return {
            "accuracy": float((first == references).mean()),
            "top3": float(
                np.mean([true in ranked[:3] for ranked, true in zip(predictions, references.tolist(), strict=True)])
            ),
            "macro_f1": float(np.mean(scores)) if scores else 0.0,
        }


def _f1(is_class, is_guess):
    return 2 * np.sum(is_class & is_guess) / max(is_class.sum() + is_guess.sum(), 1)
