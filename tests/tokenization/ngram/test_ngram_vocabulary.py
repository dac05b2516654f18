import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from tiny_ngram import FALLBACKS, WORDS, tiny_vocabulary

from traceformers.tokenization.ngram.ngram_vocabulary import (
    BUCKET,
    CONTINUATION,
    FIRST_PIECE,
    NGRAM,
    SKIPGRAM,
    SPECIAL,
    WORD,
    NgramVocabulary,
    assemble,
    kind_of,
)
from traceformers.tokenization.ngram.ngram_vocabulary_file import VocabularyFormatError

SPECIALS = ["[PAD]", "[UNK]"]


def assert_same_vocabulary(found, expected):
    assert found.tokens == expected.tokens
    assert list(found.arrays) == list(expected.arrays)
    for name, array in expected.arrays.items():
        assert found.arrays[name].dtype == array.dtype and np.array_equal(found.arrays[name], array), name


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("[PAD]", SPECIAL),
        ("[UNK]", SPECIAL),
        ("[BUCKET_0]", BUCKET),
        ("[BUCKET_12]", BUCKET),
        ("walk", WORD),
        ("don't", WORD),
        ("stra\u00dfe", WORD),
        ("\u6771", WORD),
        ("walk##", FIRST_PIECE),
        ("'##", FIRST_PIECE),
        ("\u6771##", FIRST_PIECE),
        ("##ing", CONTINUATION),
        ("##'s", CONTINUATION),
        ("new york", NGRAM),
        ("\u6771 \u4eac", NGRAM),
        ("a b c d", NGRAM),
        ("a _ c", SKIPGRAM),
    ],
)
def test_the_kind_follows_from_the_string(token, kind):
    assert kind_of(token) == kind


@pytest.mark.parametrize(
    "token",
    [
        *("", "##", "####", "Walk", "caf\u00e9", "a_b", "[BUCKET_01]", "[MASK]", "a  b", " a", "a b c d e", "a _", 7),
        *("_ a b", "a _ b c", "##a##", "'tis", "a''b", "\u6771\u4eac", "a\nb", "a\tb", "a\0b", "x\ud800", "##A"),
        "don\u2019t",
    ],
)
def test_what_is_no_token_is_refused(token):
    with pytest.raises(ValueError, match=r"Expected .*, got"):
        kind_of(token)
    with pytest.raises(ValueError, match=r"^token 3: "):
        NgramVocabulary([*SPECIALS, "a", token])


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], r"first tokens to be \[PAD\], \[UNK\], got \[\]"),
        (["[UNK]", "[PAD]"], "first tokens"),
        ([*SPECIALS, "a", "b", "a"], "'a' twice"),
        ([*SPECIALS, "a", "[PAD]"], r"'\[PAD\]' twice"),
        ([*SPECIALS, "new", "new york"], r"'new york' \(token 3\) to be a token, got no 'york'"),
        ([*SPECIALS, "a", "a _ c"], "got no 'c'"),
        ([*SPECIALS, "[BUCKET_0]", "[BUCKET_2]"], r"got no \[BUCKET_1\]"),
    ],
)
def test_tokens_that_do_not_fit_together_are_refused(tokens, message):
    with pytest.raises(ValueError, match=message):
        NgramVocabulary(tokens)


def test_composition_names_the_words():
    vocabulary = assemble(
        ["new", "york", "city"], ngrams=["new york", ("new", "york", "city")], skipgrams=["new _ city"]
    )
    assert vocabulary.tokens == [*SPECIALS, "new", "york", "city", "new york", "new york city", "new _ city"]
    assert vocabulary.composition.dtype == np.int32
    assert vocabulary.composition[5:].tolist() == [[2, 3, -1, -1], [2, 3, 4, -1], [2, 4, -1, -1]]
    assert (vocabulary.composition[:5] == -1).all()
    assert vocabulary.kinds.tolist() == [SPECIAL, SPECIAL, WORD, WORD, WORD, NGRAM, NGRAM, SKIPGRAM]


