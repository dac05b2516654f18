"""The feed's database: what was seen, done and said, in SQLite or PostgreSQL. The only folder that knows SQL.

with FeedDatabase("sqlite:///feed.sqlite") as database:
    database.add_videos(videos)             # Counts(added=3, updated=0, unchanged=0)
    database.add_feedback([Feedback(...)])  # history: the newest of a (video, head) counts
    database.feed_page(limit=21)            # [FeedCard(video, row, interest_label, productive_label, watched_at)]

Every write is a transaction and may be done again. Here are the records that come from outside; label_queries.py has
what is asked of opinions, feed_pages.py scored feeds, run_records.py what the program notes about itself, and
whole_tables.py copies.
"""

import sqlite3
from contextlib import contextmanager, suppress

import numpy as np
from sqlalchemy import delete, func, insert, select

from traceformers.apps.feed.database import feed_tables as tables
from traceformers.apps.feed.database.feed_pages import FeedPages
from traceformers.apps.feed.database.label_queries import LabelQueries
from traceformers.apps.feed.database.record_merging import (
    Counts,
    event_row,
    feedback_row,
    in_blocks,
    keep_first,
    merge_events,
    merge_feedback,
    merge_videos,
    storable,
    video_row,
    watch_row,
)
from traceformers.apps.feed.database.run_records import RunRecords
from traceformers.apps.feed.database.whole_tables import as_video
from traceformers.apps.feed.feed_clock import now_ms
from traceformers.datasets_scripts.feed.feed_records import Subscription

_IDS = 5_000  # ids in one statement
_DAY_MS = 86_400_000
_VECTORS = "text vectors"  # of a state: when each encoder was used last
#: What `reset` empties; a table that a foreign key names comes after the one that names it.
RESETS = {
    "feedback": (tables.feedback,),
    "events": (tables.events,),
    "feed": (tables.impressions, tables.feed_rows, tables.feeds),
    "everything": tuple(reversed(tables.metadata.sorted_tables)),
}


