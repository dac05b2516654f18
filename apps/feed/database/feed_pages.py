"""Scored feeds: writing one, and pages of one by order, filters and search.

A feed is written in one transaction and never changed: a page names its feed, so a new one in between moves nothing.
What the person says and opens in between does not move it either where `FeedFilters.as_of` is the time of the first
page. Search is for words: every word has to be a part of the title or channel, cases and character widths aside.
"""

import json
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, or_, select, tuple_

from traceformers.apps.feed.database import feed_tables as tables
from traceformers.apps.feed.database.label_queries import counting_feedback, hidden, rated
from traceformers.apps.feed.database.record_merging import in_blocks, keep_first, search_text, storable
from traceformers.apps.feed.database.run_records import as_json
from traceformers.apps.feed.database.whole_tables import WholeTables, as_video
from traceformers.apps.feed.feed_clock import now_ms
from traceformers.datasets_scripts.feed.feed_records import FeedRow, Video

FEED_ORDERS = ("score", "productive", "interest", "newest")
_WORDS, _WORD_CHARACTERS = 20, 100  # of a search; what is longer is cut


@dataclass(frozen=True)
class FeedFilters:
    """Which rows of a feed are shown. Durations are seconds, times ms; None is "any".

    A video whose duration or time of publishing is not known does not pass a filter of it.
    """

    hide_watched: bool = True
    hide_rated: bool = True
    min_duration: float | None = None
    max_duration: float | None = None
    shorts: bool = False  # show them
    hidden_channels: bool = True  # leave out what they publish
    since: int | None = None  # published then or later
    show_hidden: bool = False  # videos and channels that were hidden
    channel: str | None = None  # of this id or name only
    unsubscribed_only: bool = False
    as_of: int | None = None  # watched and rated until then; what came later hides nothing


@dataclass(frozen=True)
class FeedCard:
    """One row of a page: the video, why it is there, and what the person did with it (times are ms)."""

    video: Video
    row: FeedRow | None
    interest_label: float | None
    productive_label: float | None
    watched_at: int | None


