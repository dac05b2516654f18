from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.tokenization.ngram.ngram_normalization import words_of
from traceformers.tokenization.ngram.ngram_reference import ReferenceTokenizer
from traceformers.tokenization.ngram.ngram_vocabulary import assemble
from traceformers.training.vocabulary.ngram_counts import (
    BORDER,
    MOST_RUNS,
    UNKNOWN,
    KeyCounter,
    count_entries,
    count_ngrams,
    count_skipgrams,
    count_words,
    load_counts,
    save_counts,
    write_word_ids,
)

WORDS = st.sampled_from("a b c d e".split())
TEXTS = st.lists(st.lists(WORDS, max_size=12).map(" ".join), max_size=12)
MEMORY = st.sampled_from([2, 3, 8, 1 << 20])


def word_ids(texts, words, folder):
    return np.memmap(write_word_ids(texts, words, folder / "ids"), np.int32, "r")


@given(st.lists(st.text(), max_size=8), MEMORY)
def test_words_are_counted_as_a_counter_counts_them(texts, memory):
    counted = count_words(texts, memory_words=memory)
    expected = Counter(word for text in texts for word in words_of(text))
    assert dict(zip(counted.words, counted.counts.tolist(), strict=True)) == expected
    assert counted.total == expected.total() and counted.types == len(expected) and counted.texts == len(texts)
    assert counted.words == sorted(expected, key=lambda word: (-expected[word], word))


def test_rare_words_are_left_out_but_not_of_the_total():
    counted = count_words(["b a b", "a c é"], min_count=2, memory_words=2)
    assert counted.words == ["a", "b"] and counted.total == 6 and counted.types == 4


@given(st.lists(st.lists(st.integers(0, 30), max_size=40), max_size=50), MEMORY, st.integers(1, 4))
def test_keys_are_counted_as_a_counter_counts_them(tmp_path_factory, batches, memory, least):
    counter = KeyCounter(tmp_path_factory.mktemp("runs"), memory)
    for batch in batches:
        counter.add(np.array(batch, np.int64))
    keys, counts = counter.counts(least)
    expected = Counter(key for batch in batches for key in batch)
    assert list(zip(keys.tolist(), counts.tolist(), strict=True)) == sorted(
        (key, count) for key, count in expected.items() if count >= least
    )


def test_many_runs_are_merged_on_disk_and_their_files_removed(tmp_path):
    counter, rng = KeyCounter(tmp_path, memory_keys=10), np.random.default_rng(0)
    batches = [rng.integers(0, 5000, 20) for _ in range(3 * MOST_RUNS)]
    for batch in batches:
        counter.add(batch)
        assert len(list(tmp_path.iterdir())) <= 2 * MOST_RUNS + 2
    expected = Counter(np.concatenate(batches).tolist())
    assert dict(zip(*(column.tolist() for column in counter.counts()), strict=True)) == expected


@given(TEXTS, MEMORY, st.integers(1, 3))
def test_ngrams_are_counted_as_a_counter_counts_them(tmp_path_factory, texts, memory, least):
    words = ["a", "b", "c"]  # d and e are unknown: no n-gram reaches across them
    found = count_ngrams(
        word_ids(texts, words, tmp_path_factory.mktemp("ids")), len(words), min_count=least, memory_keys=memory
    )
    assert len(found) == 3
    for n, (ngrams, counts) in enumerate(found, 2):
        expected = Counter(
            tuple(ids)
            for text in texts
            for ids in zip(*(text.split()[i:] for i in range(n)), strict=False)
            if set(ids) <= set(words)
        )
        expected = {ngram: count for ngram, count in expected.items() if count >= least}
        assert {tuple(words[i] for i in row): int(c) for row, c in zip(ngrams, counts, strict=True)} == expected


@given(TEXTS, MEMORY)
def test_skipgrams_are_counted_as_a_counter_counts_them(tmp_path_factory, texts, memory):
    words = ["a", "b", "c"]
    folder = tmp_path_factory.mktemp("ids")
    pairs, counts = count_skipgrams(word_ids(texts, words, folder), len(words), min_count=1, memory_keys=memory)
    split = [text.split() for text in texts]
    expected = Counter((x[i], x[i + 2]) for x in split for i in range(len(x) - 2) if {x[i], x[i + 2]} <= set(words))
    assert {tuple(words[i] for i in row): int(c) for row, c in zip(pairs, counts, strict=True)} == expected


def test_a_stream_of_word_ids_says_where_texts_end(tmp_path):
    assert word_ids(["A b,x", "", "b"], ["a", "b"], tmp_path).tolist() == [
        *(BORDER, 0, 1, UNKNOWN, BORDER, BORDER, 1, BORDER)
    ]


def test_entries_are_counted_as_the_tokenizer_cuts_texts():
    vocabulary = assemble(["new", "york"], ["y"], ["x"], ngrams=["new york"])
    counts = count_entries(
        ReferenceTokenizer(vocabulary), ["new york new", "yxx", "..."], len(vocabulary), batch_size=2
    )
    seen = {token: int(count) for token, count in zip(vocabulary.tokens, counts, strict=True)}
    assert seen == {"[PAD]": 0, "[UNK]": 1, "new": 1, "york": 0, "y##": 1, "##x": 2, "new york": 1}


@pytest.mark.parametrize("texts", [["a b a b", "b a é é"], []])
def test_counts_are_read_back_for_the_same_plan_only(tmp_path, texts):
    words = count_words(texts)
    ids = word_ids(texts, words.words, tmp_path)
    ngrams, skips = (
        count_ngrams(ids, len(words.words), min_count=1),
        count_skipgrams(ids, len(words.words), min_count=1),
    )
    save_counts(tmp_path / "counts", words, ngrams, skips, "plan")
    assert load_counts(tmp_path / "counts", "other") is None and load_counts(tmp_path / "none", "plan") is None
    read_words, read_ngrams, read_skips = load_counts(tmp_path / "counts", "plan")
    assert read_words.words == words.words and read_words.counts.tolist() == words.counts.tolist()
    assert (read_words.total, read_words.types, read_words.texts) == (words.total, words.types, words.texts)
    for read, written in zip([*read_ngrams, read_skips], [*ngrams, skips], strict=True):
        assert [column.tolist() for column in read] == [column.tolist() for column in written]
