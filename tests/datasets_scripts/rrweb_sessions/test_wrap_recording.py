"""Every wrapping, taken off again by the means its product uses, gives the events that went in."""

import gzip
import json
import zlib

import pytest

from traceformers.datasets_scripts.rrweb_sessions.recorder.wrap_recording import main, wrap

EVENTS = [
    {"type": 4, "timestamp": 1, "data": {"href": "http://shop.test/", "width": 800, "height": 600}},
    {"type": 2, "timestamp": 2, "data": {"node": {"type": 0, "childNodes": [], "id": 1}}},
    {"type": 3, "timestamp": 3, "data": {"source": 0, "texts": [], "adds": [{"text": "für 5 €"}]}},
    {"type": 3, "timestamp": 4, "data": {"source": 8, "id": 3, "adds": [{"rule": "a{}"}]}},
    *({"type": 3, "timestamp": 5 + i, "data": {"source": 3, "id": 1, "x": 0, "y": i}} for i in range(60)),
]


def lines_of(content):
    return [json.loads(line) for line in content.decode().splitlines()]


def expand(value):
    """Takes PostHog's compression off, as its server does."""
    return json.loads(gzip.decompress(value.encode("latin-1")))


def posthog_plain(event):
    event = dict(event)
    if event.pop("cv", None) is None:
        return event
    if event["type"] == 2:
        return {**event, "data": expand(event["data"])}
    names = ("texts", "attributes", "removes", "adds")
    data = {k: expand(v) if k in names and isinstance(v, str) else v for k, v in event["data"].items()}
    return {**event, "data": data}


def test_packed_events_are_latin_1_zlib_with_the_packers_mark():
    packed = json.loads(wrap(EVENTS)["rrweb_packed.json"])
    plain = [json.loads(zlib.decompress(text.encode("latin-1"))) for text in packed]
    assert plain == [{**event, "v": "v1"} for event in EVENTS]


def test_json_lines_hold_one_event_each():
    wrapped = wrap(EVENTS)
    assert lines_of(wrapped["plain.jsonl"]) == EVENTS
    assert gzip.decompress(wrapped["plain.jsonl.gz"]) == wrapped["plain.jsonl"]


def test_posthog_compresses_only_the_large_fields():
    pairs = lines_of(wrap(EVENTS)["posthog_tuple_cv.jsonl"])
    assert len({window for window, _ in pairs}) == 1
    assert [posthog_plain(event) for _, event in pairs] == EVENTS
    assert [event.get("cv") for _, event in pairs[:5]] == [None, "2024-10", "2024-10", "2024-10", None]


def test_posthog_chunks_and_sentry_segments_keep_the_order():
    wrapped = wrap(EVENTS)
    chunks = lines_of(wrapped["posthog_window_data.jsonl"])
    assert [event for chunk in chunks for event in chunk["data"]] == EVENTS
    answer = json.loads(wrapped["sentry_api_segments.json"])
    assert [event for segment in answer for event in segment] == EVENTS
    segments = []
    for name in sorted(name for name in wrapped if name.startswith("sentry_segment_")):
        header, body = wrapped[name].split(b"\n", 1)
        assert json.loads(header) == {"segment_id": int(name[15:18])}
        segments += json.loads(zlib.decompress(body))
    assert segments == EVENTS


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("events_key.json", "events"),
        ("webext_session.json", "events"),
        ("rrweb_data_key.json", "rrweb_data"),
    ],
)
def test_envelopes_keep_the_events_under_their_key(name, key):
    assert json.loads(wrap(EVENTS)[name])[key] == EVENTS


def test_the_command_writes_all_wrappings(tmp_path):
    recording = tmp_path / "s1_0000.json.gz"
    recording.write_bytes(gzip.compress(json.dumps(EVENTS).encode()))
    assert main([str(recording), str(tmp_path / "out")]) == 0
    written = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert written == wrap(EVENTS)


def test_the_command_says_what_it_expected(tmp_path, capsys):
    recording = tmp_path / "wrapped.json"
    recording.write_text('{"events": []}')
    assert main([str(recording), str(tmp_path)]) == 1
    assert "expected a JSON array of events" in capsys.readouterr().err
