"""A session cut in two where half of what its user did is done, and how well one half finds the other.

The second half begins as a checkout does, with the address and a snapshot of the page as it stands: each half is a
recording that any player and any encoder can read alone.

Axes: n sessions, D numbers of a vector.
"""

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize

from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.training.session_probes.session_variants import FULL_SNAPSHOT, INCREMENTAL, META, Mirrors

# rrweb's sources of what a user does: moves, presses, scrolls, resizes, types, touches, plays, drags, selects
USER_SOURCES = frozenset((1, 2, 3, 4, 5, 6, 7, 12, 14))
SMALLEST_POOL = 3


def is_done_by_user(event) -> bool:
    """Returns whether an event is something the user did, a new address included."""
    return event["type"] == META or (event["type"] == INCREMENTAL and event["data"].get("source") in USER_SOURCES)


def session_halves(session):
    """Returns (events of the first half, events of the second), or None where there are not two things done.

    Args:
        session: a session in any form that `read_session` takes.
    """
    session = read_session(session)
    done = [number for number, event in enumerate(session.events) if is_done_by_user(event)]
    if len(done) < 2:
        return None
    cut = done[len(done) // 2]
    mirrors = Mirrors(session)
    for number, event in enumerate(session.events[:cut]):
        mirrors.of(number).show(event)
    mirror, told = mirrors.of(cut), []
    if session.events[cut]["type"] != META and mirror.meta is not None:
        time = session.events[cut]["timestamp"]
        told = [{**mirror.meta, "timestamp": time}]
        if mirror.root is not None:
            page = {"node": mirror.serialized(), "initialOffset": mirror.offset}
            told.append({"type": FULL_SNAPSHOT, "data": page, "timestamp": time})
    return list(session.events[:cut]), [*told, *session.events[cut:]]


def other_half_ranks(first, second, sites, smallest_pool=SMALLEST_POOL) -> np.ndarray:
    """Returns at which place each half finds its other half among those of its site, `int (2 n,)`; 1 is best.

    Both ways: first halves look among the second, then second among the first. Equal similarities count half, as if
    their order were drawn. Sessions of a site with fewer than `smallest_pool` are left out.

    Args:
        first, second (`float (n, D)`, sparse or not): vectors of the halves; similarity is the cosine.
        sites (`(n,)`): the site of each session.
    """
    sites = np.asarray(sites, dtype=str)
    first, second = _unit(first), _unit(second)
    ranks = []
    for site in np.unique(sites):
        pool = np.flatnonzero(sites == site)
        if len(pool) < smallest_pool:
            continue
        similar = first[pool] @ second[pool].T
        similar = similar.toarray() if sparse.issparse(similar) else similar
        ranks += [_ranks(similar), _ranks(similar.T)]
    return np.concatenate(ranks) if ranks else np.zeros(0)


def _ranks(similar):
    """Returns the places of the diagonal in the rows of a matrix."""
    own = np.diag(similar)[:, None]
    closer, equal = similar > own + 1e-9, np.abs(similar - own) <= 1e-9
    return 1 + closer.sum(1) + (equal.sum(1) - 1) / 2


def _unit(vectors):
    if sparse.issparse(vectors):
        return normalize(vectors).tocsr()
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def rank_figures(ranks) -> dict:
    """Returns `{"mrr", "recall@1"}` of places."""
    return {"mrr": float((1 / ranks).mean()), "recall@1": float((ranks <= 1).mean())}


__all__ = ["is_done_by_user", "other_half_ranks", "rank_figures", "session_halves"]
