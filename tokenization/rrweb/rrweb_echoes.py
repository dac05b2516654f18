"""Where typed values come back: in page text, titles, addresses and payloads, later or earlier in a session."""

import re
from bisect import bisect

from .rrweb_text import clean_text

SHORTEST_ECHO = 3
SHORTEST_UNSPACED_ECHO = 2
SHORTEST_INNER_WORD = 5
MOST_PROBES = 200
LONGEST_WHOLE = 200
# A value that says something where it stands again: four characters with a letter among them, or a long number.
_TELLING = re.compile(r"(?=.*[^\W\d_])....|\d{6}|[\u3000-\u9fff\uac00-\ud7af]{2}")

# Scripts that put no space between words, or hang endings on them: every character is a border.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff]"
)
_SEPARATORS = frozenset(" +_-")
_BEFORE_SHORT, _AFTER_SHORT = frozenset("=/?&#"), frozenset(" &#/")


class TypedEchoes:
    """Finds the values a person typed, and every state on the way to them.

    An application shows what is being typed key by key ("Results for bu", "Results for buy"), so every
    prefix of a value counts, on word borders, in any case, with the separators that URLs put for spaces. Of a
    value of several lines each line counts, of several words each longer one. Values shorter than three characters
    (two in scripts without spaces) are found only where they are the whole text or a whole part of an address.

    Args:
        values (iterable of `str`): the texts of all Input events of a session.
        whole (iterable of `str`): what else stood in fields and editors; found only as a whole line.

    >>> TypedEchoes(["Buy m", "Buy milk"]).spans("You searched for buy+milk.")
    [(17, 25)]
    >>> TypedEchoes([], ["Ada Lovelace"]).spans("Ada, is this you: Ada Lovelace?")
    [(18, 30)]
    """

    def __init__(self, values, whole=()):
        lines = {line for value in values for line in (value, *value.splitlines()) if value.strip("* ")}
        folded = {_fold(clean_text(line))[0].strip() for line in lines}
        folded = {value for value in folded if value.strip("*")}
        # a page may show the words of a value apart, each in an element of its own
        words = {word for value in folded if " " in value for word in value.split()}
        folded |= {word for word in words if len(word) >= SHORTEST_INNER_WORD}
        self.short = {value for value in folded if len(value) < _shortest(value)}
        self.long = sorted(folded - self.short)
        self.longest = max(map(len, self.long), default=0)
        self.starts = {value[:2] for value in self.long}
        lines = {_fold(clean_text(line))[0].strip() for value in whole for line in value.splitlines()}
        lines = {line for line in lines if _TELLING.search(line) and len(line) <= LONGEST_WHOLE} - folded
        self.whole = {}
        for line in sorted(lines, key=len, reverse=True):
            self.whole.setdefault(line[:2], []).append(line)
        # Most texts hold no echo: one search for the first letters of each value tells.
        self.probes = {re.split(r'[ "/]', value[: _shortest(value)])[0] for value in folded | lines}

    def __bool__(self):
        return bool(self.short or self.long or self.whole)

    def spans(self, text):
        """Returns `[(start, end)]` of the echoes in `text`, in order, without overlap."""
        if len(self.probes) <= MOST_PROBES:
            compared = text.translate(_COMPARED)
            if not any(probe in compared for probe in self.probes):
                return []
        folded, places = _fold(text)
        found, covered = [], 0
        for i in range(len(folded)):
            if i < covered or folded[i] == " " or (i and _joined(folded[i - 1], folded[i])):
                continue
            end = self._long_end(folded, i) if folded[i : i + 2] in self.starts else 0
            end = end or self._whole_end(folded, i) or self._short_end(folded, i)
            if end:
                found.append((places[i], places[end - 1] + 1))
                covered = end
        return found

    def _long_end(self, folded, start):
        """Returns where the longest prefix of a value that stands at `start` ends; 0 if none does."""
        rest = folded[start : start + self.longest]
        near = bisect(self.long, rest)  # of all values, one of the two neighbours has the most in common with it
        length = max(_common(rest, value) for value in self.long[max(near - 1, 0) : near + 1])
        shortest = _shortest(rest)
        while length >= shortest:
            end = start + length
            if folded[end - 1] != " " and (end == len(folded) or not _joined(folded[end - 1], folded[end])):
                return end
            length -= 1
        return 0

    def _whole_end(self, folded, start):
        """Returns where the longest whole value that stands at `start` ends; 0 if none does."""
        for value in self.whole.get(folded[start : start + 2], ()):
            end = start + len(value)
            if folded.startswith(value, start) and (end == len(folded) or not _joined(folded[end - 1], folded[end])):
                return end
        return 0

    def _short_end(self, folded, start):
        if self.short and (start == 0 or folded[start - 1] in _BEFORE_SHORT):
            for end in range(start + 1, min(start + SHORTEST_ECHO, len(folded) + 1)):
                if folded[start:end] in self.short and (end == len(folded) or folded[end] in _AFTER_SHORT):
                    return end
        return 0


def _fold(text):
    """Returns `(text as it is compared, place in the text of each of its characters)`.

    Case is folded, a run of separators is one space, and the backslash is dropped that JSON puts before a quote.
    """
    chars, places = [], []
    for i, char in enumerate(text.translate(_COMPARED)):
        if char == " " and chars and chars[-1] == " ":
            continue
        if char == "\\" and text[i + 1 : i + 2] in ('"', "/"):
            continue
        chars.append(char)
        places.append(i)
    return "".join(chars), places


class _Compared(dict):
    """A table for `str.translate`: each character as it is compared, one for one."""

    def __missing__(self, code):
        char = chr(code)
        folded = " " if char in _SEPARATORS or char.isspace() else char.casefold()
        self[code] = folded if len(folded) == 1 else char
        return self[code]


_COMPARED = _Compared()


def _shortest(value):
    return SHORTEST_UNSPACED_ECHO if _UNSPACED.match(value) else SHORTEST_ECHO


def _common(left, right):
    """Returns how many characters two strings start with in common."""
    if left.startswith(right):
        return len(right)
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _joined(left, right):
    """Returns whether two characters stand within one word."""
    return left.isalnum() and right.isalnum() and not _UNSPACED.match(left) and not _UNSPACED.match(right)