class FeedPages(WholeTables):
    """The part of `FeedDatabase` that holds scored feeds."""

    def save_feed(self, rows, run_id, model, context):
        """Returns the id of a feed, which is the newest from now on; all of it is written, or nothing.

        Args:
            rows (iterable of `FeedRow`): each video once, all of them known. run_id (`int` or None).
            model (`str`): what scored it.
            context (`dict`): JSON values, such as the time and the activity that it was scored for.
        """
        rows = list({row.video_id: _as_row(row) for row in rows}.values())
        feed = {"run_id": run_id, "model": storable(model), "context": as_json(context, "context")}
        with self._writing() as connection:
            feed_id = max(now_ms(), (self._newest(connection) or 0) + 1)
            connection.execute(insert(tables.feeds), feed | {"feed_id": feed_id, "made_at": now_ms()})
            for block in in_blocks(rows):
                block = [row | {"feed_id": feed_id} for row in self._with_videos(connection, block, known=True)]
                self._write_rows(connection, tables.feed_rows, block)
            if connection.dialect.name == "postgresql":  # a page of tables it has not counted takes it seconds
                connection.exec_driver_sql("ANALYZE videos, feed_rows")
        return feed_id

    def feed_version(self):
        """Returns the id of the newest feed, or None."""
        with self._reading() as connection:
            return self._newest(connection)

    def _newest(self, connection):
        return connection.execute(select(func.max(tables.feeds.c.feed_id))).scalar()

    def _is_feed(self, connection, feed_id):
        found = select(tables.feeds.c.feed_id).where(tables.feeds.c.feed_id == feed_id)
        return connection.execute(found).first() is not None

    def feed_about(self, feed_id=None):
        """Returns {"feed_id", "run_id", "model", "context", "made_at"} of a feed, the newest by default, or None."""
        with self._reading() as connection:
            feed_id = self._newest(connection) if feed_id is None else feed_id
            found = connection.execute(select(tables.feeds).where(tables.feeds.c.feed_id == feed_id)).mappings().first()
        return found and dict(found) | {"context": json.loads(found["context"])}

    def prune_feeds(self, keep):
        """Returns how many feeds were deleted: all but the newest `keep`. What was shown of them stays known."""
        if keep < 1:
            raise ValueError(f'Expected to keep 1 feed or more, got {keep}. To delete all: reset("feed").')
        feeds = tables.feeds.c.feed_id
        with self._writing() as connection:
            ids = list(connection.execute(select(feeds).order_by(feeds.desc()).offset(keep)).scalars())
            connection.execute(delete(tables.feed_rows).where(tables.feed_rows.c.feed_id.in_(ids)))
            connection.execute(delete(tables.feeds).where(feeds.in_(ids)))
        return len(ids)

    def feed_page(self, order="score", limit=21, filters=None, search=None, feed_id=None, after=None):
        """Returns up to `limit` `FeedCard`s of a feed.

        Args:
            order (`str`): "score" (the ranks it was given), "productive" or "interest" (most probable first) or
                "newest" (last published first).
            limit (`int`). filters (`FeedFilters`, optional). search (`str`, optional): words.
            feed_id (`int`, optional): the newest by default.
            after (`str`, optional): id of the video that the page begins behind, as the last of the page before it;
                whether it passes the filters does not matter. A page far down costs what the first one does.

        Raises:
            ValueError: no such order, or `after` is no video of this feed.
        """
        rows = tables.feed_rows
        if order not in FEED_ORDERS:
            raise ValueError(f"Expected an order of {', '.join(FEED_ORDERS)}, got {order!r}. Name one of these.")
        key = (rows.c.rank if order == "score" else rows.c.published_at if order == "newest" else rows.c[order],
               rows.c.video_id)  # fmt: skip
        with self._reading() as connection:
            feed_id = self._newest(connection) if feed_id is None else feed_id
            statement = select(rows).where(rows.c.feed_id == feed_id, *_conditions(filters or FeedFilters(), search))
            if after is not None:
                last = select(*key).where(rows.c.feed_id == feed_id, rows.c.video_id == storable(after))
                last = connection.execute(last).first()
                if last is None and self._is_feed(connection, feed_id):
                    raise ValueError(f"Expected `after` to be a video of feed {feed_id}, got {after!r}. Leave it out.")
                if last is None:  # the feed was deleted since its first page
                    return []
                last = tuple_(*last, types=[column.type for column in key])
                statement = statement.where(tuple_(*key) > last if order == "score" else tuple_(*key) < last)
            ordered = key if order == "score" else [column.desc() for column in key]
            statement = statement.order_by(*ordered).limit(max(limit, 0))
            found = [_as_feed_row(row) for row in connection.execute(statement).mappings()]
            return self._cards(connection, {row.video_id: row for row in found})

    def feed_scores(self, limit, feed_id=None):
        """Returns [(probability of interest, productive)] of the first `limit` videos of a feed, the newest by default.

        The order is that of `HEADS`.
        """
        rows = tables.feed_rows
        with self._reading() as connection:
            feed_id = self._newest(connection) if feed_id is None else feed_id
            found = select(rows.c.interest, rows.c.productive).where(rows.c.feed_id == feed_id)
            return [tuple(row) for row in connection.execute(found.order_by(rows.c.rank).limit(limit))]

    def feed_card(self, video_id, feed_id=None):
        """Returns the `FeedCard` of one video, hidden or not, or None if it is not known.

        Args:
            video_id (`str`). feed_id (`int`, optional): the newest by default; `row` is None if the video is not in it.
        """
        rows, video_id = tables.feed_rows, storable(video_id)
        with self._reading() as connection:
            feed_id = self._newest(connection) if feed_id is None else feed_id
            found = select(rows).where(rows.c.feed_id == feed_id, rows.c.video_id == video_id)
            found = connection.execute(found).mappings().first()
            return next(iter(self._cards(connection, {video_id: found and _as_feed_row(found)})), None)

    def _cards(self, connection, rows):
        """Returns the `FeedCard`s of {video id: `FeedRow` or None}, in that order."""
        ids = list(rows)
        known, labels, watched = (
            self._video_rows(connection, ids), self._labels_of(connection, ids), self._watched(connection, ids)
        )  # fmt: skip
        return [
            FeedCard(
                as_video(known[video_id]),
                row,
                labels.get((video_id, "interest")),
                labels.get((video_id, "productive")),
                watched.get(video_id),
            )
            for video_id, row in rows.items()
            if video_id in known
        ]

    def _labels_of(self, connection, ids):
        newest = counting_feedback(tables.feedback.c.video_id.in_(ids))
        found = connection.execute(select(newest.c.video_id, newest.c.head, newest.c.value))
        return {(video_id, head): value for video_id, head, value in found}

    def _watched(self, connection, ids):
        table = tables.watches
        found = select(table.c.video_id, func.max(table.c.watched_at).label("at")).where(table.c.video_id.in_(ids))
        return {row.video_id: row.at for row in connection.execute(found.group_by(table.c.video_id))}

    def log_impressions(self, feed_id, shown, shown_at=None):
        """Notes what was shown, for an evaluation that knows the probabilities.

        Args:
            feed_id (`int`). shown (iterable of (video_id, position, propensity)). shown_at (`int`, optional): ms, now
                by default; one video of one feed is shown at one time once.
        """
        shown_at = now_ms() if shown_at is None else shown_at
        names = ("video_id", "position", "propensity")
        rows = ({"feed_id": feed_id, "shown_at": shown_at} | dict(zip(names, row, strict=True)) for row in shown)
        return self._merge(tables.impressions, rows, keep_first)


