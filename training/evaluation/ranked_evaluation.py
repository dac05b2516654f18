"""The figures of one ranking of a retrieval set: nDCG@10, MRR@10 and R@100 of each query, and their means."""

from dataclasses import dataclass

import numpy as np

from traceformers.training.evaluation.dense_search import dense_search
from traceformers.training.evaluation.ranking_metrics import mrr_at_k, ndcg_at_k, recall_at_k

DEPTH = 100  # ranks that are kept of every ranking
FIGURES = ("ndcg@10", "mrr@10", "recall@100")


@dataclass(frozen=True)
class Ranking:
    """What a system answers to Q queries, best first.

    Attributes:
        scores (`float32 (Q, k)`): scores of the documents, -inf where the ranking has ended.
        positions (`int64 (Q, k)`): their positions in the corpus, -1 where the ranking has ended.
    """

    scores: np.ndarray
    positions: np.ndarray

    def __len__(self):
        return len(self.positions)

    def select(self, queries):
        """Returns the answers to some of the queries, `bool (Q,)` or `int (n,)`."""
        return Ranking(self.scores[queries], self.positions[queries])


def dense_ranking(query_vectors, document_vectors, depth=DEPTH, device="cpu"):
    """Returns the `Ranking` by inner product of `float (Q, D)` and `float (N, D)` vectors."""
    return Ranking(*dense_search(query_vectors, document_vectors, depth, device=device))


def evaluate_ranking(retrieval_set, ranking):
    """Returns the figures of each query, `{name: float64 (Q,)}` with the names of `FIGURES`; NaN where undefined.

    MRR and recall count documents from `retrieval_set.minimum_grade` up, nDCG counts the grades themselves.
    """
    if len(ranking) != len(retrieval_set):
        raise ValueError(f"Expected a ranking of {len(retrieval_set)} queries, got {len(ranking)}.")
    ranked, judged = retrieval_set.grades_of(ranking.positions), retrieval_set.all_grades
    least = retrieval_set.minimum_grade
    return {
        "ndcg@10": ndcg_at_k(ranked, judged, 10),
        "mrr@10": mrr_at_k(ranked, judged, 10, least),
        "recall@100": recall_at_k(ranked, judged, 100, least),
    }


def mean_figures(figures, queries=None):
    """Returns `{name: mean}` of what `evaluate_ranking` gives, over some queries (`bool (Q,)`) or all; JSON-safe.

    A mean over nothing is None.
    """
    chosen = {name: values if queries is None else values[queries] for name, values in figures.items()}
    return {name: None if np.isnan(v).all() else float(np.nanmean(v)) for name, v in chosen.items()}
