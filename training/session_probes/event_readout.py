"""A session as a vector, read from the vectors of its events: what was done, how often, and how often at once.

Two parts. The mean of what the user did at the middle layer, the same thing done again counting less: what the session
is about. And code books: event vectors fall into clusters, learned without labels from sessions of the encoder's own
training sites; of each cluster the logarithm of 1 + how many events fall into it, in all, in its fullest 1.5 s and in
its fullest 10 s. A burst of clicks is one large number there, however long the session.

Axes: n sessions, E events, P parts, H hidden size, C clusters.
"""

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from traceformers.training.session_probes.event_vectors import GAP, KIND, REST, parts_of

WITHIN_S = (1.5, 10.0)
N_SAMPLED = 12_000  # events that clusters are learned from
DIRECTIONS = 32  # principal directions of a part in which distances are measured
FLOOR = 0.05  # of the largest variance: directions below it are not blown up to the size of the others


class EventReadout:
    """Session vectors from `SessionEvents`; `fit` on sessions that may be seen, then `transform`.

    Args:
        n_layers (`int`): layers of the encoder.
        clusters (`int`): of each of the code books; fewer where there are fewer events.
        seed (`int`): of the clusters.
    """

    def __init__(self, n_layers, clusters=96, seed=0):
        self.parts = parts_of(n_layers)
        self.clusters, self.seed = clusters, seed
        layers = sorted({layer for layer, _ in self.parts})
        # the embeddings alone say what and when; layers above, in what company
        self.books = [[self.parts.index(pair) for pair in ((layer, GAP), (layer, KIND))] for layer in layers]
        self.books.append([self.parts.index((layers[-1], KIND))])
        self.about = [self.parts.index((layers[-1], part)) for part in (KIND, REST)]

    def fit(self, sessions) -> "EventReadout":
        """Learns directions and clusters; returns itself.

        Args:
            sessions (list of `SessionEvents`): of sites that the encoder saw, labels are not needed.

        Raises:
            ValueError: there is no event in them.
        """
        rng = np.random.default_rng(self.seed)
        total = sum(len(session.parts) for session in sessions)
        if not total:
            raise ValueError(f"Expected events in the {len(sessions)} sessions to learn clusters from, found none.")
        share = min(1.0, N_SAMPLED / total)
        sample = np.concatenate([s.parts[rng.random(len(s.parts)) < share] for s in sessions]).astype(np.float32)
        sample = sample if len(sample) else np.concatenate([s.parts for s in sessions]).astype(np.float32)
        self.directions = [_directions(sample[:, part]) for part in range(len(self.parts))]
        self.centres = []
        for book in self.books:
            points = self._points(sample, book)
            n_clusters = min(self.clusters, len(np.unique(points.round(3), axis=0)))
            means = MiniBatchKMeans(n_clusters, random_state=self.seed, n_init=1, batch_size=2048, max_iter=30)
            self.centres.append(means.fit(points).cluster_centers_.astype(np.float32))
        return self

    def transform(self, sessions) -> np.ndarray:
        """Returns `float32 (n, 2 H + 3 C of every book)`."""
        return np.stack([self._session(session) for session in sessions])

    def _points(self, parts, book):
        turned = [(parts[:, part] - mean) @ turn for part in book for mean, turn in [self.directions[part]]]
        return np.concatenate(turned, axis=1).astype(np.float32)

    def _session(self, session):
        parts = session.parts.astype(np.float32)
        weights = session.weights if session.weights.any() else np.ones(len(parts), np.float32)
        about = [weights @ parts[:, part] / max(weights.sum(), 1e-6) for part in self.about]
        counts = []
        for book, centres in zip(self.books, self.centres, strict=True):
            counts += _counts(_nearest(self._points(parts, book), centres), len(centres), session.seconds)
        return np.concatenate([*about, *counts]).astype(np.float32)


def _directions(vectors):
    """Returns (mean (H,), turn (H, at most DIRECTIONS)) after which the directions vary about alike."""
    mean = vectors.mean(0)
    values, directions = np.linalg.eigh(np.cov((vectors - mean).T) if len(vectors) > 1 else np.eye(len(mean)))
    kept = np.argsort(values)[::-1][:DIRECTIONS]
    return mean, directions[:, kept] / np.sqrt(values[kept] + FLOOR * max(values.max(), 1e-12))


def _nearest(points, centres):
    """Returns the number of the nearest centre of each point, `int (E,)`."""
    return ((centres**2).sum(1) - 2 * points @ centres.T).argmin(1) if len(points) else np.zeros(0, int)


def _counts(codes, n_codes, seconds):
    """Returns log(1 + events of each code) in all, and in the fullest stretch of each length of `WITHIN_S`."""
    seen = np.zeros((len(codes) + 1, n_codes), np.float32)
    seen[np.arange(1, len(codes) + 1), codes] = 1
    seen = np.cumsum(seen, axis=0)
    out = [np.log1p(seen[-1])]
    for within in WITHIN_S:
        ends = np.searchsorted(seconds, seconds + within, side="right")
        most = (seen[ends] - seen[:-1]).max(0) if len(codes) else np.zeros(n_codes)
        out.append(np.log1p(most))
    return out


__all__ = ["EventReadout"]
