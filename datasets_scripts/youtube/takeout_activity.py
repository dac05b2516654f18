"""One thing done on YouTube, as Takeout's history has it in JSON and in HTML, and whether it is a watch of a video.

Told by the link and by the fields that are there, never by the words: they are in the language of the account.
"""

from typing import NamedTuple

from traceformers.datasets_scripts.activitywatch.aw_events import event_time
from traceformers.datasets_scripts.youtube.export_text import clean_text
from traceformers.datasets_scripts.youtube.youtube_links import MUSIC, OTHER, OUTSIDE, POST, SEARCH, SHORT, read_link

#: Why something done is not counted as a watch.
AN_AD = "advertisement"
NO_LINK = "no link: a removed video, a survey or a tool"
NO_ID = "link without the id of a video"
IS_PRIVATE = "private or deleted video"
IN_MUSIC = "YouTube Music"
A_SHORT = "Short"
A_POST = "post"
A_SEARCH = "search"
ELSEWHERE = "something else on YouTube"
NOT_YOUTUBE = "not on YouTube"
TWICE = "the same again"
NO_OBJECT = "record that is no object"
REASONS_BY_LINK = {POST: A_POST, SEARCH: A_SEARCH, OTHER: ELSEWHERE, OUTSIDE: NOT_YOUTUBE}
#: Those that only a history of something else is made of.
NOT_OF_WATCHES = {A_SEARCH, ELSEWHERE, NOT_YOUTUBE, NO_OBJECT, NO_ID, A_POST}
MUSIC_HEADER = "YouTube Music"


class Activity(NamedTuple):
    """A record. `time` is seconds since 1970 in UTC, a date not in UTC yet, or None if none could be read."""

    header: str = ""
    title: str = ""  # with the words around it in JSON, without them in HTML
    url: str = ""
    channel: str = ""
    channel_url: str = ""
    time: object = None
    is_ad: bool = False


def activity_of_record(record):
    """Returns the `Activity` of a record of a JSON history; keys that are missing or odd count as empty."""
    subtitles = record.get("subtitles")
    by = subtitles[0] if isinstance(subtitles, list) and subtitles and isinstance(subtitles[0], dict) else {}
    try:
        time = event_time(record.get("time")) // 1000
    except ValueError:
        time = None
    return Activity(
        clean_text(record.get("header")),
        clean_text(record.get("title")),
        clean_text(record.get("titleUrl")),
        clean_text(by.get("name")),
        clean_text(by.get("url")),
        time,
        bool(record.get("details")),
    )


def is_record(value):
    """Returns whether a value of a JSON file looks like a record of Google's activity."""
    return (
        isinstance(value, dict) and ("title" in value or "titleUrl" in value) and ("time" in value or "header" in value)
    )


def judge(activity, music=False, shorts=False):
    """Returns `(reason, link)`: why it is no watch of a video, None if it is one; the link, None without one.

    Args:
        activity (`Activity`).
        music, shorts (`bool`): whether YouTube Music and Shorts count as watches.
    """
    if activity.is_ad:
        return AN_AD, None
    if not activity.url:
        return NO_LINK, None
    link = read_link(activity.url)
    if link.kind in REASONS_BY_LINK:
        return REASONS_BY_LINK[link.kind], link
    if link.video_id is None:
        return NO_ID, link
    if not music and (link.kind == MUSIC or activity.header == MUSIC_HEADER):
        return IN_MUSIC, link
    if not activity.channel and ("://" in activity.title and link.video_id in activity.title):
        return IS_PRIVATE, link  # it has its address for a title
    if not shorts and link.kind == SHORT:
        return A_SHORT, link
    return None, link
