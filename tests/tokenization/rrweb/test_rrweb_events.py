"""Single elements: wrappings are opened, events repaired, equal events known as equal."""

import gzip
import json
from collections import Counter

import pytest

from traceformers.tokenization.rrweb.rrweb_events import describe, fingerprint, flatten, repair, unpack, unwrap


def posthog(value) -> str:
    return gzip.compress(json.dumps(value).encode()).decode("latin-1")


def test_posthog_fields_are_unpacked_and_the_mark_goes():
    mutation = {"source": 0, "texts": [], "attributes": [{"id": 1}], "removes": [], "adds": [{"parentId": 2}]}
    packed = {key: value if key == "source" else posthog(value) for key, value in mutation.items()}
    event = {"type": 3, "timestamp": 7, "cv": "2024-10", "data": packed}
    counts = Counter()
    assert repair(event, counts) == {"type": 3, "timestamp": 7, "data": mutation}
    rules = {"source": 8, "adds": posthog([{"rule": "a"}])}
    assert repair({**event, "data": rules}, counts)["data"] == {"source": 8, "adds": [{"rule": "a"}]}
    assert repair({**event, "type": 2, "data": posthog({"node": 1})}, counts)["data"] == {"node": 1}
    assert not counts
    broken = {**event, "data": {**packed, "adds": packed["adds"][:-9]}}
    assert repair(broken, counts) is None
    assert counts == {"cannot be unpacked": 1}


def test_a_sound_event_comes_back_itself():
    event = {"type": 3, "timestamp": 7.5, "data": {}, "sessionId": "x"}
    assert repair(event, Counter()) is event


@pytest.mark.parametrize("time", [0, 8.64e15, 1713822170334.25])
def test_times_a_date_can_hold_are_good(time):
    assert repair({"type": 0, "timestamp": time, "data": {}}, Counter())


@pytest.mark.parametrize("time", [-1, 8.65e15, float("inf"), float("nan"), 10**400, "7", True, None, [7]])
def test_other_times_are_counted(time):
    counts = Counter()
    assert repair({"type": 0, "timestamp": time, "data": {}}, counts) is None
    assert counts == {"bad timestamp": 1}


def test_a_broken_event_with_data_is_no_wrapping():
    for event in ({"type": 3, "data": {"events": [1]}}, {"timestamp": 3, "data": {}}, {"type": 2, "data": "text"}):
        assert unwrap(event) is None
        assert list(flatten([event])) == [(None, event)]
    wrapping = {"type": "replay", "timestamp": "now", "events": [{"type": 0, "timestamp": 1}]}
    assert list(flatten(wrapping)) == [(None, {"type": 0, "timestamp": 1})]


def test_an_event_inside_an_event_stays_there():
    event = {"type": 5, "timestamp": 1, "data": {"events": [{"type": 0, "timestamp": 2}]}}
    assert list(flatten({"events": [event]})) == [(None, event)]


def test_fingerprints_ignore_delay_and_order_only():
    event = {"type": 3, "timestamp": 7, "data": {"a": [1, {"b": None}], "c": "é"}}
    assert fingerprint(event) == fingerprint({"delay": 9, **dict(reversed(event.items()))})
    others = [
        {**event, "data": data} for data in ({}, {"a": [1, {"b": False}], "c": "é"}, {"a": [[1]]}, {"a": [1, [1]]})
    ]
    assert len({fingerprint(one) for one in (event, *others)}) == 5
    deep = json.loads("[" * 900 + "]" * 900)
    for _ in range(2000):
        deep = [deep]
    prints = {fingerprint({**event, "data": {"x": deep, "y": y}}) for y in (1, 1, 2, "2")}
    assert len(prints) == 3
    assert fingerprint({**event, "data": {1: {5}, "a": 2}}) == fingerprint({**event, "data": {"a": 2, 1: {5}}})


def test_packed_strings_are_told_from_others():
    assert unpack("xylophone") == "xylophone"
    assert unpack("x?") == "x?"
    assert unpack('["w", {}]') == ["w", {}]
    assert unpack("{not json") is unpack("x\x9cnot zlib") is unpack("\x1f\x8b\u0416")


def test_values_are_described_in_words():
    assert describe([]) == "a list of 0"
    assert describe(["w", {}]) == "a list of 2 that starts with a string"
    assert describe({}) == "an empty object"
    assert [describe(value) for value in (True, None, 5, 5.5)] == ["a boolean", "null", "a number", "a number"]
