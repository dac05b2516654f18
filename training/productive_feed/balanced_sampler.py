"""The order of an epoch, in which examples of interest and of productive have the shares that were asked for.

Productive labels are few and interest labels many; drawn as they come, a batch would hold next to none of the former.
Each group is gone through in whole shuffled rounds, so no example comes twice before all of its group came once. What
comes out depends on (seed, epoch) alone, so ranks and resumed runs agree.
"""

import numpy as np


def balanced_order(labels, interest_ratio=0.5, seed=42, epoch=0):
    """Returns the examples of an epoch in their order, int64 (n,): as many as there are, some more than once.

    An example with a productive label counts as productive, also where interest was said with it.

    Args:
        labels (float (n, 2)): interest, productive; NaN for none.
        interest_ratio (`float`): share of examples with interest alone; the rest are productive ones. Where one of the
            groups is empty, the other has all.
        seed, epoch (`int`).
    """
    labels = np.asarray(labels)
    is_productive = ~np.isnan(labels[:, 1])
    groups = [np.flatnonzero(~is_productive), np.flatnonzero(is_productive)]
    random = np.random.default_rng([seed, epoch])
    of_interest = round(len(labels) * interest_ratio)
    counts = [of_interest, len(labels) - of_interest]
    for group, other in ((0, 1), (1, 0)):
        if not len(groups[group]):
            counts[group], counts[other] = 0, len(labels)
    drawn = [rounds(group, count, random) for group, count in zip(groups, counts, strict=True)]
    return random.permutation(np.concatenate(drawn))


def rounds(rows, count, random):
    """Returns `count` of `rows`, int64: whole shuffled rounds and a part of one."""
    if not count:
        return np.zeros(0, dtype=np.int64)
    return np.concatenate([random.permutation(rows) for _ in range(-(-count // len(rows)))])[:count]
