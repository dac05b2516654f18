"""Sessions come out equal whatever wraps them, and whatever is no session is refused with a reason."""

import copy
import gzip
import json
import pickle
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traceformers.tokenization.rrweb import rrweb_envelopes, rrweb_json
from traceformers.tokenization.rrweb.rrweb_envelopes import Session, SessionFormatError, is_batch, read_session

WRAPPED = Path(__file__).parents[2] / "golden" / "wrapped"
SOURCE = json.loads(gzip.decompress((WRAPPED / "source.json.gz").read_bytes()))
SEGMENTS = sorted(WRAPPED.glob("sentry_segment_*.bin"))
WHOLE_FILES = sorted(set(WRAPPED.iterdir()) - set(SEGMENTS))

EVENTS = [
    {"type": 4, "timestamp": 1000, "data": {"href": "http://a.test/é", "width": 800, "height": 600}},
    {"type": 2, "timestamp": 1010, "data": {"node": {"type": 0, "id": 1, "childNodes": []}}},
    {"type": 3, "timestamp": 1020, "data": {"source": 5, "id": 7, "text": "ab", "isChecked": False}},
    {"type": 3, "timestamp": 1020, "data": {"source": 5, "id": 7, "text": "abc", "isChecked": False}},
    {"type": 3, "timestamp": 1030.5, "data": {"source": 0, "texts": [], "adds": [{"nextId": None}]}},
]
TEXT = json.dumps(EVENTS, ensure_ascii=False)


def pack(value) -> str:
    return zlib.compress(json.dumps(value).encode()).decode("latin-1")


def lines(values) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def snappy_block(data: bytes) -> bytes:
    """A valid Snappy block of literals only."""
    size, header = len(data), b""
    while size >= 0x80:
        header += bytes([size & 0x7F | 0x80])
        size >>= 7
    header += bytes([size])
    for start in range(0, len(data), 60):
        piece = data[start : start + 60]
        header += bytes([len(piece) - 1 << 2]) + piece
    return header


def with_length(block: bytes) -> bytes:
    return len(block).to_bytes(4, "big") + block


@pytest.fixture(params=["eager", "lazy"])
def way(request, monkeypatch):
    """Both ways to hold events: parsed at once, and as text."""
    if request.param == "lazy":
        monkeypatch.setattr(rrweb_envelopes, "LAZY_BYTES", 0)
    return request.param


@pytest.fixture(params=["msgspec", "standard library"])
def parser(request, monkeypatch):
    if request.param == "standard library":
        monkeypatch.setattr(rrweb_json, "msgspec", None)
    elif rrweb_json.msgspec is None:
        pytest.skip("msgspec is not installed")
    return request.param


@pytest.mark.parametrize("path", WHOLE_FILES, ids=lambda path: path.name)
def test_every_wrapping_gives_the_same_events(path, way, parser):
    session = read_session(path)
    assert list(session.events) == SOURCE
    assert session.window_of is None
    assert not session.skipped


def test_sentry_segments_come_in_any_order(way, parser):
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        session = read_session(*(SEGMENTS[index] for index in order))
        assert list(session.events) == SOURCE
        assert not session.skipped
    joined = b"".join(path.read_bytes() for path in SEGMENTS)
    assert list(read_session(joined).events) == SOURCE


def test_a_folder_is_one_session(tmp_path):
    for path in SEGMENTS:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert list(read_session(tmp_path).events) == SOURCE
    empty = tmp_path / "none"
    empty.mkdir()
    with pytest.raises(SessionFormatError, match="got no file"):
        read_session(empty)


