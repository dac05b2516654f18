import copy
import json

import pytest
from hypothesis import given
from tiny_rrweb import (
    GOLDEN,
    SOURCE,
    attribute_change,
    click,
    element,
    event,
    meta,
    mutation,
    page,
    sessions,
    snapshot,
    typed,
)

from traceformers.datasets_scripts.rrweb_sessions.session_fingerprint import fingerprint
from traceformers.tokenization.rrweb.rrweb_envelopes import read_session

VISIT = [
    *page(element(10, "button", "Pay", title="Now"), element(11, "input", value="a")),
    click(10, 100),
    typed(11, "ab", 200),
    mutation(300, attributes=[attribute_change(10, title="Later")]),
]


def mark(source):
    return fingerprint(read_session(source))


def leaves(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path
    else:
        for key, inner in items:
            yield from leaves(inner, (*path, key))


@pytest.mark.parametrize("path", list(leaves(VISIT)), ids=lambda path: ".".join(map(str, path)))
def test_any_other_value_anywhere_is_another_recording(path):
    other = copy.deepcopy(VISIT)
    holder = other
    for key in path[:-1]:
        holder = holder[key]
    old = holder[path[-1]]
    holder[path[-1]] = old + 1 if isinstance(old, int) else f"{old}x"
    assert mark(other) != mark(VISIT)


def test_moving_a_node_is_another_recording():
    one = page(element(10, "div", element(11, "p"), element(12, "p")))
    two = page(element(10, "div", element(11, "p", element(12, "p"))))
    assert mark(one) != mark(two)


@given(sessions())
def test_equal_events_have_equal_marks_whatever_the_order_of_keys_or_the_wrapping(events):
    turned = json.loads(json.dumps(events), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    delayed = [dict(one, delay=i) for i, one in enumerate(events)]
    for same in (turned, {"events": events}, json.dumps(events), "\n".join(map(json.dumps, events)), delayed):
        assert mark(same) == mark(events)
    assert len(mark(events)) == 32


@pytest.mark.parametrize(
    "path", [p for p in sorted(GOLDEN.iterdir()) if "segment_" not in p.name], ids=lambda p: p.name
)
def test_every_wrapping_of_the_golden_session_has_its_mark(path):
    assert mark(path) == mark(SOURCE)


def test_segments_in_any_order_have_the_mark_of_the_whole():
    parts = sorted(GOLDEN.glob("sentry_segment_*.bin"))
    assert fingerprint(read_session(*parts)) == fingerprint(read_session(*parts[::-1])) == mark(SOURCE)


def test_the_same_events_in_two_browser_windows_are_another_recording():
    one = [meta(), event(0, {}, 5)]
    two = [dict(meta(), windowId="a"), dict(event(0, {}, 5), windowId="b")]
    assert mark(one) != mark(two)


def test_depth_and_odd_values_do_not_matter():
    def deep(bottom):
        node = element(9_999, "p", bottom)
        for i in range(5_000):
            node = {"type": 2, "id": 10_000 + i, "tagName": "div", "attributes": {}, "childNodes": [node]}
        return [meta(), snapshot(node), event(5, {"tag": "t", "payload": [float("nan"), "\ud800"]}, 50)]

    assert mark(deep("a")) == mark(deep("a")) != mark(deep("b"))