def test_assemble_takes_pieces_and_pairs_in_both_spellings():
    bare = assemble(["a", "c"], ["x"], ["y"], 2, [("a", "c")], [("a", "c")])
    assert bare.tokens == assemble(["a", "c"], ["x##"], ["##y"], 2, ["a c"], ["a _ c"]).tokens
    assert bare.n_buckets == 2 and bare.has_pieces


@pytest.mark.parametrize("fallback", FALLBACKS)
def test_a_saved_vocabulary_comes_back_to_the_bit(fallback, tmp_path):
    vocabulary, path = tiny_vocabulary(fallback), tmp_path / "ngram_vocabulary.safetensors"
    vocabulary.save(path)
    loaded = NgramVocabulary.load(path)
    assert_same_vocabulary(loaded, vocabulary)
    assert [loaded.token(i) for i in range(len(loaded))] == vocabulary.tokens
    assert loaded.ids == {token: i for i, token in enumerate(vocabulary.tokens)}
    written = path.read_bytes()
    loaded.save(path)  # over the file it is mapped from
    assert path.read_bytes() == written and [file.name for file in tmp_path.iterdir()] == [path.name]
    assert_same_vocabulary(loaded, vocabulary)


def test_the_file_is_a_safetensors_file_with_aligned_arrays(tmp_path):
    vocabulary, path = tiny_vocabulary(), tmp_path / "vocabulary"
    vocabulary.save(path)
    with safe_open(path, "np") as file:
        assert file.metadata() == {"format": "ngram_vocabulary", "version": "1"}
        assert sorted(file.keys()) == sorted(vocabulary.arrays)
        assert all(np.array_equal(file.get_tensor(name), array) for name, array in vocabulary.arrays.items())
    for array in NgramVocabulary.load(path).arrays.values():
        assert array.flags.aligned and not array.flags.writeable and type(array) is np.ndarray


def test_a_copied_vocabulary_comes_back_to_the_bit():
    again = copy.deepcopy(tiny_vocabulary())
    assert_same_vocabulary(again, tiny_vocabulary())
    assert not any(array.flags.writeable for array in again.arrays.values())


# -- append and select ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fallback", FALLBACKS)
def test_appended_tokens_leave_the_ids_of_the_others(fallback):
    vocabulary = tiny_vocabulary(fallback)
    longer = vocabulary.append(token for token in ["tree", "big tree", "big _ tree"])
    assert longer.tokens == [*vocabulary.tokens, "tree", "big tree", "big _ tree"]
    assert_same_vocabulary(longer, NgramVocabulary(longer.tokens))
    assert np.array_equal(longer.composition[: len(vocabulary)], vocabulary.composition)


@pytest.mark.parametrize("tokens", [["[BUCKET_7]"], ["x##"], ["##x"]])
def test_nothing_is_appended_that_would_spell_unknown_words_anew(tokens):
    with pytest.raises(ValueError, match="with 7 buckets"):
        tiny_vocabulary("buckets").append(tokens)


def test_appending_a_token_twice_is_refused():
    with pytest.raises(ValueError, match="'new' twice"):
        tiny_vocabulary().append(["new"])


@given(st.sets(st.integers(0, len(tiny_vocabulary("buckets")) - 1)))
def test_selected_tokens_keep_their_order_and_their_words(ids):
    vocabulary = tiny_vocabulary("buckets")
    smaller, old_ids = vocabulary.select(sorted(ids))
    assert smaller.tokens == [vocabulary.tokens[i] for i in old_ids] and old_ids.dtype == np.int64
    kept = set(smaller.tokens)
    for i, token in enumerate(vocabulary.tokens):
        words = set(token.replace(" _ ", " ").split(" "))
        if vocabulary.kinds[i] in (NGRAM, SKIPGRAM):
            assert (token in kept) == (i in ids and words <= kept)
        elif vocabulary.kinds[i] == WORD:
            assert (token in kept) == (i in ids)
    buckets = np.flatnonzero(vocabulary.kinds == BUCKET).tolist()
    assert smaller.n_buckets == (len(buckets) if ids & set(buckets) else 0)


