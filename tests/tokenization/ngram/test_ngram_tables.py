import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from traceformers.tokenization.ngram.ngram_tables import (
    EMPTY,
    MULTIPLIER,
    edges_of,
    filter_of,
    first_slots,
    fnv1a,
    keys_of,
    table_of,
)

KEYS = st.lists(st.integers(0, 2**64 - 1), max_size=60, unique=True)


def test_fnv1a_gives_the_published_values():
    assert [hex(fnv1a(text)) for text in (b"", b"a", b"foobar")] == [
        "0xcbf29ce484222325",
        "0xaf63dc4c8601ec8c",
        "0x85944171f73967e8",
    ]


def key_by_hand(data):
    mixed, rest = 0, data
    while len(rest) > 8:
        mixed, rest = mix_by_hand(mixed, rest[:8]), rest[8:]
    return mix_by_hand(mixed, rest) if len(data) > 8 else int.from_bytes(rest, "little")


def mix_by_hand(mixed, part):
    product = (mixed ^ int.from_bytes(part, "little")) * MULTIPLIER % 2**64
    return product ^ product >> 32


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_keys_of_many_strings_are_the_keys_of_each(strings):
    lengths = np.array([len(string) for string in strings], np.int32)
    starts = np.cumsum(lengths) - lengths
    pool = np.frombuffer(b"".join(strings), np.uint8)
    assert keys_of(pool, starts, lengths).tolist() == [key_by_hand(string) for string in strings]


@given(st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=8))
def test_short_strings_have_keys_of_their_own(one, other):
    if len(one) == len(other):  # a search compares lengths as well
        assert (key_by_hand(one) == key_by_hand(other)) == (one == other)


def find(table, key):
    """Returns the value of a key as a search finds it, or -1."""
    slot = first_slots(np.array([key], np.uint64), len(table)).item()
    while table[slot, 1] != EMPTY:
        if np.uint64(table[slot, 0].astype(np.uint64)) == key:
            return table[slot, 1].item()
        slot = (slot + 1) % len(table)
    return -1


@given(KEYS, KEYS)
def test_a_table_gives_every_value_and_no_other(keys, others):
    table = table_of(np.array(keys, np.uint64), np.arange(len(keys)))
    assert [find(table, np.uint64(key)) for key in keys] == list(range(len(keys)))
    assert all(find(table, np.uint64(key)) == -1 for key in others if key not in keys)
    assert (table[:, 1] == EMPTY).any()


@given(KEYS)
def test_a_filter_turns_no_key_away(keys):
    bits = np.unpackbits(filter_of(np.array(keys, np.uint64)), bitorder="little")
    assert bits[first_slots(np.array(keys, np.uint64), len(bits))].all()


def test_a_filter_turns_most_others_away():
    keys = np.random.default_rng(0).integers(0, 2**63, 4000).astype(np.uint64)
    bits = np.unpackbits(filter_of(keys[:2000]), bitorder="little")
    assert bits[first_slots(keys[2000:], len(bits))].mean() < 0.15


def test_the_trie_names_nodes_by_tokens_and_numbers_the_rest():
    composition = np.full((7, 4), -1, np.int32)
    composition[4, :2], composition[5, :3], composition[6, :4] = [0, 1], [0, 1, 2], [3, 2, 1, 0]
    edges = {(node, word): child for node, word, child in edges_of(composition, np.array([4, 5, 6])).T.tolist()}
    assert edges == {(0, 1): 4, (4, 2): 5, (3, 2): 7, (7, 1): 8, (8, 0): 6}
