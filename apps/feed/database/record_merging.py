"""How a record becomes a row, and what is kept when a row with its key is there already.

For every noun `merge` is a join (it takes two rows in any order, any number of times, to the same one), so records may
come in any order, twice, and in pieces. One exception: two *known* values of a video that differ (a title was changed),
where the one that was written last counts.
"""

import json
import math
import re
import unicodedata
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from numbers import Real

from traceformers.datasets_scripts.feed.feed_records import FEEDBACK_SOURCES, HEADS

#: Records that are compared and written in one transaction, and their characters: a writer's memory and its turn.
BLOCK_RECORDS, BLOCK_CHARACTERS = 2_000, 4_000_000
UNCATEGORIZED = "Uncategorized"
_REFUSED = re.compile("[\0\ud800-\udfff]")
_LARGEST = 2**63


@dataclass(frozen=True)
class Counts:
    """What became of the records that were written."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other):
        return Counts(self.added + other.added, self.updated + other.updated, self.unchanged + other.unchanged)


def in_blocks(rows):
    """Yields lists of dict rows, each within `BLOCK_RECORDS` and (but for one long row) `BLOCK_CHARACTERS`."""
    block, characters = [], 0
    for row in rows:
        block.append(row)
        characters += sum(len(value) for value in row.values() if type(value) is str)
        if len(block) == BLOCK_RECORDS or characters >= BLOCK_CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block


def storable(text):
    """Returns a text that both databases take: U+FFFD for NUL and for halves of surrogate pairs."""
    return _REFUSED.sub("�", text) if text else text


def search_text(*texts):
    """Returns texts as a search compares them: compatibility forms and cases made equal."""
    return unicodedata.normalize("NFKC", "\n".join(texts).casefold())


def _time(value, what):
    if not isinstance(value, Real) or not abs(value) < _LARGEST or int(value) != value:
        raise ValueError(f"Expected whole milliseconds since 1970 as {what}, got {value!r}. Leave such records out.")
    return int(value)


def _number(value, what, low=0.0, high=math.inf):
    if not isinstance(value, Real) or not (low <= value <= high and math.isfinite(value)):
        raise ValueError(
            f"Expected a number from {low:g} to {high:g} as {what}, got {value!r}. Leave it or the record out."
        )
    return float(value)


def _named(value, what):
    if not isinstance(value, str) or not value:
        raise ValueError(f"Expected a text that is not empty as {what}, got {value!r}. Leave such records out.")
    return storable(value)


def video_row(video):
    """Returns the row of a `Video`, its description included."""
    title, channel = storable(video.title or ""), storable(video.channel or "")
    video_id = _named(video.video_id, "video_id")
    return {
        "video_id": video_id,
        "title": title,
        "channel": channel,
        "channel_id": storable(video.channel_id) or None,
        "description": storable(video.description or ""),
        "published_at": None if video.published_at is None else _time(video.published_at, "published_at"),
        "duration": None if video.duration is None else _number(video.duration, "duration"),
        "category": storable(video.category) or None,
        "tags": json.dumps([storable(tag) for tag in video.tags or ()]) if video.tags else "",
        "is_short": video.is_short,
        "is_live": video.is_live,
        "source": storable(video.source or ""),
        "search_text": search_text(title, channel),
        "shuffled": zlib.crc32(video_id.encode()),
    }


def merge_videos(old, new):
    """Returns a video's row with all that is known of it; of two known values the new one, but the first source."""
    merged = {name: old[name] if value is None or value == "" else value for name, value in new.items()}
    merged["source"] = old["source"] or new["source"]
    merged["search_text"] = search_text(merged["title"], merged["channel"])
    return merged


def event_row(event):
    """Returns the row of an `ActivityEvent`; its key is a digest, since a URL is longer than an index allows."""
    started_at = _time(event.started_at, "started_at")
    source, app, title = _named(event.source, "source"), storable(event.app or ""), storable(event.title or "")
    url = storable(event.url) or None
    key = "\0".join((source, str(started_at), app, title, url or ""))
    return {
        "event_key": blake2b(key.encode(), digest_size=16).digest(),
        "source": source,
        "started_at": started_at,
        "duration": _number(event.duration, "duration"),
        "app": app,
        "title": title,
        "url": url,
        "category": storable(event.category) or UNCATEGORIZED,
    }


def merge_events(old, new):
    """Returns the longer of two rows of one event; of equally long ones that with a category."""
    return max(old, new, key=lambda row: (row["duration"], row["category"] != UNCATEGORIZED, row["category"]))


def watch_row(watch):
    """Returns the row of a `Watch`."""
    return {
        "video_id": _named(watch.video_id, "video_id"),
        "watched_at": _time(watch.watched_at, "watched_at"),
        "source": storable(watch.source or ""),
    }


def feedback_row(feedback):
    """Returns the row of a `Feedback`."""
    if feedback.head not in HEADS:
        raise ValueError(f"Expected a head of {', '.join(HEADS)}, got {feedback.head!r}. Name one of these.")
    if feedback.source not in FEEDBACK_SOURCES:
        raise ValueError(
            f"Expected a feedback source of {', '.join(FEEDBACK_SOURCES)}, got {feedback.source!r}. Name one of these."
        )
    return {
        "feedback_id": _named(feedback.feedback_id, "feedback_id"),
        "video_id": _named(feedback.video_id, "video_id"),
        "head": feedback.head,
        "value": None if feedback.value is None else _number(feedback.value, "value", 0.0, 1.0),
        "said_at": _time(feedback.said_at, "said_at"),
        "source": feedback.source,
    }


def merge_feedback(old, new):
    """Returns the later of two rows with one feedback_id: it counts once."""

    def order(row):
        value = -1.0 if row["value"] is None else row["value"]
        return row["said_at"], row["video_id"], row["head"], value, row["source"]

    return max(old, new, key=order)


def keep_first(old, new):
    """Returns the row that is there: all of it is its key, or it was written once and never changes."""
    return old