def test_a_mask_selects_as_its_ids_do():
    vocabulary = tiny_vocabulary()
    mask = vocabulary.kinds == WORD
    smaller, old_ids = vocabulary.select(mask)
    assert smaller.tokens == [*SPECIALS, *WORDS]
    assert np.array_equal(old_ids, vocabulary.select(np.flatnonzero(mask))[1])
    with pytest.raises(ValueError, match=r"ids from 0 to .*, got -1 to 3"):
        vocabulary.select([-1, 3])


# -- files that are none ----------------------------------------------------------------------------------


def test_a_file_of_another_format_is_refused(tmp_path):
    path = tmp_path / "file"
    for content in (b"", b"{}", b"PK\3\4 an archive of some kind", bytes(64), (5).to_bytes(8, "little") + b"[1,2]"):
        path.write_bytes(content)
        with pytest.raises(
            VocabularyFormatError, match=f"Expected an n-gram vocabulary, got a file of {len(content)} b"
        ):
            NgramVocabulary.load(path)
    with pytest.raises(FileNotFoundError):
        NgramVocabulary.load(tmp_path / "absent")


def test_another_safetensors_file_is_refused(tmp_path):
    from safetensors.numpy import save_file

    for metadata, found in (
        (None, "a file of"),
        ({"format": "pt"}, "a file of"),
        ({"format": "pt", "version": "1"}, "pt"),
    ):
        save_file({"table": np.zeros(3)}, tmp_path / "file", metadata)
        with pytest.raises(VocabularyFormatError, match=f"Expected an n-gram vocabulary, got {found}"):
            NgramVocabulary.load(tmp_path / "file")
    save_file({"table": np.zeros(3, np.uint8)}, tmp_path / "file", {"format": "ngram_vocabulary", "version": "1"})
    with pytest.raises(VocabularyFormatError, match="got the arrays table"):
        NgramVocabulary.load(tmp_path / "file")


def test_another_version_is_refused(tmp_path):
    path = tmp_path / "file"
    tiny_vocabulary().save(path)
    path.write_bytes(path.read_bytes().replace(b'"version":"1"', b'"version":"2"'))
    with pytest.raises(VocabularyFormatError, match=r"version 1 of .*, got 2"):
        NgramVocabulary.load(path)


def test_a_cut_file_is_refused_wherever_it_ends(tmp_path):
    path = tmp_path / "file"
    tiny_vocabulary().save(path)
    whole = path.read_bytes()
    for end in (*range(0, len(whole), 97), len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(VocabularyFormatError):
            NgramVocabulary.load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(VocabularyFormatError, match="cut or damaged"):
        NgramVocabulary.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("word_slots", 1 << 31),
        ("word_slots", 9 << 32),
        ("first_slots", 7 << 40),
        ("continuation_slots", -5),
        ("bucket_ids", 9999),
        ("composition", 9999),
        ("composition", -2),
        ("token_offsets", -1),
        ("token_offsets", 1 << 30),
    ],
)
def test_a_file_whose_tables_point_outside_is_refused(tmp_path, name, value):
    vocabulary, path = tiny_vocabulary("buckets" if name == "bucket_ids" else "pieces"), tmp_path / "file"
    vocabulary.save(path)
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    first, last = json.loads(data[8 : 8 + length])[name]["data_offsets"]
    array = np.frombuffer(
        data, vocabulary.arrays[name].dtype, (last - first) // vocabulary.arrays[name].itemsize, 8 + length + first
    )
    if "slots" in name:
        used = np.flatnonzero(array.reshape(-1, 2)[:, 1] >= 0)[0]
        array.reshape(-1, 2)[used, 1] = value
    else:
        array[len(array) // 2] = value
    path.write_bytes(data)
    with pytest.raises(VocabularyFormatError, match=f"got {name.replace('_', '.')}.* is damaged"):
        NgramVocabulary.load(path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    tiny_vocabulary().save(path)
    before = path.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        tiny_vocabulary("buckets").save(path)
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == ["file"]
