"""Slices of a ranking evaluation: users by the length of their history, targets by how often they occur in training."""

from itertools import pairwise

import numpy as np

HISTORY_LENGTHS = ((0, 9), (10, 19), (20, 49), (50, 99), (100, 199), (200, None))  # items, both ends included
COLD = 10  # a target with fewer interactions in training is cold


def history_length_slices(lengths, edges=HISTORY_LENGTHS):
    """Returns `{name: bool (U,)}`: the users of each range of lengths, ranges without users left out.

    Args:
        lengths (`int (U,)`): items of each user's whole history.
        edges (`tuple` of pairs): first and last length of each range, None for no end.

    >>> history_length_slices([3, 12, 500])["10-19"].tolist()
    [False, True, False]
    """
    lengths = np.asarray(lengths)
    slices = {}
    for low, high in edges:
        chosen = (lengths >= low) & (lengths <= (np.inf if high is None else high))
        if chosen.any():
            slices[f"{low}+" if high is None else f"{low}-{high}"] = chosen
    return slices


def popularity_slices(counts, cold=COLD):
    """Returns `{name: bool (n,)}`: targets below `cold` interactions, and four quarters from rare to popular.

    Quarters are of the targets, not of the items, so that their figures are about equally certain; targets with equal
    counts stay together, so a quarter may be larger or missing.

    Args:
        counts (`int (n,)`): interactions of each target in training.
        cold (`int`): below it a target is cold.

    >>> list(popularity_slices([1, 20, 30, 40, 50]))
    ['under 10', 'quarter 1', 'quarter 2', 'quarter 3', 'quarter 4']
    """
    counts = np.asarray(counts)
    if not len(counts):
        return {}
    slices = {f"under {cold}": counts < cold}
    borders = [-1, *np.quantile(counts, [0.25, 0.5, 0.75], method="inverted_cdf").tolist(), np.inf]
    for quarter, (low, high) in enumerate(pairwise(borders), 1):
        slices[f"quarter {quarter}"] = (counts > low) & (counts <= high)
    return {name: chosen for name, chosen in slices.items() if chosen.any()}
