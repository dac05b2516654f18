"""Sums and counts of masked-token predictions, by class of the true token, and the figures made of them.

Sums add up over batches and ranks, so every figure is an average over tokens, whatever the batch size.
"""

import math

import torch

from traceformers.tokenization.rrweb.rrweb_vocabulary import CLASSES

NLL, CORRECT, COUNT = range(3)


def empty_sums():
    """Returns zeros, `float64 (n_classes, 3)`: negative log-likelihood in nats, correct first guesses, tokens."""
    return torch.zeros(len(CLASSES), 3, dtype=torch.float64)


def masked_sums(nll, correct, classes):
    """Returns the sums of n predictions, `float64 (n_classes, 3)`.

    Args:
        nll (`(n,)`): negative log-likelihood of the true token, in nats.
        correct (`(n,)`): whether the first guess was right.
        classes (`int (n,)`): class of the true token, an index into `CLASSES`.
    """
    rows = torch.stack([nll.double(), correct.double(), torch.ones(len(nll), dtype=torch.float64)], dim=1)
    return empty_sums().index_add_(0, classes.long(), rows)


def prediction_sums(logits, labels, token_classes):
    """Returns the sums of a model's predictions, on the CPU.

    Args:
        logits (`(n, V)`): scores at the masked tokens, of any floating type.
        labels (`int64 (n,)`): true ids.
        token_classes (`uint8 (V,)` tensor): class of each id, on the CPU.
    """
    nll = torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")
    correct = logits.argmax(-1) == labels
    return masked_sums(nll.cpu(), correct.cpu(), token_classes[labels.cpu()])


def masked_report(sums):
    """Returns the figures of some sums as JSON-safe data.

    Keys: `loss` (nats a token), `bits_per_token`, `top1`, `perplexity`, `tokens`, and `classes`, a dict of the same
    for every class that has tokens.

    Raises:
        ValueError: if there is no token at all.

    >>> masked_report(masked_sums(torch.tensor([0.0, math.log(4)]), torch.tensor([1, 0]), torch.tensor([1, 6])))["top1"]
    0.5
    """
    if not sums[:, COUNT].sum():
        raise ValueError(
            "Expected at least one masked token to evaluate on, got none: the split has no maskable token."
        )
    names = [name for name, row in zip(CLASSES, sums, strict=True) if row[COUNT]]
    return _figures(sums.sum(0)) | {"classes": {name: _figures(sums[CLASSES.index(name)]) for name in names}}


def flat_report(report, prefix="eval"):
    """Returns a report as one level of names, for logs: `eval_loss`, ..., `eval_action_top1`, ...

    Of the classes, only bits a token, top-1 and the number of tokens.
    """
    flat = {f"{prefix}_{name}": value for name, value in report.items() if name != "classes"}
    for token_class, figures in report["classes"].items():
        flat |= {f"{prefix}_{token_class}_{name}": figures[name] for name in ("bits_per_token", "top1", "tokens")}
    return flat


def _figures(row):
    nll, correct, count = row.tolist()
    loss = nll / count
    return {
        "loss": loss,
        "bits_per_token": loss / math.log(2),
        "top1": correct / count,
        "perplexity": math.exp(min(loss, 700.0)),
        "tokens": int(count),
    }
