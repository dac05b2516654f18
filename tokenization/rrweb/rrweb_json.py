"""Values from JSON text: by msgspec where it is installed, else by the standard library, with equal results.

msgspec reads recordings faster than orjson and agrees with the standard library on every text
it accepts (orjson does not: it turns integers above 64 bits into floats), so it is the only accelerator. What
msgspec refuses although recorders write it (NaN, lone surrogate escapes, numbers out of range) goes to the
standard library, and what is nested deeper than the standard library's recursion limit goes to `parse_deep`.
"""

import gc
import json
import re
from json.decoder import JSONDecodeError, scanstring

try:
    import msgspec
except ImportError:
    msgspec = None

QUIET_BYTES = 100_000  # from here on the collector rests: all it does is walk over what the parser has just made
SHALLOW = 4  # containers above this depth are tried with the C scanner before `parse_deep` opens them itself

REFUSED = (UnicodeError, RecursionError, *((msgspec.MsgspecError,) if msgspec is not None else ()))
PIECES = frozenset((memoryview, *((msgspec.Raw,) if msgspec is not None else ())))

_scan_once = json.JSONDecoder().scan_once
_skip = re.compile(r"[ \t\n\r]*").match
_first_byte = re.compile(rb"(?<![^ \t\n\r])[^ \t\n\r]|$").search


class SessionFormatError(ValueError):
    """What is wrong with a source that should hold a recording, and what to do about it.

    Attributes:
        reason (`str`): what was expected, what came and what to do.
        offset (`int` or `None`): where in the source, in bytes from its start, when that is known.

    Example:

        >>> try:
        ...     loads(b'[1, 2')
        ... except SessionFormatError as error:
        ...     error.offset
        5
    """

    def __init__(self, reason: str, offset: int | None = None):
        super().__init__(reason, offset)  # both, so that the error survives pickling between processes
        self.reason = reason
        self.offset = offset

    def __str__(self) -> str:
        return self.reason if self.offset is None else f"{self.reason} (byte {self.offset:,})"


def loads(source):
    """The value of one JSON text.

    Args:
        source: UTF-8 text as `bytes`, `bytearray`, `memoryview` or a piece made by `outline`.

    Returns:
        dicts, lists, strings, numbers, booleans and None; NaN and infinities are floats, integers keep all
        digits.

    Raises:
        SessionFormatError: the text is not UTF-8, not JSON, or stops before its end; with the byte offset.

    Example:

        >>> loads(b'{"type": 4, "timestamp": 1e3}')
        {'type': 4, 'timestamp': 1000.0}
    """
    if msgspec is not None:
        quiet = memoryview(source).nbytes >= QUIET_BYTES and gc.isenabled()
        if quiet:
            gc.disable()
        try:
            return msgspec.json.decode(source)
        except REFUSED:
            pass  # the slow path below either reads it or says what is wrong and where
        finally:
            if quiet:
                gc.enable()
    text = decode_text(source)
    try:
        value, end = _value(text, _skip(text, 0).end())
        end = _skip(text, end).end()
        if end != len(text):
            raise JSONDecodeError("Extra data after the value", text, end)
    except JSONDecodeError as error:
        raise _explain(text, error) from None
    return value


