"""The vocabulary of n-gram ids: a list of token strings, and the tables that find them.

A token's kind follows from its string alone: `[PAD]` and `[UNK]` (ids 0 and 1), `[BUCKET_7]`, `walk##` and `##ing`
(pieces), `new york` (an n-gram), `more _ than` (a skip-gram), anything else a word. README.md beside this file is the
specification. A vocabulary never changes: `append` and `select` give a new one.
"""

import re
from functools import cached_property

import numpy as np

from .ngram_normalization import words_of
from .ngram_tables import filter_of, keys_of, pairs_of, table_of
from .ngram_vocabulary_file import ARRAYS, TABLES, read_arrays, write_arrays

SPECIAL, WORD, FIRST_PIECE, CONTINUATION, BUCKET, NGRAM, SKIPGRAM = range(7)
KIND_NAMES = ("special", "word", "first piece", "continuation", "bucket", "n-gram", "skip-gram")
SPECIAL_TOKENS = ("[PAD]", "[UNK]")
PAD_ID, UNK_ID = 0, 1
LONGEST_NGRAM = 4  # words
BUCKET_TOKEN = re.compile(r"\[BUCKET_(0|[1-9][0-9]{0,8})\]")


def kind_of(token):
    """Returns the kind of a token, `SPECIAL` to `SKIPGRAM`, from its string.

    Raises:
        ValueError: if no token can be spelled so.

    >>> [KIND_NAMES[kind_of(token)] for token in ("[PAD]", "walk", "walk##", "##ing", "new york", "more _ than")]
    ['special', 'word', 'first piece', 'continuation', 'n-gram', 'skip-gram']
    """
    if not isinstance(token, str):
        raise ValueError(f"Expected tokens of type str, got {token!r}. Spell every token as text.")
    if token in SPECIAL_TOKENS:
        return SPECIAL
    if BUCKET_TOKEN.fullmatch(token):
        return BUCKET
    if " " in token:
        parts = token.split(" ")
        skip = len(parts) == 3 and parts[1] == "_"
        words = parts[::2] if skip else parts
        if len(parts) <= LONGEST_NGRAM and all(words_of(word) == [word] for word in words):
            return SKIPGRAM if skip else NGRAM
    elif token.startswith("##") or token.endswith("##"):
        letters = (token[2:] if token.startswith("##") else token[:-2]).replace("'", "")
        if len(token) > 2 and "".join(words_of(letters)) == letters:
            return CONTINUATION if token.startswith("##") else FIRST_PIECE
    elif words_of(token) == [token]:
        return WORD
    raise ValueError(
        f"Expected a word in normal form, a piece of one, 2 to {LONGEST_NGRAM} words joined by single spaces, or a "
        f"skip-gram `a _ c`, got {token!r}. Its words in normal form are {words_of(token)}."
    )


