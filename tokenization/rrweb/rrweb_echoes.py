"""Where typed values come back: in page text, titles, addresses and payloads, later or earlier in a session."""

import re

from .rrweb_text import clean_text

SHORTEST_ECHO = 3
SHORTEST_UNSPACED_ECHO = 2

# Scripts that put no space between words, or hang endings on them: every character is a border.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff]"
)
_STARTS = re.compile(r"[^\W_]+|[^\s]")
_SEPARATORS = re.compile(r"(?:[\s+_-]|%20)+")
_BEFORE_SHORT, _AFTER_SHORT = "=/?&#", " &#/"


class TypedEchoes:
    """Finds the values a person typed, and every state on the way to them.

    An application shows what is being typed key by key ("Results for bu", "Results for buy"), so every
    prefix of a value counts, on word borders, in any case, with the separators that URLs put for spaces. Of a
    value of several lines each line counts. Values shorter than three characters (two in scripts without spaces)
    are found only where they are the whole text or a whole part of an address.

    Args:
        values (iterable of `str`): the texts of all Input events of a session.

    >>> TypedEchoes(["Buy m", "Buy milk"]).spans("You searched for buy+milk.")
    [(17, 25)]
    """

    def __init__(self, values):
        distinct = {clean_text(part) for value in values for part in (value, *value.splitlines())}
        distinct = sorted((v for v in distinct if v.strip("* ")), key=lambda v: (v.casefold(), v))
        self.by_start = {}
        for i, value in enumerate(distinct):
            longer = distinct[i + 1] if i + 1 < len(distinct) else ""
            # Sorted, a value stands right before those it is a prefix of: only the longest of a chain is needed.
            if len(value) >= SHORTEST_ECHO and longer.casefold().startswith(value.casefold()):
                continue
            self.by_start.setdefault(_start_key(value, 0), []).append(value)

    def __bool__(self):
        return bool(self.by_start)

    def spans(self, text):
        """Returns `[(start, end)]` of the echoes in `text`, in order, without overlap."""
        found, covered, by_start = [], 0, self.by_start
        for start in _starts(text):
            if start < covered:
                continue
            values = by_start.get(_start_key(text, start))
            if values is None and len(text) - start > 1:
                values = by_start.get(text[start].casefold())  # values of one character
            elif values is not None:
                values = values + by_start.get(text[start].casefold(), [])
            if values:
                end = max(_echo_end(value, text, start) for value in values)
                if end > start:
                    found.append((start, end))
                    covered = end
        return found


def _start_key(text, start):
    """Returns the first two characters as they compare, or one if there is one."""
    key = text[start].casefold()
    if start + 1 < len(text):
        second = text[start + 1]
        key += " " if second in " +_-%" else second.casefold()
    return key


def _starts(text):
    """Yields the positions where a word, or a character that is no part of one, begins."""
    for match in _STARTS.finditer(text):
        yield match.start()
        word = match[0]
        if len(word) > 1 and not word.isascii():
            for i in range(1, len(word)):
                if not _joined(word[i - 1], word[i]):
                    yield match.start() + i


def _joined(left, right):
    """Returns whether two characters stand within one word."""
    return left.isalnum() and right.isalnum() and not _UNSPACED.match(left) and not _UNSPACED.match(right)


def _echo_end(value, text, start):
    """Returns where the longest prefix of `value` that stands at `start` ends; 0 if none does."""
    shortest = SHORTEST_UNSPACED_ECHO if _UNSPACED.match(value) else SHORTEST_ECHO
    short = len(value) < shortest
    if short and start and text[start - 1] not in _BEFORE_SHORT:
        return 0
    end, at = 0, start
    for i, char in enumerate(value, 1):
        if char == " ":
            separators = _SEPARATORS.match(text, at)
            if separators is None:
                break
            at = separators.end()
            continue
        if text[at : at + 1] == "\\" and char in "\"\\/":  # as JSON in a string writes it
            at += 1
        if at >= len(text) or (text[at] != char and text[at].casefold() != char.casefold()):
            break
        at += 1
        if short:
            if i == len(value) and (at == len(text) or text[at] in _AFTER_SHORT):
                end = at
        elif i >= shortest and (at == len(text) or not _joined(text[at - 1], text[at])):
            end = at
    return end
