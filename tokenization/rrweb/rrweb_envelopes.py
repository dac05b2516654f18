"""Sessions out of whatever wraps rrweb events: `read_session` gives the events of one session in time order.

Read are lists of events, JSON, JSON Lines, rrweb's packer, objects such as `{"events": [...]}`, PostHog's files and
exports, Sentry's segments and the files of web extensions; gzip, zlib or Snappy around any of them. What is inside is
found by looking at it, never by a file's name.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

from .rrweb_compression import inflate, inflate_once, is_deflated, is_packed, is_snappy, name_bytes, read_snappy, unpack_text
from .rrweb_json import PIECES, SessionFormatError, decode_text, loads, outline

# Reasons why elements are left out or repaired, the keys of `Session.skipped`.
NOT_AN_OBJECT = "not an object"  # left out
BAD_TYPE = "bad type"  # left out: `type` is no whole number from 0 on
BAD_TIMESTAMP = "bad timestamp"  # left out: no number, not finite, negative, or outside what a Date can hold
BAD_PACKING = "cannot be unpacked"  # left out: a packed string or field is damaged
BAD_DATA = "data is not an object"  # repaired: `data` becomes {}
DUPLICATE = "duplicate"  # left out: equal to another event of that window and millisecond but for `delay`
OUT_OF_ORDER = "out of order"  # repaired: older than an event before it in its window and part

LAZY_BYTES = 32 << 20  # from here on the events of a text stay text and are decoded as they are iterated over
MAX_TIMESTAMP_MS = 8.64e15  # the last moment of JavaScript's Date
MAX_NESTING = 8  # wrappings inside wrappings

# Names under which lists of events are found, the likeliest first, and names of objects of such lists by window.
LIST_KEYS = ("events", "rrweb_data", "rrwebEvents", "rrweb", "snapshots", "data")
WINDOW_MAP_KEYS = ("snapshotsByWindowId", "snapshot_data_by_window_id")
ENVELOPE_KEYS = frozenset(LIST_KEYS)

FULL_SNAPSHOT, INCREMENTAL_SNAPSHOT, MUTATION, INPUT = 2, 3, 0, 5
PACKED_FIELDS = ("texts", "attributes", "removes", "adds")  # what PostHog compresses inside incremental snapshots
SEGMENT_HEADER = re.compile(rb'\s*(\{[^{}\n]*"segment_id"[^{}\n]*\})[ \t\r]*\n')


class Session:
    """One recording: its events in time order.

    Attributes:
        events (`Sequence[dict]`): each with `type` (int), `timestamp` (finite number, ms) and `data` (dict); other keys
            as they came. Events of a large text are decoded anew at every iteration: iterate, do not index.
        window_of (`list[int]` or `None`): the window of each event, numbered from 0 by first appearance, or `None` when
            the session has one window only.
        skipped (`Counter`): how many elements were left out or repaired, by reason (constants of this module).

    Example:

        >>> session = read_session([{"type": 4, "timestamp": 20, "data": {}}, {"type": 0, "timestamp": 10, "data": {}}])
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
        texts = self.events.texts() if isinstance(self.events, _LazyEvents) else map(_typed, self.events)
        return (text for text in texts if text is not None)


def read_session(source, *more) -> Session:
    """The session that one source holds, or that several sources are parts of.

    Args:
        source: a list of event dicts, a wrapped dict, JSON or JSON Lines as `str` or `bytes` (`bytes` may be
            compressed), an `os.PathLike` (of a folder: all its files are parts of one session), or a `Session`, which
            comes back as it is. A `str` is never a path. What is passed is not changed.
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
        raise _nothing_found(parts, skipped)
    return _merge(parts, skipped)


def is_batch(sessions) -> bool:
    """True for a list of sessions, False for one session.

    A list is a batch when its first telling element is a session: bytes, a path, a `Session`, JSON text, a wrapped dict or
    a list. It is one session when that element is an event, a packed string, or a line of a PostHog file (`[window,
    event]` or `{"window_id": ..., "data": [...]}`). An empty list is one session (without events: reading it fails).

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
        if isinstance(one, str):
            if is_packed(one):
                return False
            if one.lstrip("\ufeff \t\r\n")[:1] in ("[", "{"):
                return True
        elif isinstance(one, (list, tuple)):
            return not _is_pair(one)
        elif isinstance(one, dict):
            if "type" in one or "timestamp" in one or "window_id" in one or "windowId" in one:
                return False
            if any(key in one for key in (*LIST_KEYS, *WINDOW_MAP_KEYS)):
                return True
    return False


