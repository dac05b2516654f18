"""What the text encoder reads of a video and of an activity event: one layout, for training and for scoring.

What says most comes first, because an encoder cuts what is too long at the end.
"""

import re
from urllib.parse import urlsplit

_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
#: White space, control characters, marks of direction and lone surrogates, which tokenizers refuse. The two joiners
#: U+200C and U+200D stay: Persian and emoji are written with them.
_NO_TEXT = re.compile(
    r"[\s\x00-\x1f\x7f-\xa0\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+"
)
#: Between a title, its channel and its description.
SEPARATOR = "\n"
#: Characters of one field that are read; no encoder sees more tokens than these hold.
MOST_CHARACTERS = 20_000


def plain_text(text: str | None) -> str:
    """Return a text on one line, without addresses and control characters; case and script stay as they are.

    Example:
        >>> plain_text("Learn  it\\nat https://example.org/x?y=1 now")
        'Learn it at now'
    """
    text = _ADDRESS.sub(" ", (text or "")[:MOST_CHARACTERS])
    return _NO_TEXT.sub(" ", text).strip()


def video_text(
    title: str | None, channel: str | None = "", description: str | None = "", category: str | None = ""
) -> str:
    """Return what is encoded of a video, its category first; fields that are empty leave no line.

    Example:
        >>> video_text("Sorting networks", "Some Channel", "More: https://example.org", "Education")
        'Education\\nSorting networks\\nSome Channel\\nMore:'
    """
    return SEPARATOR.join(filter(None, map(plain_text, (category, title, channel, description))))


def site_of(url: str | None) -> str:
    """Return the host of an address, without "www."; "" where there is none. Paths can hold secrets: they are dropped.

    Example:
        >>> site_of("https://www.example.org/a?token=1")
        'example.org'
    """
    try:
        return (urlsplit(url or "").hostname or "").removeprefix("www.")
    except ValueError:  # "http://[": no address
        return ""


def event_text(category: str | None, app: str | None = "", title: str | None = "", url: str | None = None) -> str:
    """Return what is encoded of an activity event: "title | site", and the app where there is no title.

    The category and the app say little of the topic and would make all events alike; the model reads the category as a
    number of its own.

    Example:
        >>> event_text("Work > Programming", "code", "feed.py", "https://example.org/feed")
        'feed.py | example.org'
    """
    return " | ".join(filter(None, [plain_text(title) or plain_text(app), site_of(url)]))