def _conditions(filters, search):
    """Yields the conditions that a row of `feed_rows` has to fulfil."""
    rows, videos, watches = tables.feed_rows, tables.videos, tables.watches
    words = search_text(storable(search or "")).split()[:_WORDS]
    if words:  # one pass over all titles, instead of a visit to each row's video
        found = [videos.c.search_text.contains(word[:_WORD_CHARACTERS], autoescape=True) for word in words]
        yield rows.c.video_id.in_(select(videos.c.video_id).where(*found))
    if filters.min_duration is not None:
        yield rows.c.duration >= filters.min_duration
    if filters.max_duration is not None:
        yield rows.c.duration <= filters.max_duration
    if not filters.shorts:
        yield or_(rows.c.is_short.is_(None), rows.c.is_short.is_(False))
    if filters.since is not None:
        yield rows.c.published_at >= max(filters.since, 1)
    if filters.channel is not None:
        channel = storable(filters.channel)
        named = or_(videos.c.channel_id == channel, videos.c.channel == channel)
        yield rows.c.video_id.in_(select(videos.c.video_id).where(named))
    if not filters.show_hidden:
        yield ~hidden(rows, channels=filters.hidden_channels)
    if filters.unsubscribed_only:
        table = tables.subscriptions
        # A name is compared only where there is no id: two channels may have the same name.
        by_id = select(table.c.channel_id).where(table.c.channel_id == rows.c.channel_id)
        by_name = select(table.c.channel_id).where(table.c.channel == rows.c.channel, table.c.channel != "")
        yield ~by_id.exists()
        yield or_(rows.c.channel_id.is_not(None), ~by_name.exists())
    if filters.hide_rated:
        yield ~rated(rows.c.video_id, as_of=filters.as_of)
    if filters.hide_watched:
        seen = select(watches.c.video_id).where(watches.c.video_id == rows.c.video_id)
        yield ~(seen if filters.as_of is None else seen.where(watches.c.watched_at <= filters.as_of)).exists()


def _as_row(row):
    return {
        "video_id": storable(row.video_id),
        "rank": int(row.rank),
        "score": float(row.score),
        "interest": float(row.interest),
        "productive": float(row.productive),
        "terms": as_json({name: float(value) for name, value in row.terms.items()}, "terms"),
        "reasons": as_json(list(row.reasons), "reasons"),
        "explored": bool(row.explored),
        "propensity": float(row.propensity),
    }


def _as_feed_row(row):
    given = {name: row[name] for name in FeedRow.__dataclass_fields__}
    return FeedRow(**given | {"terms": json.loads(row["terms"]), "reasons": tuple(json.loads(row["reasons"]))})