class _Part:
    """What one source gave: `times`, `windows` and `items` run side by side in the order of the source.

    An item is an event, or (piece of text, index of the event in it, typed text or None) when it stays text.
    """

    def __init__(self, segment: int | None = None):
        self.segment = segment
        self.times, self.windows, self.items = [], [], []
        self.seen = ""  # the first thing that was found in it, for the error when no event was

    def add(self, window, element, skipped: Counter, locator=None):
        event = element
        if not (
            element.__class__ is dict
            and element.get("type").__class__ is int
            and element["type"] >= 0
            and element.get("data").__class__ is dict
            and element.get("timestamp").__class__ in _NUMBERS
            and 0 <= element["timestamp"] <= MAX_TIMESTAMP_MS
            and "cv" not in element
        ):
            event = _repair(element, skipped)
            if event is None:
                return
        if "windowId" in event or "window_id" in event:
            own = event.get("windowId", event.get("window_id"))
            window = own if isinstance(own, (str, int)) else window
        self.times.append(event["timestamp"])
        self.windows.append(window)
        self.items.append(event if locator is None else (*locator, _typed(event)))

    def read(self, root, skipped: Counter):
        self.seen = self.seen or _describe(root)
        for window, leaf in _flatten(root):
            if leaf.__class__ in PIECES:
                for index, (inner, element) in enumerate(_flatten(loads(leaf), window)):
                    self.add(inner, element, skipped, (leaf, index))
            else:
                self.add(window, leaf, skipped)


_NUMBERS = frozenset((int, float))


class _LazyEvents(Sequence):
    """Events of which some are still text."""

    def __init__(self, items: list):
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index):
        chosen = self._items[index]
        return _LazyEvents(chosen) if isinstance(index, slice) else next(iter(_LazyEvents([chosen])))

    def __iter__(self) -> Iterator[dict]:
        piece, elements, ignored = None, (), Counter()
        for item in self._items:
            if item.__class__ is dict:
                yield item
                continue
            if item[0] is not piece:  # a piece may hold several events: PostHog's lines, Sentry's segments
                piece = item[0]
                elements = [element for _, element in _flatten(loads(piece))]
            yield _repair(elements[item[1]], ignored)

    def __eq__(self, other) -> bool:
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __reduce__(self):
        return list, (list(self),)

    def texts(self) -> Iterator[str | None]:
        return (_typed(item) if item.__class__ is dict else item[2] for item in self._items)


def _read_parts(source, skipped: Counter) -> list[_Part]:
    """The parts of one source; only a folder and a list of lists have several."""
    if isinstance(source, Session):
        part = _Part()
        part.items = list(source.events)
        part.times = [event["timestamp"] for event in part.items]
        part.windows = source.window_of or [None] * len(part.items)
        return [part]
    if isinstance(source, os.PathLike):
        return _read_path(Path(source), skipped)
    if isinstance(source, str):
        # A lone surrogate can only stand in a JSON string; there its escape means the same.
        source = source.encode("latin-1" if is_packed(source) else "utf-8", "backslashreplace")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read_bytes(bytes(source), skipped)
    if isinstance(source, (list, tuple, dict)):
        part = _Part()
        part.read(source, skipped)
        return [part]
    raise SessionFormatError(
        "expected one session as a list of events, a dict, JSON text (str or bytes) or a path (os.PathLike), "
        f"got {type(source).__name__}; pass the events as a list"
    )


def _read_path(path: Path, skipped: Counter) -> list[_Part]:
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if not files:
            raise SessionFormatError(f"expected the parts of one session in the folder {path}, got no file; check the path")
    parts = []
    for file in files:
        try:
            parts += _read_bytes(file.read_bytes(), skipped)
        except SessionFormatError as error:
            raise SessionFormatError(f"{file}: {error.reason}", error.offset) from None
    return parts


def _read_bytes(data: bytes, skipped: Counter) -> list[_Part]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") and data[2:4] != data[:2]:
        data = data.decode("utf-16", "replace").encode("utf-8", "backslashreplace")  # Windows' redirections write it
    data = data.removeprefix(b"\xef\xbb\xbf")
    first = data[:1] if data[:1] in (b"[", b"{", b'"') else data[:4096].lstrip()[:1]
    if not first and not data.strip():
        raise SessionFormatError(f"expected a recording, got {len(data)} bytes with nothing in them; record it again", 0)
    if first == b"{" and (header := SEGMENT_HEADER.match(data)):
        return _read_segments(data, header, skipped)
    if first in (b"[", b"{", b'"') or not first:
        part = _Part()
        part.read(_read_text(data), skipped)
        return [part]
    if is_deflated(data):
        return _read_bytes(inflate(data), skipped)
    if is_snappy(data):
        return _read_bytes(read_snappy(data), skipped)
    name, advice = name_bytes(data)
    raise SessionFormatError(f"expected rrweb events, got {name}; {advice}", 0)


