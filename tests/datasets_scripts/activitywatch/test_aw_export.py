"""Exported files of ActivityWatch: read in blocks, cut, packed, of the wrong kind."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.datasets_scripts.activitywatch.aw_events import activity_events, event_time
from traceformers.datasets_scripts.activitywatch.aw_export import read_aw_export

MORNING = Path(__file__).resolve().parents[2] / "golden" / "activitywatch" / "morning.json"


def test_a_morning_comes_out_as_it_was():
    dropped = Counter()
    slack, lecture, code = read_aw_export(MORNING, dropped=dropped)
    assert (slack.app, slack.category, slack.duration) == ("Slack", "Comms > IM", 600)
    assert slack.started_at == event_time("2026-03-02T09:00:00Z")  # written with an offset of +01:00
    # watched with sound from 9:25 on, when the keyboard was not touched
    assert (lecture.title, lecture.url) == ("Fourier series - YouTube", "https://www.youtube.com/watch?v=vid00_-abcd")
    assert lecture.duration == pytest.approx(1200, abs=1)
    assert (code.title, code.url, code.category) == ("main.py - vim", None, "Work > Programming")
    assert dropped == {"private window": 1, "private tab": 1, "event of another kind of bucket": 1}


def test_reading_twice_gives_the_same_as_the_pure_functions():
    events = list(read_aw_export(MORNING))
    assert events == list(read_aw_export(str(MORNING)))
    assert events == list(activity_events(json.loads(MORNING.read_text())["buckets"]))


def test_classes_and_times_can_be_chosen():
    (last,) = read_aw_export(MORNING, [(["Writing"], {"regex": "main"})], start=event_time("2026-03-02T09:50:00Z"))
    assert last.category == "Writing"
    assert len(list(read_aw_export(MORNING, end=event_time("2026-03-02T09:10:00Z")))) == 1


def test_a_faulty_class_is_a_warning():
    warnings = []
    assert list(read_aw_export(MORNING, [(["A"], {"regex": "x"}), (["B"], {"regex": "["})], warnings=warnings))
    assert len(warnings) == 1
    assert "B" in warnings[0]


@pytest.mark.parametrize("order", [("type", "hostname", "events"), ("events", "hostname", "type")])
def test_keys_of_a_bucket_may_come_in_any_order(tmp_path, order):
    buckets = json.loads(MORNING.read_text())["buckets"]
    path = tmp_path / "export.json"
    path.write_text(
        json.dumps({"x": [1, {"buckets": 2}], "buckets": {n: {k: b[k] for k in order} for n, b in buckets.items()}})
    )
    assert list(read_aw_export(path)) == list(read_aw_export(MORNING))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings_and_gzip_change_nothing(tmp_path, encoding):
    path = tmp_path / "export.json.gz"
    path.write_bytes(gzip.compress(MORNING.read_text().encode(encoding)))
    assert list(read_aw_export(path)) == list(read_aw_export(MORNING))


def test_a_cut_file_gives_what_is_whole_and_says_so_or_is_refused(tmp_path):
    path = tmp_path / "cut.json"
    text = MORNING.read_text()
    path.write_text(text[: text.index('"aw-watcher-afk_laptop"')])
    warnings = []
    events = list(read_aw_export(path, warnings=warnings))
    assert [event.app for event in events] == ["Slack", "firefox", "Code"]
    assert "it is cut" in warnings[0]
    assert "4 events" in warnings[0]
    with pytest.raises(ValueError, match="it is cut"):
        list(read_aw_export(path, strict=True))


def test_a_packed_file_that_is_cut_is_told(tmp_path):
    path = tmp_path / "cut.json.gz"
    path.write_bytes(gzip.compress(MORNING.read_bytes())[:60])
    with pytest.raises(ValueError, match=r"cut\.json\.gz"):
        list(read_aw_export(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"[]", "Expected in .* the object"),
        (b"{}", 'Expected "buckets"'),
        (b'{"buckets": 5}', 'Expected "buckets"'),
        (b"hello", "Expected in"),
        (b'{"buckets": {"a": ', "cut"),
        (b"\x89PNG\r\n\x1a\n\0\0", "Expected"),
    ],
)
def test_another_file_is_refused_with_a_clear_message(tmp_path, content, message):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(read_aw_export(path))


def test_an_export_without_activity_is_empty(tmp_path):
    path = tmp_path / "new.json"
    path.write_text('{"buckets": {}}')
    assert list(read_aw_export(path)) == []


@given(st.integers(0, 3600), st.binary(max_size=4))
def test_a_damaged_file_is_refused_or_gives_events(tmp_path_factory, place, garbage):
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    content = MORNING.read_bytes()
    path.write_bytes(content[:place] + garbage + content[place + len(garbage) :])
    try:
        events = list(read_aw_export(path))
    except ValueError as error:
        assert str(error)
    else:
        assert all(event.duration > 0 for event in events)
