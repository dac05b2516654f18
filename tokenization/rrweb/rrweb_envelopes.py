"""Sessions out of whatever wraps rrweb events: `read_session` gives the events of one session in time order.

Read are lists of events, JSON, JSON Lines, and all wrappings that `rrweb_events` knows; gzip, zlib or Snappy
around any of them. What is inside is found by looking at it, never by a file's name.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from .rrweb_compression import (
    inflate,
    inflate_once,
    is_deflated,
    is_packed,
    is_snappy,
    name_bytes,
    read_snappy,
)
from .rrweb_events import (
    DUPLICATE,
    LIST_KEYS,
    OUT_OF_ORDER,
    describe,
    fingerprint,
    flatten,
    is_pair,
    repair,
    typed_text,
    unwrap,
    window_key,
)
from .rrweb_json import PIECES, SessionFormatError, loads, outline, outline_slowly

LAZY_BYTES = 32 << 20  # from here on the events of a text stay text and are decoded as they are iterated over
CACHED_PIECES = 4  # pieces of several events kept decoded, as windows that take turns come back to theirs

ENVELOPE_KEYS = frozenset(LIST_KEYS)
SEGMENT_HEADER = re.compile(rb'\s*(\{[^{}\n]*"segment_id"[^{}\n]*\})[ \t\r]*\n')
NOT_BLANK = re.compile(rb"[^ \t\r\n]")


class Session:
    """One recording: its events in time order.

    Attributes:
        events (`Sequence[dict]`): each with `type` (int), `timestamp` (finite number, ms) and `data` (dict);
            other keys as they came. Those of a large text are decoded anew at every iteration: iterate, do
            not index.
        window_of (`list[int]` or `None`): the window of each event, numbered from 0 by first appearance;
            `None` when the session has one window only.
        skipped (`Counter`): how many elements were left out or repaired, by the reasons in `rrweb_events`.

    Example:

        >>> late = [{"type": 4, "timestamp": 20, "data": {}}, {"type": 0, "timestamp": 10, "data": {}}]
        >>> session = read_session(late)
        >>> [event["type"] for event in session.events], dict(session.skipped)
        ([0, 4], {'out of order': 1})
    """

    def __init__(self, events: Sequence[dict], window_of: list[int] | None, skipped: Counter):
        self.events = events
        self.window_of = window_of
        self.skipped = skipped

    def __repr__(self) -> str:
        windows = 1 if self.window_of is None else max(self.window_of) + 1
        return f"Session({len(self.events)} events, {windows} windows, skipped={dict(self.skipped)})"

    def typed_values(self) -> Iterator[str]:
        """The `text` of every Input event, in time order: what must not be readable in anything published.

        Example:

            >>> typed = {"type": 3, "timestamp": 5, "data": {"source": 5, "id": 9, "text": "hello"}}
            >>> list(read_session([typed]).typed_values())
            ['hello']
        """
        texts = self.events.texts() if isinstance(self.events, LazyEvents) else map(typed_text, self.events)
        return (text for text in texts if text is not None)


class LazyEvents(Sequence):
    """Events of which some are still text: (piece of text, index of the event in it, typed text or None)."""

    def __init__(self, items: list):
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):
        chosen = self.items[index]
        return LazyEvents(chosen) if isinstance(index, slice) else next(iter(LazyEvents([chosen])))

    def __iter__(self) -> Iterator[dict]:
        cache, ignored = {}, Counter()
        for item in self.items:
            if item.__class__ is dict:
                yield item
                continue
            piece, index, _ = item
            elements = cache.get(id(piece))
            if elements is None:
                elements = [element for _, element in flatten(loads(piece))]
                if len(elements) > 1:
                    cache[id(piece)] = elements
                    if len(cache) > CACHED_PIECES:
                        del cache[next(iter(cache))]
            yield repair(elements[index], ignored)

    def __reduce__(self):
        return list, (list(self),)  # views of a text cannot be pickled

    def texts(self) -> Iterator[str | None]:
        """`typed_text` of every event, nothing decoded."""
        return (typed_text(item) if item.__class__ is dict else item[2] for item in self.items)


def read_session(source, *more) -> Session:
    """The session that one source holds, or that several sources are parts of.

    Args:
        source: a list of event dicts, a wrapped dict, JSON or JSON Lines as `str` or `bytes` (`bytes` may be
            compressed), an `os.PathLike` (of a folder: all its files but hidden ones are parts of one
            session), or a `Session`, which comes back as it is. A `str` is never a path. What is passed is
            not changed.
        *more: further parts of the same session, in any order.

    Returns:
        the `Session`.

    Raises:
        SessionFormatError: nothing in the source can be read as rrweb events; says why, where and what to do.
        OSError: a path cannot be read.

    Example:

        >>> read_session('{"events": [{"type": 4, "timestamp": 7, "data": {"href": "a"}}]}').events
        [{'type': 4, 'timestamp': 7, 'data': {'href': 'a'}}]
    """
    if isinstance(source, Session) and not more:
        return source
    skipped = Counter()
    parts = [part for one in (source, *more) for part in _read_parts(one, skipped)]
    if not any(part.times for part in parts):
        counts = ", ".join(f"{count} {reason}" for reason, count in skipped.most_common())
        raise SessionFormatError(
            "expected rrweb events (objects with `type`, `timestamp` and `data`, in a list or under one of "
            f"{', '.join(LIST_KEYS)}), got {parts[0].seen} without any{f' ({counts})' if counts else ''}; "
            "pass the recording itself, as rrweb's `emit` gave it"
        )
    return _merge(parts, skipped)


def is_batch(sessions) -> bool:
    """True for a list of sessions, False for one session.

    A list is a batch when its first telling element is a session: bytes, a path, a `Session`, JSON text, a
    wrapped dict or a list. It is one session when that element is an event, a packed string, or a line of a
    PostHog file (`[window, event]` or `{"window_id": ..., "data": [...]}`). An empty list is one session;
    reading it fails.

    Example:

        >>> event = {"type": 4, "timestamp": 7, "data": {}}
        >>> is_batch([event]), is_batch([[event], [event]]), is_batch([{"events": [event]}])
        (False, True, True)
    """
    if not isinstance(sessions, (list, tuple)):
        return False
    for one in sessions:
        if isinstance(one, (bytes, bytearray, memoryview, os.PathLike, Session)):
            return True
        if isinstance(one, str) and is_packed(one):
            return False
        if isinstance(one, str) and one.lstrip("\ufeff \t\r\n")[:1] in ("[", "{"):
            return True
        if isinstance(one, (list, tuple)):
            return not is_pair(sessions) and not is_pair(one)
        if isinstance(one, dict):
            return unwrap(one) is not None and window_key(one) is None and not is_pair(sessions)
    return False


class _Part:
    """What one source gave: `times`, `windows` and `items` (see `LazyEvents`) side by side, in its order."""

    def __init__(self):
        self.segment = None  # Sentry's number of the part
        self.seen = "nothing"  # for the error when there is no event
        self.times, self.windows, self.items = [], [], []

    def read(self, values: list, skipped: Counter) -> "_Part":
        self.seen = describe(values[0] if len(values) == 1 else values)
        for window, leaf in (found for value in values for found in flatten(value)):
            if leaf.__class__ in PIECES:
                for index, (inner, element) in enumerate(flatten(loads(leaf), window)):
                    self._add(inner, element, skipped, (leaf, index))
            else:
                self._add(window, leaf, skipped)
        return self

    def _add(self, window, element, skipped: Counter, locator: tuple | None = None):
        event = repair(element, skipped)
        if event is None:
            return
        own = window_key(event)
        self.times.append(event["timestamp"])
        self.windows.append(window if own is None else own)
        self.items.append(event if locator is None else (*locator, typed_text(event)))


def _read_parts(source, skipped: Counter) -> list[_Part]:
    """The parts of one source; most have one."""
    if isinstance(source, Session):
        part = _Part()
        part.items = list(source.events.items if isinstance(source.events, LazyEvents) else source.events)
        part.times = [event["timestamp"] for event in source.events]
        part.windows = source.window_of or [None] * len(part.items)
        skipped.update(source.skipped)
        return [part]
    if isinstance(source, os.PathLike):
        return _read_path(Path(source), skipped)
    if isinstance(source, str):
        if source.strip() and not is_packed(source) and source.lstrip("\ufeff \t\r\n")[:1] not in ("[", "{", '"'):
            raise SessionFormatError(
                f"expected JSON text, got the str {source[:60]!r}; it is never a path: pass pathlib.Path()",
                0,
            )
        # A lone surrogate can only stand inside a JSON string; there its escape means the same.
        source = source.encode("latin-1" if is_packed(source) else "utf-8", "backslashreplace")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read_bytes(bytes(source), skipped)
    if isinstance(source, (list, tuple, dict)):
        return [_Part().read([source], skipped)]
    raise SessionFormatError(
        "expected one session as a list of events, a dict, JSON text (str or bytes) or a path (os.PathLike), "
        f"got {type(source).__name__}; pass the events as a list"
    )


def _read_path(path: Path, skipped: Counter) -> list[_Part]:
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if not files:
            raise SessionFormatError(f"expected the parts of one session in {path}, got no file; check the folder")
    parts = []
    for file in files:
        with _placed(0, f"{file}: "):
            found = _read_bytes(file.read_bytes(), skipped)
        for part in found:
            part.seen = f"{part.seen} in {file}"
        parts += found
    return parts


def _read_bytes(data: bytes, skipped: Counter) -> list[_Part]:
    if data.startswith(b"\xef\xbb\xbf"):
        with _placed(3):
            return _read_bytes(data[3:], skipped)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and data[2:4] != data[:2]:
        # UTF-16: what redirecting into a file gives on Windows
        return _read_bytes(data.decode("utf-16", "replace").encode("utf-8", "backslashreplace"), skipped)
    begin = NOT_BLANK.search(data)
    if begin is None:
        raise SessionFormatError(f"expected a recording, got {len(data)} bytes with nothing in them; record again", 0)
    if begin[0] == b"{" and (header := SEGMENT_HEADER.match(data)):
        return _read_segments(data, header, skipped)
    if begin[0] in (b"[", b"{", b'"'):
        return [_read_text(data, begin.start(), skipped)]
    if is_deflated(data):
        data = inflate(data)
        with _placed(0, "in the decompressed data: "):
            return _read_bytes(data, skipped)
    name, advice = name_bytes(data)
    if is_snappy(data):
        data = read_snappy(data)
        with _placed(0, "in the decompressed data: "):
            return _read_bytes(data, skipped)
    raise SessionFormatError(f"expected rrweb events, got {name}; {advice}", 0)


def _read_segments(data: bytes, header, skipped: Counter) -> list[_Part]:
    """Sentry's segments: a header line each, then a JSON list, plain or in zlib."""
    parts = []
    while header:
        number, end = loads(header[1]).get("segment_id"), header.end()
        if end == len(data):
            raise SessionFormatError("expected events after the segment's header, got the end; fetch it again", end)
        if is_deflated(data[end : end + 2]):
            text, end = inflate_once(data, end)
            with _placed(0, "in the decompressed data: "):
                found = _read_bytes(text, skipped)
        else:  # plain segments one after the other are JSON Lines, in which headers are passed over
            with _placed(end):
                found = _read_bytes(data[end:], skipped)
            end = len(data)
        for part in found:
            part.segment = number if isinstance(number, int) else None
        parts += found
        header = SEGMENT_HEADER.match(data, end)
    if NOT_BLANK.search(data, end):
        raise SessionFormatError("expected the header of another segment, got other bytes; fetch it again", end)
    return parts


