"""Every table as Arrow and back, for a copy of the whole database."""

import json

from sqlalchemy import func, select

from traceformers.apps.feed.database import feed_tables as tables
from traceformers.apps.feed.database.record_merging import (
    event_row,
    feedback_row,
    keep_first,
    merge_events,
    merge_feedback,
    merge_videos,
    storable,
    video_row,
    watch_row,
)
from traceformers.apps.feed.database.record_store import RecordStore
from traceformers.datasets_scripts.feed.feed_folder import RECORDS, SCHEMAS
from traceformers.datasets_scripts.feed.feed_records import Video

_BLOCK = 10_000
#: What the rows of an export are sorted by.
ORDERS = {
    "events": ("started_at", "event_key"),
    "watches": ("watched_at", "video_id", "source"),
    "feedback": ("said_at", "feedback_id"),
    "feed_rows": ("feed_id", "rank", "video_id"),
    "impressions": ("shown_at", "feed_id", "position", "video_id"),
}


def tags_of(text):
    """Returns the tags (tuple) of a column `tags`."""
    return tuple(json.loads(text)) if text else ()


def as_video(row):
    """Returns the `Video` of a row of the two tables."""
    return Video(**{name: tags_of(row[name]) if name == "tags" else row[name] for name in SCHEMAS["videos"].names})


#: Columns that are JSON in the database and lists or maps in Arrow.
DECODE = {
    "tags": tags_of,
    "terms": lambda text: list(json.loads(text).items()),
    "reasons": json.loads,
}


def _earlier(old, new):
    return min(old, new, key=lambda row: row["hidden_at"])


def _ended(old, new):
    return old if old["finished_at"] is not None or new["finished_at"] is None else new


def _larger(old, new):
    return max(old, new, key=lambda row: row["units"])


def _named(old, new):
    return old if old["channel"] else new


#: What is kept of two rows with one key where a copy is merged into a database.
_MERGES = {
    "videos": lambda old, new: merge_videos(new, old) | {"source": old["source"] or new["source"]},
    "events": merge_events,
    "watches": keep_first,
    "feedback": merge_feedback,
    "subscriptions": _named,
    "channels_hidden": _earlier,
    "videos_hidden": _earlier,
    "feeds": keep_first,
    "feed_rows": keep_first,
    "impressions": keep_first,
    "runs": _ended,
    "states": keep_first,
    "quota": _larger,
}
_RECORD_ROWS = {"videos": video_row, "events": event_row, "watches": watch_row, "feedback": feedback_row}
#: What stands for a null that a folder may have and the table may not.
_INSTEAD = {"terms": "{}", "reasons": "[]", "context": "{}", "explored": False, "propensity": 1.0}


class WholeTables(RecordStore):
    """The part of `FeedDatabase` that copies tables as they are."""

    def tables(self):
        """Returns {name: `pa.Table`} of all that an export holds, as one transaction sees it."""
        with self._reading() as connection:
            return {name: self._table(connection, name) for name in SCHEMAS}

    def _table(self, connection, name, *conditions):
        """Returns the `pa.Table` of the rows that fulfil conditions, in the order of an export."""
        table, source = tables.metadata.tables[name], None
        columns = {column.name: column for column in table.c}
        if name == "videos":
            columns["description"] = tables.descriptions.c.description
            source = table.join(tables.descriptions)
        statement = select(*(columns[column] for column in SCHEMAS[name].names)).select_from(
            table if source is None else source
        )
        order = [table.c[column] for column in ORDERS[name]] if name in ORDERS else table.primary_key.columns
        return self._arrow(connection, statement.where(*conditions).order_by(*order), SCHEMAS[name], DECODE)

    def _video_rows(self, connection, video_ids):
        statement = select(tables.videos, tables.descriptions.c.description).join(tables.descriptions)
        found = connection.execute(statement.where(tables.videos.c.video_id.in_(video_ids))).mappings()
        return {row["video_id"]: dict(row) for row in found}

    def record_counts(self):
        """Returns {table: how many rows it has}, of the tables that an export holds."""
        with self._reading() as connection:
            counted = {name: select(func.count()).select_from(tables.metadata.tables[name]) for name in SCHEMAS}
            return {name: connection.execute(statement).scalar() for name, statement in counted.items()}

    def add_tables(self, given):
        """Returns {name: `Counts`}; what is known here stays, what is missing is added.

        Args:
            given ({name: `pa.Table`}): with the columns of `SCHEMAS`.
        """
        counts = {}
        for name in SCHEMAS:  # a feed comes before its rows
            if name in given:
                rows = _rows_of(name, given[name])
                if name == "videos":
                    counts[name] = self._add_video_rows(rows, _MERGES[name])
                else:
                    counts[name] = self._merge(tables.metadata.tables[name], rows, _MERGES[name])
        return counts

    def _merge_block(self, connection, table, block, merge):
        if table is tables.feed_rows:
            block = self._with_videos(connection, block)
        return super()._merge_block(connection, table, block, merge)

    def _with_videos(self, connection, rows, known=False):
        """Returns rows of `feed_rows` with what they copy from their videos.

        Raises:
            ValueError: if they have to be known and one is not.
        """
        videos, ids = tables.videos, [row["video_id"] for row in rows]
        columns = (videos.c.published_at, videos.c.duration, videos.c.is_short, videos.c.channel_id, videos.c.channel)
        found = connection.execute(select(videos.c.video_id, *columns).where(videos.c.video_id.in_(ids)))
        copied = {video_id: {column.name: value for column, value in zip(columns, rest, strict=True)}
                  for video_id, *rest in found}  # fmt: skip
        if known and len(copied) < len(rows):
            absent = next(video_id for video_id in ids if video_id not in copied)
            raise ValueError(f"Expected videos that are in the database, got {absent!r}. Call add_videos first.")
        nothing = {column.name: None for column in columns} | {"channel": ""}
        rows = [row | copied.get(row["video_id"], nothing) for row in rows]
        return [row | {"published_at": row["published_at"] or 0} for row in rows]


def _rows_of(name, table):
    """Yields the rows of an Arrow table as those of the database's."""
    if name not in _RECORD_ROWS:
        return _plain_rows(name, table)
    rows = (row for batch in table.to_batches(_BLOCK) for row in batch.to_pylist())
    return (_RECORD_ROWS[name](RECORDS[name](**row)) for row in rows)


def _plain_rows(name, table):
    """Yields the rows of a table that no record stands for."""
    columns = tables.metadata.tables[name].c
    instead = {
        column.name: _INSTEAD.get(column.name, "" if column.type.python_type is str else 0)
        for column in columns
        if not column.nullable
    }
    more = {"process": None} if name == "runs" else {}
    for batch in table.to_batches(_BLOCK):
        for row in batch.to_pylist():
            for key, value in row.items():
                if value is None:
                    row[key] = instead.get(key)
                elif key in ("terms", "reasons"):
                    row[key] = json.dumps(dict(value) if key == "terms" else value, allow_nan=False)
                elif isinstance(value, str):
                    row[key] = storable(value)
            yield row | more
