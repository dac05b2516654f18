"""What is in a replay: all that is drawn, nothing that was typed, nothing that asks for anything elsewhere."""

import base64
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_report import hostile_events, shop_events
from tiny_rrweb import (
    GOLDEN,
    START,
    add,
    attribute_change,
    click,
    element,
    event,
    incremental,
    mutation,
    page,
    text,
    typed,
)

from traceformers.apps.sessions.report_addresses import clean_css, safe_attributes
from traceformers.apps.sessions.report_replay import NoReplayError, clean_replay, packed_replay
from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.tokenization.rrweb.rrweb_json import SessionFormatError


def replayed(events, **options):
    """Returns the unpacked replay of events, or of the files that hold them."""
    files = [json.dumps(events).encode()] if isinstance(events[0], dict) else events
    return json.loads(gzip.decompress(base64.b64decode(packed_replay(files, **options))))


def texts_of(events, **options):
    return json.dumps(replayed(events, **options), ensure_ascii=False, sort_keys=True)


def test_what_was_typed_is_masked_in_the_field_on_the_page_and_in_addresses():
    events = [
        *page(
            element(5, "h1", "Results"),
            element(6, "input", type="text", value="walrus"),
            element(7, "textarea", "my secret plan"),
            element(8, "div", "draft letter", contenteditable="true"),
            href="https://shop.test/?q=walrus+tusk",
        ),
        typed(6, "walrus tusk", 500),
        mutation(600, texts=[{"id": 1005, "value": "Results for walrus tusk"}]),
        mutation(700, attributes=[attribute_change(6, value="walrus tusks"), attribute_change(5, title="walrus tusk")]),
        mutation(800, adds=[add(8, text(60, "dear aunt"))], texts=[{"id": 1008, "value": "dear uncle"}]),
        click(7, 900),
    ]
    shown = texts_of(events)
    for secret in ("walrus", "tusk", "secret plan", "draft", "aunt", "uncle"):
        assert secret not in shown
    assert "Results for ****** ****" in shown
    kept = texts_of(events, keep_typed_text=True)
    assert "Results for walrus tusk" in kept and "my secret plan" in kept and "dear uncle" in kept


def test_passwords_and_what_identifies_people_need_switches_of_their_own():
    events = [
        *page(element(5, "p", "ann.lee@mail.example, hunter22"), element(6, "input", type="password", value="hunter2")),
        typed(6, "hunter22", 500),
    ]
    assert "hunter2" not in texts_of(events, keep_typed_text=True, keep_personal_text=True)
    assert "ann.lee" not in texts_of(events, keep_typed_text=True)
    assert "ann.lee@mail.example" in texts_of(events, keep_personal_text=True)


def test_names_of_buttons_and_ticks_stay_and_dates_are_emptied():
    fields = [
        element(6, "input", type="submit", value="Send now"),
        element(7, "input", type="checkbox", value="yes"),
        element(8, "input", type="date", value="2024-05-06"),
    ]
    events = [*page(*fields), typed(7, "on", 400, checked=True), typed(8, "2024-06-07", 500)]
    (window,) = replayed(events)["windows"]
    inputs = [row["data"]["text"] for row in window if row["data"].get("source") == 5]
    assert inputs == ["on", ""]
    shown = json.dumps(window)
    assert "Send now" in shown and '"yes"' in shown and "2024-0" not in shown


def test_nothing_of_a_hostile_page_reaches_out_or_runs():
    (window,) = replayed(hostile_events())["windows"]
    nodes, stack = [], [window]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if isinstance(value.get("attributes"), dict):
                nodes.append(value)
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    names = {name.lower() for node in nodes for name in node["attributes"]}
    assert not {name for name in names if name.startswith(("on", "rr_media"))} | names & {
        "srcdoc",
        "http-equiv",
        "autofocus",
        "target",
    }
    tags = {node["tagName"].lower() for node in nodes if "tagName" in node}
    assert "script" not in tags and "noscript" in tags
    # what is left of the address is page text, which is only shown
    attributes = [
        value for node in nodes for name, value in node["attributes"].items() if name not in ("title", "content")
    ]
    assert "elsewhere.test" not in json.dumps(attributes) and "javascript" not in json.dumps(attributes)
    assert "elsewhere.test" not in json.dumps([row for row in window if row["data"].get("source") == 0])


def test_pictures_and_fonts_inside_the_recording_stay():
    picture = "data:image/png;base64,AAAA"
    nodes = [
        element(5, "img", src=picture, rr_dataURL=picture),
        element(6, "a", "Next", href="#next"),
        element(
            7, "style", f"p {{ background: url('{picture}') }} @font-face {{ src: url(data:font/woff2;base64,BB) }}"
        ),
    ]
    shown = texts_of([*page(*nodes), click(6)])
    assert shown.count(picture) == 3 and "data:font/woff2" in shown and "#next" in shown
    assert safe_attributes("img", {"rr_dataURL": picture, "src": "http://a.test/b"}) == {"rr_dataURL": picture}


