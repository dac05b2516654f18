import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_ngram import TEXTS

from traceformers.tokenization.ngram.ngram_normalization import (
    ASCII_WORD_PATTERN,
    WORD_PATTERN,
    normalize,
    normalize_batch,
    words_of,
)

IDEOGRAPHS_AND_KANA = [(0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF)]
IDEOGRAPHS_AND_KANA += [(0xF900, 0xFAFF), (0x1AFF0, 0x1B16F), (0x20000, 0x3FFFF)]


def words_by_the_book(text):
    """Returns the words of a text by the rules of README.md, one character after the other."""
    straight = "".join("'" if c in "\u2018\u2019\u201b\u02bc\u00b4\uff07" else c for c in text)
    letters = unicodedata.normalize("NFKD", straight).replace("\u02bc", "'")
    letters = [c.lower() for c in letters if not unicodedata.category(c).startswith("M")]
    words, word = [], ""
    for i, c in enumerate(letters):
        lone = any(first <= ord(c) <= last for first, last in IDEOGRAPHS_AND_KANA)
        if in_a_word(c) or (c == "'" and word and i + 1 < len(letters) and in_a_word(letters[i + 1])):
            word += c
        else:
            words += [word, c if lone and c.isalnum() else ""]
            word = ""
    return [word for word in [*words, word] if word]


def in_a_word(c):
    return c.isalnum() and not any(first <= ord(c) <= last for first, last in IDEOGRAPHS_AND_KANA)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("don't Don\u2019t DON\u2018T", ["don't"] * 3),
        ("'tis the dogs' rock'n'roll", ["tis", "the", "dogs", "rock'n'roll"]),
        ("a''b '' ' a'", ["a", "b", "a"]),
        ("snake_case x-y 3.14", ["snake", "case", "x", "y", "3", "14"]),
        ("caf\u00e9 cafe\u0301 CAF\u00c9", ["cafe"] * 3),
        ("\u0130stanbul stra\u00dfe \u1e9e", ["istanbul", "stra\u00dfe", "\u00df"]),
        ("\ufb01ne \u00bd \uff21\uff22\uff23", ["fine", "1", "2", "abc"]),
        ("\u6771\u4eac\u90fdabc", ["\u6771", "\u4eac", "\u90fd", "abc"]),
        ("\u304c\u30a2", ["\u304b", "\u30a2"]),
        ("\u6771's", ["\u6771", "s"]),
        ("\u0416\u0418\u0417\u041d\u042c", ["\u0436\u0438\u0437\u043d\u044c"]),
        ("a\0b\ud800c\u200bd\ue000e", ["a", "b", "c", "d", "e"]),
        ("\u0661\u0662 \u2167", ["\u0661\u0662", "viii"]),
        ("", []),
        (" \t\n\0'_", []),
    ],
)
def test_words_of_a_text(text, words):
    assert words_of(text) == words
    assert words_by_the_book(text) == words


@given(TEXTS)
def test_words_follow_the_written_rules(text):
    assert words_of(text) == words_by_the_book(text)


@pytest.mark.slow
def test_every_character_follows_the_written_rules():
    wrong = [hex(i) for i in range(0x110000) if words_of(f"x'{chr(i)}'y") != words_by_the_book(f"x'{chr(i)}'y")]
    assert wrong == []


@given(TEXTS)
def test_words_are_their_own_normal_form(text):
    words = words_of(text)
    assert words_of(" ".join(words)) == words
    assert words_of(normalize(text)) == words
    assert all(WORD_PATTERN.fullmatch(word) and word == word.lower() for word in words)


@given(st.text(st.characters(max_codepoint=127)))
def test_both_patterns_find_the_same_words_in_ascii(text):
    assert ASCII_WORD_PATTERN.findall(text.lower()) == WORD_PATTERN.findall(text.lower())


@given(st.lists(TEXTS, max_size=6))
def test_a_batch_is_its_texts_with_a_nul_after_each(texts):
    rows = normalize_batch(texts).decode().split("\0")
    assert len(rows) == len(texts) + 1 and rows[-1] == ""
    assert [words_of(row) for row in rows[:-1]] == [words_of(text) for text in texts]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "list of texts, got str"),
        (b"bytes", "list of texts, got bytes"),
        (["a", None], "got NoneType at position 1"),
        ([b"a"], "got bytes at position 0"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(texts, message):
    from traceformers.tokenization.ngram.ngram_normalization import check_texts

    with pytest.raises(TypeError, match=message):
        check_texts(texts)
