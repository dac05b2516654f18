"""Events inside any wrapping: `flatten` finds the elements, `repair` makes events of them or says why not.

The wrappings, by where they come from: rrweb's packer (a string an event), rrweb's web extension
(`{"session": ..., "events": [...]}`), PostHog (`[window, event]`, `{"window_id": ..., "data": [...]}`,
exports with `snapshots`, fields compressed under the mark `cv`), Sentry (lists of lists), and objects with
one list of events under a usual name.
"""

import json
from collections import Counter
from hashlib import blake2b

from .rrweb_compression import is_packed, unpack_text
from .rrweb_json import SessionFormatError, loads

# Reasons why elements are left out or repaired.
NOT_AN_OBJECT = "not an object"  # left out
BAD_TYPE = "bad type"  # left out: `type` is no whole number from 0 on
BAD_TIMESTAMP = "bad timestamp"  # left out: no number, not finite, negative, or outside what a Date can hold
BAD_PACKING = "cannot be unpacked"  # left out: a packed string or field is damaged
BAD_DATA = "data is not an object"  # repaired: `data` becomes {}
DUPLICATE = "duplicate"  # left out: equal to another event of that window and millisecond but for `delay`
OUT_OF_ORDER = "out of order"  # repaired: older than an event before it in its window and part

MAX_TIMESTAMP_MS = 8.64e15  # the last moment of JavaScript's Date
MAX_NESTING = 20  # wrappings inside wrappings

# Names under which lists of events are found, the likeliest first; names of objects of such lists by window.
LIST_KEYS = ("events", "rrweb_data", "rrwebEvents", "rrweb", "snapshots", "data")
WINDOW_MAP_KEYS = ("snapshotsByWindowId", "snapshot_data_by_window_id")

INCREMENTAL_SNAPSHOT, INPUT = 3, 5
PACKED_FIELDS = ("texts", "attributes", "removes", "adds")  # compressed by PostHog in incremental snapshots
NUMBERS = frozenset((int, float))


class Damaged:
    """Stands for a packed string that cannot be read."""


def flatten(element, window=None, depth: int = 0):
    """(window, element) for everything that is no wrapping, in order; what is no event `repair` sorts out.

    Args:
        element: parsed JSON.
        window: the window that a wrapping around it named.

    Example:

        >>> list(flatten({"window_id": "w", "data": [{"type": 4, "timestamp": 7}, 5]}))
        [('w', {'type': 4, 'timestamp': 7}), ('w', 5)]
    """
    if isinstance(element, dict):
        inner = unwrap(element) if depth < MAX_NESTING else None
        if inner is None:
            if "segment_id" not in element:  # Sentry's header line holds no event
                yield window, element
            return
        own = window_key(element)
        for name, value in inner:
            yield from flatten(value, name if name is not None else window if own is None else own, depth + 1)
    elif isinstance(element, (list, tuple)) and depth < MAX_NESTING:
        if is_pair(element):
            yield from flatten(element[1], element[0], depth + 1)
            return
        for value in element:
            if value.__class__ is dict and value.get("type").__class__ is int and "timestamp" in value:
                yield window, value  # what nearly every element is
            else:
                yield from flatten(value, window, depth + 1)
    elif isinstance(element, str) and depth < MAX_NESTING:
        value = unpack(element)
        if value is element:
            yield window, element
        else:
            yield from flatten(value, window, depth + 1)
    else:
        yield window, element


def unwrap(element: dict) -> list | None:
    """[(window or None, what it wraps), ...] of an object that is a wrapping; None of any other object.

    Example:

        >>> unwrap({"type": 4, "timestamp": 7, "data": {}}), unwrap({"data": {"snapshots": [5]}})
        (None, [(None, {'snapshots': [5]})])
    """
    kind = element.get("type")
    if kind is not None and "timestamp" in element and not isinstance(kind, str):
        return None
    for key in LIST_KEYS:
        if isinstance(element.get(key), list) and element[key]:
            return [(None, element[key])]
    broken_event = "type" in element or "timestamp" in element
    for key in LIST_KEYS:
        if isinstance(element.get(key), (dict, str)) and element[key] and not (key == "data" and broken_event):
            return [(None, element[key])]
    if broken_event:
        return None
    for key in WINDOW_MAP_KEYS:
        if isinstance(element.get(key), dict):
            return list(element[key].items())
    return [] if any(isinstance(element.get(key), list) for key in LIST_KEYS) else None


def is_pair(element) -> bool:
    """True for PostHog's `[window, event]`."""
    return (
        len(element) == 2
        and isinstance(element[0], str)
        and not is_packed(element[0])
        and element[0][:1] not in ("{", "[")
        and (isinstance(element[1], dict) or (isinstance(element[1], str) and is_packed(element[1])))
    )


