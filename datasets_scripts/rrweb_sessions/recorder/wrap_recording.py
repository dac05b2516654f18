"""Encodes one plain recording in the wrappings of real products, as inputs for a reader's tests.

    python wrap_recording.py session.json.gz wrapped/

The events are the same in every file; only the clothes differ. See `WRAPPINGS` for the list.
"""

import argparse
import gzip
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

FULL_SNAPSHOT, INCREMENTAL = 2, 3
MUTATION, STYLE_SHEET_RULE = 0, 8
POSTHOG_VERSION = "2024-10"
EVENTS_A_CHUNK = 25
EVENTS_A_SEGMENT = 40
WINDOW_ID = "0190a0b0-0000-7000-8000-000000000001"


def to_json(value) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def chunks(events: list, size: int) -> list[list]:
    return [events[start : start + size] for start in range(0, len(events), size)]


def lines(values: list) -> bytes:
    return ("\n".join(map(to_json, values)) + "\n").encode()


def rrweb_packed(events: list[dict]) -> bytes:
    """Returns what `@rrweb/packer` sends: every event a string whose letters are the bytes of zlib(JSON)."""
    return to_json(
        [zlib.compress(to_json({**event, "v": "v1"}).encode()).decode("latin-1") for event in events]
    ).encode()


def posthog_compressed(event: dict) -> dict:
    """Returns the event as posthog-js sends it: large fields as gzip in a latin-1 string, with `cv`."""

    def squeeze(value) -> str:
        return gzip.compress(to_json(value).encode(), mtime=0).decode("latin-1")

    data = event["data"]
    if event["type"] == FULL_SNAPSHOT:
        return {**event, "data": squeeze(data), "cv": POSTHOG_VERSION}
    if event["type"] != INCREMENTAL or data.get("source") not in (MUTATION, STYLE_SHEET_RULE):
        return event
    if data["source"] == MUTATION:
        names = [name for name in ("texts", "attributes", "removes", "adds") if name in data]
    else:
        names = [name for name in ("adds", "removes") if data.get(name)]
    return {**event, "data": {**data, **{name: squeeze(data[name]) for name in names}}, "cv": POSTHOG_VERSION}


def posthog_tuples(events: list[dict]) -> bytes:
    """Returns PostHog's blob: lines of [window id, event], ASCII, with compressed fields."""
    return ("\n".join(json.dumps([WINDOW_ID, posthog_compressed(event)]) for event in events) + "\n").encode()


def posthog_chunks(events: list[dict]) -> bytes:
    """Returns PostHog's older blob: lines of {"window_id", "data": [events]}."""
    return lines([{"window_id": WINDOW_ID, "data": chunk} for chunk in chunks(events, EVENTS_A_CHUNK)])


def sentry_segments(events: list[dict]) -> dict[str, bytes]:
    """Returns Sentry's stored segments: file name -> a JSON header line, then zlib(JSON array of events)."""
    return {
        f"sentry_segment_{number:03d}.bin": to_json({"segment_id": number}).encode()
        + b"\n"
        + zlib.compress(to_json(segment).encode())
        for number, segment in enumerate(chunks(events, EVENTS_A_SEGMENT))
    }


WRAPPINGS: dict[str, Callable[[list[dict]], bytes]] = {
    "rrweb_packed.json": rrweb_packed,
    "plain.jsonl": lines,
    "plain.jsonl.gz": lambda events: gzip.compress(lines(events), mtime=0),
    "posthog_tuple_cv.jsonl": posthog_tuples,
    "posthog_window_data.jsonl": posthog_chunks,
    "sentry_api_segments.json": lambda events: to_json(chunks(events, EVENTS_A_SEGMENT)).encode(),
    "events_key.json": lambda events: to_json({"events": events}).encode(),
    "webext_session.json": lambda events: to_json(
        {"session": {"id": "x", "name": "demo", "recorderVersion": "2"}, "events": events}
    ).encode(),
    "rrweb_data_key.json": lambda events: to_json({"session_guid": "x", "rrweb_data": events, "metadata": {}}).encode(),
}


def wrap(events: list[dict]) -> dict[str, bytes]:
    """Returns file name -> content for every wrapping of `events` (one window, in time order).

    >>> wrap([{"type": 0, "data": {}, "timestamp": 1}])["events_key.json"]
    b'{"events":[{"type":0,"data":{},"timestamp":1}]}'
    """
    return {name: encode(events) for name, encode in WRAPPINGS.items()} | sentry_segments(events)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Encode one recording in the wrappings of rrweb's packer, PostHog, Sentry and others.",
        epilog="example: python wrap_recording.py session.json.gz wrapped/",
    )
    parser.add_argument("recording", type=Path, help="a JSON array of events, .json or .json.gz")
    parser.add_argument("out", type=Path, help="folder for the wrapped files")
    options = parser.parse_args(arguments)
    raw = options.recording.read_bytes()
    events = json.loads(gzip.decompress(raw) if options.recording.suffix == ".gz" else raw)
    if not isinstance(events, list):
        sys.stderr.write(
            f"wrap_recording.py: expected a JSON array of events in {options.recording}, "
            f"got {type(events).__name__}; give a file of record_sessions.mjs with one window\n"
        )
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in wrap(events).items():
        (options.out / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