def _read_segments(data: bytes, header, skipped: Counter) -> list[_Part]:
    """Sentry's segments: a header line each, then a JSON list, plain or in zlib."""
    parts = []
    while header:
        number = loads(header[1]).get("segment_id")
        end = header.end()
        if end >= len(data):
            raise SessionFormatError("expected events after the segment's header, got the end; fetch the segment again", end)
        if is_deflated(data[end : end + 2]):
            text, end = inflate_once(data, end)
        else:
            text, end = data[end:], len(data)  # plain segments in one file are JSON Lines; their headers hold no event
        for part in _read_bytes(text, skipped):
            part.segment = number if isinstance(number, int) else None
            parts.append(part)
        header = SEGMENT_HEADER.match(data, end)
        if not header and data[end:].strip():
            raise SessionFormatError("expected the header of another segment, got other bytes; fetch it again", end)
    return parts


def _read_text(data: bytes):
    """The value of JSON text, or the list of the values of JSON Lines; of large text an outline."""
    start = re.compile(rb"\s*").match(data).end()
    stop = data.find(b"\n", start)
    if stop > 0 and data[stop:].lstrip():
        try:
            loads(memoryview(data)[start:stop])
        except SessionFormatError:
            pass  # the first line is no complete value: one JSON text with line breaks
        else:
            return _read_lines(data)
    return loads(data) if len(data) < LAZY_BYTES else outline(data, ENVELOPE_KEYS)


def _read_lines(data: bytes) -> list:
    view, found, start, number = memoryview(data), [], 0, 0
    while start < len(data):
        number += 1
        stop = data.find(b"\n", start)
        stop = len(data) if stop < 0 else stop
        line = view[start:stop]
        if data[start : start + 1] not in (b"[", b"{", b'"') and not bytes(line).strip():
            start = stop + 1
            continue
        try:
            value = loads(line)
        except SessionFormatError as error:
            raise SessionFormatError(f"line {number}: {error.reason}", start + (error.offset or 0)) from None
        found.append(value if len(data) < LAZY_BYTES else line)
        start = stop + 1
    return found


def _flatten(element, window=None, depth: int = 0):
    """(window, element) for every element that is not a wrapping; those that are no event are sorted out later."""
    if isinstance(element, dict):
        if "type" in element and "timestamp" in element:
            yield window, element
            return
        inner = _unwrap(element)
        if inner is None or depth >= MAX_NESTING:
            if "segment_id" not in element:
                yield window, element
            return
        own = element.get("window_id", element.get("windowId"))
        window = own if isinstance(own, (str, int)) else window
        for name, value in inner:
            yield from _flatten(value, window if name is None else name, depth + 1)
    elif isinstance(element, (list, tuple)) and depth < MAX_NESTING:
        if _is_pair(element):
            yield from _flatten(element[1], element[0], depth + 1)
            return
        for value in element:
            if value.__class__ is dict and "type" in value and "timestamp" in value:
                yield window, value
            else:
                yield from _flatten(value, window, depth + 1)
    elif isinstance(element, str) and depth < MAX_NESTING:
        value = _unpack(element)
        if value is element:
            yield window, element
        else:
            yield from _flatten(value, window, depth + 1)
    else:
        yield window, element


def _unwrap(element: dict):
    """[(window or None, what it wraps), ...] of an object that is a wrapping, else None."""
    for kinds in (list, (dict, str)):
        for key in LIST_KEYS:
            value = element.get(key)
            if isinstance(value, kinds) and value:
                return [(None, value)]
    for key in WINDOW_MAP_KEYS:
        if isinstance(element.get(key), dict):
            return list(element[key].items())
    return [] if any(isinstance(element.get(key), list) for key in LIST_KEYS) else None


def _is_pair(element) -> bool:
    """True for PostHog's `[window, event]`."""
    return (
        len(element) == 2
        and isinstance(element[0], str)
        and not is_packed(element[0])
        and element[0][:1] not in ("{", "[")
        and (isinstance(element[1], dict) or (isinstance(element[1], str) and is_packed(element[1])))
    )


class _Damaged:
    """Stands for a packed string that cannot be read."""


def _unpack(text: str):
    """What a packed string or a string of JSON holds, `_Damaged` when it cannot be read, else the string."""
    try:
        if is_packed(text):
            value = loads(unpack_text(text))
            if isinstance(value, dict) and value.get("v") == "v1":
                del value["v"]  # the packer's own mark
            return value
        if text[:1] in ("{", "["):
            return loads(text.encode("utf-8", "backslashreplace"))
    except SessionFormatError:
        return _Damaged
    return text


