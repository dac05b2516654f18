"""Which words, pieces, n-grams and skip-grams become entries of a vocabulary.

An n-gram is worth an entry where it is frequent and its words do not already say what it means. Three scores:

- "count": how often it occurs.
- "pmi": count x pointwise mutual information, log p(n-gram) / product of p(word): how much more often it occurs than
  its words would by chance. The information alone puts the rarest first, so each n-gram's term of the sum is taken.
- "gain": count x distillation gain, the cosine distance between the teacher's vector of the n-gram and the mean of the
  teacher's vectors of its words, weighted as a student weights them, a / (a + frequency). What it measures is the error
  that an entry of its own would remove.
"""

from dataclasses import dataclass

import numpy as np

from traceformers.tokenization.ngram.ngram_normalization import words_of

SELECTIONS = ("count", "gain", "pmi")
SIF = 1e-3  # a in a / (a + frequency) of Arora et al., A Simple but Tough-to-Beat Baseline, ICLR 2017
CANDIDATES = 4  # n-grams whose gain is measured, for each that is wanted
CONTINUED = "##"


@dataclass(frozen=True)
class Selected:
    """Entries that were chosen, the best first.

    Attributes:
        tokens (`list[str]`): n token strings, "a b" or "a _ c".
        counts (`int64 (n,)`): occurrences in the corpus.
        scores (`float64 (n,)`): what they were chosen by.
        gains (`float32 (n,)`): distillation gain, where it was measured, else empty.
    """

    tokens: list
    counts: np.ndarray
    scores: np.ndarray
    gains: np.ndarray

    def among(self, tokens):
        """Returns those of them that are in `tokens`, a set or a dict."""
        kept = np.array([token in tokens for token in self.tokens], bool)
        gains = self.gains[kept] if len(self.gains) else self.gains
        return Selected(
            [token for token in self.tokens if token in tokens], self.counts[kept], self.scores[kept], gains
        )


def select_words(word_counts, size, min_count):
    """Returns the `size` most frequent words that occur at least `min_count` times.

    Args:
        word_counts (`WordCounts`): the most frequent first.

    Raises:
        ValueError: if there is none.
    """
    words = word_counts.words[: min(size, int((word_counts.counts >= min_count).sum()))]
    if not words:
        most = f"{word_counts.words[0]!r} {word_counts.counts[0]} times" if word_counts.words else "no word at all"
        raise ValueError(
            f"Expected words that occur at least {min_count} times, got {most} in {word_counts.texts} texts. "
            "Give more texts, or a smaller --min-count."
        )
    return words


def select_pieces(wordpieces):
    """Returns (first pieces, continuations) of a WordPiece vocabulary that normalized words can be made of.

    Args:
        wordpieces (iterable of `str`): "walk" is a first piece, "##ing" a continuation.

    Apostrophes stand inside words here and are words by themselves to a teacher, so `##'` and `##'s` are always there.

    >>> select_pieces(["[CLS]", "walk", "##ing", "##Ing", "!", "caf\xe9"])
    (['walk##'], ['##ing', "##'", "##'s"])
    """
    first, continuations = [], []
    for piece in wordpieces:
        letters = piece.removeprefix(CONTINUED)
        if words_of(letters) == [letters]:
            (continuations if piece.startswith(CONTINUED) else first).append(letters)
    first = [f"{letters}##" for letters in dict.fromkeys(first)]
    return first, [f"##{letters}" for letters in dict.fromkeys([*continuations, "'", "'s"])]


def candidates(ngrams, size):
    """Returns the `size` most frequent n-grams of all lengths: word ids, int32 (n, 4) padded with -1, and counts (n,).

    Args:
        ngrams (list): (int32 (N, n), int64 (N,)) of each length, of `count_ngrams`.
    """
    if not ngrams:
        return np.zeros((0, 4), np.int32), np.zeros(0, np.int64)
    padded = [np.pad(ids, ((0, 0), (0, 4 - ids.shape[1])), constant_values=-1) for ids, _ in ngrams]
    ids, counts = np.concatenate(padded), np.concatenate([counts for _, counts in ngrams])
    best = np.argsort(-counts, kind="stable")[:size]
    return ids[best], counts[best]