class NgramVocabulary:
    """Token strings in id order, with what is known about each.

    Args:
        tokens: sequence of `str`; `[PAD]` and `[UNK]` first, then in any order. Every word of an n-gram or skip-gram
            is a token itself, buckets are numbered without holes.

    Attributes:
        kinds: `uint8 (V,)`: `SPECIAL`, `WORD`, `FIRST_PIECE`, `CONTINUATION`, `BUCKET`, `NGRAM` or `SKIPGRAM`.
        composition: `int32 (V, 4)`: the ids of the words of an n-gram, of both words of a skip-gram; else -1.
        tables: {name: array}, the hash tables.

    Raises:
        ValueError: if the tokens are no vocabulary; the message names the token.

    >>> vocabulary = NgramVocabulary(["[PAD]", "[UNK]", "new", "york", "new york"])
    >>> vocabulary.composition[4].tolist(), len(vocabulary)
    ([2, 3, -1, -1], 5)
    """

    def __init__(self, tokens):
        tokens = list(tokens)
        if tuple(tokens[:2]) != SPECIAL_TOKENS:
            raise ValueError(
                f"Expected the first tokens to be {', '.join(SPECIAL_TOKENS)}, got {tokens[:2]}. Put them before the "
                "others, or use `assemble`."
            )
        ids = {token: i for i, token in enumerate(tokens)}
        if len(ids) != len(tokens):
            twice = next(token for i, token in enumerate(tokens) if ids[token] != i)
            raise ValueError(f"Expected every token once, got {twice!r} twice. Remove one of them.")
        kinds = np.array([_kind_at(i, token) for i, token in enumerate(tokens)], np.uint8)
        composition = _composition_of(tokens, ids, kinds)
        bucket_ids = _bucket_ids_of(tokens, kinds)
        self._set(_arrays_of(tokens, kinds, composition, bucket_ids))
        self.__dict__["tokens"], self.__dict__["ids"] = tokens, ids

    def _set(self, arrays):
        for array in arrays.values():
            array.setflags(write=False)  # also: one type of arrays for the compiled kernel
        self.arrays = arrays
        self.kinds, self.composition = arrays["kinds"], arrays["composition"]
        self.tables = {name: arrays[name] for name in TABLES}

    def __len__(self):
        return len(self.kinds)

    def __reduce__(self):
        return _from_arrays, (self.arrays,)

    @cached_property
    def tokens(self):
        """All token strings, `list[str]`, decoded when first asked for."""
        return self.arrays["token_bytes"].tobytes().decode().split("\n")[:-1]

    @cached_property
    def ids(self):
        """`dict[str, int]`: id of each token."""
        return {token: i for i, token in enumerate(self.tokens)}

    def token(self, i):
        """Returns one token string without decoding the others."""
        first, last = self.arrays["token_offsets"][[i, i + 1]].tolist()
        return self.arrays["token_bytes"][first : last - 1].tobytes().decode()

    @property
    def n_buckets(self):
        return len(self.arrays["bucket_ids"])

    @property
    def has_pieces(self):
        return bool(((self.kinds == FIRST_PIECE) | (self.kinds == CONTINUATION)).any())

    # -- other vocabularies -------------------------------------------------------------------------------

    @classmethod
    def assemble(cls, words, first_pieces=(), continuations=(), buckets=0, ngrams=(), skipgrams=()):
        """Returns the vocabulary of all these, in this order, after the two specials.

        Args:
            words: iterable of `str` in normal form.
            first_pieces, continuations: iterables of `str`, with or without their `##`.
            buckets (`int`): how many.
            ngrams: iterable of `"a b"` or `("a", "b")`.
            skipgrams: iterable of `"a _ c"` or `("a", "c")`.
        """
        return cls(
            [
                *SPECIAL_TOKENS,
                *words,
                *(piece if piece.endswith("##") else f"{piece}##" for piece in first_pieces),
                *(piece if piece.startswith("##") else f"##{piece}" for piece in continuations),
                *(f"[BUCKET_{k}]" for k in range(buckets)),
                *(ngram if isinstance(ngram, str) else " ".join(ngram) for ngram in ngrams),
                *(pair if isinstance(pair, str) else " _ ".join(pair) for pair in skipgrams),
            ]
        )

    def append(self, tokens):
        """Returns a vocabulary with `tokens` after these; no id of a token changes.

        Raises:
            ValueError: if they are no tokens, or would change how unknown words are spelled: buckets beside buckets.
        """
        tokens = list(tokens)
        kinds = {kind_of(token) for token in tokens}
        pieces = kinds & {FIRST_PIECE, CONTINUATION}
        if self.n_buckets and (BUCKET in kinds or (pieces and not self.has_pieces)):
            what = "buckets" if BUCKET in kinds else "pieces"
            raise ValueError(
                f"Expected words, n-grams or skip-grams, got {what} for a vocabulary with {self.n_buckets} buckets: "
                "unknown words would go elsewhere than they were trained to. Build another vocabulary."
            )
        return type(self)([*self.tokens, *tokens])

    def select(self, ids):
        """Returns the vocabulary of some tokens, in their old order, and `int64 (n,)`: the old id of each new one.

        The specials stay. Buckets stay together: all, or none when none is asked for. N-grams and skip-grams whose
        words are not all kept go with them.

        Args:
            ids: integers or a boolean mask `(V,)`: what to keep.
        """
        ids = np.asarray(ids)
        ids = np.flatnonzero(ids) if ids.dtype == bool and ids.shape == (len(self),) else ids.astype(np.int64)
        if len(ids) and not 0 <= ids.min() <= ids.max() < len(self):
            raise ValueError(
                f"Expected ids from 0 to {len(self) - 1}, got {ids.min()} to {ids.max()}. Select from the vocabulary "
                "that the ids belong to."
            )
        keep = np.zeros(len(self), bool)
        keep[ids] = True
        keep[[PAD_ID, UNK_ID]] = True
        buckets = self.arrays["bucket_ids"]
        keep[buckets] = keep[buckets].any()
        keep &= (keep[self.composition] | (self.composition < 0)).all(1)
        old_ids = np.flatnonzero(keep).astype(np.int64)
        return type(self)([self.tokens[i] for i in old_ids.tolist()]), old_ids

    # -- the file -----------------------------------------------------------------------------------------

    def save(self, path):
        """Writes one safetensors file, whole or not at all."""
        write_arrays(path, self.arrays)

    @classmethod
    def load(cls, path):
        """Returns the vocabulary in a file, mapped into memory.

        Raises:
            VocabularyFormatError: if the file is something else, of another version, or damaged.
        FileNotFoundError: if there is none.
        """
        return _from_arrays(read_arrays(path))


