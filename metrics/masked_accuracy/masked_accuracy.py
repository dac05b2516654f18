"""Share of masked tokens that were predicted, in all and by token class, as a module for `evaluate.load`."""

import datasets
import evaluate
import numpy as np

DESCRIPTION = """Share of the scored tokens whose predicted id is the true one. Tokens labelled -100 are not scored."""
KWARGS_DESCRIPTION = """
Args:
    predictions (list of int): predicted ids.
    references (list of int): true ids, -100 where nothing was asked.
    token_classes (list of int, optional): class of each id of the vocabulary, as `tokenizer.token_classes`.
    class_names (list of str, optional): names of the classes.
Returns:
    `masked_accuracy`, and with `token_classes` one `masked_accuracy_<class>` for each class that was scored.
Examples:
    >>> MaskedAccuracy().compute(predictions=[7, 8, 9], references=[7, -100, 1])
    {'masked_accuracy': 0.5}
"""


class MaskedAccuracy(evaluate.Metric):
    """`evaluate.load("metrics/masked_accuracy")`; adds up over batches given with `add_batch`."""

    def _info(self):
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
        )

    def _compute(self, predictions, references, token_classes=None, class_names=None):
        predictions, references = np.asarray(predictions), np.asarray(references)
        scored = references != -100
        if not scored.any():
            raise ValueError("Expected at least one reference other than -100, got none: nothing was asked.")
        hits = predictions[scored] == references[scored]
        result = {"masked_accuracy": float(hits.mean())}
        if token_classes is not None:
            classes = np.asarray(token_classes)[references[scored]]
            for number in np.unique(classes):
                name = class_names[number] if class_names is not None else int(number)
                result[f"masked_accuracy_{name}"] = float(hits[classes == number].mean())
        return result
