"""How well one of three modalities finds another: R@1, R@5 and MRR in all six directions, beside chance.

Axes: N rows that belong together, P length of a vector.
"""

from itertools import permutations

import numpy as np

DIRECTIONS = tuple(permutations(("text", "image", "session"), 2))


def ranks_of_partners(queries, candidates, groups=None):
    """Returns the rank (N,) of each query's own candidate among all, or among those of its group; 1 is best.

    Candidates as near as the right one count half: a model that gives the same vector to all gets the middle rank.

    Args:
        queries, candidates (array (N, P)): length 1, row i of one belongs to row i of the other.
        groups (array (N,), *optional*): only candidates of the query's own group compete.
    """
    similarity = np.asarray(queries, np.float64) @ np.asarray(candidates, np.float64).T  # (N, N)
    own = np.diagonal(similarity)[:, None]
    if groups is None:
        compete = np.ones_like(similarity, dtype=bool)
    else:
        groups = np.asarray(groups)
        compete = groups[:, None] == groups[None]
    margin = 1e-9  # of sums in another order
    nearer = ((similarity > own + margin) & compete).sum(1)
    as_near = ((np.abs(similarity - own) <= margin) & compete).sum(1) - 1
    return 1 + nearer + as_near / 2


def figures_of_ranks(ranks):
    """Returns {"r_at_1", "r_at_5", "mrr"} of ranks (N,)."""
    ranks = np.asarray(ranks, np.float64)
    return {
        "r_at_1": float((ranks <= 1).mean()),
        "r_at_5": float((ranks <= 5).mean()),
        "mrr": float((1 / ranks).mean()),
    }


def chance_figures(pool_sizes):
    """Returns what random ranks give on average, for queries that each have so many candidates.

    >>> chance_figures([4])["mrr"]  # (1 + 1/2 + 1/3 + 1/4) / 4
    0.5208333333333333
    """
    sizes, counts = np.unique(np.asarray(pool_sizes, np.int64), return_counts=True)
    harmonic = np.array([(1 / np.arange(1, size + 1)).sum() for size in sizes])
    share = counts / counts.sum()
    return {
        "r_at_1": float((share / sizes).sum()),
        "r_at_5": float((share * np.minimum(5, sizes) / sizes).sum()),
        "mrr": float((share * harmonic / sizes).sum()),
    }


def retrieval_report(embeds, groups=None):
    """Returns the figures of all six directions and of chance, over all rows and, with groups, inside each group.

    Args:
        embeds (`dict`): modality -> array (N, P).
        groups (list of N `str`, *optional*): such as sites.

    Returns:
        {"rows": N, "all": {"chance": figures, "text->image": figures, ..., "mean": figures}, "within": the same}.
    """
    rows = len(next(iter(embeds.values())))
    report = {"rows": rows, "all": _directions(embeds, None, [rows] * rows)}
    if groups is not None:
        names, inverse, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
        report["groups"] = len(names)
        report["within"] = _directions(embeds, inverse, counts[inverse])
    return report


def _directions(embeds, groups, pool_sizes):
    report = {"candidates": float(np.mean(pool_sizes)), "chance": chance_figures(pool_sizes)}
    figures = {}
    for query, candidate in DIRECTIONS:
        ranks = ranks_of_partners(embeds[query], embeds[candidate], groups)
        figures[f"{query}->{candidate}"] = figures_of_ranks(ranks)
    names = ("r_at_1", "r_at_5", "mrr")
    mean = {name: float(np.mean([row[name] for row in figures.values()])) for name in names}
    return {**report, **figures, "mean": mean}