def _read_text(data: bytes, start: int, skipped: Counter) -> _Part:
    """The part that JSON text or JSON Lines hold; of large text the events stay text."""
    lazy = len(data) >= LAZY_BYTES
    stop = data.find(b"\n", start)
    lines = stop > 0 and NOT_BLANK.search(data, stop) is not None
    if lines:
        try:
            loads(memoryview(data)[start:stop])
        except SessionFormatError:
            lines = False  # the first line is no complete value: one JSON text with line breaks in it
    if not lazy:
        return _Part().read(_read_lines(data, loads) if lines else [loads(data)], skipped)
    try:
        return _Part().read(_read_lines(data, memoryview) if lines else [outline(data, ENVELOPE_KEYS)], skipped)
    except SessionFormatError:
        # Something inside a piece, which does not know where in the text it is: look again, slowly.
        _read_lines(data, loads) if lines else outline_slowly(data, ENVELOPE_KEYS)
        raise


def _read_lines(data: bytes, read) -> list:
    """What `read` makes of each line that is not blank."""
    view, found, start, number = memoryview(data), [], 0, 0
    while start < len(data):
        number += 1
        stop = data.find(b"\n", start)
        stop = len(data) if stop < 0 else stop
        if NOT_BLANK.search(data, start, stop):
            with _placed(start, f"line {number}: "):
                found.append(read(view[start:stop]))
        start = stop + 1
    return found