WRAPPINGS = {
    "text": TEXT,
    "bytes": TEXT.encode(),
    "byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "str with byte order mark": "\ufeff" + TEXT,
    "UTF-16": TEXT.encode("utf-16"),
    "pretty": json.dumps(EVENTS, indent=2),
    "line breaks": TEXT.replace("}, {", "},\r\n{"),
    "one line an event": lines(EVENTS),
    "blank lines": "\n\n" + lines(EVENTS).replace("\n", "\r\n\r\n"),
    "events": json.dumps({"events": EVENTS}),
    "events as text": json.dumps({"id": 1, "timestamp": "2024", "events": TEXT}),
    "data": json.dumps({"status": "ok", "data": EVENTS}),
    "rrweb": json.dumps({"rrweb": EVENTS}),
    "event strings": json.dumps([json.dumps(event) for event in EVENTS]),
    "packed": json.dumps([pack({**event, "v": "v1"}) for event in EVENTS]),
    "packed lines": lines(pack({**event, "v": "v1"}) for event in EVENTS),
    "packed as a whole": pack(EVENTS),
    "gzip": gzip.compress(TEXT.encode()),
    "two gzip members": gzip.compress(TEXT[:99].encode()) + gzip.compress(TEXT[99:].encode()) + b"\0" * 8,
    "zlib": zlib.compress(TEXT.encode()),
    "gzip twice": gzip.compress(gzip.compress(TEXT.encode())),
    "snappy": snappy_block(TEXT.encode()),
    "snappy blocks": b"".join(with_length(snappy_block(line.encode())) for line in lines(EVENTS).splitlines()),
    "PostHog pairs in snappy": with_length(snappy_block(lines(["w", event] for event in EVENTS).encode())),
    "PostHog export": json.dumps({"version": "2023-04-28", "data": {"id": "x", "snapshots": EVENTS}}),
    "PostHog old export": json.dumps({"version": "2022-12-02", "data": {"snapshotsByWindowId": {"w": EVENTS}}}),
    "PostHog old answer": json.dumps({"has_next": False, "snapshot_data_by_window_id": {"w": EVENTS}}),
    "Sentry answer": json.dumps([EVENTS[:2], EVENTS[2:]]),
    "Sentry pages": json.dumps({"data": [EVENTS[:2], EVENTS[2:]]}),
    "Sentry plain segment": b'{"segment_id": 0}\n' + TEXT.encode(),
    "Sentry plain segments": lines([{"segment_id": 0}, EVENTS[:2], {"segment_id": 1}, EVENTS[2:]]),
    "one list a line": lines([EVENTS[:2], EVENTS[2:]]),
    "list": EVENTS,
    "tuple": tuple(EVENTS),
    "dict": {"session": {"id": 3}, "events": EVENTS},
    "list of PostHog lines": [{"window_id": "w", "data": EVENTS[:1]}, {"window_id": "w", "data": EVENTS[1:]}],
    "list of PostHog pairs": [["w", event] for event in EVENTS],
    "a session": read_session(EVENTS),
}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_wrappings_by_hand(name, way, parser):
    session = read_session(WRAPPINGS[name])
    assert list(session.events) == EVENTS
    assert [event["type"] for event in session.events] == [4, 2, 3, 3, 3], "events can be iterated over again"
    assert session.events[1] == EVENTS[1] and list(session.events[3:]) == EVENTS[3:]
    assert len(session.events) == 5
    assert session.window_of is None
    assert not session.skipped
    assert list(session.typed_values()) == ["ab", "abc"]


def test_a_pair_is_one_event_of_a_window_and_two_lines_are_two(way, parser):
    event = EVENTS[0]
    assert list(read_session(json.dumps(["w", event])).events) == [event]
    assert list(read_session(json.dumps({"events": [["w", event]]})).events) == [event]
    assert read_session(json.dumps(["w", event])).skipped == {}
    assert read_session(lines(["w", event])).skipped == {"not an object": 1}


def test_large_texts_stay_text_and_small_ones_do_not(monkeypatch):
    assert isinstance(read_session(TEXT).events, list)
    monkeypatch.setattr(rrweb_envelopes, "LAZY_BYTES", len(TEXT.encode()))
    lazy = read_session(TEXT)
    assert isinstance(lazy.events, rrweb_envelopes.LazyEvents)
    assert pickle.loads(pickle.dumps(lazy.events)) == EVENTS
    assert list(read_session(lazy, [{**EVENTS[0], "timestamp": 5}]).events)[1:] == EVENTS


