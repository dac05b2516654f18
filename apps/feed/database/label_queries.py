"""What is asked of opinions: which count, how many there are of each kind, what to ask about next.

Feedback is a history. Of each (video, head) the newest by (said_at, feedback_id) counts; with the value None it takes
back what was said. The heads never touch each other.
"""

import pyarrow as pa
from sqlalchemy import and_, case, func, or_, select, tuple_

from traceformers.apps.feed.database import feed_tables as tables
from traceformers.apps.feed.database.record_merging import storable
from traceformers.apps.feed.database.whole_tables import WholeTables
from traceformers.datasets_scripts.feed.feed_records import HEADS, Feedback

TO_LABEL_ORDERS = ("newest_watch", "newest", "uncertain", "random")
LABELS_SCHEMA = pa.schema(
    [("video_id", pa.string())]
    + [(head, pa.float64()) for head in HEADS]
    + [(f"{head}_said_at", pa.int64()) for head in HEADS]
    + [(f"{head}_source", pa.string()) for head in HEADS]
)


def counting_feedback(*conditions):
    """Returns the selectable of opinions that count and say something, at most one a (video, head).

    Args:
        conditions: on the video's id; others would leave out what replaces an opinion.
    """
    newest = func.row_number().over(
        partition_by=(tables.feedback.c.video_id, tables.feedback.c.head),
        order_by=(tables.feedback.c.said_at.desc(), tables.feedback.c.feedback_id.desc()),
    )
    ordered = select(tables.feedback, newest.label("place")).where(*conditions).subquery()
    columns = [ordered.c[column.name] for column in tables.feedback.c]
    return select(*columns).where(ordered.c.place == 1, ordered.c.value.is_not(None)).subquery()


def rated(video_id, head=None, as_of=None):
    """Returns the condition that an opinion about the video in column `video_id` counts and says something.

    Looks at one video's history, so a page asks it of the rows it passes only.

    Args:
        head (`str`, optional): of this head. as_of (`int`, optional): ms; by what was said until then.
    """
    said, later = tables.feedback.alias("said"), tables.feedback.alias("later")
    conditions = [said.c.video_id == video_id, said.c.value.is_not(None)]
    newer = [
        later.c.video_id == said.c.video_id,
        later.c.head == said.c.head,
        tuple_(later.c.said_at, later.c.feedback_id) > tuple_(said.c.said_at, said.c.feedback_id),
    ]
    if head is not None:
        conditions.append(said.c.head == head)
    if as_of is not None:
        conditions.append(said.c.said_at <= as_of)
        newer.append(later.c.said_at <= as_of)
    replaced = select(later.c.feedback_id).where(*newer).correlate(said).exists()
    return select(said.c.feedback_id).where(*conditions, ~replaced).exists()


def hidden(rows, channels=True):
    """Returns the condition that a row with video_id, channel_id and channel is hidden, by its channel too if asked."""
    table, channel = tables.videos_hidden, tables.channels_hidden
    condition = select(table.c.video_id).where(table.c.video_id == rows.c.video_id).exists()
    if channels:
        for name in (rows.c.channel_id, rows.c.channel):
            condition = or_(condition, select(channel.c.channel).where(channel.c.channel == name).exists())
    return condition


class LabelQueries(WholeTables):
    """The part of `FeedDatabase` that reads opinions."""

    def feedback_table(self):
        """Returns the `pa.Table` of the whole history of opinions, in the order in which they count."""
        with self._reading() as connection:
            return self._table(connection, "feedback")

    def labels(self):
        """Returns the `pa.Table` (`LABELS_SCHEMA`) of videos with an opinion that counts; null where a head has none.

        Columns: video_id, then for the heads: value, said_at (ms) and source.
        """
        newest = counting_feedback()
        rows = {}
        with self._reading() as connection:
            for said in connection.execute(select(newest).order_by(newest.c.video_id)).mappings():
                row = rows.setdefault(said["video_id"], {"video_id": said["video_id"]})
                row[said["head"]] = said["value"]
                row[f"{said['head']}_said_at"], row[f"{said['head']}_source"] = said["said_at"], said["source"]
        columns = {name: [row.get(name) for row in rows.values()] for name in LABELS_SCHEMA.names}
        return pa.table(columns, schema=LABELS_SCHEMA)

    def label_counts(self):
        """Returns {(source, head, value): how many opinions that count}."""
        newest = counting_feedback()
        kind = (newest.c.source, newest.c.head, newest.c.value)
        with self._reading() as connection:
            found = connection.execute(select(*kind, func.count()).group_by(*kind).order_by(*kind))
            return {(source, head, value): count for source, head, value, count in found}

    def latest_labelled(self, limit=20, source=None):
        """Returns the newest `Feedback`s that count, newest first, of one source if given."""
        newest = counting_feedback()
        statement = select(newest).order_by(newest.c.said_at.desc(), newest.c.feedback_id.desc()).limit(limit)
        if source is not None:
            statement = statement.where(newest.c.source == source)
        with self._reading() as connection:
            return [Feedback(**row) for row in connection.execute(statement).mappings()]

    def to_label(self, limit=20, after=None, order="newest_watch", head="interest"):
        """Returns up to `limit` `Video`s about which `head` has no opinion; no Shorts, nothing hidden or untitled.

        Args:
            limit (`int`). after (`str`, optional): a video id; those that come later in the order. The id may have
                been labelled since, so paging goes on.
            order (`str`): "newest_watch" (last watched first, then the others), "newest" (last published first),
                "uncertain" (by the newest feed: nearest to a probability of one half) or "random" (always the same).
        """
        videos = tables.videos
        from_, keys = self._labelling_order(order, head)
        statement = (
            select(videos.c.video_id)
            .select_from(from_)
            .where(
                videos.c.title != "",
                or_(videos.c.is_short.is_(None), videos.c.is_short.is_(False)),
                ~hidden(videos),
                ~rated(videos.c.video_id, head),
            )
        )
        with self._reading() as connection:
            if after is not None:
                place = select(*keys).select_from(from_).where(videos.c.video_id == storable(after))
                place = connection.execute(place).first()
                if place is not None:
                    (first, second), (key, then) = place, keys
                    statement = statement.where(or_(key > first, and_(key == first, then > second)))
            ids = list(connection.execute(statement.order_by(*keys).limit(limit)).scalars())
        found = self.videos(ids)
        return [found[video_id] for video_id in ids if video_id in found]

    def _labelling_order(self, order, head):
        """Returns the tables and the two ascending keys of an order of `to_label`."""
        videos = tables.videos
        if order == "newest_watch":
            seen = select(tables.watches.c.video_id, func.max(tables.watches.c.watched_at).label("at"))
            seen = seen.group_by(tables.watches.c.video_id).subquery()
            from_ = videos.outerjoin(seen, seen.c.video_id == videos.c.video_id)
            key = -func.coalesce(seen.c.at, 0)
        elif order == "newest":
            from_, key = videos, -func.coalesce(videos.c.published_at, 0)
        elif order == "uncertain":
            rows = tables.feed_rows
            newest = select(func.max(tables.feeds.c.feed_id)).scalar_subquery()
            from_ = videos.outerjoin(rows, and_(rows.c.video_id == videos.c.video_id, rows.c.feed_id == newest))
            key = case((rows.c[head].is_(None), 1.0), else_=func.abs(rows.c[head] - 0.5))
        elif order == "random":
            from_, key = videos, videos.c.shuffled
        else:
            raise ValueError(f"Expected an order of {', '.join(TO_LABEL_ORDERS)}, got {order!r}. Name one of these.")
        return from_, (key, videos.c.video_id)
