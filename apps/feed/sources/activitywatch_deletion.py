"""Deletes what was recorded of something: events whose title contains a word, in ActivityWatch and in our database."""

import time
from dataclasses import dataclass

from traceformers.apps.feed.sources.activitywatch_client import DAY_MS


@dataclass(frozen=True)
class Deletion:
    """What was found, and what of it was deleted."""

    word: str
    found_on_server: int
    found_in_database: int
    deleted_on_server: int = 0
    deleted_in_database: int = 0


def delete_activity(client, db, word, confirmed=False, now=None):
    """Returns a `Deletion`: first what would be deleted, and with `confirmed` what was.

    The title of windows and tabs is looked at, in any case of letters. An event that a watcher is just now lengthening
    may be made again by it.

    Args:
        client (`ActivityWatchClient` or None): None leaves the server alone.
        db (`FeedDatabase`). word (`str`). confirmed (`bool`): deletes; it cannot be undone.
        now (`int`, *optional*): milliseconds since 1970.

    Raises:
        ValueError: the word is empty. SourceError: the server cannot be asked; then nothing was deleted here.
    """
    if not word.strip():
        raise ValueError(f"Expected a word that titles contain, got {word!r}: it would delete everything. Name one.")
    now = int(time.time() * 1000) if now is None else now
    sought = word.casefold()
    found = deleted = 0
    if client is not None:
        client.info()
        for bucket, described in client.buckets().items():
            if described.get("type") == "afkstatus":
                continue
            end = now + DAY_MS
            start = client.first_event_time(bucket, end)
            for begin, stop in client.pieces([bucket], start, end):
                for event in client.events(bucket, begin, stop, overlapping=begin == start):
                    data = event.get("data")
                    title = data.get("title") if isinstance(data, dict) else None
                    if isinstance(title, str) and sought in title.casefold() and type(event.get("id")) is int:
                        found += 1
                        if confirmed:
                            deleted += client.delete_event(bucket, event["id"])
    held = sum(sought in title.casefold() for title in db.event_table().column("title").to_pylist())
    in_database = db.delete_events(title_contains=word) if confirmed else 0
    return Deletion(word, found, held, deleted, in_database)
