"""JSON is read as the standard library reads it, whichever parser does it and however deep it is."""

import gc
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traceformers.tokenization.rrweb import rrweb_json
from traceformers.tokenization.rrweb.rrweb_json import SessionFormatError, loads, outline, outline_slowly, parse_deep

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=40,
)


@settings(max_examples=300, deadline=None)
@given(values, st.sampled_from([None, 1]), st.booleans())
def test_every_parser_reads_what_the_standard_library_reads(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    wanted = repr(json.loads(text))
    source = text.encode("utf-8", "backslashreplace")
    assert repr(loads(source)) == repr(json.loads(source.decode()))
    assert repr(parse_deep(text, 0)[0]) == wanted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rrweb_json, "msgspec", None)
        assert repr(loads(source)) == repr(json.loads(source.decode()))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='[]{}",:0123456789.eE+-truefalsn \\u\n', max_size=24))
def test_every_parser_refuses_what_the_standard_library_refuses(text):
    try:
        wanted = repr(json.loads(text))
    except ValueError:
        wanted = None
    for parser in (rrweb_json.msgspec, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rrweb_json, "msgspec", parser)
            try:
                found = repr(loads(text.encode()))
            except SessionFormatError as error:
                found = None
                assert 0 <= error.offset <= len(text)
        assert found == wanted
    try:
        value, end = parse_deep(text, len(text) - len(text.lstrip()))
        found = repr(value) if not text[end:].strip() else None
    except json.JSONDecodeError:
        found = None
    assert found == wanted


def test_what_fast_parsers_refuse_is_read():
    assert math.isnan(loads(b"[NaN]")[0])
    assert loads(b"[1e400, -Infinity]") == [math.inf, -math.inf]
    assert loads(b'["\\ud800"]') == ["\ud800"]
    assert loads(b"[123456789012345678901234567890]") == [123456789012345678901234567890]
    with pytest.raises(SessionFormatError, match="sane length"):
        loads(b"[" + b"1" * 5000 + b"]")


@pytest.mark.parametrize("depth", [900, 1100, 20_000])
def test_any_depth_is_read(depth):
    text = b'{"a":[' * depth + b"7" + b"]}" * depth
    value, seen = loads(text), 0
    while value != 7:
        value, seen = value["a"][0], seen + 1
    assert seen == depth
    with pytest.raises(SessionFormatError) as caught:
        loads(text[:-1])
    assert caught.value.offset == len(text) - 1


def test_the_collector_is_as_it_was():
    text = json.dumps(list(range(100_000))).encode()
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            loads(text)
            with pytest.raises(SessionFormatError):
                loads(text[:-1])
            assert gc.isenabled() is enabled
        finally:
            gc.enable()


def loaded(outlined):
    if isinstance(outlined, list):
        return [loads(piece) for piece in outlined]
    return {key: loaded(value) if key in ("a", "b") else value for key, value in outlined.items()}


@pytest.mark.parametrize("cut", [outline, outline_slowly])
@pytest.mark.parametrize(
    "value", [[1, "é", {"a": [2]}], {"a": [1, "😀", ["x", 2]], "n": ["é"], "b": {"a": [{}]}}, [], {"a": []}]
)
def test_an_outline_holds_the_same(cut, value):
    text = json.dumps(value, ensure_ascii=False, indent=1).encode()
    assert loaded(cut(text, frozenset("ab"))) == value


@pytest.mark.parametrize("cut", [outline, outline_slowly])
def test_an_event_is_not_outlined_and_faults_are_found(cut):
    event = {"type": 5, "a": [1], "timestamp": 7}
    assert cut(json.dumps(event).encode(), frozenset("ab")) == event
    for wrong in (b"[1, 2", b'{"a": [1, 2', b"[1] 2", b'{"a" 1}', b"[1 2]", b"{1: 2}"):
        with pytest.raises(SessionFormatError):
            cut(wrong, frozenset("ab"))
