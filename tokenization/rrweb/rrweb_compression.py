"""Plain bytes from what recordings are packed in (gzip, zlib, Snappy), and names for what is no recording.

gzip and zlib come from the standard library. Snappy (PostHog stores sessions in it, each block after its
length as four big-endian bytes; a block of long-term storage comes alone, without a length) is read by
cramjam where it is installed, else by the decoder below. Snappy's format: google/snappy,
format_description.txt.
"""

import zlib

from .rrweb_json import SessionFormatError

try:
    import cramjam
except ImportError:
    cramjam = None

MAX_INFLATED_BYTES = 1 << 32  # more than this out of one source is an attack or a mistake, not a recording

# gzip, and zlib at its four levels; the same as text with one character a byte
DEFLATED_STARTS = frozenset((b"\x1f\x8b", b"x\x01", b"x^", b"x\x9c", b"x\xda"))
PACKED_STARTS = frozenset(start.decode("latin-1") for start in DEFLATED_STARTS)

# Files that are found under a recording's name, by their first bytes.
SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive", "unpack it and pass the files in it"),
    (b"PK\x05\x06", "an empty ZIP archive", "pass a recording"),
    (b"\x89PNG\r\n", "a PNG image", "pass the recording, not a picture of it"),
    (b"\xff\xd8\xff", "a JPEG image", "pass the recording, not a picture of it"),
    (b"GIF8", "a GIF image", "pass the recording, not a picture of it"),
    (b"RIFF", "a WebP, WAV or AVI file", "pass the recording, not a picture of it"),
    (b"\x1aE\xdf\xa3", "a WebM or Matroska video", "rrweb events are needed, a rendered video holds none"),
    (b"%PDF", "a PDF document", "pass a recording"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard stream", "decompress it first (OpenReplay's are no rrweb inside)"),
    (b"BZh", "a bzip2 stream", "decompress it first"),
    (b"\xfd7zXZ\x00", "an xz stream", "decompress it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and pass the files in it"),
    (b"\x04\x22\x4d\x18", "an LZ4 stream", "decompress it first"),
    (b"\xff\x06\x00\x00sNaPpY", "a framed Snappy stream", "decompress it first"),
    (b"SQLite format 3", "an SQLite database", "export the recording from it as JSON"),
    (b"PAR1", "a Parquet table", "read it and pass the events of one session"),
    (b"ARROW1", "an Arrow file", "read it and pass the events of one session"),
    (b"\x7fELF", "a program", "pass a recording"),
    (b"\x80\x04", "a Python pickle", "load it yourself and pass the events"),
    (b"\x80\x05", "a Python pickle", "load it yourself and pass the events"),
    (b"version https://git-lfs", "a Git LFS pointer", "run `git lfs pull` to fetch the recording"),
    (b"\xff" * 8, "an OpenReplay session", "only rrweb can be read, OpenReplay has its own messages"),
)


def is_deflated(data: bytes) -> bool:
    """True when the bytes start like gzip or zlib."""
    return bytes(data[:2]) in DEFLATED_STARTS


def is_packed(text: str) -> bool:
    """True when a string is gzip or zlib, one character a byte, as rrweb's packer and PostHog write it."""
    return text[:2] in PACKED_STARTS


def unpack_text(text: str) -> bytes:
    """The bytes inside a packed string; see `is_packed`.

    Raises:
        SessionFormatError: the string is damaged or cut off.
    """
    try:
        return inflate(text.encode("latin-1"))
    except UnicodeEncodeError as error:
        raise SessionFormatError("expected one byte a character in a packed string", error.start) from None


def inflate(data: bytes) -> bytes:
    """All that gzip (any number of members) or zlib bytes hold.

    Raises:
        SessionFormatError: cut off, damaged, followed by something else, or larger than `MAX_INFLATED_BYTES`.

    Example:

        >>> inflate(zlib.compress(b"[]"))
        b'[]'
    """
    found, end = [], 0
    while end < len(data):
        if found and not data[end:].strip(b"\0"):  # tape and some object stores pad with zeros
            break
        part, end = inflate_once(data, end)
        found.append(part)
    return found[0] if len(found) == 1 else b"".join(found)


def inflate_once(data: bytes, start: int = 0) -> tuple[bytes, int]:
    """What the gzip member or zlib stream at `start` holds, and the position of the byte after it."""
    if not is_deflated(data[start : start + 2]):
        raise SessionFormatError(
            "expected the end of the compressed data, got other bytes; export or copy the file again", start
        )
    stream = zlib.decompressobj(47)  # 47: gzip or zlib, whichever the header says, with the largest window
    try:
        found = stream.decompress(memoryview(data)[start:], MAX_INFLATED_BYTES)
    except zlib.error as error:
        raise SessionFormatError(
            f"expected gzip or zlib data, got damaged bytes ({error}); export or copy the file again", start
        ) from None
    if stream.unconsumed_tail:
        raise SessionFormatError(
            f"expected at most {MAX_INFLATED_BYTES:,} bytes in compressed data, got more; split it up",
            start,
        )
    if not stream.eof:
        raise SessionFormatError(
            "expected a complete gzip or zlib stream, but it stops in the middle; "
            "the file was cut off: export or copy it again",
            len(data),
        )
    return found, len(data) - len(stream.unused_data)


def is_snappy(data: bytes) -> bool:
    """True when the bytes look like JSON in Snappy: blocks after their lengths, or one block alone."""
    return _has_length(data) or _is_snappy_json(data[:40])


def read_snappy(data: bytes) -> bytes:
    """What Snappy blocks hold, joined; each block after its length (4 bytes, big-endian), or one block alone.

    Raises:
        SessionFormatError: a block is cut off or damaged.
    """
    if not _has_length(data):
        return snappy_decompress(data)
    found, position = [], 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        block = data[position + 4 : position + 4 + length]
        if len(block) < length or position + 4 > len(data):
            raise SessionFormatError(
                f"expected a Snappy block of {length:,} bytes, got {len(block):,}: cut off, fetch it again",
                len(data),
            )
        try:
            found.append(snappy_decompress(block))
        except SessionFormatError as error:
            raise SessionFormatError(error.reason, position + 4 + (error.offset or 0)) from None
        position += 4 + length
    # Blocks are JSON Lines of their own; a last line need not end in a line break.
    return b"\n".join(part.rstrip(b"\n") for part in found)


def snappy_decompress(block: bytes) -> bytes:
    """What one raw Snappy block holds.

    Raises:
        SessionFormatError: the block is damaged, with the offset in the block.

    Example:

        >>> snappy_decompress(bytes([6, 4]) + b"ab" + bytes([14, 2, 0]))  # "ab", then 4 bytes from 2 back
        b'ababab'
    """
    if cramjam is not None:
        try:
            return bytes(cramjam.snappy.decompress_raw(block))
        except cramjam.DecompressionError:
            pass  # the decoder below says where it is damaged
    size, position = _varint(block)
    if size is None or size > MAX_INFLATED_BYTES:
        raise SessionFormatError("expected a Snappy block, got damaged bytes; fetch the recording again", 0)
    found = bytearray()
    end = len(block)
    while position < end:
        tag = block[position]
        kind = tag & 3
        position += 1
        if kind == 0:  # literal: the next bytes as they are
            length = (tag >> 2) + 1
            if length > 60:
                extra = length - 60
                length = int.from_bytes(block[position : position + extra], "little") + 1
                position += extra
            found += block[position : position + length]
            position += length
            continue
        if kind == 1:  # copy of 4 to 11 bytes, offset in 11 bits
            length = (tag >> 2 & 7) + 4
            offset = (tag >> 5) << 8 | int.from_bytes(block[position : position + 1], "little")
            position += 1
        else:  # copy of 1 to 64 bytes, offset in 2 or 4 bytes
            length = (tag >> 2) + 1
            width = 2 if kind == 2 else 4
            offset = int.from_bytes(block[position : position + width], "little")
            position += width
        start = len(found) - offset
        if offset == 0 or start < 0 or len(found) > size:
            raise SessionFormatError("the Snappy block is damaged; fetch the recording again", position)
        if offset >= length:
            found += found[start : start + length]
        else:  # the copy overlaps what it writes: the last `offset` bytes repeat
            found += (found[start:] * (length // offset + 1))[:length]
    if position != end or len(found) != size:
        raise SessionFormatError(
            f"expected {size:,} bytes in the Snappy block, got {len(found):,}: cut off, fetch it again",
            end,
        )
    return bytes(found)


def name_bytes(data: bytes) -> tuple[str, str]:
    """What bytes that are no recording are, by their first bytes, and what to do."""
    for signature, name, advice in SIGNATURES:
        if data.startswith(signature):
            return name, advice
    if data[4:8] == b"ftyp":
        return "an MP4 video or HEIC image", "rrweb events are needed, a rendered video holds none"
    if data[257:262] == b"ustar":
        return "a tar archive", "unpack it and pass the files in it"
    start = data[:512].lstrip()
    if start[:1] == b"<":
        return "an HTML or XML page", "download the recording itself; often a login is missing"
    try:
        text = data[:32].decode("utf-8", "strict" if len(data) <= 32 else "ignore")
    except UnicodeDecodeError:
        text = ""
    if text and text.isprintable():
        return f"text that starts with {text!r}", "pass rrweb events as JSON"
    return (
        f"bytes of an unknown kind that start with {data[:8].hex(' ')}",
        "pass rrweb events as JSON, JSON Lines, gzip, zlib or Snappy (OpenReplay sessions are no rrweb)",
    )


def _has_length(data: bytes) -> bool:
    return data[:1] < b" " and _is_snappy_json(data[4:40])


def _varint(data: bytes) -> tuple[int | None, int]:
    value = 0
    for index, byte in enumerate(data[:5]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, index + 1
    return None, 0


def _is_snappy_json(start: bytes) -> bool:
    """True when a block starts with a literal, and that like JSON."""
    size, position = _varint(start)
    if not size or position >= len(start) or start[position] & 3:
        return False
    extra = max(0, (start[position] >> 2) - 59)
    return start[position + 1 + extra : position + 2 + extra] in (b"[", b"{", b'"')
