"""Quality of rankings, one figure a query: nDCG@k, MRR@k and recall@k, over arrays of grades.

A grade is a whole number, 0 for a document that is not relevant or was not judged. The gain of a document is its grade
(linear, as trec_eval and BEIR count it), its discount 1 / log2(1 + rank) with ranks from 1. A query for which nothing
can be found gets NaN, so that `np.nanmean` is the mean over the queries that ask for something.

Axes: Q queries, n ranked documents of each, J judged documents of each (padded with zeros).
"""

import numpy as np


def ndcg_at_k(ranked_grades, all_grades, k=10):
    """Returns the normalised discounted cumulative gain of each query, `float64 (Q,)`, 0 to 1.

    Args:
        ranked_grades (`(Q, n)`): grades of the ranked documents, best rank first.
        all_grades (`(Q, J)`): grades of all judged documents in any order, zeros where a query has fewer.
        k (`int`): ranks that count.

    >>> ndcg_at_k([[0, 1]], [[1, 0]]).round(4).tolist()
    [0.6309]
    """
    ranked, judged = _grades(ranked_grades, all_grades, k)
    ideal = -np.sort(-judged, axis=1)[:, :k]
    return _share(_discounted(ranked[:, :k]), _discounted(ideal))


def mrr_at_k(ranked_grades, all_grades, k=10, minimum_grade=1):
    """Returns the reciprocal rank of each query's first relevant document, `float64 (Q,)`; 0 if it is not in the top k.

    Args:
        ranked_grades (`(Q, n)`), all_grades (`(Q, J)`), k (`int`): as for `ndcg_at_k`.
        minimum_grade (`int`): grade from which a document is relevant.

    >>> mrr_at_k([[0, 1, 1]], [[1, 1]]).tolist()
    [0.5]
    """
    ranked, judged = _grades(ranked_grades, all_grades, k)
    hits = ranked[:, :k] >= minimum_grade
    found = np.where(hits.any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0.0) if hits.shape[1] else np.zeros(len(hits))
    return np.where((judged >= minimum_grade).any(axis=1), found, np.nan)


def recall_at_k(ranked_grades, all_grades, k=100, minimum_grade=1):
    """Returns the share of each query's relevant documents that are in the top k, `float64 (Q,)`.

    Args:
        ranked_grades (`(Q, n)`), all_grades (`(Q, J)`), k (`int`), minimum_grade (`int`): as for `mrr_at_k`.

    >>> recall_at_k([[0, 2, 0]], [[2, 2]], k=3).tolist()
    [0.5]
    """
    ranked, judged = _grades(ranked_grades, all_grades, k)
    return _share((ranked[:, :k] >= minimum_grade).sum(axis=1), (judged >= minimum_grade).sum(axis=1))


def paired_difference(ours, theirs):
    """Returns the mean difference of two figures over the same queries and its standard error.

    Queries where either is NaN are left out. The error is NaN below two queries.

    Args:
        ours, theirs (`float (Q,)`): one figure a query.

    >>> paired_difference([1.0, 0.5], [0.5, 0.0])
    (0.5, 0.0)
    """
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    differences = differences[~np.isnan(differences)]
    if len(differences) < 2:
        return float(differences.mean()) if len(differences) else float("nan"), float("nan")
    return float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(len(differences)))


def _grades(ranked_grades, all_grades, k):
    ranked, judged = np.asarray(ranked_grades), np.asarray(all_grades)
    if ranked.ndim != 2 or judged.ndim != 2 or len(ranked) != len(judged):
        raise ValueError(
            f"Expected grades (Q, n) and (Q, J) of the same queries, got shapes {ranked.shape} and {judged.shape}."
        )
    if k < 1:
        raise ValueError(f"Expected k of at least 1, got {k}.")
    return np.maximum(ranked, 0), np.maximum(judged, 0)  # negative grades (spam) gain nothing, as in trec_eval


def _discounted(grades):
    return (grades / np.log2(np.arange(2, 2 + grades.shape[1]))).sum(axis=1)


def _share(part, whole):
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