def messy() -> list:
    """Everything that can be wrong with single elements, shuffled."""
    good = [{"type": 3, "timestamp": 100 + index // 2, "data": {"source": 2, "id": index}} for index in range(40)]
    bad = [5, None, "hello", True, {}, {"type": 3, "data": {}}, {"timestamp": 100, "data": {}}]
    bad += [{"type": kind, "timestamp": 100, "data": {}} for kind in (True, -1, 1.5, "3", None)]
    bad += [{"type": 3, "timestamp": time, "data": {}} for time in (True, -1, "100", None, 1e300, float("nan"))]
    bad += [{"type": 2, "timestamp": 100, "cv": "2024-10", "data": "\x1f\x8bnonsense"}, "x\x9cnonsense"]
    odd = [{"type": 3.0, "timestamp": 107, "data": {"id": 1}}, {"type": 1, "timestamp": 108}]
    odd += [{"type": 5, "timestamp": 109, "data": [1]}, {**good[6], "delay": 3}, good[8]]
    mixed = good + bad + odd
    random.Random(0).shuffle(mixed)
    return mixed


def test_what_is_wrong_is_left_out_and_counted(way, parser):
    session = read_session(json.dumps(messy()))
    times = [event["timestamp"] for event in session.events]
    assert times == sorted(times)
    assert len(session.events) == 43
    assert all(type(event["type"]) is int and type(event["data"]) is dict for event in session.events)
    late = session.skipped.pop("out of order")
    assert late > 20
    assert session.skipped == {
        "not an object": 4,
        "bad type": 7,
        "bad timestamp": 7,
        "cannot be unpacked": 2,
        "data is not an object": 2,
        "duplicate": 2,
    }


def test_lazy_and_eager_sessions_are_equal(monkeypatch, parser):
    for text in (json.dumps(messy()), lines(messy()), json.dumps({"events": messy(), "id": "é"})):
        eager = read_session(text)
        with monkeypatch.context() as patch:
            patch.setattr(rrweb_envelopes, "LAZY_BYTES", 0)
            lazy = read_session(text)
            assert list(lazy.events) == eager.events
        assert lazy.skipped == eager.skipped
        assert list(lazy.typed_values()) == list(eager.typed_values())


def test_nothing_that_is_passed_is_changed():
    source = [*messy(), {"type": 2, "timestamp": 120, "cv": "2024-10", "data": pack({"node": {}})}]
    source = [element for element in source if element == element and repr(element).find("nan") < 0]
    before = copy.deepcopy(source)
    session = read_session(source)
    assert source == before
    assert session.events[-1] == {"type": 2, "timestamp": 120, "data": {"node": {}}}


def test_sorting_is_stable_and_out_of_order_is_counted():
    events = [{"type": 3, "timestamp": time, "data": {"n": n}} for n, time in enumerate((5, 9, 7, 8, 9, 5))]
    session = read_session(events)
    assert [event["data"]["n"] for event in session.events] == [0, 5, 2, 3, 1, 4]
    assert session.skipped == {"out of order": 3}


def test_the_same_event_twice_counts_once(way):
    twice = read_session(TEXT, TEXT)
    assert list(twice.events) == EVENTS
    assert twice.skipped == {"duplicate": 5}
    event = EVENTS[0]
    assert read_session([event, event]).skipped == {"duplicate": 1}
    assert len(read_session([event, {**event, "timestamp": 1001}]).events) == 2
    windows = read_session([["a", event], ["b", event]])
    assert len(windows.events) == 2, "two windows may do the same at the same time"


def test_windows_interleave_by_time_and_are_numbered_as_they_appear(way):
    left = [{"type": 3, "timestamp": time, "data": {"id": 1}} for time in (10, 30, 50)]
    right = [{"type": 3, "timestamp": time, "data": {"id": 2}} for time in (20, 40)]
    text = lines([{"window_id": "right", "data": right}, {"window_id": "left", "data": left}])
    session = read_session(text)
    assert [event["timestamp"] for event in session.events] == [10, 20, 30, 40, 50]
    assert session.window_of == [0, 1, 0, 1, 0]
    assert not session.skipped, "windows that take turns are in order"
    snapshots = [{**event, "windowId": window} for window, one in ((1, left), (2, right)) for event in one]
    assert read_session(json.dumps({"data": {"snapshots": snapshots}})).window_of == [0, 1, 0, 1, 0]


def test_segments_of_one_millisecond_keep_the_order_of_their_numbers():
    parts = [
        b'{"segment_id":%d}\n' % number + json.dumps([{"type": 3, "timestamp": 7, "data": {"n": number}}]).encode()
        for number in range(5)
    ]
    for seed in range(5):
        random.Random(seed).shuffle(parts)
        assert [event["data"]["n"] for event in read_session(*parts).events] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "nothing in them"),
        (b" \n\t ", "nothing in them"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"%PDF-1.7", "PDF"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x28\xb5\x2f\xfd\x00", "Zstandard"),
        (b"\xff" * 8 + b"\x00\x81", "OpenReplay"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\0\0\0\x18ftypmp42", "MP4"),
        (b"<!DOCTYPE html><title>Log in</title>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"session.json", "text that starts with 'session.json'"),
        (b"\x01\x02\x03\x04", "unknown kind"),
        (b"[1, 2", "cut off"),
        (b'[{"type" 4}]', "Expecting ':' delimiter"),
        (b'[{"type": "\xff"}]', "0xff"),
        (b"[]", "a list of 0"),
        (b'{"log": {"entries": []}}', "an object with the keys log"),
        (b'[{"type": 4}]', "1 bad timestamp"),
        (b'{"segment_id": 0}\n', "after the segment's header"),
        (gzip.compress(b"PK\x03\x04rest"), "in the decompressed data: expected rrweb events, got a ZIP"),
        (with_length(snappy_block(TEXT.encode()))[:-9], "cut off"),
    ],
)
def test_what_is_no_recording_is_named(data, words, tmp_path, way):
    with pytest.raises(SessionFormatError, match=words):
        read_session(data)
    path = tmp_path / "session.json"
    path.write_bytes(data)
    with pytest.raises(SessionFormatError, match=r"session\.json") as caught:
        read_session(path)
    assert words in str(caught.value)


def test_a_str_is_never_a_path_and_other_things_are_refused():
    with pytest.raises(SessionFormatError, match="never a path"):
        read_session(str(WRAPPED / "source.json.gz"))
    with pytest.raises(SessionFormatError, match="got int"):
        read_session(5)
    with pytest.raises(FileNotFoundError):
        read_session(WRAPPED / "nothing.json")


def test_errors_say_line_and_offset(way, parser):
    text = lines(EVENTS).encode()
    start = text.index(b'{"type": 2')
    with pytest.raises(SessionFormatError, match="line 2: ") as caught:
        read_session(text[:start] + b'{"type": 2, "data": nonsense}\n' + text[start:])
    assert caught.value.offset == start + len(b'{"type": 2, "data": ')
    with pytest.raises(SessionFormatError, match=r"line 5: .*cut off") as caught:
        read_session(text[:-3])
    assert caught.value.offset == len(text) - 3
    whole = TEXT.encode()
    with pytest.raises(SessionFormatError, match="0xfe") as caught:
        read_session(whole.replace(b"ab", b"a\xfe"))
    assert caught.value.offset == whole.index(b"ab") + 1
    with pytest.raises(SessionFormatError, match="escape") as caught:
        read_session(whole.replace(b"ab", b"\\q"))
    assert caught.value.offset == whole.index(b"ab")


def test_the_error_survives_pickling():
    error = pickle.loads(pickle.dumps(SessionFormatError("because", 7)))
    assert (error.reason, error.offset, str(error)) == ("because", 7, "because (byte 7)")


def test_a_page_nested_5000_deep_loads(way, parser):
    node = '{"type":2,"id":1,"childNodes":[' * 5000 + "]}" * 5000
    event = f'{{"type":2,"timestamp":1,"data":{{"node":{node}}}}}'
    session = read_session(f"[{event}, {event}, " + TEXT[1:])
    assert session.skipped == {"duplicate": 1}
    first = next(iter(session.events))["data"]["node"]
    depth = 0
    while first["childNodes"]:
        first, depth = first["childNodes"][0], depth + 1
    assert depth == 4999
    assert list(session.events)[1:] == EVENTS


def test_a_list_that_holds_itself_is_no_endless_loop():
    loop = {"type": 5, "timestamp": 1, "data": {}}
    loop["data"]["self"] = loop
    assert len(read_session([loop, {"type": 5, "timestamp": 1, "data": {"self": 1}}]).events) == 2
    outer = []
    outer.append(outer)
    with pytest.raises(SessionFormatError):
        read_session(outer)


def test_batches_are_told_from_sessions():
    packed = pack({**EVENTS[0], "v": "v1"})
    for one in (EVENTS, [], [packed], [["w", EVENTS[0]]], ["w", EVENTS[0]], {"events": EVENTS}, TEXT, b"[]", WRAPPED):
        assert is_batch(one) is False
    assert is_batch([{"window_id": "w", "data": EVENTS}]) is False
    assert is_batch([{"type": 4}]) is False
    for batch in ([EVENTS], [EVENTS, EVENTS], [TEXT], [TEXT.encode()], [WRAPPED], [{"events": EVENTS}], ([EVENTS],)):
        assert is_batch(batch) is True
    assert is_batch([read_session(EVENTS)]) is True


# --- laws -----------------------------------------------------------------------------------------------------------

CUTTABLE = {
    name: value if isinstance(value, bytes) else value.encode("utf-8" if name != "packed as a whole" else "latin-1")
    for name, value in WRAPPINGS.items()
    if isinstance(value, (str, bytes)) and name not in ("UTF-16", "str with byte order mark")
}
BY_LINES = ("one line an event", "blank lines", "packed lines", "one list a line", "Sentry plain segments")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(CUTTABLE)), st.floats(0, 1, exclude_max=True))
def test_a_text_cut_anywhere_is_refused_or_ends_at_a_line(name, share):
    whole = CUTTABLE[name]
    cut = whole[: int(len(whole) * share)]
    try:
        session = read_session(cut)
    except SessionFormatError as error:
        assert error.offset is None or 0 <= error.offset <= max(len(cut), len(TEXT) + 200)
        assert len(error.reason) > 20
    else:
        rest = whole[len(cut) :]
        if name.startswith(("two gzip", "snappy blocks", "PostHog pairs")):
            assert not rest.strip(b"\0") or len(session.events) < len(EVENTS)
        else:
            assert name in BY_LINES, name
            assert rest[:1] in (b"\n", b"\r") or cut[-1:] in b"\r\n"
        assert list(session.events) == EVENTS[: len(session.events)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(pack(EVENTS[0])),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.text(max_size=3)
            | st.sampled_from(
                ["type", "timestamp", "data", "events", "window_id", "windowId", "cv", "snapshots", "source"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(json_values)
def test_any_json_reads_or_is_refused(value):
    text = json.dumps(value)
    found = []
    for threshold in (1 << 30, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rrweb_envelopes, "LAZY_BYTES", threshold)
            for source in (text, value) if isinstance(value, (list, dict)) else (text,):
                try:
                    session = read_session(source)
                    found.append(repr(list(session.events)) + repr(sorted(session.skipped.items())))
                except SessionFormatError as error:
                    found.append(type(error))
    assert len(set(found)) == 1, found
    is_batch(value)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=40))
def test_any_bytes_or_text_read_or_are_refused(source):
    with pytest.raises(SessionFormatError):
        read_session(source)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=24), st.integers(1, 5), st.randoms()
)
def test_shuffled_segments_give_the_same_session(marks, size, chance):
    events = [{"type": 3, "timestamp": time, "data": {"id": node}} for time, node in sorted(marks)]
    parts = [
        b'{"segment_id":%d}\n' % number + zlib.compress(json.dumps(events[start : start + size]).encode())
        for number, start in enumerate(range(0, len(events), size))
    ]
    straight = read_session(*parts)
    chance.shuffle(parts)
    shuffled = read_session(*parts)
    assert list(shuffled.events) == list(straight.events)
    assert shuffled.skipped == straight.skipped
    assert isinstance(shuffled, Session)


@pytest.mark.slow
def test_200_megabytes_need_less_than_1200(tmp_path):
    node = {"type": 2, "id": 1, "tagName": "p", "attributes": {"class": "a"}, "childNodes": [{"type": 3, "id": 2}] * 99}
    path = tmp_path / "large.json"
    with path.open("w") as file:
        file.write("[")
        size, count = 0, 0
        while size < 200_000_000:
            event = {
                "type": 3,
                "timestamp": 1000 + count,
                "data": {"source": 0, "adds": [{"node": node}] * (count % 90)},
            }
            size += file.write(("," if count else "") + json.dumps(event))
            count += 1
        file.write("]")
    program = (
        "import pathlib, resource, sys\n"
        "from traceformers.tokenization.rrweb.rrweb_envelopes import read_session\n"
        "session = read_session(pathlib.Path(sys.argv[1]))\n"
        "print(sum(1 for event in session.events), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    shown = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True).stdout
    events, kilobytes = map(int, shown.split())
    assert events == count
    assert kilobytes < 1_200_000
