"""Groups of sessions that are alike, in words; and a map of all of them.

Groups by HDBSCAN (Campello, Moulavi, Sander, PAKDD 2013) or k-means, of scikit-learn. The words of a group are those by
which its sessions stand out from the rest, TF-IDF with a group as one document (Grootendorst, 2022, arXiv 2203.05794).

Axes: S sessions, H width of a vector, C groups.
"""

import re
from dataclasses import dataclass

import numpy as np

METHODS = ("hdbscan", "kmeans")
NO_CLUSTER = -1
DIRECTIONS = 16  # main directions in which groups are looked for: density means nothing in hundreds
MOST_FOR_TSNE, FEWEST_FOR_TSNE = 5000, 16
TERMS, PAGES = 6, 3
_PLACE = re.compile(r" at \d+%,\d+%|\d+\+? (?:ms|s|min)\b|\(\d+\+ characters\)|\bx\d+\b|(?:width|height) \d+\+")
_WORD = r"(?u)\b[^\W\d_][\w'-]{2,}\b"


@dataclass
class ClusterDescription:
    """One group in words: number, sessions, share, what stands out, and the session nearest to its middle."""

    cluster: int
    sessions: int
    share: float
    terms: list
    pages: list
    actions: list
    median_duration_s: float
    mean_struggle: float
    example: str


def find_clusters(vectors, method="hdbscan", clusters=None, smallest=None):
    """Returns the group of each session, `int64 (S,)`; -1 for none. Groups are numbered by size, the largest 0.

    Args:
        vectors (`float32 (S, H)`).
        method (`str`): "hdbscan" finds how many there are, and leaves out what belongs to none; "kmeans" has none left.
        clusters (`int`, *optional*): for kmeans; the square root of half the sessions without.
        smallest (`int`, *optional*): for hdbscan, sessions of a group; a 50th of all, at least 3, without.

    Raises:
        ValueError: for an unknown method, or numbers that do not fit the sessions.
    """
    if method not in METHODS:
        raise ValueError(f"Expected method to be one of {', '.join(METHODS)}, got {method!r}. Choose one.")
    n = len(vectors)
    if clusters is not None and not 1 <= clusters <= n:
        raise ValueError(f"Expected 1 to {n} clusters, as many as there are sessions, got {clusters}.")
    if smallest is not None and smallest < 2:
        raise ValueError(f"Expected groups of at least 2 sessions, got {smallest}.")
    if n < 4:
        return np.zeros(n, dtype=np.int64)
    reduced = _main_directions(vectors, DIRECTIONS)
    if method == "kmeans":
        from sklearn.cluster import KMeans

        count = clusters or max(2, round((n / 2) ** 0.5))
        labels = KMeans(count, n_init=4, random_state=0).fit_predict(reduced)
    else:
        from sklearn.cluster import HDBSCAN

        size = smallest or max(3, n // 50)
        labels = HDBSCAN(min(size, n), min_samples=min(3, n), copy=True).fit_predict(reduced)
    return _by_size(labels)


def _by_size(labels):
    """Returns the labels renamed so that the largest group is 0; -1 stays."""
    names, counts = np.unique(labels[labels >= 0], return_counts=True)
    order = names[np.lexsort((names, -counts))]
    renamed = np.full(len(labels), NO_CLUSTER, dtype=np.int64)
    for new, old in enumerate(order):
        renamed[labels == old] = new
    return renamed


def _main_directions(vectors, count):
    """Returns the vectors along their main directions, `float32 (S, at most count)`, signs fixed."""
    centred = vectors - vectors.mean(axis=0)
    _, scale, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[scale > 1e-6 * max(scale[0], 1e-12)][:count]
    if not len(directions):
        return np.zeros((len(vectors), 1), dtype=np.float32)
    directions *= np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])[:, None]
    return (centred @ directions.T).astype(np.float32)


