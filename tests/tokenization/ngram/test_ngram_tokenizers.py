import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_ngram import FALLBACKS, N_BUCKETS, TEXTS, tiny_vocabulary

from traceformers.tokenization.ngram import ngram_kernel, ngram_normalization
from traceformers.tokenization.ngram.ngram_kernel import KernelTokenizer, tokenizer_for
from traceformers.tokenization.ngram.ngram_normalization import words_of
from traceformers.tokenization.ngram.ngram_reference import ReferenceTokenizer
from traceformers.tokenization.ngram.ngram_tables import fnv1a
from traceformers.tokenization.ngram.ngram_vocabulary import NgramVocabulary, assemble

KERNELS = {fallback: KernelTokenizer(tiny_vocabulary(fallback)) for fallback in FALLBACKS}
REFERENCES = {fallback: ReferenceTokenizer(tiny_vocabulary(fallback)) for fallback in FALLBACKS}
LENGTHS = st.sampled_from([None, 1, 2, 3, 5, 512])


def ids_by_the_book(vocabulary, text):
    """Returns the ids of a text by the rules of README.md, with lists and string searches only."""
    ids, words = vocabulary.ids, words_of(text)
    out, segment_of, place = [], [], 0
    while place < len(words):
        word = words[place]
        run = next((n for n in (4, 3, 2) if len(words) >= place + n and " ".join(words[place : place + n]) in ids), 1)
        segment = range(place, place + run)
        segment_of += [place] * run
        if word in ids:
            out.append(ids[" ".join(words[place : place + run])])
        else:
            out += unknown_by_the_book(vocabulary, word)
        for i in segment:
            skipgram = f"{words[i - 2]} _ {words[i]}" if i > 1 else ""
            if skipgram in ids and segment_of[i - 2] != place:
                out.append(ids[skipgram])
        place += run
    return out or [1]


def unknown_by_the_book(vocabulary, word):
    ids = vocabulary.ids
    if not vocabulary.has_pieces:
        return [ids[f"[BUCKET_{fnv1a(word.encode()) % N_BUCKETS}]"]] if vocabulary.n_buckets else [1]
    rest, out = word, []
    while rest and len(word) <= 100:
        spell = (lambda part: f"##{part}") if out else (lambda part: f"{part}##")
        size = next((n for n in range(len(rest), 0, -1) if spell(rest[:n]) in ids), 0)
        if size == 0:
            return [1]
        out.append(ids[spell(rest[:size])])
        rest = rest[size:]
    return out or [1]


def rows_of(flat):
    ids, offsets = flat
    assert ids.dtype == np.int32 and offsets.dtype == np.int64
    return [ids[first:last].tolist() for first, last in pairwise(offsets)]


# -- the laws ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fallback", FALLBACKS)
@given(texts=st.lists(TEXTS, max_size=6), max_length=LENGTHS)
def test_kernel_and_reference_give_equal_ids_on_any_text(fallback, texts, max_length):
    expected = rows_of(REFERENCES[fallback].encode_flat(texts, max_length))
    assert rows_of(KERNELS[fallback].encode_flat(texts, max_length)) == expected
    assert [REFERENCES[fallback].encode(text, max_length) for text in texts] == expected


@pytest.mark.parametrize("fallback", FALLBACKS)
@given(text=TEXTS)
def test_the_reference_follows_the_written_rules(fallback, text):
    assert REFERENCES[fallback].encode(text, None) == ids_by_the_book(tiny_vocabulary(fallback), text)


@pytest.mark.parametrize("fallback", FALLBACKS)
@given(text=TEXTS, max_length=st.integers(1, 9))
def test_a_cut_text_is_the_beginning_of_the_whole(fallback, text, max_length):
    whole = KERNELS[fallback].encode(text, None)
    assert KERNELS[fallback].encode(text, max_length) == whole[:max_length]


@given(texts=st.lists(TEXTS, max_size=6))
def test_a_text_has_the_same_ids_alone_and_in_a_batch(texts):
    kernel = KERNELS["pieces"]
    assert rows_of(kernel.encode_flat(texts)) == [kernel.encode(text) for text in texts]


