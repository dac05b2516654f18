"""Google's history as HTML, the format it is exported in by default: read in blocks, one record in memory at a time.

A record is a cell of class "outer-cell": the product, what was done (words and a link, the channel's link, a date in
the language of the account), and a caption with the product, for advertisements their details, and why it is kept.
"""

import re
from functools import lru_cache
from html import unescape

from traceformers.datasets_scripts.youtube.export_text import clean_text
from traceformers.datasets_scripts.youtube.takeout_activity import Activity

CELL, PART = '<div class="outer-cell', '<div class="content-cell'
LONGEST_CELL = 1 << 16  # characters; a real one has about a thousand
LONGEST_PART = 1 << 13
LONGEST_DETAILS = 40  # a longer text under the caption tells why the record is kept
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
LINK = re.compile(r"<a\s[^>]*?href=[\"']([^\"'>]*)[\"'][^>]*>([^<]*)", re.IGNORECASE)
TAG = re.compile(r"<[^>]*>")
HEADER = 'mdl-typography--title">'


class HtmlHistory:
    """Walks over the records of an HTML file.

    Args:
        blocks: iterable of `str`, the text in pieces.
        dates (`DateReader`): reads the dates.

    Attributes:
        cells (`int`): records seen so far.
        is_cut (`bool`): whether the file ended within a record, which was left out.
    """

    def __init__(self, blocks, dates):
        self._blocks, self._dates = blocks, dates
        self.cells, self.is_cut = 0, False

    def __iter__(self):
        """Yields `Activity`, their `time` a `LocalDate` or None."""
        rest, inside = "", False
        for block in self._blocks:
            *whole, rest = (rest + block).split(CELL)
            for cell in whole:
                if inside:
                    yield self._activity(cell)
                inside = True
            if len(rest) > LONGEST_CELL:  # the style sheet at the beginning, or nonsense
                rest = rest[:LONGEST_CELL] + rest[-len(CELL) :] if inside else rest[-len(CELL) :]
        if inside:
            caption = rest.rfind("caption")
            if rest.rstrip().endswith("</html>") or (caption > 0 and rest.find("</div", caption) > 0):
                yield self._activity(rest)
            else:
                self.is_cut = True

    def _activity(self, cell):
        self.cells += 1
        cell = cell[:LONGEST_CELL]
        header, done, caption = "", "", ""
        if (at := cell.find(HEADER)) >= 0:
            header = _plain(cell[at + len(HEADER) :].partition("<")[0][:LONGEST_PART])
        for kind, text in _parts(cell):
            if "caption" in kind:
                caption = text
            elif "text-right" not in kind and not done:
                done = text
        first, *others = BREAK.split(done)
        link = LINK.search(first)
        url, title = (unescape(link[1]), clean_text(unescape(link[2]))) if link else ("", _plain(first))
        channel = channel_url = ""
        date, tried = None, 0
        for line in others:
            if not channel_url and (found := LINK.search(line)):
                channel_url, channel = unescape(found[1]), clean_text(unescape(found[2]))
        for line in reversed(others):
            if "<a" in line or not (text := _plain(line)):
                continue
            date = self._dates.read(text)
            tried += 1
            if date is not None or tried == 3:
                break
        return Activity(header, title, url, channel, channel_url, date, _has_details(caption))


def _parts(cell):
    """Yields (class, text) of the parts of a cell."""
    at = cell.find(PART)
    while at >= 0:
        start = cell.find(">", at)
        end = cell.find("</div", start)
        if start < 0:
            return
        text = cell[start + 1 : end if end >= 0 else None]
        yield cell[at + len(PART) : start], text[:LONGEST_PART]
        if end < 0:
            return
        at = cell.find(PART, end)


@lru_cache(1024)
def _has_details(caption):
    """Returns whether a caption has a section besides the product, the place and the reason why the record is kept."""
    sections = []
    for line in BREAK.split(caption):
        text = unescape(TAG.sub("", line))
        if text.startswith("\u2003"):
            if sections:
                sections[-1] += line
        elif text.strip():
            sections.append("")
    for raw in sections[1:]:
        text = _plain(raw)
        if text and len(text) <= LONGEST_DETAILS and "activitycontrols" not in raw and "/maps" not in raw:
            return True
    return False


def _plain(text):
    return clean_text(unescape(TAG.sub("", text))).strip()
