"""Text to words: the one place that knows what a word is. README.md beside this file is its specification.

ASCII text needs no table: its letters are lower-cased, and the two back ends find the words themselves. Any other
character goes through a table of its own normal form, filled as characters are met.
"""

import codecs
import re
import unicodedata

# ‘ ’ ‛ ʼ ´ and the full-width one: what keyboards and typesetting put where ASCII has '.
APOSTROPHES = "\u2018\u2019\u201b\u02bc\u00b4\uff07"
# Ideographs and kana, after decomposition: each is a word by itself, for these scripts write no spaces.
LONE_CHARACTERS = ((0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
                   (0xF900, 0xFAFF), (0x1AFF0, 0x1B16F), (0x20000, 0x3FFFF))  # fmt: skip
# An apostrophe is part of a word when both its neighbours are; anywhere else it is punctuation.
WORD_PATTERN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
ASCII_WORD_PATTERN = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")  # the same on ASCII in lower case, and faster


class _NormalForms(dict):
    """The table `str.translate` asks: code point to normal form, worked out when first asked for."""

    def __missing__(self, code):
        form = self[code] = _normal_form(chr(code))
        return form


def _normal_form(character):
    """Returns what stands for one non-ASCII character: lower-case letters, digits, apostrophes and spaces."""
    if character in APOSTROPHES:
        return "'"
    # Some lower-case letters decompose again, and a few decompositions hold letters that have a lower case.
    text, last = character, None
    while text != last:
        last, text = (
            text,
            "".join(
                c.lower() for c in unicodedata.normalize("NFKD", text) if not unicodedata.category(c).startswith("M")
            ),
        )
    return "".join(_in_its_class(c) for c in text)


def _in_its_class(character):
    if character in APOSTROPHES or character == "'":
        return "'"
    if not character.isalnum():
        return " "
    code = ord(character)
    return f" {character} " if any(first <= code <= last for first, last in LONE_CHARACTERS) else character


_FORMS = _NormalForms()


def _encode_forms(error):
    """Returns the normal form of what ASCII could not take, as bytes, and where to go on."""
    return error.object[error.start : error.end].translate(_FORMS).encode(), error.end


# An error handler is called only where a text leaves ASCII; nothing else finds such places as fast. Each copy of this
# module has its own.
_HANDLER = f"{__name__}.normal_forms"
codecs.register_error(_HANDLER, _encode_forms)


def normalize(text):
    """Returns `text` with its words in normal form: lower case, decomposed, without marks.

    Between the words is ASCII of any kind. The words of the result are the words of the text.

    Args:
        text (`str`): anything, lone surrogates included.

    >>> normalize("Don\u2019t stop,  CAF\xc9!").split()
    ["don't", 'stop,', 'cafe!']
    """
    return (text if text.isascii() else text.encode("ascii", _HANDLER).decode()).lower()


def words_of(text):
    """Returns the words of a text, a list of `str` in normal form.

    >>> words_of("'Tis the dogs' rock'n'roll, snake_case \u6771\u4eac!")
    ['tis', 'the', 'dogs', "rock'n'roll", 'snake', 'case', '\u6771', '\u4eac']
    """
    text = normalize(text)
    return (ASCII_WORD_PATTERN if text.isascii() else WORD_PATTERN).findall(text)


def normalize_batch(texts):
    """Returns the UTF-8 bytes of all texts, a NUL after each: what the kernel reads.

    Only texts with characters beyond ASCII are normalized here; the kernel does the rest.

    Args:
        texts (sequence of `str`): anything; a NUL inside a text separates words, as it always does.

    Raises:
        TypeError: if a text is no `str`; the message says which.
    """
    try:
        whole = "\0".join([*texts, ""])
    except TypeError:
        check_texts(texts)
        raise
    if whole.count("\0") != len(texts):
        whole = "\0".join([*(text.replace("\0", " ") for text in texts), ""])
    return whole.encode("ascii", _HANDLER)


def check_texts(texts):
    """Raises TypeError unless `texts` is a sequence of `str` and no single `str`."""
    if isinstance(texts, str | bytes) or not hasattr(texts, "__len__"):
        raise TypeError(f"Expected a list of texts, got {type(texts).__name__}. Put a single text into a list of one.")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(
                f"Expected texts of type str, got {type(text).__name__} at position {i}. Decode bytes, and leave out "
                "or replace missing values."
            )
