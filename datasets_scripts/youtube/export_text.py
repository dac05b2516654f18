"""Text of exported files, read in blocks: which encoding it is in, and what no database can hold taken out."""

import codecs
import re

BLOCK_BYTES = 1 << 20
LONGEST_LINE = 1 << 22  # characters
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SURROGATE = re.compile("[\ud800-\udfff]")


class CutText(ValueError):
    """A file ends too early, or goes on with what it cannot hold: what came before is whole."""


def clean_text(value):
    """Returns a text as it is, without NUL and with lone surrogates as U+FFFD; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    if value.isascii():
        return value.replace("\0", "") if "\0" in value else value
    if SURROGATE.search(value):  # two halves may belong together
        value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value.replace("\0", "") if "\0" in value else value


def encoding_of(start):
    """Returns the encoding that the first bytes of a file tell: by its mark, or by where the zeros are; else UTF-8."""
    for mark, encoding in MARKS:
        if start.startswith(mark):
            return encoding
    if len(start) >= 4:  # RFC 4627, section 3: the first characters of JSON and HTML are ASCII
        zeros = [byte == 0 for byte in start[:4]]
        if zeros == [False, True, False, True]:
            return "utf-16-le"
        if zeros == [True, False, True, False]:
            return "utf-16-be"
    return "utf-8"


def text_blocks(file, block_bytes=BLOCK_BYTES):
    """Yields the text of a binary file in blocks, each with one character at least.

    Raises:
        CutText: where bytes are no text in the file's encoding; what was whole before them was yielded.
    """
    decoder, offset = None, 0
    while True:
        block = file.read(block_bytes)
        if decoder is None:
            encoding = encoding_of(block[:4])
            decoder = codecs.getincrementaldecoder(encoding)()
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            if error.start and error.end <= len(error.object):
                whole = error.object[: error.start].decode(encoding, "ignore")
                if whole:
                    yield whole
            raise CutText(
                f"Expected text in {encoding.upper()}, got bytes that are none near byte {offset + error.start:,}. "
                "Save the file again as UTF-8, or export it again."
            ) from error
        if text:
            yield text
        if not block:
            return
        offset += len(block)


def text_lines(blocks):
    """Yields the lines of a text in blocks, each with its end.

    Raises:
        CutText: for a line longer than `LONGEST_LINE`.
    """
    rest = ""
    for block in blocks:
        *whole, rest = (rest + block).split("\n")
        for line in whole:
            yield line + "\n"
        if len(rest) > LONGEST_LINE:
            raise CutText(f"Expected lines of at most {LONGEST_LINE:,} characters, got a longer one: this is no table.")
    if rest:
        yield rest
