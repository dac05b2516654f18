"""The videos that a feed is made of, and which of them the settings leave out.

All videos published in the look-back are scored. Those that a filter leaves out stand behind the others, where a page
shows them when asked to; they count neither for diversity nor for exploration. Everything is as it was at the moment:
what was published, watched or said later is not known.

    axis: N videos
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traceformers.training.productive_feed.said_labels import newest_labels

MS_A_DAY = 86_400_000


@dataclass(frozen=True)
class FeedCandidates:
    """The videos of one scoring.

    Attributes:
        table (`pa.Table`): columns of `Video`, N rows.
        ids, channels (lists of N `str`): a channel is its id, or else its name.
        ages_days (`float64 (N,)`): NaN is unknown.
        eligible (`bool (N,)`): passes all filters.
        subscribed (`bool (N,)`).
        left_out (`{filter: how many}`): the first filter that each did not pass.
        feedback (`pa.Table`): what was said until the moment.
    """

    table: pa.Table
    ids: list
    channels: list
    ages_days: np.ndarray
    eligible: np.ndarray
    subscribed: np.ndarray
    left_out: dict
    feedback: pa.Table

    def __len__(self):
        return len(self.ids)


def read_candidates(database, settings, at, days=None):
    """Returns the `FeedCandidates` of a moment.

    Args:
        database (`FeedDatabase`), settings (`ScoringSettings`).
        at (`int`): ms. days (`float`, *optional*): look-back instead of that of the settings.
    """
    days = settings.look_back_days if days is None else days
    table = database.video_table(since=at - int(days * MS_A_DAY))
    table = table.filter(pc.less_equal(table["published_at"], at))
    ids = table["video_id"].to_pylist()
    channel_ids = pc.coalesce(table["channel_id"], pa.scalar("", pa.string()))
    names = pc.coalesce(table["channel"], pa.scalar("", pa.string()))
    channels = pc.if_else(pc.equal(channel_ids, ""), names, channel_ids).to_pylist()
    published = table["published_at"].to_numpy().astype(np.float64)
    feedback = database.feedback_table()
    feedback = feedback.filter(pc.less_equal(feedback["said_at"], at))
    subscribed = _subscribed(database, channel_ids, names)
    passed = _filters(database, settings, table, channel_ids, names, feedback, subscribed, at)
    eligible, left_out = np.ones(len(ids), bool), {}
    for name, keeps in passed:
        stopped = int((eligible & ~keeps).sum())
        if stopped:
            left_out[name] = stopped
        eligible &= keeps
    return FeedCandidates(table, ids, channels, (at - published) / MS_A_DAY, eligible, subscribed, left_out, feedback)


def _filters(database, settings, table, channel_ids, names, feedback, subscribed, at):
    """Yields (name, bool (N,) of those that pass)."""
    hidden = pa.array(database.hidden_channels(), pa.string())
    yield "hidden channel", ~(_is_in(channel_ids, hidden) | _is_in(names, hidden))
    if settings.hide_rated:
        yield "rated", ~_is_in(table["video_id"], pa.array(newest_labels(feedback)[0], pa.string()))
    if settings.hide_watched:
        watches = database.watch_table()
        watches = watches.filter(pc.less_equal(watches["watched_at"], at))
        yield "watched", ~_is_in(table["video_id"], watches["video_id"].combine_chunks())
    if not settings.shorts:
        yield "Short", ~_flag(table["is_short"])
    if not settings.live:
        yield "live", ~_flag(table["is_live"])
    duration = table["duration"].to_numpy()
    with np.errstate(invalid="ignore"):
        yield "too short", ~(duration < settings.min_minutes * 60)
        if settings.max_minutes:
            yield "too long", ~(duration > settings.max_minutes * 60)
    if settings.unsubscribed_only:
        yield "subscribed", ~subscribed


def _subscribed(database, channel_ids, names):
    subscriptions = database.subscriptions()
    ids = pa.array([each.channel_id for each in subscriptions], pa.string())
    named = pa.array([each.channel for each in subscriptions if each.channel], pa.string())
    no_id = pc.equal(channel_ids, "").to_numpy(zero_copy_only=False)
    return _is_in(channel_ids, ids) | (no_id & _is_in(names, named))


def _is_in(column, values):
    return np.asarray(pc.is_in(column, value_set=values).to_numpy(zero_copy_only=False), bool)


def _flag(column):
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), bool)
