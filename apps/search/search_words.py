"""The words of an index: BM25 as Lucene scores it, on disk.

The search is that of the evaluation, `LexicalIndex`. Written is it here, for there documents are a list in memory; here
they are read once, one after the other, and the result is mapped from the disk.
"""

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

from traceformers.training.evaluation.lexical_search import K1, B, LexicalIndex
from traceformers.training.evaluation.ranked_evaluation import Ranking


class WordIndex:
    """BM25 over the documents of an index.

    Args:
        folder (path): what `write_word_index` wrote.
        language (`str`): as it was written with.
    """

    def __init__(self, folder, language):
        folder = Path(folder)
        self.rows = np.load(folder / "rows.npy", allow_pickle=False)
        index = bm25s.BM25.load(folder, mmap=True, show_progress=False)
        self.search = LexicalIndex.of(index, _stop_words(language), None if language == "none" else language).search

    def nearest(self, queries, count):
        """Returns the `Ranking` of queries, `list[str]`, by words, of rows; none that shares no word with its query."""
        found = self.search(queries, count)
        return Ranking(found.scores, np.where(found.positions < 0, -1, self.rows[found.positions]))


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
    ids = tokenizer.tokenize(
        texts, length=len(rows), show_progress=False, return_as="ids", update_vocab=True, allow_empty=False
    )
    words = tokenizer.get_vocab_dict()
    if not words:  # which bm25s cannot hold: as if each document were one word that nobody asks for
        ids, words = [[0]] * len(rows), {"": 0}
    index = bm25s.BM25(method="lucene", k1=K1, b=B)
    index.index((ids, words), show_progress=False)
    index.save(half, show_progress=False)
    np.save(half / "rows.npy", rows, allow_pickle=False)
    shutil.rmtree(folder, ignore_errors=True)
    half.rename(folder)


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
