"""JSON and text in blocks: the same as the whole, wherever the blocks end."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.datasets_scripts.youtube.export_json import JsonReader
from traceformers.datasets_scripts.youtube.export_text import CutText, clean_text, text_blocks

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def blocks(text, size):
    return [text[start : start + size] for start in range(0, len(text), size)]


@given(st.lists(values, max_size=6), st.integers(1, 40), st.sampled_from([None, 1]))
def test_values_are_the_same_wherever_the_blocks_end(expected, size, indent):
    text = json.dumps(expected, indent=indent)
    assert list(JsonReader(blocks(text, size)).items()) == expected


@given(st.lists(values, min_size=1, max_size=5), st.integers(1, 40), st.data())
def test_of_a_cut_text_the_whole_values_come_first(expected, size, data):
    text = json.dumps(expected)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    found = []
    with pytest.raises(CutText):
        for value in JsonReader(blocks(cut, size)).items():
            found.append(value)
    whole = [type(value) is not float and type(value) is not int for value in found]
    assert all(kept == value for kept, value, same in zip(found, expected, whole, strict=False) if same)
    assert len(found) <= len(expected)


@given(st.dictionaries(st.text(max_size=4), values, max_size=4), st.integers(1, 30))
def test_keys_can_be_walked_and_their_values_skipped(expected, size):
    reader = JsonReader(blocks(json.dumps(expected), size))
    seen = []
    for key in reader.each_key():
        seen.append(key)
        reader.skip()
    assert seen == list(expected)


def test_values_nested_without_end_are_refused():
    with pytest.raises(CutText):
        JsonReader(["[" * 100_000]).value()
    with pytest.raises(CutText):
        JsonReader(["[" * 100_000]).skip()


@given(st.text(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]), st.integers(1, 9))
def test_text_of_every_encoding_is_read_in_blocks(text, encoding, size):
    text = "{" + text.encode("utf-8", "replace").decode()  # no lone surrogates
    assert "".join(text_blocks(io.BytesIO(text.encode(encoding)), max(size, 4))) == text


def test_bytes_that_are_no_text_end_the_reading_after_what_is_whole():
    found = []
    with pytest.raises(CutText, match="near byte 7"):
        for block in text_blocks(io.BytesIO(b'["abc",\xff\xfe"d"]')):
            found.append(block)
    assert found == ['["abc",']


@given(st.text())
def test_clean_text_can_be_stored_and_is_the_same_twice(text):
    cleaned = clean_text(text)
    assert "\0" not in cleaned
    cleaned.encode()
    assert clean_text(cleaned) == cleaned


def test_two_halves_of_a_character_are_joined_and_what_is_no_text_is_empty():
    assert clean_text("\ud83d\ude00") == "\U0001f600"
    assert clean_text("\ud83d") == "\ufffd"
    assert clean_text(5) == clean_text(None) == ""
