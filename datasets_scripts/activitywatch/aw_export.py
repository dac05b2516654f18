"""Reading what ActivityWatch exports (Raw Data → Export all buckets as JSON): a stream of `ActivityEvent`.

The file is read in blocks; of its events the times and the texts, each text once, are in memory, no more.
"""

import gzip
from collections import Counter
from pathlib import Path

from traceformers.datasets_scripts.activitywatch.aw_categories import Categorizer
from traceformers.datasets_scripts.activitywatch.aw_events import (
    PULSE_SECONDS,
    READERS,
    Bucket,
    event_span,
    joined_activity,
    known_host,
)
from traceformers.datasets_scripts.youtube.export_json import JsonReader
from traceformers.datasets_scripts.youtube.export_text import CutText, text_blocks
from traceformers.datasets_scripts.youtube.takeout_files import Bounded

GZIP_MAGIC = b"\x1f\x8b"
LARGEST_FILE_BYTES = 8 << 30  # after unpacking


def read_aw_export(
    path, classes=None, start=None, end=None, pulse_seconds=PULSE_SECONDS, strict=False, dropped=None, warnings=None
):
    """Yields the `ActivityEvent` of an exported file, one computer after another, each in order of time.

    Time away from the computer is left out (a tab with sound in the focused browser counts as being there), and so are
    private windows and tabs. A file that is cut gives what is whole before the cut, with a warning.

    Args:
        path (`str` or `os.PathLike`): JSON, or JSON packed with gzip.
        classes (*optional*): see `Categorizer`; the default classes if None.
        start, end (`int`, *optional*): milliseconds since 1970: events that begin from start on and before end.
        pulse_seconds (`float`): see `flood`.
        strict (`bool`): refuse a file that is cut.
        dropped (`Counter`, *optional*): reason → count, filled while this is read.
        warnings (`list`, *optional*): texts, appended to while this is read.

    Raises:
        ValueError: if the file is no export of ActivityWatch, or cut and `strict`.
        OSError: if it cannot be read.
    """
    dropped = Counter() if dropped is None else dropped
    warnings = [] if warnings is None else warnings
    categorizer = classes if isinstance(classes, Categorizer) else Categorizer(classes)
    warnings.extend(f"left out of the categories: {fault}" for fault in categorizer.faults)
    buckets, spans = read_buckets(path, strict, dropped, warnings)
    for event in joined_activity(buckets, spans, categorizer, pulse_seconds, dropped):
        if (start is None or event.started_at >= start) and (end is None or event.started_at < end):
            yield event


def read_buckets(path, strict=False, dropped=None, warnings=None):
    """Returns `(buckets, spans)` of an exported file: a list of `Bucket`, and name → spans.

    Args, errors: see `read_aw_export`.
    """
    path = Path(path)
    dropped = Counter() if dropped is None else dropped
    warnings = [] if warnings is None else warnings
    found = _Found(dropped)
    with path.open("rb") as raw:
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        with gzip.open(raw) if packed else raw as file:
            bounded = Bounded(file, path.name, [LARGEST_FILE_BYTES], path.stat().st_size if packed else None)
            reader = JsonReader(text_blocks(bounded))
            try:
                _read_export(reader, path, found)
            except CutText as error:
                if strict or not found.spans:
                    raise ValueError(f"{path}: {error}") from error
                count = sum(len(held) for held in found.spans.values())
                warnings.append(f"{path.name}: {error} Read before it: {count:,} events.")
    if not found.seen:
        raise ValueError(
            f'Expected "buckets" in {path}, got an object without. Is it an export of ActivityWatch? '
            "Make one under Raw Data, Export all buckets as JSON."
        )
    return list(found.buckets.values()), found.spans


class _Found:
    def __init__(self, dropped):
        self.buckets, self.spans, self.dropped = {}, {}, dropped
        self.seen = False
        self.texts = {}  # what of a span → the one kept: a title of a thousand events is in memory once


def _read_export(reader, path, found):
    first = reader.peek()
    if first != "{":
        got = repr(first) if first else "an empty file"
        raise ValueError(
            f'Expected in {path} the object that ActivityWatch exports, {{"buckets": ...}}, got {got}. '
            "Export it under Raw Data, Export all buckets as JSON."
        )
    for key in reader.each_key():
        if key == "buckets" and reader.peek() == "{":
            found.seen = True
            for name in reader.each_key():
                _read_bucket(reader, name, found)
        else:
            reader.skip()


def _read_bucket(reader, name, found):
    """Reads one bucket; its keys may come in any order, its events before its type too."""
    about, held, spans = {}, None, []
    if reader.peek() != "{":
        reader.skip()
        found.dropped["bucket that is no object"] += 1
        return
    try:
        for key in reader.each_key():
            if key == "events" and reader.peek() == "[":
                if "type" in about:
                    _read_events(reader.items(), about["type"], spans, found)
                else:
                    held = list(reader.items())
            elif key in ("type", "hostname", "id"):
                about[key] = reader.value()
            else:
                reader.skip()
    finally:  # what came before a cut
        if held is not None:
            _read_events(held, about.get("type"), spans, found)
        kind = about.get("type")
        if isinstance(kind, str) and kind in READERS:
            found.buckets[name] = Bucket(name, kind, known_host(name, about.get("hostname")))
            found.spans[name] = spans


def _read_events(events, kind, spans, found):
    what = READERS.get(kind) if isinstance(kind, str) else None
    if what is None:
        found.dropped["event of another kind of bucket"] += sum(1 for _ in events)
        return
    for event in events:
        span = event_span(event, what, found.dropped)
        if span is not None:
            spans.append((span[0], span[1], found.texts.setdefault(span[2], span[2])))