def _repair(element, skipped: Counter) -> dict | None:
    """The element as an event (a new dict where something had to change), or None, counted, when it is none."""
    if not isinstance(element, dict):
        skipped[BAD_PACKING if element is _Damaged else NOT_AN_OBJECT] += 1
        return None
    kind, time, data = element.get("type"), element.get("timestamp"), element.get("data")
    changes = {}
    if isinstance(kind, float) and kind.is_integer():
        changes["type"] = kind = int(kind)
    if not isinstance(kind, int) or isinstance(kind, bool) or kind < 0:
        skipped[BAD_TYPE] += 1
        return None
    if not isinstance(time, (int, float)) or isinstance(time, bool) or not 0 <= time <= MAX_TIMESTAMP_MS:
        skipped[BAD_TIMESTAMP] += 1
        return None
    if "cv" in element or isinstance(data, str):
        data = _unpack_fields(data)
        if data is None:
            skipped[BAD_PACKING] += 1
            return None
        element = {key: value for key, value in element.items() if key != "cv"}
        changes["data"] = data
    if not isinstance(data, dict):
        skipped[BAD_DATA] += 1
        changes["data"] = {}
    return {**element, **changes} if changes else element


def _unpack_fields(data):
    """`data` with what PostHog compressed in it unpacked, None when that is damaged."""
    if isinstance(data, str):
        value = _unpack(data)
        return None if value is _Damaged else value
    if not isinstance(data, dict):
        return data
    packed = [key for key in PACKED_FIELDS if isinstance(data.get(key), str)]
    fields = {key: _unpack(data[key]) for key in packed}
    return None if any(value is _Damaged for value in fields.values()) else {**data, **fields}


def _typed(event: dict) -> str | None:
    if event["type"] != INCREMENTAL_SNAPSHOT or event["data"].get("source") != INPUT:
        return None
    text = event["data"].get("text")
    return text if isinstance(text, str) else None


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
        order = _drop_duplicates(order, times, windows, items, skipped)
        windows, items = [windows[index] for index in order], [items[index] for index in order]
    numbers: dict = {}
    window_of = [numbers.setdefault(window, len(numbers)) for window in windows]
    lazy = any(item.__class__ is tuple for item in items)
    return Session(_LazyEvents(items) if lazy else items, window_of if len(numbers) > 1 else None, +skipped)


def _count_late(part: _Part) -> int:
    latest, late = {}, 0
    for time, window in zip(part.times, part.windows, strict=True):
        if time < latest.get(window, time):
            late += 1
        else:
            latest[window] = time
    return late


def _drop_duplicates(order: list, times: list, windows: list, items: list, skipped: Counter) -> list:
    """`order` without events that equal an earlier one of the same window and millisecond."""
    kept, seen, now = [], set(), None
    for place, index in enumerate(order):
        alone = times[index] != now and (place + 1 == len(order) or times[order[place + 1]] != times[index])
        if times[index] != now:
            now, seen = times[index], set()
        if not alone:
            print_of_event = (windows[index], _fingerprint(next(iter(_LazyEvents([items[index]])))))
            if print_of_event in seen:
                skipped[DUPLICATE] += 1
                continue
            seen.add(print_of_event)
        kept.append(index)
    return kept


def _fingerprint(event: dict) -> bytes:
    """Equal for events that are equal but for `delay`, which players add."""
    event = {key: value for key, value in event.items() if key != "delay"}
    try:
        return blake2b(json.dumps(event, sort_keys=True).encode(), digest_size=16).digest()
    except (RecursionError, TypeError):
        pass  # nested deeper than the encoder goes, or objects of the caller's that are not JSON
    digest, stack = blake2b(digest_size=16), [event]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            digest.update(b"{%d" % len(value))
            for key in sorted(value, key=repr):
                stack += (value[key], repr(key))
        elif isinstance(value, (list, tuple)):
            digest.update(b"[%d" % len(value))
            stack.extend(reversed(value))
        else:
            digest.update(repr(value).encode("utf-8", "backslashreplace") + b",")
    return digest.digest()


def _describe(value) -> str:
    if isinstance(value, dict):
        keys = ", ".join(str(key)[:40] for key in list(value)[:8])
        return f"an object with the keys {keys}" if keys else "an empty object"
    if isinstance(value, (list, tuple)):
        first = f" that starts with {_describe(value[0])}" if value and not isinstance(value[0], (list, tuple)) else ""
        return f"a list of {len(value)}{first}"
    if value.__class__ in PIECES:
        return _describe(loads(value))
    return {str: "a string", bool: "a boolean", type(None): "null"}.get(type(value), "a number")


def _nothing_found(parts: list[_Part], skipped: Counter) -> SessionFormatError:
    counts = ", ".join(f"{count} {reason}" for reason, count in skipped.most_common())
    return SessionFormatError(
        f"expected rrweb events (objects with `type`, `timestamp` and `data`, in a list or under one of "
        f"{', '.join(LIST_KEYS)}), got {parts[0].seen or 'nothing'} without any"
        + (f" ({counts})" if counts else "")
        + "; pass the recording itself, as rrweb's `emit` gave it"
    )
