"""Best documents by the words they share with a query: BM25 as Lucene scores it, through `bm25s`.

Words are lower-cased, English stop words are dropped, and what is left is stemmed (Snowball).
"""

import numpy as np

from traceformers.training.evaluation.ranked_evaluation import DEPTH, Ranking

try:
    import bm25s
    import Stemmer
except ImportError:
    bm25s = None

K1, B = 1.5, 0.75


class LexicalIndex:
    """BM25 over N documents.

    Args:
        documents (`list[str]`): N texts.
        k1 (`float`): how fast further occurrences of a word stop to count.
        b (`float`): how much long documents are discounted, 0 to 1.
        stop_words (`str` or `list[str]`): a language code of bm25s, or the words; [] keeps all.
        stemmer (`str`): a language of Snowball; None keeps the words as they are.

    Raises:
        ImportError: if bm25s or PyStemmer is not installed.
        ValueError: if no document has a word.
    """

    def __init__(self, documents, k1=K1, b=B, stop_words="en", stemmer="english"):
        if bm25s is None:
            raise ImportError("Expected bm25s and PyStemmer for search by words, found them not: install both.")
        self._read_words_as(stop_words, stemmer)
        tokens = self._tokenize(documents)
        if not tokens.vocab or not any(len(ids) for ids in tokens.ids):
            raise ValueError(f"Expected words in the documents, got none in {len(documents)} texts.")
        self.size = len(documents)
        self.known = frozenset(tokens.vocab)
        self.index = bm25s.BM25(method="lucene", k1=k1, b=b)
        self.index.index(tokens, show_progress=False)

    @classmethod
    def of(cls, index, stop_words="en", stemmer="english"):
        """Returns the search over a `bm25s.BM25` that holds documents already.

        Args:
            stop_words, stemmer: what its documents were read with.
        """
        search = cls.__new__(cls)
        search._read_words_as(stop_words, stemmer)
        search.size, search.known, search.index = index.scores["num_docs"], index.vocab_dict, index
        return search

    def _read_words_as(self, stop_words, stemmer):
        self.stop_words = stop_words
        self.stemmer = None if stemmer is None else Stemmer.Stemmer(stemmer)

    def search(self, queries, k=DEPTH):
        """Returns the `Ranking` of queries, `list[str]`; it ends where documents share no word with the query.

        Documents with equal scores stand in the order of their positions.
        """
        words = self._tokenize(queries)
        word_of = {number: word for word, number in words.vocab.items()}
        k = min(k, self.size)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        positions = np.full((len(queries), k), -1, dtype=np.int64)
        for row, numbers in enumerate(words.ids):
            asked = [word for word in map(word_of.get, numbers) if word in self.known]
            if not asked:
                continue
            found = np.asarray(self.index.get_scores(asked))
            best = np.flatnonzero(found >= max(np.partition(found, -k)[-k], np.finfo(np.float32).tiny))
            best = best[np.lexsort((best, -found[best]))][:k]
            scores[row, : len(best)], positions[row, : len(best)] = found[best], best
        return Ranking(scores, positions)

    def _tokenize(self, texts):
        return bm25s.tokenize(
            list(texts), stopwords=self.stop_words, stemmer=self.stemmer, show_progress=False, return_ids=True
        )