assemble = NgramVocabulary.assemble


def _from_arrays(arrays):
    vocabulary = NgramVocabulary.__new__(NgramVocabulary)
    vocabulary._set(arrays)
    return vocabulary


def _kind_at(i, token):
    try:
        return kind_of(token)
    except ValueError as error:
        raise ValueError(f"token {i}: {error}") from None


def _composition_of(tokens, ids, kinds):
    composition = np.full((len(tokens), LONGEST_NGRAM), -1, np.int32)
    for i in np.flatnonzero(kinds >= NGRAM).tolist():
        words = tokens[i].split(" ")
        words = words[::2] if kinds[i] == SKIPGRAM else words
        for place, word in enumerate(words):
            word_id = ids.get(word)
            if word_id is None:
                raise ValueError(
                    f"Expected every word of {tokens[i]!r} (token {i}) to be a token, got no {word!r}. Add the word, "
                    "or leave the n-gram out."
                )
            composition[i, place] = word_id
    return composition


def _bucket_ids_of(tokens, kinds):
    ids = np.flatnonzero(kinds == BUCKET)
    numbers = np.array([int(BUCKET_TOKEN.fullmatch(tokens[i])[1]) for i in ids.tolist()], np.int64)
    order = np.argsort(numbers)
    if len(ids) and int(numbers.max()) != len(ids) - 1:
        hole = next(k for k, number in enumerate(numbers[order].tolist()) if k != number)
        raise ValueError(
            f"Expected buckets 0 to {len(ids) - 1}, as there are {len(ids)}, got no [BUCKET_{hole}]. Number them "
            "without holes."
        )
    return ids[order].astype(np.int32)


def _arrays_of(tokens, kinds, composition, bucket_ids):
    """Returns the arrays of `ARRAYS`, tables built."""
    token_bytes = np.frombuffer(("\n".join(tokens) + "\n").encode(), np.uint8)
    if len(token_bytes) >= 1 << 31:
        raise ValueError(f"Expected tokens of less than 2 GiB in all, got {len(token_bytes)} bytes. Leave some out.")
    token_offsets = np.concatenate([[0], np.flatnonzero(token_bytes == ord("\n")) + 1]).astype(np.int32)

    def strings(kind, before=0, after=0):
        ids = np.flatnonzero(kinds == kind)
        starts, lengths = token_offsets[ids] + before, np.diff(token_offsets)[ids] - 1 - before - after
        keys = keys_of(token_bytes, starts, lengths)
        return keys, table_of(keys, ids.astype(np.int64) | lengths.astype(np.int64) << 32)

    _, word_slots = strings(WORD)
    first_keys, first_slots = strings(FIRST_PIECE, after=len("##"))
    continuation_keys, continuation_slots = strings(CONTINUATION, before=len("##"))
    pair_keys, pair_values = pairs_of(composition, np.flatnonzero(kinds == NGRAM), np.flatnonzero(kinds == SKIPGRAM))
    arrays = {
        "word_slots": word_slots,
        "first_slots": first_slots,
        "continuation_slots": continuation_slots,
        "pair_slots": table_of(pair_keys, pair_values),
        "bucket_ids": bucket_ids,
        "composition": composition,
        "token_offsets": token_offsets,
        "kinds": kinds,
        "pair_filter": filter_of(pair_keys),
        "piece_filter": filter_of(np.concatenate([first_keys, continuation_keys])),
        "token_bytes": token_bytes,
    }
    return {name: arrays[name] for name in ARRAYS}
