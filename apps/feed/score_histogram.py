"""How probabilities are spread, and how far two feeds differ in that: the population stability index.

    PSI = sum over bins of (p - q) * ln(p / q)

Siddiqi, "Credit Risk Scorecards", 2006: below 0.1 hardly a change, from 0.25 on a large one.
"""

import numpy as np

BINS = 20
SMALL, LARGE = 0.1, 0.25
FLOOR = 1e-3  # share of an empty bin


def histogram(probabilities):
    """Returns how many of some probabilities lie in each of `BINS` equal parts of 0 to 1, list of `int`."""
    counts, _ = np.histogram(np.clip(probabilities, 0, 1), bins=BINS, range=(0, 1))
    return counts.tolist()


def stability_index(before, now):
    """Returns the population stability index of two histograms, 0 for equal shares; None where one is empty.

    Args:
        before, now (list of `int`): of `histogram`.

    >>> stability_index([5, 5], [50, 50])
    0.0
    """
    before, now = np.asarray(before, np.float64), np.asarray(now, np.float64)
    if not before.sum() or not now.sum():
        return None
    p, q = (np.maximum(counts / counts.sum(), FLOOR) for counts in (before, now))
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())