@pytest.mark.parametrize("fallback", FALLBACKS)
def test_long_texts_and_long_words(fallback):
    words = ["new", "york", "zzz", "a", "b", "c", "d", "x" * 99, "wa" + "l" * 98, "wa" + "l" * 99, "\u0436" * 100]
    texts = [
        " ".join((words * 1000)[:10_000]),
        "a b c d " * 2500,
        "x" * 10_000,
        "\u00e9" * 10_000,
        "\u6771" * 10_000,
        "don't" * 2_000,
        "'" * 10_000,
        "\0" * 10_000,
        "\ud800" * 10_000,
        "",
    ]
    for max_length in (None, 512, 1):
        flat = KERNELS[fallback].encode_flat(texts, max_length)
        assert rows_of(flat) == rows_of(REFERENCES[fallback].encode_flat(texts, max_length))
    assert [len(row) for row in rows_of(KERNELS[fallback].encode_flat(texts[:2]))] == [512, 512]


def test_a_batch_of_any_size_is_cut_into_parts_without_a_seam(monkeypatch):
    monkeypatch.setattr(ngram_kernel, "TEXTS_AT_ONCE", 7)
    texts = [f"new york {'city ' * (i % 5)} caf\u00e9 {i}" if i % 9 else "" for i in range(100)]
    expected = rows_of(REFERENCES["pieces"].encode_flat(texts))
    for threads in (1, 2, 3, 200):
        assert rows_of(KERNELS["pieces"].encode_flat(texts, threads=threads)) == expected
    assert rows_of(KERNELS["pieces"].encode_flat([], threads=2)) == []


def test_threads_may_share_a_tokenizer():
    texts = ["new york city " * n for n in range(50)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(KERNELS["pieces"].encode, texts * 4))
    assert found == [REFERENCES["pieces"].encode(text) for text in texts] * 4


def test_strings_with_one_key_stay_two_strings():
    # As if "abcdefghik" had the key of "abcdefghij": the table of one beside the bytes of the other.
    kernel, other = KernelTokenizer(assemble(["abcdefghij"])), KernelTokenizer(assemble(["abcdefghik"]))
    assert kernel.encode("abcdefghij") == [2]
    (at,) = (i for i, array in enumerate(other.arguments) if array is other.vocabulary.tables["word_slots"])
    kernel.arguments = (*kernel.arguments[:at], other.arguments[at], *kernel.arguments[at + 1 :])
    assert kernel.encode("abcdefghik") == [1]


def test_prefixes_that_are_no_ngrams_are_walked_through():
    vocabulary = assemble(list("abcdef"), ngrams=["a b c d", "b c", "c d e"])
    for tokenizer in (KernelTokenizer(vocabulary), ReferenceTokenizer(vocabulary)):
        decoded = [[vocabulary.tokens[i] for i in tokenizer.encode(text)] for text in ("a b c d e", "a b c e", "a b d")]
        assert decoded == [["a b c d", "e"], ["a", "b c", "e"], ["a", "b", "d"]]


def test_skipgrams_stand_behind_the_segment_that_they_end_in():
    vocabulary = assemble(list("abcd"), ngrams=["b c", "c d"], skipgrams=["a _ c", "b _ d", "a _ b", "d _ a"])
    for tokenizer in (KernelTokenizer(vocabulary), ReferenceTokenizer(vocabulary)):
        decoded = [vocabulary.tokens[i] for i in tokenizer.encode("a c b c d zz a b a d")]
        assert decoded == ["a", "c", "b c", "a _ b", "d", "b _ d", "[UNK]", "a", "d _ a", "b", "a", "d", "b _ d"]


@pytest.mark.parametrize("tokens", [[], ["a"], ["x##"], ["##x"], ["[BUCKET_0]"], ["a", "a a", "a _ a"]])
def test_the_smallest_vocabularies_work(tokens):
    vocabulary = NgramVocabulary(["[PAD]", "[UNK]", *tokens])
    texts = ["", "a", "a a a a", "x xx xxx", "b"]
    expected = [ids_by_the_book(vocabulary, text) for text in texts] if vocabulary.n_buckets == 0 else None
    found = rows_of(KernelTokenizer(vocabulary).encode_flat(texts))
    assert found == rows_of(ReferenceTokenizer(vocabulary).encode_flat(texts))
    assert expected is None or found == expected


