"""The n-gram tokenizer in pure Python: what the compiled kernel is compared with, and what runs where it cannot.

Left to right over the words of a text: the longest known n-gram that starts here is a segment; an unknown word is a
segment of pieces, a bucket or [UNK]; behind each segment stand the skip-grams that end in it.
"""

from itertools import repeat

import numpy as np

from .ngram_normalization import check_texts, words_of
from .ngram_tables import fnv1a
from .ngram_vocabulary import CONTINUATION, FIRST_PIECE, LONGEST_NGRAM, NGRAM, SKIPGRAM, UNK_ID, WORD

LONGEST_SPELLED_WORD = 100  # characters; a longer unknown word is not cut into pieces
REMEMBERED_SPELLINGS = 1 << 16
NOTHING = {}
UNKNOWN = (-1, NOTHING, NOTHING)  # what a word that is no token looks like


class ReferenceTokenizer:
    """Tokenizes with dictionaries and lists.

    Args:
        vocabulary: an `NgramVocabulary`.
    """

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary
        tokens, kinds, composition = vocabulary.tokens, vocabulary.kinds, vocabulary.composition
        self.first_pieces = {tokens[i][:-2]: i for i in np.flatnonzero(kinds == FIRST_PIECE).tolist()}
        self.continuations = {tokens[i][2:]: i for i in np.flatnonzero(kinds == CONTINUATION).tolist()}
        self.bucket_ids = vocabulary.arrays["bucket_ids"].tolist()
        ngram_ids, skip_ids = np.flatnonzero(kinds == NGRAM), np.flatnonzero(kinds == SKIPGRAM)
        # A node is (id, {id of the next word: node}); an id of -1 is a prefix that is no n-gram itself.
        followers, skips = {}, {}
        for i, (word, *more) in zip(ngram_ids.tolist(), composition[ngram_ids].tolist(), strict=True):
            branch = followers.setdefault(word, {})
            *between, last = (word for word in more if word >= 0)
            for word in between:
                branch = branch.setdefault(word, (-1, {}))[1]
            branch[last] = (i, branch[last][1] if last in branch else {})
        for i, (left, right) in zip(skip_ids.tolist(), composition[skip_ids, :2].tolist(), strict=True):
            skips.setdefault(left, {})[right] = i
        # Of a word: its id, the branches that start with it, and {right word: skip-gram}.
        self.words = {
            tokens[i]: (i, followers.get(i, NOTHING), skips.get(i, NOTHING))
            for i in np.flatnonzero(kinds == WORD).tolist()
        }
        self.spellings = {}

    def __reduce__(self):
        return type(self), (self.vocabulary,)

    def encode(self, text, max_length=512):
        """Returns the ids of a text, `list[int]`, at least one and at most `max_length` (None: all).

        Raises:
            TypeError: if `text` is no `str`.
        """
        if not isinstance(text, str):
            check_texts([text])
        return self._encode(text, checked_length(max_length))

    def encode_flat(self, texts, max_length=512):
        """Returns the ids of all texts, `int32 (N,)`, and where each text's begin and end, `int64 (B + 1,)`.

        Args:
            texts: sequence of `str`.
            max_length: most ids of one text, or None.
        """
        check_texts(texts)
        limit = checked_length(max_length)
        ids, offsets = [], [0]
        for text in texts:
            ids += self._encode(text, limit)
            offsets.append(len(ids))
        return np.array(ids, np.int32), np.array(offsets, np.int64)

    def _encode(self, text, limit):
        spelled = words_of(text)
        if limit is not None:
            del spelled[LONGEST_NGRAM * (limit + 1) :]  # each id takes four words at most
        # Two before the first and one after the last, so that every word has these neighbours.
        words = [UNKNOWN, UNKNOWN, *map(self.words.get, spelled, repeat(UNKNOWN)), UNKNOWN]
        ids, place, stop = [], 2, len(spelled) + 2
        while place < stop:
            first, branches, _ = words[place]
            if first < 0:
                ids += self.spelling(spelled[place - 2])
                place += 1
                continue
            found, end, ahead = first, place + 1, place + 1
            node = branches.get(words[ahead][0])
            while node is not None:
                ahead += 1
                if node[0] >= 0:
                    found, end = node[0], ahead
                node = node[1].get(words[ahead][0])
            ids.append(found)
            # Only the first two words of a segment can come two words after one of another segment.
            skipgram = words[place - 2][2].get(first)
            if skipgram is not None:
                ids.append(skipgram)
            if end > place + 1:
                skipgram = words[place - 1][2].get(words[place + 1][0])
                if skipgram is not None:
                    ids.append(skipgram)
            place = end
        if limit is not None:
            del ids[limit:]
        return ids or [UNK_ID]

    def spelling(self, word):
        """Returns the ids of a word that is no token, a tuple: its pieces, its bucket, or [UNK]."""
        ids = self.spellings.get(word)
        if ids is None and len(word) > LONGEST_SPELLED_WORD:
            return self._spell(word)
        if ids is None:
            if len(self.spellings) >= REMEMBERED_SPELLINGS:
                self.spellings.clear()
            ids = self.spellings[word] = self._spell(word)
        return ids

    def _spell(self, word):
        if not (self.first_pieces or self.continuations):
            buckets = self.bucket_ids
            return (buckets[fnv1a(word.encode()) % len(buckets)] if buckets else UNK_ID,)
        if len(word) > LONGEST_SPELLED_WORD:
            return (UNK_ID,)
        ids, start, pieces = [], 0, self.first_pieces
        while start < len(word):
            end = len(word)
            while end > start and word[start:end] not in pieces:
                end -= 1
            if end == start:
                return (UNK_ID,)
            ids.append(pieces[word[start:end]])
            start, pieces = end, self.continuations
        return tuple(ids)


def checked_length(max_length):
    """Returns `max_length` as it is, if it is a number of ids or None."""
    if max_length is not None and max_length < 1:
        raise ValueError(f"Expected max_length >= 1 or None, got {max_length}. A text has one id at least.")
    return max_length
