"""Sessions like one, or sessions that fit a text: by vectors, and for a text by the words of the logs as well.

A small encoder of sessions knows little of English: of what a text asks for, it mostly finds the page. So a text is
looked for twice, by its vector and by TF-IDF over the logs, and the two scores, each between 0 and 1 for this query,
are joined by a weighted mean ("An Analysis of Fusion Functions for Hybrid Retrieval", Bruch, Gai, Ingber, TOIS 2023,
arXiv 2210.11934). Ranks alone would let a vector that knows nothing undo an exact match of words.

Axes: S sessions, Q words of the query.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from traceformers.apps.sessions.session_record import read_trace
from traceformers.datasets_scripts.rrweb_sessions.session_files import list_session_files

WORD_WEIGHT = 0.8
_WORD = r"(?u)\w[\w'-]*"
SHOWN_WORDS = 3


@dataclass
class FoundSession:
    """One answer: score, the session, its scores, and in words why it was found."""

    rank: int
    score: float
    session_id: str
    file: str
    site: str
    start_url: str
    duration_s: float
    struggle: float
    anomaly: float
    quality: float
    why: str
    reasons: list = field(default_factory=list)

    def to_dict(self):
        """Returns the fields, JSON-safe."""
        return asdict(self)


def search_like(index, example, load_model, top_k=10):
    """Returns the `FoundSession`s most like one, without itself, best first.

    Args:
        index (`SessionIndex`).
        example (`str`): id or file of a session in the index; or the path of any recording.
        load_model (callable): gives the `SessionModel`, called for a recording that is not in the index.
        top_k (`int`): how many.

    Raises:
        ValueError: it is neither in the index nor a file.
        SessionFormatError: the file is no recording.
    """
    row = index.row_of(example)
    if row is not None:
        vector = index.vectors[row]
    elif Path(example).exists():
        (files, *more) = list_session_files(str(example))
        if more:
            raise ValueError(f"Expected one recording at {example}, found {1 + len(more)}. Name one of them.")
        model = load_model()
        vector = model.embed(read_trace(files.read(), model))
    else:
        raise ValueError(f"Expected a session of the index or a file, found neither at {example}. Correct the name.")
    near = [(found, score) for found, score in index.nearest(vector, top_k + 1) if found != row][:top_k]
    return [_found(index, rank, found, score, f"cosine {score:.3f}") for rank, (found, score) in enumerate(near, 1)]


def search_text(index, text, load_model, top_k=10, word_weight=WORD_WEIGHT):
    """Returns the `FoundSession`s that fit a text, best first; the score is between 0 and 1.

    Args:
        index (`SessionIndex`).
        text (`str`): words of pages, labels, actions ("typed", "scrolled up") or flags ("rage click").
        load_model (callable): gives the `SessionModel`; not called at a weight of 1.
        top_k (`int`): how many.
        word_weight (`float`): of the ranking by words, 0 to 1; the ranking by vectors has the rest.

    Raises:
        ValueError: an empty text, or a weight out of range.
    """
    if not text.strip() or not 0 <= word_weight <= 1:
        raise ValueError(f"Expected a text and a weight of words of 0 to 1, got {text!r} and {word_weight}.")
    n = len(index)
    scores, matched = np.zeros(n), [[] for _ in range(n)]
    if word_weight > 0:
        fits, matched = _word_scores(index.words, text)
        scores += word_weight * fits / max(fits.max(), 1e-12)
    if word_weight < 1:
        (vector,) = load_model().embed_texts([text])
        near = index.vectors @ vector
        scores += (1 - word_weight) * (near - near.min()) / max(float(np.ptp(near)), 1e-12)
    order = np.lexsort((np.arange(n), -scores))[:top_k]
    answers = []
    for rank, row in enumerate(order.tolist(), 1):
        why = f"says {', '.join(matched[row][:SHOWN_WORDS])}" if matched[row] else "vector of the text"
        answers.append(_found(index, rank, row, float(scores[row]), why))
    return answers


def _word_scores(documents, text):
    """Returns the TF-IDF of a text's words and pairs in each document, `float64 (S,)`, and those that it has."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    reader = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=_WORD)
    terms = sorted(set(reader.build_analyzer()(text)))  # the words of the query are all that count
    if not terms:
        return np.zeros(len(documents)), [[] for _ in documents]
    reader = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=_WORD, vocabulary=terms, norm=None)
    held = reader.fit_transform(documents).tocsr()  # (S, Q)
    lengths = np.log1p([len(document) for document in documents])
    scores = np.asarray(held.sum(axis=1)).ravel() / lengths.clip(min=1.0)
    shared = [
        [terms[j] for j in row.indices[np.argsort(-row.data, kind="stable")]]
        for row in (held[i] for i in range(len(documents)))
    ]
    return scores, shared


def _found(index, rank, row, score, why):
    names = ("session_id", "file", "site", "start_url", "duration_s", "struggle", "anomaly", "quality")
    return FoundSession(
        rank, round(score, 6), *(index.columns[name][row] for name in names), why, index.columns["reasons"][row][:3]
    )