def test_a_loaded_vocabulary_gives_the_ids_of_the_one_in_memory(tmp_path):
    tiny_vocabulary().save(tmp_path / "file")
    loaded = NgramVocabulary.load(tmp_path / "file")
    text = "More fun than new york city, a b c d walking \u6771\u4eac"
    for kind in (KernelTokenizer, ReferenceTokenizer):
        assert kind(loaded).encode(text) == REFERENCES["pieces"].encode(text)


def test_an_empty_batch_has_no_ids():
    for tokenizer in (KERNELS["pieces"], REFERENCES["pieces"]):
        ids, offsets = tokenizer.encode_flat([])
        assert ids.shape == (0,) and offsets.tolist() == [0]


# -- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", [KERNELS["pieces"], REFERENCES["pieces"]], ids=["kernel", "reference"])
def test_what_is_no_text_is_refused(tokenizer):
    for texts in ("text", None, 5, [None], ["a", b"b"], [["a"]]):
        with pytest.raises(TypeError, match=r"Expected .* got .*\. [A-Z]"):
            tokenizer.encode_flat(texts)
    with pytest.raises(TypeError, match="got NoneType"):
        tokenizer.encode(None)
    for max_length in (0, -1):
        with pytest.raises(ValueError, match="max_length >= 1"):
            tokenizer.encode("a", max_length)


def test_a_wrong_text_is_named_by_its_place_in_the_batch():
    texts = ["new york"] * 5000 + [None]
    for threads in (1, 2):
        with pytest.raises(TypeError, match="got NoneType at position 5000"):
            KERNELS["pieces"].encode_flat(texts, threads=threads)


def test_any_sequence_of_texts_will_do():
    expected = REFERENCES["pieces"].encode_flat(["new", "york"])
    for texts in (("new", "york"), np.array(["new", "york"], object), {"new": 0, "york": 1}.keys()):
        for tokenizer in (KERNELS["pieces"], REFERENCES["pieces"]):
            assert rows_of(tokenizer.encode_flat(texts)) == rows_of(expected)


def test_the_back_end_is_chosen_by_name_or_by_what_is_installed(monkeypatch):
    vocabulary = tiny_vocabulary()
    assert type(tokenizer_for(vocabulary)) is KernelTokenizer
    assert type(tokenizer_for(vocabulary, "python")) is ReferenceTokenizer
    with pytest.raises(ValueError, match="numba, python or None, got 'rust'"):
        tokenizer_for(vocabulary, "rust")
    monkeypatch.setattr(ngram_kernel, "numba", None)
    assert type(tokenizer_for(vocabulary)) is ReferenceTokenizer
    with pytest.raises(ImportError, match="Install numba, or use"):
        tokenizer_for(vocabulary, "numba")


def test_the_kernel_runs_uncompiled_with_equal_ids(monkeypatch):
    # What the compiler sees is plain Python: without it the same lines give the same ids.
    monkeypatch.setattr(ngram_kernel, "tokenize", ngram_kernel.tokenize.py_func)
    text = "More fun than new york city, a b c d walking \u6771\u4eac un'sk supercalifragilistic"
    with np.errstate(over="ignore"):
        for fallback in FALLBACKS:
            assert KERNELS[fallback].encode(text) == REFERENCES[fallback].encode(text)


# -- the document -----------------------------------------------------------------------------------------


def test_the_worked_example_of_the_readme():
    readme = Path(ngram_normalization.__file__).with_name("README.md").read_text(encoding="utf-8")
    numbered = re.findall(r"^    (\d+) (.+)$", readme, re.MULTILINE)
    vocabulary = NgramVocabulary([token for _, token in numbered])
    assert [int(number) for number, _ in numbered] == list(range(len(vocabulary)))
    text = re.search(r"^The text:\n\n    (.+)$", readme, re.MULTILINE)[1]
    rows = re.findall(r"^\| (\d+) \| `(.+?)` \|", readme, re.MULTILINE)
    assert len(rows) > 5 and all(vocabulary.tokens[int(number)] == token for number, token in rows)
    for tokenizer in (KernelTokenizer(vocabulary), ReferenceTokenizer(vocabulary)):
        assert tokenizer.encode(text) == [int(number) for number, _ in rows]
    said = re.search(r"Its words are (.+?), its ids:", readme, re.DOTALL)[1]
    assert words_of(text) == re.findall(r"`(.+?)`", said)
