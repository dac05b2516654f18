"""The words of an index: BM25 as Lucene scores it, on disk, and its fusion with the ranking of vectors."""

import shutil
from pathlib import Path

import numpy as np

try:
    import bm25s
    import Stemmer
    from bm25s.tokenization import Tokenizer
except ImportError as error:
    raise ImportError(
        "Expected bm25s and PyStemmer, which hybrid search needs; they are not installed. "
        "Run: pip install 'traceformers[search]'"
    ) from error

K1, B = 1.5, 0.75
RANK_CONSTANT = 60.0


class WordIndex:
    """BM25 over the documents of an index.

    Args:
        folder (path): what `write_word_index` wrote.
        language (`str`): as it was written with.
    """

    def __init__(self, folder, language):
        folder = Path(folder)
        self.language = language
        self.rows = np.load(folder / "rows.npy", allow_pickle=False)
        self.index = bm25s.BM25.load(folder, mmap=True, show_progress=False)
        self.known = self.index.vocab_dict

    def nearest(self, query, count):
        """Returns the rows int64 (k,) of the best documents by words, best first; none that shares no word."""
        asked = [word for word in tokenize([query], self.language)[0] if word in self.known]
        if not asked:
            return np.empty(0, dtype=np.int64)
        scores = np.asarray(self.index.get_scores(asked))
        count = min(count, len(scores))
        best = np.flatnonzero(scores >= max(np.partition(scores, -count)[-count], np.finfo(np.float32).tiny))
        return self.rows[best[np.lexsort((best, -scores[best]))][:count]]


def write_word_index(folder, texts, rows, language="english"):
    """Writes the BM25 index of the texts of `rows`; a reader sees the whole folder or none.

    Args:
        texts (iterable of `str`): read once, in the order of `rows`; their words, not they, are held in memory.
        rows (`int64 (n,)`): what the index answers with.
        language (`str`): whose stop words and endings are dropped, or "none".
    """
    folder = Path(folder)
    half = folder.with_name(folder.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    tokenizer = Tokenizer(stopwords=_stop_words(language), stemmer=_stemmer(language))
    ids = tokenizer.tokenize(texts, length=len(rows), show_progress=False, return_as="ids", update_vocab=True)
    index = bm25s.BM25(method="lucene", k1=K1, b=B)
    index.index((ids, tokenizer.get_vocab_dict()), show_progress=False)
    index.save(half, show_progress=False)
    np.save(half / "rows.npy", rows, allow_pickle=False)
    shutil.rmtree(folder, ignore_errors=True)
    half.rename(folder)


def tokenize(texts, language):
    """Returns the words of each text as BM25 counts them."""
    return bm25s.tokenize(
        texts, stopwords=_stop_words(language), stemmer=_stemmer(language), show_progress=False, return_ids=False
    )


def check_language(language):
    """Raises ValueError for a language that words cannot be stemmed in."""
    if language != "none" and language not in Stemmer.algorithms():
        raise ValueError(
            f"Expected a language of {', '.join(sorted(Stemmer.algorithms()))}, or none, got {language!r}. "
            "Choose one of these."
        )


def _stemmer(language):
    return None if language == "none" else Stemmer.Stemmer(language)


def _stop_words(language):
    if language == "none":
        return []
    try:
        bm25s.tokenize(["x"], stopwords=language, show_progress=False)
    except ValueError:  # a language that bm25s has no stop words of
        return []
    return language


def fuse_rankings(rows_of_vectors, rows_of_words, word_weight=0.5, constant=RANK_CONSTANT):
    """Returns [(row, score)], best first, of two rankings of one query by reciprocal ranks.

    score = (1 - word_weight) / (constant + rank by vectors) + word_weight / (constant + rank by words), ranks from 1
    (Cormack, Clarke and Buettcher, SIGIR 2009).
    """
    scores = {}
    for rows, weight in ((rows_of_vectors, 1 - word_weight), (rows_of_words, word_weight)):
        for rank, row in enumerate(rows, 1):
            scores[int(row)] = scores.get(int(row), 0.0) + weight / (constant + rank)
    return sorted(((row, score) for row, score in scores.items() if score > 0), key=lambda pair: (-pair[1], pair[0]))
