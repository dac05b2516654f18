"""JSON read piece by piece: arrays and objects of any length, one value in memory at a time.

    reader = JsonReader(text_blocks(file))
    for record in reader.items():      # of an array
        ...

A value that was yielded is whole; where the text ends early or stops being JSON, `CutText` says how far it was read.
"""

import json
import re

from traceformers.datasets_scripts.youtube.export_text import CutText

LARGEST_VALUE = 1 << 24  # characters: no record of an export is as long
BLANK = re.compile(r"[ \t\r\n\ufeff]*")


class JsonReader:
    """Walks over JSON text.

    Args:
        blocks: iterable of `str`, the text in pieces.
    """

    def __init__(self, blocks):
        self._blocks = iter(blocks)
        self._text, self._at, self._passed = "", 0, 0
        self._ended = False
        self._decode = json.JSONDecoder(strict=False).raw_decode

    def peek(self):
        """Returns the next character that is not blank, without reading it; "" at the end."""
        while True:
            self._at = BLANK.match(self._text, self._at).end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def items(self):
        """Yields the values of the array that comes next.

        Raises:
            CutText: where it is cut, or no JSON.
        """
        for _ in self.places():
            yield self.value()

    def places(self):
        """Yields once for each value of the array that comes next; between two of them the value is to be read."""
        self._expect("[")
        while True:
            found = self.peek()
            if found == "]":
                self._at += 1
                return
            yield
            if not self._separated("]"):
                return

    def each_key(self):
        """Yields the keys of the object that comes next; between two of them the value is to be read, or skipped."""
        self._expect("{")
        while True:
            found = self.peek()
            if found == "}":
                self._at += 1
                return
            key = self.value()
            if not isinstance(key, str):
                raise self._fault("a key in quotes")
            self._expect(":")
            yield key
            if not self._separated("}"):
                return

    def value(self):
        """Returns the value that comes next, whole.

        Raises:
            CutText: if it is cut, no JSON, or longer than `LARGEST_VALUE`.
        """
        if not self.peek():
            raise self._fault("a value")
        wanted = 0
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or len(self._text) - self._at > LARGEST_VALUE:
                    raise self._fault("a value") from error
            else:
                if isinstance(value, str | list | dict) or not self._may_go_on(end) or not self._more():
                    self._at = end
                    return value
                continue
            wanted = 2 * max(
                wanted, len(self._text) - self._at
            )  # doubling: a long value is not scanned again and again
            grown = False
            while len(self._text) - self._at < wanted and self._more():
                grown = True
            if not grown:
                raise self._fault("a value")

    def skip(self):
        """Passes over the value that comes next, whatever its length."""
        try:
            self._pass_over()
        except RecursionError as error:
            raise self._fault("a value of fewer levels") from error

    def _pass_over(self):
        found = self.peek()
        if found == "[":
            for _ in self.places():
                self._pass_over()
        elif found == "{":
            for _ in self.each_key():
                self._pass_over()
        else:
            self.value()

    def _may_go_on(self, end):
        """Returns whether a number that ends here may have more digits in the next block."""
        return end + 3 >= len(self._text) and not self._text[end:].strip("0123456789+-.eE")

    def _separated(self, closing):
        """Returns whether a comma comes next; False after the closing bracket."""
        found = self.peek()
        if found not in (",", closing) or not found:
            raise self._fault(f'"," or "{closing}"')
        self._at += 1
        return found == ","

    def _expect(self, character):
        if self.peek() != character:
            raise self._fault(f'"{character}"')
        self._at += 1

    def _more(self):
        """Returns whether there was more text; what was read before is let go."""
        if self._ended:
            return False
        if self._at:
            self._passed += self._at
            self._text, self._at = self._text[self._at :], 0
        block = next(self._blocks, None)
        if block is None:
            self._ended = True
            return False
        self._text += block
        return True

    def _fault(self, expected):
        got = self._text[self._at : self._at + 20]
        where = f"at character {self._passed + self._at:,}"
        if not got:
            return CutText(f"Expected {expected} {where}, got the end of the file: it is cut. Export it again.")
        return CutText(f"Expected {expected} {where}, got {got!r}: it is cut or no JSON. Export it again.")