def select_ngrams(ids, counts, size, selection, word_counts, words, encode=None, joint=" "):
    """Returns the `Selected` best of candidate n-grams or skip-grams.

    Args:
        ids (`int32 (n, 4)` or `(n, 2)`): word ids of the candidates, padded with -1.
        counts (`int64 (n,)`).
        size (`int`): how many are wanted.
        selection (`str`): "count", "pmi" or "gain".
        word_counts (`WordCounts`): of the corpus.
        words (`list[str]`): the words of the ids, a beginning of `word_counts.words`.
        encode (callable, for "gain"): texts to the teacher's vectors (B, D).
        joint (`str`): " _ " for skip-grams.

    Raises:
        ValueError: for another selection.
    """
    if selection not in SELECTIONS:
        raise ValueError(f"Expected a selection of {', '.join(SELECTIONS)}, got {selection!r}. Choose one of these.")
    if selection == "gain":  # encoding is dear: only what is frequent can win
        frequent = np.argsort(-counts, kind="stable")[: CANDIDATES * size]
        ids, counts = ids[frequent], counts[frequent]
    frequencies = word_counts.counts[: len(words)] / max(1, word_counts.total)
    gains = np.zeros(0, np.float32)
    if selection == "gain":
        gains = distillation_gains(ids, words, frequencies, encode)
    information = {"count": lambda: 1.0, "pmi": lambda: mutual_information(ids, counts, frequencies, word_counts.total)}
    scores = counts * (gains if selection == "gain" else information[selection]())
    best = np.argsort(-scores, kind="stable")[:size]
    best = best[scores[best] > 0]
    tokens = [joint.join(words[i] for i in row if i >= 0) for row in ids[best].tolist()]
    return Selected(tokens, counts[best], scores[best].astype(np.float64), gains[best] if len(gains) else gains)


def mutual_information(ids, counts, frequencies, total):
    """Returns log p(n-gram) / product of p(word) of each n-gram, float64 (n,).

    Args:
        ids (`int32 (n, k)`): word ids, padded with -1.
        counts (`int64 (n,)`).
        frequencies (`float64 (W,)`): p(word).
        total (`int`): words of the corpus.
    """
    logs = np.append(np.log(frequencies), 0.0)  # the last is what -1 finds
    return np.log(counts / max(1, total)) - logs[ids].sum(axis=1)


def distillation_gains(ids, words, frequencies, encode, sif=SIF):
    """Returns 1 - cosine(teacher's vector of the n-gram, weighted mean of those of its words), float32 (n,).

    Args:
        ids (`int32 (n, k)`): word ids, padded with -1.
        words (`list[str]`).
        frequencies (`float64 (W,)`): p(word); a word weighs sif / (sif + p).
        encode (callable): texts to vectors (B, D).
    """
    if not len(ids):
        return np.zeros(0, np.float32)
    used = np.unique(ids[ids >= 0])
    vectors = np.asarray(encode([words[i] for i in used]), np.float32)
    weighted = vectors * (sif / (sif + frequencies[used]))[:, None].astype(np.float32)
    place = np.searchsorted(used, np.maximum(ids, used[0]))
    means = sum(weighted[place[:, k]] * (ids[:, k] >= 0)[:, None] for k in range(ids.shape[1]))
    whole = np.asarray(encode([" ".join(words[i] for i in row if i >= 0) for row in ids.tolist()]), np.float32)
    norms = np.linalg.norm(means, axis=1) * np.linalg.norm(whole, axis=1)
    return 1 - (means * whole).sum(axis=1) / np.maximum(norms, 1e-12)
