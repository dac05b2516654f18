"""How texts, times and scores are shown. What comes from elsewhere is shown as text only, whatever is in it."""

import re
import unicodedata
import zlib
from datetime import datetime

from traceformers.apps.feed.site.site_theme import PLACEHOLDERS

LONGEST_TITLE, LONGEST_NAME = 300, 80
#: Control characters, and those that turn the direction of what follows (not the marks that Arabic and Hebrew need).
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def shown_text(text, longest=LONGEST_TITLE):
    """Returns a text on one line, without characters that change what stands around it, cut with "…"."""
    text = " ".join(_UNSEEN.sub(" ", text or "").split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def shown_title(video):
    """Returns the title of a video, or what stands for a missing one."""
    return shown_text(video.title) or f"Video {video.video_id}"


def shown_description(text, longest=4_000):
    """Returns a description with its lines, cut with "…"."""
    lines = [shown_text(line, longest) for line in (text or "")[: 2 * longest].splitlines()]
    text = re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip()
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def points(probability):
    """Returns a number from 0 to 1 on the scale of the pages: a whole number from 0 to 100; None for none."""
    if probability is None or probability != probability:
        return None
    return round(100 * min(max(probability, 0.0), 1.0))


def shown_duration(seconds):
    """Returns a duration as "4:05" or "1:02:03", "" if it is not known."""
    if seconds is None or seconds != seconds or seconds < 0:
        return ""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def shown_age(then, now):
    """Returns how long ago a time was, in words; "" if it is not known.

    Args:
        then (`int`, *optional*), now (`int`): milliseconds since 1970.
    """
    if then is None:
        return ""
    past = now - then
    if past < MINUTE:
        return "just now" if past > -MINUTE else "announced"
    days = past // DAY
    steps = (
        (365 * DAY, "year"),
        (30 * DAY, "month"),
        (7 * DAY, "week"),
        (DAY, "day"),
        (HOUR, "hour"),
        (MINUTE, "minute"),
    )
    for size, name in steps:
        if past >= size and not (name == "week" and days < 14):
            return f"{past // size} {name}{'s' if past // size != 1 else ''} ago"
    return ""


def shown_time(then, zone):
    """Returns a time as "2026-11-20 15:04" in a time zone, "" if there is none.

    Args:
        then (`int`, *optional*): milliseconds since 1970. zone (`ZoneInfo`).
    """
    return "" if then is None else datetime.fromtimestamp(then / 1000, zone).strftime("%Y-%m-%d %H:%M")


def letters_of(text):
    """Returns one or two letters that stand for a channel or title without a picture."""
    words = [word for word in re.split(r"[\W_]+", unicodedata.normalize("NFC", text or "")) if word]
    return "".join(word[0] for word in words[:2]).upper() or "?"


def ground_of(text):
    """Returns the colour behind those letters, always the same for one text."""
    return PLACEHOLDERS[zlib.crc32((text or "").encode("utf-8", "replace")) % len(PLACEHOLDERS)]