@pytest.mark.parametrize(
    "style",
    [
        "a { background: url(http://a.test/x) }",
        "a { background: URL( 'HTTP://A.TEST/x' ) }",
        'a { background: url("//a.test/x") }',
        "@import url(http://a.test/x); a {}",
        "@import 'http://a.test/x' screen;",
        "a { src: local(x), url(http://a.test/x) format('woff') }",
    ],
)
def test_styles_lose_their_addresses(style):
    assert "a.test" not in clean_css(style).lower()


@given(st.text(alphabet="url(')\" \\@import;:datahtp/#{}", max_size=60))
def test_a_style_that_was_cleaned_is_clean(style):
    assert clean_css(clean_css(style)) == clean_css(style)


def test_kinds_that_draw_nothing_are_left_out_and_times_are_kept():
    events = [
        *shop_events(seconds=4),
        event(5, {"tag": "note", "payload": {"mail": "a"}}, 3100),
        event(6, {"plugin": "rrweb/console@1", "payload": {"payload": ["said"]}}, 3200),
        incremental(9, 3300, id=4, type=0, commands=[]),
    ]
    replay = replayed(events)
    assert replay["start"] == START
    (window,) = replay["windows"]
    assert {row["type"] for row in window} <= {0, 1, 2, 3, 4}
    drawn = [row["timestamp"] for row in events if row["type"] < 5 and row["data"].get("source") != 9]
    assert [row["timestamp"] for row in window] == sorted(drawn)
    assert all(row["data"]["href"] == "" for row in window if row["type"] == 4)


def test_each_browser_window_is_a_replay_of_its_own():
    shared = read_session([["a", row] for row in shop_events(seconds=4)] + [["b", row] for row in shop_events(1, 3)])
    assert [len(window) for window in clean_replay(shared)["windows"]] == [10, 8]


def test_a_recording_without_a_page_says_why_there_is_no_replay():
    with pytest.raises(NoReplayError, match=r"Expected a page snapshot .* got 2 events without one"):
        replayed([click(4, 5), click(4, 9)])


def test_numbers_that_json_has_not_do_not_break_a_replay():
    events = [*page(element(5, "p", "x")), incremental(3, 100, id=1, x=float("nan"), y=float("inf"))]
    (window,) = replayed(events)["windows"]
    assert window[-1]["data"]["x"] is None and window[-1]["data"]["y"] is None


def test_odd_shapes_do_not_break_a_replay():
    odd = [
        *page(element(5, "p", "x")),
        event(2, {"node": None}, 50),
        mutation(60, adds=[None, {"parentId": 3, "node": "x"}], texts=[5], attributes=[{"id": 5, "attributes": None}]),
        incremental(8, 70, adds="x", removes=None),
        incremental(15, 80, id=1, styles=[{"styleId": 1, "rules": [{"rule": "a { src: url(http://a.test) }"}, 7]}]),
        incremental(None, 90),
        event(3, {"source": 2, "type": 2, "id": 5, "x": 1, "y": 1}, 95),
    ]
    assert "a.test" not in texts_of(odd)


def test_every_wrapping_of_one_session_gives_the_same_replay():
    parts = sorted(GOLDEN.glob("sentry_segment_*"))
    made = {path.name: texts_of([path]) for path in sorted(GOLDEN.iterdir()) if path not in parts}
    made["segments"] = texts_of(parts)
    assert len(made) > 8 and len(set(made.values())) == 1, {name: len(shown) for name, shown in made.items()}


def test_a_page_nested_too_deeply_says_so():
    opened, closed = '{"type":2,"id":7,"tagName":"div","attributes":{},"childNodes":[', "]}"
    events = json.dumps([*page(element(5, "p", "deep")), click(5)])
    start = events.index('{"type": 2, "id": 5,')
    end = events.index("]}", events.index("deep")) + 2
    deep = events[:start] + opened * 2000 + events[start:end] + closed * 2000 + events[end:]
    with pytest.raises(NoReplayError, match="nested deeper"):
        packed_replay([deep.encode()])


VALUES = st.sampled_from([None, True, -1, 1e300, "x", "url(", [], {}, [None], {"id": 5}, [[]], {"attributes": 7}])


@given(st.lists(st.tuples(st.integers(0, 10_000), VALUES), min_size=1, max_size=6))
def test_a_recording_with_anything_anywhere_is_replayed_or_refused_in_words(changes):
    events = json.loads(json.dumps(hostile_events()))
    for place, value in changes:
        holders, stack = [], [events]
        while stack:
            inner = stack.pop()
            if isinstance(inner, dict | list):
                holders.append(inner)
                stack.extend(inner.values() if isinstance(inner, dict) else inner)
        holder = holders[place % len(holders)]
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        if len(keys):
            holder[keys[place % len(keys)]] = value
    try:
        assert replayed([json.dumps(events).encode()])["windows"]
    except (NoReplayError, SessionFormatError) as error:
        assert str(error).strip()
