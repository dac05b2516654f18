"""The flat hash tables of a vocabulary.

Every table is open addressing with linear probing and never full, so a search ends at the first empty slot. Strings are
compared in full: two with one hash stay two.
"""

import numpy as np

FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio
EMPTY = -1
SKIP = 1 << 62  # marks the key of a skip-gram among the keys of pairs
HAS_NEXT = 1 << 32  # marks the value of a pair that longer n-grams begin with
PACKED = 8  # bytes: so many fit into a key as they are
FILTER_BITS = 12  # a key, at least: of twenty keys that are in no table, nineteen are turned away


def fnv1a(data, start=FNV_OFFSET):
    """Returns the 64-bit FNV-1a hash of bytes.

    >>> hex(fnv1a(b"foobar"))
    '0x85944171f73967e8'
    """
    for byte in data:
        start = ((start ^ byte) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return start


def keys_of(pool, starts, lengths):
    """Returns the key of each byte string, `uint64 (n,)`; the strings are `pool[start : start + length]`.

    A string of up to 8 bytes is its own key, the first byte lowest. A longer one is mixed, 8 bytes at a time.
    """
    order = np.argsort(lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    mixed, packed = np.zeros(len(order), np.uint64), np.zeros(len(order), np.uint64)
    for position in range(int(lengths[-1]) if len(order) else 0):
        on = slice(int(np.searchsorted(lengths, position, "right")), None)  # strings that end before stay as they are
        if position and position % PACKED == 0:
            mixed[on] = mix(mixed[on], packed[on])
            packed[on] = 0
        packed[on] |= pool[starts[on] + position].astype(np.uint64) << np.uint64(8 * (position % PACKED))
    keys = np.empty_like(mixed)
    keys[order] = np.where(lengths > PACKED, mix(mixed, packed), packed)
    return keys


def mix(mixed, packed):
    """Returns one `uint64` of what was mixed so far and 8 more bytes."""
    product = (mixed ^ packed) * np.uint64(MULTIPLIER)
    return product ^ (product >> np.uint64(32))


def table_of(keys, values):
    """Returns a hash table `int64 (size, 2)` of keys and values; -1 is the value of an empty slot.

    Args:
        keys: `uint64 (n,)`; one key may stand for several values.
        values: `int64 (n,)`, 0 or more.
    """
    size = 16
    while size < 1.25 * len(keys):  # full is slower to search than wide, but wide falls out of the processor's cache
        size *= 2
    slots = first_slots(keys, size)
    owner = np.full(size, EMPTY, np.int64)
    waiting = np.arange(len(keys))
    while len(waiting):  # all at once: who finds the slot taken moves on by one
        free = waiting[owner[slots[waiting]] == EMPTY][::-1]  # of several the first wins: more frequent, as a rule
        owner[slots[free]] = free
        waiting = waiting[owner[slots[waiting]] != waiting]
        slots[waiting] = (slots[waiting] + 1) & (size - 1)
    table = np.full((size, 2), EMPTY, np.int64)
    table[slots, 0], table[slots, 1] = keys.view(np.int64), values
    return table


def first_slots(keys, size):
    """Returns where the search for each key begins, `int64 (n,)`, in a table of `size` slots, a power of two."""
    return ((keys * np.uint64(MULTIPLIER)) >> np.uint64(65 - size.bit_length())).astype(np.int64)


def filter_of(keys):
    """Returns `uint8 (size,)`, small enough to stay near the processor: a bit for each key that may be in a table."""
    n_bits = 64
    while n_bits < FILTER_BITS * len(keys):
        n_bits *= 2
    bits = np.zeros(n_bits, np.uint8)
    bits[first_slots(keys, n_bits)] = 1
    return np.packbits(bits, bitorder="little")


def edges_of(composition, ngram_ids):
    """Returns the trie of the n-grams as columns `int64 (e,)`: nodes, next words, and the nodes these lead to.

    A node is the id of the word or n-gram it stands for; a prefix that is no n-gram itself gets a number after the ids.
    """
    rows = composition[ngram_ids].tolist()
    named = {tuple(word for word in row if word >= 0): i for i, row in zip(ngram_ids.tolist(), rows, strict=True)}
    unnamed, edges = {}, {}
    for words in named:
        node = words[0]
        for end in range(2, len(words) + 1):
            child = named.get(words[:end])
            if child is None:
                child = unnamed.setdefault(words[:end], len(composition) + len(unnamed))
            edges[node, words[end - 1]] = child
            node = child
    return np.array([(*pair, child) for pair, child in edges.items()], np.int64).reshape(-1, 3).T


def pairs_of(composition, ngram_ids, skip_ids):
    """Returns keys `uint64 (n,)` and values `int64 (n,)` of the table of pairs: the trie's edges and the skip-grams."""
    nodes, words, children = edges_of(composition, ngram_ids)
    left, right = composition[skip_ids, :2].astype(np.int64).T
    keys = np.concatenate([nodes << 32 | words, left << 32 | right | SKIP]).view(np.uint64)
    more = np.where(np.isin(children, nodes), HAS_NEXT, 0)
    return keys, np.concatenate([children | more, skip_ids])