@contextmanager
def _placed(start: int, where: str = ""):
    """Errors inside say `where` and count their offset from `start`."""
    try:
        yield
    except SessionFormatError as error:
        offset = None if error.offset is None else error.offset + start
        raise SessionFormatError(where + error.reason, offset) from None


def _merge(parts: list[_Part], skipped: Counter) -> Session:
    """One session out of its parts: stable by time, no event twice, windows numbered as they appear."""
    parts = [part for part in parts if part.times]
    if len(parts) > 1:
        # Events of one millisecond keep the order of the segments, whatever order the segments came in.
        numbered = all(part.segment is not None for part in parts)
        parts.sort(key=lambda part: part.segment if numbered else (min(part.times), max(part.times)))
    times = [time for part in parts for time in part.times]
    windows = [window for part in parts for window in part.windows]
    items = [item for part in parts for item in part.items]
    if not all(a < b for a, b in pairwise(times)):
        skipped[OUT_OF_ORDER] += sum(_count_late(part) for part in parts)
        order = sorted(range(len(times)), key=times.__getitem__)
        again = _find_duplicates(order, times, windows, items)
        skipped[DUPLICATE] += len(again)
        order = [index for index in order if index not in again]
        windows, items = [windows[index] for index in order], [items[index] for index in order]
    numbers: dict = {}
    window_of = [numbers.setdefault(window, len(numbers)) for window in windows]
    lazy = any(item.__class__ is tuple for item in items)
    return Session(LazyEvents(items) if lazy else items, window_of if len(numbers) > 1 else None, +skipped)


def _count_late(part: _Part) -> int:
    latest, late = {}, 0
    for time, window in zip(part.times, part.windows, strict=True):
        if time < latest.get(window, time):
            late += 1
        else:
            latest[window] = time
    return late


def _find_duplicates(order: list, times: list, windows: list, items: list) -> set:
    """The indices of events that equal an earlier one of the same window and millisecond."""
    tied = {index for pair in pairwise(order) if times[pair[0]] == times[pair[1]] for index in pair}
    tied = [index for index in order if index in tied]
    again, now, groups = set(), None, {}
    for index, event in zip(tied, LazyEvents([items[index] for index in tied]), strict=True):
        if times[index] != now:
            now, groups = times[index], {}
        data = event["data"]
        marks = [data.get("source"), data.get("id")]
        # Events that differ in this are different; fingerprints, which cost more, are for the others.
        key = (windows[index], event["type"], len(data), *(mark for mark in marks if mark.__class__ is int))
        seen = groups.get(key)
        if seen is None:
            groups[key] = event
            continue
        if seen.__class__ is dict:
            seen = groups[key] = {fingerprint(seen)}
        mark = fingerprint(event)
        if mark in seen:
            again.add(index)
        seen.add(mark)
    return again
