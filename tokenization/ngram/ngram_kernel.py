"""The n-gram tokenizer as one compiled function: the bytes of many texts to ids. Equal to ngram_reference.py.

A text takes two passes: its words are found and looked up, then segments are matched over word ids. numba compiles at
first use and keeps the result on disk; it lets go of Python's lock, so threads run side by side.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from .ngram_normalization import check_texts, normalize_batch
from .ngram_reference import LONGEST_SPELLED_WORD, ReferenceTokenizer, checked_length
from .ngram_tables import EMPTY, FNV_OFFSET, FNV_PRIME, HAS_NEXT, MULTIPLIER, PACKED, SKIP, mix
from .ngram_vocabulary import LONGEST_NGRAM, UNK_ID
from .ngram_vocabulary_file import ID_BITS

try:
    import numba
except ImportError:
    numba = None

BACK_ENDS = ("numba", "python")
TEXTS_AT_ONCE = 4096  # bounds what a batch of any size takes beside its result
APOSTROPHE = ord("'")


def _byte_classes():
    """Returns `uint8 (256,)`: 0 for a byte between words, else the byte in lower case."""
    classes = np.zeros(256, np.uint8)
    classes[128:] = np.arange(128, 256)  # normal forms beyond ASCII are letters and digits only
    for byte in b"abcdefghijklmnopqrstuvwxyz0123456789'":
        classes[byte] = byte
        classes[ord(chr(byte).upper())] = byte
    return classes


def compiled(function):
    """Returns `function` compiled by numba, or as it is where numba is missing."""
    if numba is None:
        return function
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder to keep the result in: compile in every process
        return numba.njit(nogil=True)(function)


# numba takes these for constants; a plain integer would turn unsigned arithmetic into floating point.
OFFSET, PRIME, SPREAD = np.uint64(FNV_OFFSET), np.uint64(FNV_PRIME), np.uint64(MULTIPLIER)
ZERO, THREE, SEVEN, EIGHT = np.uint64(0), np.uint64(3), np.uint64(7), np.uint64(8)
mixed_with = compiled(mix)


@compiled
def find_string(table, shift, key, text, first, last, classes, pool, token_offsets, before):
    """Returns the id of the string `text[first:last]` in a string table, or -1.

    Args:
        key: its key, as `keys_of` makes it.
        before: how many bytes of a token come before its string: those of the marks of a continuation.
    """
    mask, length = len(table) - 1, last - first
    slot = np.int64((key * SPREAD) >> shift)
    while True:
        value = table[slot, 1]
        if value == EMPTY:
            return -1
        if np.uint64(table[slot, 0]) == key and value >> 32 == length:
            found = value & ID_BITS
            if length <= PACKED:
                return found
            start = np.int64(token_offsets[found]) + before
            same = True
            for k in range(length):
                if pool[start + k] != classes[text[first + k]]:
                    same = False
                    break
            if same:
                return found
        slot = (slot + 1) & mask


@compiled
def look(table, shift, keys, n, met):
    """Writes to `met` the first slot of each key. Nothing is decided here, so the processor fetches many at once."""
    for k in range(n):
        slot = np.int64((keys[k] * SPREAD) >> shift)
        met[k, 0], met[k, 1] = table[slot, 0], table[slot, 1]


@compiled
def find_pair(table, shift, key):
    """Returns the value of a pair, or -1."""
    mask = len(table) - 1
    slot = np.int64((key * SPREAD) >> shift)
    while True:
        value = table[slot, 1]
        if value == EMPTY or np.uint64(table[slot, 0]) == key:
            return value
        slot = (slot + 1) & mask


@compiled
def may_hold(bits, shift, key):
    """Returns 0 where a table certainly holds no such key, else mostly 1."""
    place = (key * SPREAD) >> shift
    return (np.int64(bits[np.int64(place >> THREE)]) >> np.int64(place & SEVEN)) & 1


@compiled
def spell(
    first_slots, continuation_slots, piece_filter, shifts, longest_piece, text, first, last, classes, pool,
    token_offsets, keys, stops, ids, at,
):  # fmt: skip
    """Writes the pieces of the word `text[first:last]` to `ids[at:]`, or [UNK]; returns where they end."""
    n_characters = 0
    for k in range(first, last):
        if text[k] & 0xC0 != 0x80:  # not a byte inside a character
            n_characters += 1
    start, end = first, at
    table, shift, before = first_slots, shifts[1], 0
    while start < last and n_characters <= LONGEST_SPELLED_WORD:
        mixed, packed, up, n = ZERO, ZERO, ZERO, 0
        for k in range(min(last - start, longest_piece)):  # the keys of all strings that start here
            if k > 0 and k % PACKED == 0:
                mixed, packed, up = mixed_with(mixed, packed), ZERO, ZERO
            packed |= np.uint64(classes[text[start + k]]) << up
            up += EIGHT
            keys[n], stops[n] = mixed_with(mixed, packed) if k >= PACKED else packed, start + k + 1
            n += may_hold(piece_filter, shifts[5], keys[n])  # one that is no piece is written over
        found, stop = -1, start
        while n > 0 and found < 0:
            n -= 1
            stop = stops[n]
            found = find_string(table, shift, keys[n], text, start, stop, classes, pool, token_offsets, before)
        if found < 0:
            break
        ids[end] = found
        end += 1
        start = stop
        table, shift, before = continuation_slots, shifts[2], len("##")
    if start < last:
        ids[at] = UNK_ID
        return at + 1
    return end


@compiled
def tokenize(
    text, limit, most_words, ids, offsets, n_tokens, longest_piece, shifts, classes, word_slots, first_slots,
    continuation_slots, pair_slots, pair_filter, piece_filter, bucket_ids, pool, token_offsets,
):  # fmt: skip
    """Writes the ids of all texts to `ids` and where each text's begin and end to `offsets`; returns how many.

    Args:
        text: `uint8`: the texts as `normalize_batch` gives them, a NUL after each.
        limit: most ids of a text.
        most_words: how many words of a text are looked at; more than `limit` ids can take.
        ids: `int32`: room for one id a byte, one a text, and one more.
        offsets: `int64 (B + 1,)`.
        shifts: `uint64 (6,)`: what makes a place of a hash in the tables of words, first pieces, continuations and
            pairs, and in the filters of pairs and pieces.
    """
    words = np.empty(most_words, np.int64)
    firsts, lasts = np.empty(most_words, np.int64), np.empty(most_words, np.int64)
    pairs, places = np.empty(2 * most_words, np.int64), np.empty(2 * most_words, np.int64)
    sought, met = np.empty(2 * most_words, np.uint64), np.empty((2 * most_words, 2), np.int64)
    keys, stops = np.empty(max(longest_piece, 1), np.uint64), np.empty(max(longest_piece, 1), np.int64)
    n_buckets = np.uint64(len(bucket_ids))
    at, p = 0, 0
    for row in range(len(offsets) - 1):
        offsets[row] = at
        # 1. The words.
        n_words = 0
        while text[p] != 0:
            byte = classes[text[p]]
            if byte <= APOSTROPHE:
                p += 1
                continue
            if n_words == most_words:
                while text[p] != 0:
                    p += 1
                break
            first = p
            mixed, packed, up = ZERO, ZERO, ZERO
            while byte > APOSTROPHE or (byte == APOSTROPHE and classes[text[p + 1]] > APOSTROPHE):
                if up == 64:
                    mixed, packed, up = mixed_with(mixed, packed), ZERO, ZERO
                packed |= np.uint64(byte) << up
                up += EIGHT
                p += 1
                byte = classes[text[p]]
            sought[n_words] = mixed_with(mixed, packed) if p - first > PACKED else packed
            firsts[n_words], lasts[n_words] = first, p
            n_words += 1
        p += 1
        look(word_slots, shifts[0], sought, n_words, met)
        for k in range(n_words):
            first, last, value = firsts[k], lasts[k], met[k, 1]
            if np.uint64(met[k, 0]) == sought[k] and value >> 32 == last - first and last - first <= PACKED:
                words[k] = value & ID_BITS
            elif value == EMPTY:
                words[k] = -1
            else:
                words[k] = find_string(
                    word_slots, shifts[0], sought[k], text, first, last, classes, pool, token_offsets, 0
                )  # fmt: skip
        # 2. The pairs: of word and next word at the even places, of word and last but one at the odd. First the filter
        # for all, then the table for what is left, so that no search waits for the one before it.
        n_sought = 0
        for place in range(n_words):
            pairs[2 * place] = pairs[2 * place + 1] = -1
            word = words[place]
            if word < 0:
                continue
            if place + 1 < n_words and words[place + 1] >= 0:
                key = np.uint64(word << 32 | words[place + 1])
                sought[n_sought], places[n_sought] = key, 2 * place
                n_sought += may_hold(pair_filter, shifts[4], key)
            if place > 1 and words[place - 2] >= 0:
                key = np.uint64(SKIP | words[place - 2] << 32 | word)
                sought[n_sought], places[n_sought] = key, 2 * place + 1
                n_sought += may_hold(pair_filter, shifts[4], key)
        look(pair_slots, shifts[3], sought, n_sought, met)
        for k in range(n_sought):
            if np.uint64(met[k, 0]) == sought[k] or met[k, 1] == EMPTY:
                pairs[places[k]] = met[k, 1]
            else:
                pairs[places[k]] = find_pair(pair_slots, shifts[3], sought[k])
        # 3. The segments.
        start, stop = 0, at + limit
        while start < n_words and at < stop:
            word = words[start]
            if word < 0:
                first, last = firsts[start], lasts[start]
                start += 1
                if longest_piece > 0:
                    at = spell(
                        first_slots, continuation_slots, piece_filter, shifts, longest_piece, text, first, last,
                        classes, pool, token_offsets, keys, stops, ids, at,
                    )  # fmt: skip
                    continue
                ids[at] = UNK_ID
                if n_buckets > 0:
                    hashed = OFFSET
                    for k in range(first, last):
                        hashed = (hashed ^ np.uint64(classes[text[k]])) * PRIME
                    ids[at] = bucket_ids[np.int64(hashed % n_buckets)]
                at += 1
                continue
            end = start + 1
            value, place = pairs[2 * start], end
            while value >= 0:
                node = value & ID_BITS
                place += 1
                if node < n_tokens:
                    word, end = node, place
                if place == n_words or words[place] < 0 or value & HAS_NEXT == 0:
                    break
                key = np.uint64(node << 32 | words[place])
                value = find_pair(pair_slots, shifts[3], key) if may_hold(pair_filter, shifts[4], key) else -1
            ids[at] = word
            at += 1
            for place in range(start, min(start + 2, end)):
                skipgram = pairs[2 * place + 1]
                ids[at] = skipgram & ID_BITS
                at += skipgram >= 0  # written over where there is none: cheaper than a guess that fails
            start = end
        at = min(at, stop)
        if at == offsets[row]:
            ids[at] = UNK_ID
            at += 1
    offsets[len(offsets) - 1] = at
    return at


class KernelTokenizer:
    """Tokenizes with the compiled kernel.

    Args:
        vocabulary: an `NgramVocabulary`.

    Raises:
        ImportError: if numba is missing; `tokenizer_for` falls back instead.
    """

    def __init__(self, vocabulary):
        if numba is None:
            raise ImportError(
                "Expected numba for the compiled tokenizer, got none. Install numba, or use ReferenceTokenizer."
            )
        self.vocabulary = vocabulary
        tables = vocabulary.tables
        slots = [tables[name] for name in ("word_slots", "first_slots", "continuation_slots", "pair_slots")]
        longest_piece = max(0, *(int((table[:, 1] >> 32).max()) for table in slots[1:3]))  # bytes
        sizes = [*map(len, slots), 8 * len(tables["pair_filter"]), 8 * len(tables["piece_filter"])]
        shifts = np.array([65 - size.bit_length() for size in sizes], np.uint64)
        others = ("pair_filter", "piece_filter", "bucket_ids", "token_bytes", "token_offsets")
        self.arguments = (
            len(vocabulary), longest_piece, shifts, _byte_classes(), *slots, *(tables[name] for name in others)
        )  # fmt: skip

    def __reduce__(self):
        return type(self), (self.vocabulary,)

    def encode(self, text, max_length=512):
        """Returns the ids of a text, `list[int]`, at least one and at most `max_length` (None: all)."""
        return self.encode_flat([text], max_length)[0].tolist()

    def encode_flat(self, texts, max_length=512, threads=1):
        """Returns the ids of all texts, `int32 (N,)`, and where each text's begin and end, `int64 (B + 1,)`.

        Args:
            texts: sequence of `str`.
            max_length: most ids of one text, or None.
            threads: how many parts of the batch are tokenized at once.
        """
        limit = checked_length(max_length)
        if not isinstance(texts, list | tuple):
            check_texts(texts)
            texts = list(texts)
        n_parts = max(-(-len(texts) // TEXTS_AT_ONCE), min(threads, len(texts)))
        if n_parts <= 1:
            return self._encode_part(texts, limit)
        borders = [len(texts) * k // n_parts for k in range(n_parts + 1)]
        parts = [texts[first:last] for first, last in pairwise(borders)]
        try:
            with ThreadPoolExecutor(max(threads, 1)) as pool:
                done = list(pool.map(self._encode_part, parts, [limit] * n_parts))
        except TypeError:
            check_texts(texts)  # says where in the batch, and not where in its part
            raise
        lengths = np.concatenate([np.diff(offsets) for _, offsets in done])
        return np.concatenate([ids for ids, _ in done]), np.concatenate([[0], np.cumsum(lengths)])

    def _encode_part(self, texts, limit):
        text = np.frombuffer(normalize_batch(texts), np.uint8)
        most_words = len(text) // 2 + 1
        if limit is None:
            limit = len(text) + 1
        else:  # an id takes four words at most, and three more decide where it ends
            most_words = min(most_words, LONGEST_NGRAM * (limit + 1))
        ids = np.empty(len(text) + len(texts) + 1, np.int32)
        offsets = np.empty(len(texts) + 1, np.int64)
        n = tokenize(text, limit, most_words, ids, offsets, *self.arguments)
        return ids[:n].copy(), offsets


def tokenizer_for(vocabulary, back_end=None):
    """Returns a `KernelTokenizer` where numba can be imported, else a `ReferenceTokenizer`.

    Args:
        vocabulary: an `NgramVocabulary`.
        back_end: "numba" or "python" to decide yourself.
    """
    if back_end not in (None, *BACK_ENDS):
        raise ValueError(f"Expected back_end to be one of {', '.join(BACK_ENDS)} or None, got {back_end!r}.")
    compiled_one = back_end == "numba" or (back_end is None and numba is not None)
    return KernelTokenizer(vocabulary) if compiled_one else ReferenceTokenizer(vocabulary)
