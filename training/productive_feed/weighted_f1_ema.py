"""The figure that chooses the best checkpoint: weighted F1 of both heads, smoothed over the evaluations.

    x_t = w F1(productive) + (1 - w) F1(interest),    ema_t = alpha x_t + (1 - alpha) ema_{t-1},    ema_0 = x_0

A head without labels in validation leaves the weight to the other.
"""

import math


def ema(values, alpha=0.6):
    """Returns the exponential moving average after each of `values`, list of `float`.

    Args:
        values (sequence of `float`): oldest first.
        alpha (`float`): above 0, at most 1: how much the newest counts; with 1 nothing is smoothed.

    >>> [round(each, 3) for each in ema([1.0, 0.0, 0.0], alpha=0.6)]
    [1.0, 0.4, 0.16]
    """
    smoothed = []
    for value in values:
        smoothed.append(value if not smoothed else alpha * value + (1 - alpha) * smoothed[-1])
    return smoothed


def next_ema(value, before, alpha=0.6):
    """Returns the average after one more value; `before` is None at the first."""
    return value if before is None else alpha * value + (1 - alpha) * before


def combined_f1(interest, productive, productive_weight=0.65):
    """Returns the weighted F1 of both heads as one figure; NaN or None stands for a head without labels.

    >>> round(combined_f1(0.5, 1.0), 3), combined_f1(None, 0.8)
    (0.825, 0.8)
    """
    parts = [(interest, 1 - productive_weight), (productive, productive_weight)]
    parts = [(value, weight) for value, weight in parts if value is not None and not math.isnan(value)]
    total = sum(weight for _, weight in parts)
    if not parts:
        return math.nan
    if not total:
        return sum(value for value, _ in parts) / len(parts)
    return sum(value * weight for value, weight in parts) / total
