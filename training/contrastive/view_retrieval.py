"""Finding a session by another part of it, among the sessions of its own site.

Every session is cut at its middle action; each half is a query for the other one, among those of all sessions of the
site. Mean reciprocal rank: 1 when it is always the nearest, 1 / (pool + 1) at worst.

Axes: n sessions, D numbers of a vector.
"""

import numpy as np
from sentence_transformers.base.evaluation import BaseEvaluator
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import ACTION, ADDRESS, CONTEXT

SMALLEST_POOL = 3


class ViewRetrieval(BaseEvaluator):
    """Evaluates a session encoder on the halves of sessions.

    Calling it returns `{"mrr": ..., "recall_at_1": ...}`, means over all queries of sites with enough sessions.

    Args:
        store (sequence of `TokenizedSession`).
        views (`SessionViews`).
        sites (sequence of `str`): of each session; pools are those of one site.
        limit (`int`, *optional*): windows of a half that are read; all if not given.
        sessions_per_forward (`int`).

    Raises:
        ValueError: if no site has enough sessions.
    """

    def __init__(self, store, views, sites, limit=None, sessions_per_forward=16):
        super().__init__()
        self.primary_metric, self.greater_is_better = "mrr", True
        self.sessions_per_forward = sessions_per_forward
        usable = [i for i in range(len(store)) if views.can_draw(store[i])]
        self.sites = np.asarray(sites, dtype=object)[usable]
        names, counts = np.unique(self.sites.astype(str), return_counts=True)
        if not (counts >= SMALLEST_POOL).any():
            raise ValueError(
                f"Expected a site with at least {SMALLEST_POOL} sessions to rank among, got "
                f"{dict(zip(names.tolist(), counts.tolist(), strict=True))}. Give the split more sessions."
            )
        halves = [views.halves(store[i], limit) for i in usable]
        self.queries, self.answers = zip(*halves, strict=True)

    def __call__(self, model, output_path=None, epoch=-1, steps=-1):
        return ranking_report(*self.vectors(model), self.sites)

    def vectors(self, model):
        """Returns the vectors of the first and of the second halves, each `float32 (n, D)`, of length 1."""
        return tuple(self._encode(model, half) for half in (self.queries, self.answers))

    def token_vectors(self):
        """Returns the halves as TF-IDF of their token ids, one and two in a row, as sparse matrices: a baseline."""
        counts = _token_counts([*self.queries, *self.answers])
        rows = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
        return rows[: len(self.queries)], rows[len(self.queries) :]

    def _encode(self, model, halves):
        import torch

        training, vectors = model.training, []
        model.eval()
        with torch.inference_mode():
            for start in range(0, len(halves), self.sessions_per_forward):
                features = model[0].pack(halves[start : start + self.sessions_per_forward])
                features = {name: values.to(model.device) for name, values in features.items()}
                vectors.append(model(features)["sentence_embedding"].float().cpu().numpy())
        model.train(training)
        return normalize(np.concatenate(vectors))


def ranking_report(first, second, sites):
    """Returns the figures of finding row i of one matrix by row i of the other among the rows of its site.

    Args:
        first, second (`(n, D)` dense or sparse): rows of length 1.
        sites (sequence of `str`): of each row.
    """
    ranks, pools = [], []
    for site in np.unique(np.asarray(sites, dtype=str)):
        rows = np.flatnonzero(np.asarray(sites, dtype=str) == site)
        if len(rows) < SMALLEST_POOL:
            continue
        similarity = first[rows] @ second[rows].T
        similarity = similarity.toarray() if hasattr(similarity, "toarray") else similarity
        for scores in (similarity, similarity.T):
            right = np.diag(scores)[:, None]
            others = ~np.eye(len(rows), dtype=bool)
            # of equals the middle place: a vector that is the same for all has found nothing
            ahead = ((scores > right) & others).sum(1) + ((scores == right) & others).sum(1) / 2
            ranks.append(1 + ahead)
            pools.append(np.full(len(rows), len(rows)))
    ranks, pools = np.concatenate(ranks), np.concatenate(pools)
    return {
        "mrr": float((1 / ranks).mean()),
        "recall_at_1": float((ranks <= 1).mean()),
        "chance_mrr": float(np.mean([(1 / np.arange(1, pool + 1)).mean() for pool in pools])),
        "queries": len(ranks),
    }


def _token_counts(halves):
    """Returns how often each id, and each pair of ids in a row, stands in each half, as a sparse matrix."""
    from sklearn.feature_extraction import FeatureHasher

    def grams(windows):
        for ids, parts in windows:
            body = ids[np.isin(parts, (ACTION, ADDRESS, CONTEXT))].astype(np.int64)
            yield from map(str, body.tolist())
            yield from map(str, (body[:-1] * 65_536 + body[1:] + 65_536).tolist())

    return FeatureHasher(2**20, input_type="string", alternate_sign=False).transform(grams(half) for half in halves)