def window_key(element: dict) -> str | int | None:
    """The window that an event or a wrapping names itself."""
    if "windowId" not in element and "window_id" not in element:
        return None
    window = element.get("windowId", element.get("window_id"))
    return window if isinstance(window, (str, int)) else None


def unpack(text: str):
    """What a packed string or a string of JSON holds, `Damaged` when it cannot be read, else the string.

    Example:

        >>> unpack('{"type": 4}'), unpack("hello")
        ({'type': 4}, 'hello')
    """
    try:
        if is_packed(text):
            value = loads(unpack_text(text))
            if isinstance(value, dict) and value.get("v") == "v1":
                del value["v"]  # the packer's own mark
            return value
        if text[:1] in ("{", "["):
            return loads(text.encode("utf-8", "backslashreplace"))
    except SessionFormatError:
        return Damaged
    return text


def repair(element, skipped: Counter) -> dict | None:
    """The element as an event, or None, counted in `skipped`, when it is none.

    An event has `type` (int), `timestamp` (finite number, ms) and `data` (dict). A sound one comes back as it
    is, a repaired one as a new dict: nothing that was passed is changed.

    Example:

        >>> counts = Counter()
        >>> repair({"type": 4.0, "timestamp": 7}, counts), repair([], counts), dict(counts)
        ({'type': 4, 'timestamp': 7, 'data': {}}, None, {'data is not an object': 1, 'not an object': 1})
    """
    if not isinstance(element, dict):
        skipped[BAD_PACKING if element is Damaged else NOT_AN_OBJECT] += 1
        return None
    kind, time, data = element.get("type"), element.get("timestamp"), element.get("data")
    if (
        kind.__class__ is int
        and kind >= 0
        and data.__class__ is dict
        and time.__class__ in NUMBERS
        and 0 <= time <= MAX_TIMESTAMP_MS
        and "cv" not in element
    ):
        return element
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


def typed_text(event: dict) -> str | None:
    """The `text` of an Input event, None of any other; a box that was ticked says its name, which nobody typed."""
    data = event["data"]
    if event["type"] != INCREMENTAL_SNAPSHOT or data.get("source") != INPUT or data.get("isChecked") is True:
        return None
    text = data.get("text")
    return text if isinstance(text, str) else None


def fingerprint(event: dict) -> bytes:
    """16 bytes, equal for events that are equal but for `delay`, which players add, and the order of keys.

    Example:

        >>> fingerprint({"type": 4, "timestamp": 7, "delay": 1}) == fingerprint({"timestamp": 7, "type": 4})
        True
    """
    event = {key: value for key, value in event.items() if key != "delay"}
    try:
        return blake2b(json.dumps(event, sort_keys=True).encode(), digest_size=16).digest()
    except ValueError:  # a structure that holds itself, or a number of thousands of digits: equal to nothing
        return b"%x" % id(event)
    except (RecursionError, TypeError):
        pass  # nested deeper than the encoder goes, or objects of the caller's that are not JSON
    digest, stack = blake2b(digest_size=16), [event]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            digest.update(b"{%d" % len(value))
            for key in sorted(value, key=repr):
                stack += (value[key], key)
        elif isinstance(value, (list, tuple)):
            digest.update(b"[%d" % len(value))
            stack.extend(reversed(value))
        else:
            digest.update(repr(value).encode("utf-8", "backslashreplace") + b",")
    return digest.digest()


def describe(value) -> str:
    """What a parsed value is, in words for an error.

    Example:

        >>> describe([{"log": {}, "v": 1}])
        'a list of 1 that starts with an object with the keys log, v'
    """
    if isinstance(value, dict):
        keys = ", ".join(str(key)[:40] for key in list(value)[:8])
        return f"an object with the keys {keys}" if keys else "an empty object"
    if isinstance(value, (list, tuple)):
        plain = value and isinstance(value[0], (dict, str, int, float))
        return f"a list of {len(value)}" + (f" that starts with {describe(value[0])}" if plain else "")
    return {str: "a string", bool: "a boolean", type(None): "null"}.get(type(value), "a number")


def _unpack_fields(data):
    """`data` with what PostHog compressed in it unpacked, None when that is damaged."""
    if isinstance(data, str):
        value = unpack(data)
        return None if value is Damaged else value
    if not isinstance(data, dict):
        return data
    fields = {key: unpack(data[key]) for key in PACKED_FIELDS if isinstance(data.get(key), str)}
    return None if Damaged in fields.values() else {**data, **fields}
