"""How good probabilities of yes are, head by head: average precision, NDCG@21, Brier, F1, log loss, beside base rates.

Ties are counted as if in every order (NDCG) or all at once (average precision), so a model that gives everything the
same score is worth what chance is worth.

    axes: n examples with a label
"""

import numpy as np

from traceformers.datasets_scripts.feed.feed_records import HEADS

#: Cards of one page of the feed.
PAGE = 21
#: Examples in a bin of the calibration curve are about as many in each.
BINS = 10
_SMALLEST = 1e-7


def average_precision(labels, scores):
    """Returns the mean precision over the recalls of a ranking, `float`; NaN without a yes.

    >>> round(average_precision([1, 0, 1], [0.9, 0.8, 0.7]), 4)  # (1/1 + 2/3) / 2
    0.8333
    """
    labels, scores = np.asarray(labels) >= 0.5, np.asarray(scores, dtype=np.float64)
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    is_last = np.append(np.diff(scores[order]) != 0, True)  # of equal scores
    hits, seen = hits[is_last], (np.arange(len(order)) + 1)[is_last]
    return float(np.sum(np.diff(hits, prepend=0) * hits / seen) / labels.sum())


def ndcg(labels, scores, k=PAGE):
    """Returns the normalised discounted cumulative gain of the first k, `float`; equal scores share their places.

    >>> round(ndcg([0, 1], [0.9, 0.1], k=2), 4)  # 1 / log2(3)
    0.6309
    """
    labels, scores = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if not labels.sum() > 0:
        return float("nan")
    discounts = np.where(np.arange(len(labels)) < k, 1 / np.log2(np.arange(len(labels)) + 2), 0.0)
    _, group, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    gains = np.bincount(group.reshape(-1), weights=labels) / counts  # mean gain of those with one score
    ends = np.cumsum(counts)
    summed = np.append(0.0, np.cumsum(discounts))
    gained = float(np.sum(gains * (summed[ends] - summed[ends - counts])))
    return gained / float(np.sum(-np.sort(-labels) * discounts))


def weighted_f1(labels, probabilities, threshold=0.5):
    """Returns the F1 of both answers, weighted by how often each is right, `float`.

    >>> round(weighted_f1([1, 1, 0, 0], [0.9, 0.2, 0.1, 0.3]), 4)  # yes 2/3, no 4/5, half each
    0.7333
    """
    labels = np.asarray(labels) >= 0.5
    told = np.asarray(probabilities) >= threshold
    if not len(labels):
        return float("nan")
    total = 0.0
    for answer in (True, False):
        both = np.sum((labels == answer) & (told == answer))
        either = np.sum(labels == answer) + np.sum(told == answer)
        total += np.mean(labels == answer) * (2 * both / either if either else 0.0)
    return float(total)


def head_figures(labels, probabilities, base_rate=None):
    """Returns the figures of one head, `dict` of `float`; None where they are not defined.

    Args:
        labels (float (n,)): from 0 to 1, no NaN. probabilities (float (n,)): of yes.
        base_rate (`float`, *optional*): share of yes in training, for `brier_of_base_rate`; by default
            that of `labels`.
    """
    labels, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if not len(labels):
        return {"n": 0}
    p_safe = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    rate = float(labels.mean()) if base_rate is None else float(base_rate)
    told = p >= 0.5
    is_yes = labels >= 0.5
    figures = {
        "n": len(labels),
        "base_rate": float(labels.mean()),
        "average_precision": average_precision(labels, p),
        f"ndcg@{PAGE}": ndcg(labels, p),
        "brier": float(np.mean((p - labels) ** 2)),
        "brier_of_base_rate": float(np.mean((rate - labels) ** 2)),
        "log_loss": float(-np.mean(labels * np.log(p_safe) + (1 - labels) * np.log(1 - p_safe))),
        "calibration_error": calibration_error(labels, p),
        "f1": weighted_f1(labels, p),
        "precision": _share(told & is_yes, told),
        "recall": _share(told & is_yes, is_yes),
        "mean_probability": float(p.mean()),
    }
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in figures.items()}


def feed_figures(labels, probabilities, base_rates=(None, None)):
    """Returns {head: figures} of labels (n, 2), NaN for none, and probabilities (n, 2)."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    said = ~np.isnan(labels)
    return {
        head: head_figures(labels[said[:, i], i], probabilities[said[:, i], i], base_rates[i])
        for i, head in enumerate(HEADS)
    }


def calibration_curve(labels, probabilities, bins=BINS):
    """Returns (mean probability, share of yes, examples) of each bin, three arrays; bins hold about equally many."""
    labels, p = np.asarray(labels, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    parts = [part for part in np.array_split(np.argsort(p, kind="stable"), bins) if len(part)]
    return (
        np.array([p[part].mean() for part in parts]),
        np.array([labels[part].mean() for part in parts]),
        np.array([len(part) for part in parts]),
    )


def calibration_error(labels, probabilities, bins=BINS):
    """Returns the mean distance of probability and share of yes over bins, weighted by their examples, `float`."""
    told, came, counts = calibration_curve(labels, probabilities, bins)
    return float(np.sum(np.abs(told - came) * counts) / np.sum(counts))


def _share(part, whole):
    return float(part.sum() / whole.sum()) if whole.sum() else 0.0