def decode_text(source) -> str:
    """The text of UTF-8 bytes; a `SessionFormatError` names the first byte that is not UTF-8."""
    try:
        return str(memoryview(source), "utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise _truncated(error.start) from None
        wrong = error.object[error.start]
        raise SessionFormatError(
            f"expected JSON in UTF-8, got the byte 0x{wrong:02x}, which is not UTF-8; "
            "save the recording as UTF-8, or pass compressed bytes unchanged",
            error.start,
        ) from None


def outline(source, keys: frozenset):
    """The outermost lists of a JSON text, cut into pieces that `loads` reads one by one.

    A list comes back as a list of pieces; an object as a dict in which the containers under `keys` are outlined in
    the same way and everything else is read. An object that is itself an event (it has `type` and `timestamp`) is
    read whole, and so is a pair that starts with a string. The pieces are views of `source`: nothing is copied.

    Args:
        source: UTF-8 JSON text as `bytes`.
        keys: names under which lists of events are found.

    Raises:
        SessionFormatError: as `loads`; faults inside a piece come out when the piece is loaded.

    Example:

        >>> outlined = outline(b'{"events": [{"type": 4}, 5], "id": 7}', frozenset({"events"}))
        >>> [loads(piece) for piece in outlined["events"]], outlined["id"]
        ([{'type': 4}, 5], 7)
    """
    if msgspec is not None:
        try:
            return _outline_fast(source, keys)
        except (*REFUSED, SessionFormatError):
            pass
    return outline_slowly(source, keys)


def outline_slowly(source, keys: frozenset):
    """`outline` by the standard library alone; it decodes every piece, so it finds faults in them too."""
    text = decode_text(source)
    view = memoryview(source)
    position = [0, 0]  # a place in the text and the same place in the bytes; only ever moves forward

    def piece(start: int, end: int) -> memoryview:
        if text_is_bytes:
            return view[start:end]
        byte_start = position[1] + len(text[position[0] : start].encode())
        byte_end = byte_start + len(text[start:end].encode())
        position[:] = end, byte_end
        return view[byte_start:byte_end]

    text_is_bytes = len(text) == view.nbytes
    try:
        start = _skip(text, 0).end()
        value, end = _step(text, start, keys, piece)
        end = _skip(text, end).end()
        if end != len(text):
            raise JSONDecodeError("Extra data after the value", text, end)
    except JSONDecodeError as error:
        raise _explain(text, error) from None
    return value


def parse_deep(text: str, position: int):
    """The value that starts at `position` of `text`, however deep, and the position after it.

    The standard library's parser calls itself for every level and gives up near 1,000 (Python 3.11) or some
    thousands (3.12 and later); a page nested 5,000 elements deep needs 10,000. This one keeps its own stack.

    Raises:
        json.JSONDecodeError: as `json.loads`.

    Example:

        >>> value, end = parse_deep("[" * 5000 + "]" * 5000, 0)
        >>> len(value), end
        (1, 10000)
    """
    stack = []  # (open container, the key being filled or None in an array), outermost first
    while True:
        first = text[position : position + 1]
        value = None
        opens = first in ("[", "{")
        if opens and 0 < len(stack) < SHALLOW:
            try:
                value, position = _scan(text, position)
                opens = False
            except RecursionError:
                pass
        if opens:
            value = [] if first == "[" else {}
            position = _skip(text, position + 1).end()
            if text[position : position + 1] == ("]" if first == "[" else "}"):
                position += 1
            else:
                key = None
                if first == "{":
                    key, position = _key(text, position)
                stack.append((value, key))
                continue
        elif value is None:
            value, position = _scan(text, position)
        while stack:  # put the finished value into its parent, and finish every parent that ends here
            parent, key = stack[-1]
            if key is None:
                parent.append(value)
            else:
                parent[key] = value
            position = _skip(text, position).end()
            after = text[position : position + 1]
            if after == ",":
                position = _skip(text, position + 1).end()
                if key is not None:
                    key, position = _key(text, position)
                    stack[-1] = (parent, key)
                break
            if after != ("]" if key is None else "}"):
                raise JSONDecodeError("Expecting ',' delimiter", text, position)
            position += 1
            value = parent
            stack.pop()
        else:
            return value, position


def _outline_fast(source, keys: frozenset):
    first = _first_byte(memoryview(source))[0]
    if first == b"[":
        pieces = msgspec.json.decode(source, type=list[msgspec.Raw])
        return loads(source) if _may_be_pair(pieces) else pieces
    if first != b"{":
        return loads(source)
    members = msgspec.json.decode(source, type=dict[str, msgspec.Raw])
    if "type" in members and "timestamp" in members:
        return loads(source)
    return {key: _outline_fast(raw, keys) if key in keys else loads(raw) for key, raw in members.items()}


def _step(text: str, position: int, keys: frozenset, piece):
    """What `outline` returns for the value at `position`, and the position after it."""
    first = text[position : position + 1]
    start, found = position, [] if first == "[" else {}
    if first not in ("[", "{"):
        return _value(text, position)
    closer = "]" if first == "[" else "}"
    position = _skip(text, position + 1).end()
    if text[position : position + 1] == closer:
        return found, position + 1
    while True:
        if first == "[":
            begin = position
            _, position = _value(text, position)
            found.append(piece(begin, position))
        else:
            key, position = _key(text, position)
            read = _step(text, position, keys, piece) if key in keys else _value(text, position)
            found[key], position = read
        position = _skip(text, position).end()
        after = text[position : position + 1]
        position += 1
        if after == closer:
            break
        if after != ",":
            raise JSONDecodeError("Expecting ',' delimiter", text, position - 1)
        position = _skip(text, position).end()
    if _may_be_pair(found) if first == "[" else "type" in found and "timestamp" in found:
        return _value(text, start)
    return found, position


def _may_be_pair(pieces: list) -> bool:
    return len(pieces) == 2 and memoryview(pieces[0])[:1] == b'"'


def _scan(text: str, position: int):
    try:
        return _scan_once(text, position)
    except StopIteration as stop:
        raise JSONDecodeError("Expecting value", text, stop.value) from None
    except JSONDecodeError:
        raise
    except ValueError:  # Python reads no integer of more than sys.get_int_max_str_digits() digits
        raise JSONDecodeError("Expecting a number of a sane length", text, position) from None


def _value(text: str, position: int):
    try:
        return _scan(text, position)
    except RecursionError:
        return parse_deep(text, position)


def _key(text: str, position: int):
    """The key that starts at `position` and the position of its value."""
    if text[position : position + 1] != '"':
        raise JSONDecodeError("Expecting property name enclosed in double quotes", text, position)
    key, position = scanstring(text, position + 1)
    position = _skip(text, position).end()
    if text[position : position + 1] != ":":
        raise JSONDecodeError("Expecting ':' delimiter", text, position)
    return key, _skip(text, position + 1).end()


def _explain(text: str, error: JSONDecodeError) -> SessionFormatError:
    rest = text[error.pos : error.pos + 16]
    stops = not rest.strip() or "Unterminated string" in error.msg
    stops |= any(word.startswith(rest) for word in ("true", "false", "null", "NaN", "Infinity", "-Infinity"))
    stops |= "escape" in error.msg and len(rest) < 8 and '"' not in rest
    if stops:
        return _truncated(len(text.encode("utf-8", "surrogatepass")))
    return SessionFormatError(  # one character: what follows may be what somebody typed, and this goes into reports
        f"expected JSON, got {rest[:1]!r}: {error.msg}; check the program that wrote the recording",
        len(text[: error.pos].encode("utf-8", "surrogatepass")),
    )


def _truncated(offset: int) -> SessionFormatError:
    return SessionFormatError(
        "expected a complete JSON text, but it stops in the middle of a value; "
        "the file was cut off: export or copy the recording again",
        offset,
    )