class FeedDatabase(LabelQueries, FeedPages, RunRecords):
    """The database at a URL, made and migrated where needed.

    Args:
        url (`str`): "sqlite:///path/feed.sqlite" or "postgresql+psycopg://user:password@host/name".

    Raises:
        FeedDatabaseError: it cannot be opened; every method raises it when the database fails, with nothing half-done.
    """

    def add_videos(self, videos):
        """Returns `Counts`. What is not known (None or "") never replaces what is.

        Args:
            videos (iterable of `Video`): written in blocks; may be a generator over more than fits in memory.
        """
        return self._add_video_rows(map(video_row, videos), merge_videos)

    def _add_video_rows(self, rows, merge):
        counts = Counts()
        for block in in_blocks(rows):
            with self._writing() as connection:
                counts += self._merge_videos(connection, block, merge)
        return counts

    def _merge_videos(self, connection, block, merge):
        """Returns `Counts`; a video is a row in two tables."""
        before = self._video_rows(connection, sorted({row["video_id"] for row in block}))
        now, added, updated = dict(before), 0, 0
        for row in block:
            old = now.get(row["video_id"])
            now[row["video_id"]] = new = row if old is None else merge(old, row)
            added += old is None
            updated += old is not None and new != old
        for table in (tables.videos, tables.descriptions):
            new = [_part(table, row) for key, row in now.items() if key not in before]
            self._write_rows(connection, table, new)
            changed = [(_part(table, row), _part(table, now[key])) for key, row in before.items()]
            self._change_rows(connection, table, [part for old, part in changed if old != part])
        return Counts(added, updated, len(block) - added - updated)

    def add_events(self, events):
        """Returns `Counts`. Events with the same source, started_at, app, title and url are one: the longest is kept.

        Args:
            events (iterable of `ActivityEvent`): written in blocks; may be a generator over more than fits in memory.
        """
        return self._merge(tables.events, map(event_row, events), merge_events)

    def add_watches(self, watches):
        """Returns `Counts` of an iterable of `Watch`."""
        return self._merge(tables.watches, map(watch_row, watches), keep_first)

    def add_feedback(self, feedbacks):
        """Returns `Counts` of an iterable of `Feedback`: nothing is replaced, the newest of a (video, head) counts."""
        return self._merge(tables.feedback, map(feedback_row, feedbacks), merge_feedback)

    def video(self, video_id):
        """Returns the `Video` with an id, or None."""
        return self.videos([video_id]).get(video_id)

    def videos(self, video_ids):
        """Returns {id: `Video`} of those ids that are known."""
        video_ids = [storable(video_id) for video_id in video_ids]
        found = {}
        with self._reading() as connection:
            for first in range(0, len(video_ids), _IDS):
                found |= self._video_rows(connection, video_ids[first : first + _IDS])
        return {video_id: as_video(found[video_id]) for video_id in video_ids if video_id in found}

    def unknown_video_ids(self, limit=1000):
        """Returns ids that an opinion or a watch names and of which the title or the duration is not known."""
        named = select(tables.feedback.c.video_id).union(select(tables.watches.c.video_id)).subquery()
        known = select(tables.videos.c.video_id).where(
            tables.videos.c.video_id == named.c.video_id, tables.videos.c.title != "", tables.videos.c.duration >= 0
        )
        with self._reading() as connection:
            statement = select(named.c.video_id).where(~known.exists()).order_by(named.c.video_id).limit(limit)
            return list(connection.execute(statement).scalars())

    def video_table(self, since=None):
        """Returns the `pa.Table` of videos, of those published at `since` (ms) or later if given."""
        conditions = [] if since is None else [tables.videos.c.published_at >= since]
        with self._reading() as connection:
            return self._table(connection, "videos", *conditions)

    def event_table(self, start=None, end=None):
        """Returns the `pa.Table` of events that started at `start` (ms) or later and before `end`, in that order."""
        begun = tables.events.c.started_at
        conditions = [] if start is None else [begun >= start]
        conditions += [] if end is None else [begun < end]
        with self._reading() as connection:
            return self._table(connection, "events", *conditions)

    def watch_table(self):
        """Returns the `pa.Table` of all watches, oldest first."""
        with self._reading() as connection:
            return self._table(connection, "watches")

    def set_subscriptions(self, subscriptions, source):
        """Replaces the subscriptions that a source gave before.

        Args:
            subscriptions (iterable of `Subscription`). source (`str`): what named them, such as "takeout".
        """
        rows = {
            each.channel_id: {
                "source": storable(source),
                "channel_id": storable(each.channel_id),
                "channel": storable(each.channel),
            }
            for each in subscriptions
        }
        with self._writing() as connection:
            connection.execute(delete(tables.subscriptions).where(tables.subscriptions.c.source == storable(source)))
            self._write_rows(connection, tables.subscriptions, list(rows.values()))

    def subscriptions(self):
        """Returns the `Subscription`s of all sources, each channel once, by channel id."""
        table = tables.subscriptions
        statement = select(table.c.channel_id, func.max(table.c.channel)).group_by(table.c.channel_id)
        with self._reading() as connection:
            return [Subscription(*row) for row in connection.execute(statement.order_by(table.c.channel_id))]

    def hide_channel(self, channel, hidden=True):
        """Keeps the videos of a channel, by id or name, out of feeds and labelling; `hidden=False` takes that back."""
        self._hide(tables.channels_hidden, "channel", channel, hidden)

    def hidden_channels(self):
        """Returns the ids and names of hidden channels, sorted."""
        with self._reading() as connection:
            statement = select(tables.channels_hidden.c.channel).order_by(tables.channels_hidden.c.channel)
            return list(connection.execute(statement).scalars())

    def hide_video(self, video_id, hidden=True):
        """Keeps a video out of feeds and labelling; `hidden=False` takes that back."""
        self._hide(tables.videos_hidden, "video_id", video_id, hidden)

    def hidden_videos(self):
        """Returns the ids of videos that are hidden themselves, sorted."""
        with self._reading() as connection:
            statement = select(tables.videos_hidden.c.video_id).order_by(tables.videos_hidden.c.video_id)
            return list(connection.execute(statement).scalars())

    def _hide(self, table, key, value, hidden):
        row = {key: storable(value), "hidden_at": now_ms()}
        with self._writing() as connection:
            if hidden:
                self._merge_block(connection, table, [row], keep_first)
            else:
                connection.execute(delete(table).where(table.c[key] == row[key]))

    def delete_events(self, title_contains=None, before=None):
        """Returns how many events were deleted: those that fulfil all that is given.

        Args:
            title_contains (`str`, optional): a part of the title, in any case.
            before (`int`, optional): ms; events that started earlier.
        """
        if not title_contains and before is None:
            raise ValueError('Expected `title_contains` or `before`, got neither. To delete all: reset("events").')
        table = tables.events
        statement = select(table.c.event_key, table.c.title)
        if before is not None:
            statement = statement.where(table.c.started_at < before)
        sought = storable(title_contains or "").casefold()
        with self._reading() as connection:  # a database's own lower() knows ASCII only
            rows = connection.execution_options(stream_results=True).execute(statement)
            keys = [key for key, title in rows if sought in title.casefold()]
        deleted = 0
        for first in range(0, len(keys), _IDS):
            with self._erasing() as connection:
                some = table.c.event_key.in_(keys[first : first + _IDS])
                deleted += connection.execute(delete(table).where(some)).rowcount
        self._forget_pages()
        return deleted

    def text_vectors(self, encoder_key, video_ids, text_hashes):
        """Returns (`bool` (N,): is there a vector of this text, `float32` (N, H); H is 0 if none was found).

        Args:
            encoder_key (`str`): names the encoder, its revision and what else the vectors depend on.
            video_ids (list of N `str`). text_hashes (list of N `str`): of the texts as they are now.
        """
        table = tables.text_vectors
        wanted = dict(zip(video_ids, zip(range(len(video_ids)), text_hashes, strict=True), strict=True))
        found, matrix = np.zeros(len(video_ids), dtype=bool), None
        columns = select(table.c.video_id, table.c.text_hash, table.c.vector)
        with self._reading() as connection:
            for first in range(0, len(video_ids), _IDS):
                some = table.c.video_id.in_(video_ids[first : first + _IDS])
                for video_id, text_hash, vector in connection.execute(
                    columns.where(table.c.encoder_key == encoder_key, some)
                ):
                    row, now = wanted[video_id]
                    if text_hash == now:
                        vector = np.frombuffer(vector, dtype="<f4")
                        matrix = np.zeros((len(video_ids), len(vector)), "float32") if matrix is None else matrix
                        found[row], matrix[row] = True, vector
        return found, np.zeros((len(video_ids), 0), "float32") if matrix is None else matrix

    def save_text_vectors(self, encoder_key, video_ids, text_hashes, matrix):
        """Keeps the vectors (N, H) of N videos' texts; a video's vector of an older text is replaced."""
        matrix = np.ascontiguousarray(matrix, dtype="<f4")
        rows = (
            {"encoder_key": encoder_key, "video_id": video_id, "text_hash": text_hash, "vector": vector.tobytes()}
            for video_id, text_hash, vector in zip(video_ids, text_hashes, matrix, strict=True)
        )
        table = tables.text_vectors
        for block in in_blocks(rows):
            with self._writing() as connection:
                newest = {row["video_id"]: row for row in block}
                some = table.c.video_id.in_(list(newest))
                connection.execute(delete(table).where(table.c.encoder_key == encoder_key, some))
                connection.execute(insert(table), list(newest.values()))

    def prune_text_vectors(self, used, now, unused_ms):
        """Returns how many vectors were deleted: those of encoders that were not used for so long.

        Args:
            used (iterable of `str`): keys of the encoders in use now. now, unused_ms (`int`): ms.
        """
        key = tables.text_vectors.c.encoder_key
        newest, held = select(func.min(key)), []
        with self._reading() as connection:  # from one key to the next: a look at all rows would take its time
            while (found := connection.execute(newest).scalar()) is not None:
                held.append(found)
                newest = select(func.min(key)).where(key > found)
        known, today = self.state(_VECTORS, "used") or {}, now - now % _DAY_MS
        last = {each: today if each in used else known.get(each, today) for each in held}
        gone = [each for each in held if last[each] < today - unused_ms]
        kept = {each: last[each] for each in held if each not in gone}
        if kept != known:
            self.set_state(_VECTORS, "used", kept)
        deleted = 0
        for each in gone:
            with self._writing() as connection:
                deleted += connection.execute(delete(tables.text_vectors).where(key == each)).rowcount
        return deleted

    def reset(self, what):
        """Deletes for good: "feedback", "events" (activity), "feed" (scored feeds and impressions) or "everything"."""
        if what not in RESETS:
            raise ValueError(f"Expected one of {', '.join(RESETS)}, got {what!r}. Name what is to be deleted.")
        with self._erasing() as connection:
            for table in RESETS[what]:
                connection.execute(delete(table))
        self._forget_pages("VACUUM")

    @contextmanager
    def _erasing(self):
        """Within it what is deleted is overwritten: the file holds no trace of it either."""
        with self._writing() as connection:
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            yield connection

    def _forget_pages(self, *statements):
        """Empties SQLite's log of changes; needs nobody else inside, and without it the rows are gone all the same."""
        if self._engine.dialect.name == "sqlite":
            with suppress(sqlite3.OperationalError), self._engine.connect() as connection:
                for statement in (*statements, "PRAGMA wal_checkpoint(TRUNCATE)"):
                    connection.connection.driver_connection.execute(statement)


def _part(table, row):
    return {column.name: row[column.name] for column in table.c}
