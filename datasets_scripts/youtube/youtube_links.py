"""What a link on YouTube leads to, told from the address alone."""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
CHANNEL_ID = re.compile(r"UC[A-Za-z0-9_-]{22}")
WATCH_LINK = re.compile(r"https?://(?:www\.|m\.)?youtube\.com/watch\?v=([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])")
HOSTS = ("youtube.com", "youtube-nocookie.com", "youtu.be")
VIDEO_FOLDERS = ("embed", "live", "v", "e", "watch")

VIDEO, SHORT, MUSIC, POST, SEARCH, OTHER, OUTSIDE = "video", "short", "music", "post", "search", "other", "outside"


class Link(NamedTuple):
    """A link: `kind`, one of the names above, and the id of the video where there is one."""

    kind: str
    video_id: str | None = None


def read_link(address):
    """Returns the `Link` of an address.

    "video": a watch page, youtu.be, /live/, /embed/; without an id the video is not named. "short": /shorts/. "music":
    on music.youtube.com. "post": of a channel's community. "search": results of a search. "other": channels, playlists,
    games and all else on YouTube. "outside": not on YouTube.
    """
    if found := WATCH_LINK.match(address):
        return Link(VIDEO, found[1])
    try:
        parts = urlsplit(address.strip())
        host = (parts.hostname or "").lower()
    except ValueError:
        return Link(OUTSIDE)
    if not any(host == known or host.endswith("." + known) for known in HOSTS):
        return Link(OUTSIDE)
    path = [unquote(part) for part in parts.path.split("/") if part]
    first = path[0] if path else ""
    query = parse_qs(parts.query)
    named = _id(query.get("v", [""])[0])
    if host.startswith("music."):
        return Link(MUSIC, named)
    if host == "youtu.be":
        return Link(VIDEO, _id(first))
    if first == "shorts":
        return Link(SHORT, _id(path[1])) if len(path) > 1 else Link(OTHER)
    if first == "post" or "community" in path or "lb" in query:
        return Link(POST)
    if first == "results":
        return Link(SEARCH)
    if first == "watch" or (not first and named):
        return Link(VIDEO, named or (_id(path[1]) if len(path) > 1 else None))
    if first in VIDEO_FOLDERS and len(path) > 1:
        return Link(VIDEO, _id(path[1]))
    return Link(OTHER)


def channel_of_link(address):
    """Returns the id of the channel that an address leads to, None for names and handles."""
    if not isinstance(address, str) or "/channel/" not in address:
        return None
    found = CHANNEL_ID.match(address.partition("/channel/")[2])
    return found[0] if found else None


def _id(text):
    return text if VIDEO_ID.fullmatch(text) else None
