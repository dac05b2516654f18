import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import tiny_tokenizer

from traceformers.tokenization.rrweb.rrweb_text import LONGEST_WORD, TextEncoder, clean_text

ANY_TEXT = st.text(st.characters(), max_size=80)  # lone surrogates, NUL and unassigned characters included


def encoder(**options):
    return tiny_tokenizer(**options).encoder


def decode(ids):
    tok = tiny_tokenizer()
    return tok.bpe.decode([i - tok.structural_vocab_size for i in ids], skip_special_tokens=False)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_words_decode_to_exactly_the_text(text):
    ids = encoder().encode_words(text)
    assert all(i >= 520 for i in ids)
    assert decode(ids) == text


@given(ANY_TEXT, st.integers(1, 40))
def test_any_page_text_encodes_without_unknown_or_special_ids(text, limit):
    ids = encoder().encode(text, limit)
    assert all(i >= 5 for i in ids)


@given(ANY_TEXT)
def test_cleaning_twice_is_cleaning_once(text):
    text = text.replace("%", "")  # escapes inside escapes are read three deep
    assert clean_text(clean_text(text)) == clean_text(text)


@pytest.mark.parametrize(
    "text, cleaned",
    [
        ("a\x00b\x1fc\u2028d", "a b c d"),
        ("\ud800x", "\ufffdx"),
        ("ada%40example.org", "ada@example.org"),
        ("/?to=%252Fs%253Fq%253Dcaf%25C3%25A9", "/?to=/s?q=café"),
        ("save 20%ab", "save 20%ab"),
        ("100% of 5", "100% of 5"),
    ],
)
def test_cleaning(text, cleaned):
    assert clean_text(text) == cleaned


def test_a_long_text_is_cut_at_a_space_and_says_so():
    tok = tiny_tokenizer()
    ids = encoder().encode("word " * 100, 22)
    more = tok.vocabulary.ids["[more]"]
    assert decode(ids[: ids.index(more)]) == "word word word word"
    assert ids[ids.index(more) + 1] == encoder().length(499)
    assert more not in encoder().encode("word word", 9)


def test_a_cut_never_leaves_half_of_something_personal():
    for text in ("x" * 190 + "john.smith@example.org", "n " * 95 + "call 555 123 4567 89", "k" * 150 + "1" * 120):
        ids = encoder().encode(text)
        shown = decode([i for i in ids if i >= 520])
        assert "john" not in shown and "555" not in shown and "11" not in shown


@given(ANY_TEXT, ANY_TEXT)
def test_what_was_encoded_before_changes_nothing(before, text):
    tok = tiny_tokenizer()
    fresh = TextEncoder(tok.vocabulary, tok.bpe)
    expected = fresh.encode(text)
    used = TextEncoder(tok.vocabulary, tok.bpe)
    used.encode(before)
    used.encode(text, 7)
    assert used.encode(text) == expected


def test_words_of_any_length_take_time_in_proportion():
    assert decode(encoder().encode_words("ab" * 50_000)) == "ab" * 50_000
    assert decode(encoder().encode_words("é" * (LONGEST_WORD + 1))) == "é" * (LONGEST_WORD + 1)


def test_lengths_of_masked_and_typed_text_have_buckets():
    tok = tiny_tokenizer()
    assert encoder().masked_value(0)[1] == tok.vocabulary.ids["[length:0]"]
    assert encoder().typed_value(10**9)[1] == tok.vocabulary.ids["[length:15]"]