def map_of(vectors):
    """Returns a place in the plane for each session, `float64 (S, 2)` within -1 and 1, like sessions near each other.

    By t-SNE (van der Maaten, Hinton, JMLR 2008) for a number of sessions it suits, else by the two main directions.
    """
    n = len(vectors)
    places = np.zeros((n, 2))
    if FEWEST_FOR_TSNE <= n <= MOST_FOR_TSNE and np.ptp(vectors, axis=0).max() > 1e-6:
        from sklearn.manifold import TSNE

        start = _main_directions(vectors, 50)
        perplexity = min(30.0, (n - 1) / 3)
        init = start[:, :2] if start.shape[1] > 1 else np.c_[start, np.zeros(n)]
        init = init / max(init[:, 0].std(), 1e-12) * 1e-4
        places = TSNE(2, perplexity=perplexity, init=init, random_state=0, max_iter=500).fit_transform(start)
    elif n > 1:
        found = _main_directions(vectors, 2)
        places[:, : found.shape[1]] = found
    places = places - places.sum(axis=0) / max(n, 1)
    return np.round(places / max(float(np.abs(places).max(initial=0.0)), 1e-12), 5)


def describe_clusters(labels, vectors, words, timelines, columns):
    """Returns a `ClusterDescription` of each group, by its number; the sessions of no group come last.

    Args:
        labels (`int64 (S,)`): of `find_clusters`. vectors (`float32 (S, H)`).
        words (`list[str]`): what text search looks at, a session each.
        timelines (`list[list[str]]`): the actions of each session.
        columns (`{name: list}`): session_id, start_url, duration_s and struggle of each session.
    """
    names = sorted(set(labels.tolist()), key=lambda name: (name < 0, name))
    rows_of = {name: np.flatnonzero(labels == name) for name in names}
    terms = _standing_out([_PLACE.sub(" ", text.lower()) for text in words], rows_of, _WORD)
    kinds = _standing_out([" ".join(map(_kind, steps)) for steps in timelines], rows_of, r"\S+")
    found = []
    for name in names:
        rows = rows_of[name]
        urls, counts = np.unique([columns["start_url"][i] for i in rows], return_counts=True)
        pages = [str(urls[i]) for i in np.argsort(-counts, kind="stable")[:PAGES] if urls[i]]
        middle = vectors[rows].mean(axis=0)
        example = columns["session_id"][rows[int(np.argmax(vectors[rows] @ middle))]]
        found.append(
            ClusterDescription(
                int(name),
                len(rows),
                round(len(rows) / len(labels), 4),
                terms[name],
                pages,
                [kind.replace("_", " ") for kind in kinds[name][:3]],
                round(float(np.median([columns["duration_s"][i] for i in rows])), 1),
                round(float(np.mean([columns["struggle"][i] for i in rows])), 3),
                example,
            )
        )
    return found


def _kind(action):
    """Returns what an action is without its target: click, input, scrolled_down, page."""
    first = action.split(" ", 2)
    return f"scrolled_{action.rsplit(' ', 1)[-1]}" if first[0] == "scrolled" else first[0]


def _standing_out(texts, rows_of, pattern):
    """Returns for each group the terms that its sessions have and others have not, the most telling first."""
    from sklearn.feature_extraction.text import CountVectorizer

    nothing = {name: [] for name in rows_of}
    try:
        reader = CountVectorizer(token_pattern=pattern, binary=True, min_df=min(2, len(texts)), max_features=20_000)
        held = reader.fit_transform(texts).tocsr()
    except ValueError:  # no words at all
        return nothing
    terms = reader.get_feature_names_out()
    overall = np.asarray(held.sum(axis=0)).ravel() / len(texts)
    for name, rows in rows_of.items():
        share = (np.asarray(held[rows].sum(axis=0)).ravel() + overall) / (len(rows) + 1)
        weight = share * np.log(share / overall)
        best = np.lexsort((terms, -weight))[:TERMS]
        nothing[name] = [str(terms[i]) for i in best if weight[i] > 0.01]
    return nothing
