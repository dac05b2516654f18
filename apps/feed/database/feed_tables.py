"""Tables of the feed's database, as SQLAlchemy sees them; migrations/ makes the same ones step by step.

Times are BIGINT milliseconds since 1970 in UTC. JSON is kept as ASCII text, which holds what PostgreSQL's own JSON type
refuses. Texts are compared byte by byte in both databases. Opinions, watches and impressions name a video by its id
and need no row in `videos`: they may come first.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql

#: The newest migration: what a database has to be at.
SCHEMA_VERSION = "0001"

_text = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_number = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()


def _column(name, kind, *rest, null=False, **options):
    return Column(name, kind, *rest, nullable=null, **options)


# Descriptions have a table of their own: what a page filters and sorts by then fits in memory.
videos = Table(
    "videos",
    metadata,
    _column("video_id", _text, primary_key=True),
    _column("title", _text),
    _column("channel", _text),
    _column("channel_id", _text, null=True),
    _column("published_at", BigInteger, null=True),
    _column("duration", Double, null=True),
    _column("category", _text, null=True),
    _column("tags", _text),
    _column("is_short", Boolean, null=True),
    _column("is_live", Boolean, null=True),
    _column("source", _text),
    _column("search_text", _text),  # title and channel, folded: what a search looks in
    _column("shuffled", BigInteger),  # a number of the id alone: the order "random"
    Index("videos_published_at", "published_at"),
    Index("videos_channel_id", "channel_id", postgresql_using="hash"),  # hashes: a text may be longer than an entry
    Index("videos_channel", "channel", postgresql_using="hash"),
)
descriptions = Table(
    "descriptions",
    metadata,
    _column("video_id", _text, ForeignKey("videos.video_id", ondelete="CASCADE"), primary_key=True),
    _column("description", _text),
)
events = Table(
    "events",
    metadata,
    _column("event_key", LargeBinary, primary_key=True),  # digest of source, started_at, app, title, url
    _column("source", _text),
    _column("started_at", BigInteger),
    _column("duration", Double),
    _column("app", _text),
    _column("title", _text),
    _column("url", _text, null=True),
    _column("category", _text),
    Index("events_started_at", "started_at", "event_key"),
)
watches = Table(
    "watches",
    metadata,
    _column("video_id", _text),
    _column("watched_at", BigInteger),
    _column("source", _text),
    PrimaryKeyConstraint("video_id", "watched_at", "source", name="watches_key"),
)
feedback = Table(
    "feedback",
    metadata,
    _column("feedback_id", _text, primary_key=True),
    _column("video_id", _text),
    _column("head", _text),
    _column("value", Double, null=True),
    _column("said_at", BigInteger),
    _column("source", _text),
    CheckConstraint("head IN ('interest', 'productive')", name="feedback_head"),
    Index("feedback_of_video", "video_id", "head", "said_at", "feedback_id", "value"),
    Index("feedback_said_at", "said_at"),
)
subscriptions = Table(
    "subscriptions",
    metadata,
    _column("source", _text),
    _column("channel_id", _text),
    _column("channel", _text),
    PrimaryKeyConstraint("source", "channel_id", name="subscriptions_key"),
)
channels_hidden = Table(
    "channels_hidden",
    metadata,
    _column("channel", _text, primary_key=True),  # an id or a name
    _column("hidden_at", BigInteger),
)
videos_hidden = Table(
    "videos_hidden",
    metadata,
    _column("video_id", _text, primary_key=True),
    _column("hidden_at", BigInteger),
)
feeds = Table(
    "feeds",
    metadata,
    _column("feed_id", _number, primary_key=True, autoincrement=False),  # the newest is the greatest
    _column("run_id", BigInteger, null=True),
    _column("model", _text),
    _column("context", _text),
    _column("made_at", BigInteger),
)
# What a page is filtered and sorted by is copied from the videos as they were: a page needs no join, and what a
# collector learns between two pages moves nothing.
feed_rows = Table(
    "feed_rows",
    metadata,
    _column("feed_id", BigInteger, ForeignKey("feeds.feed_id", ondelete="CASCADE")),
    _column("video_id", _text),
    _column("rank", BigInteger),
    _column("score", Double),
    _column("interest", Double),
    _column("productive", Double),
    _column("terms", _text),
    _column("reasons", _text),
    _column("explored", Boolean),
    _column("propensity", Double),
    _column("published_at", BigInteger),  # 0 is not known
    _column("duration", Double, null=True),
    _column("is_short", Boolean, null=True),
    _column("channel_id", _text, null=True),
    _column("channel", _text),
    PrimaryKeyConstraint("feed_id", "video_id", name="feed_rows_key"),
    Index("feed_rows_by_rank", "feed_id", "rank", "video_id"),
    Index("feed_rows_by_interest", "feed_id", "interest", "video_id"),
    Index("feed_rows_by_productive", "feed_id", "productive", "video_id"),
    Index("feed_rows_by_published_at", "feed_id", "published_at", "video_id"),
)
# Outlive their feed: later evaluation needs what was shown with which probability.
impressions = Table(
    "impressions",
    metadata,
    _column("feed_id", BigInteger),
    _column("video_id", _text),
    _column("position", BigInteger),
    _column("propensity", Double),
    _column("shown_at", BigInteger),
    PrimaryKeyConstraint("video_id", "feed_id", "shown_at", name="impressions_key"),
)
runs = Table(
    "runs",
    metadata,
    _column("run_id", _number, primary_key=True, autoincrement=False),
    _column("kind", _text),
    _column("started_at", BigInteger),
    _column("finished_at", BigInteger, null=True),
    _column("status", _text),
    _column("detail", _text, null=True),
    _column("counts", _text, null=True),
    _column("error", _text, null=True),
    _column("process", _text, null=True),  # which one runs it: told from a later one with the same id
)
states = Table(
    "states",
    metadata,
    _column("source", _text),
    _column("key", _text),
    _column("value", _text),
    PrimaryKeyConstraint("source", "key", name="states_key"),
)
quota = Table(
    "quota",
    metadata,
    _column("source", _text),
    _column("day", _text),
    _column("units", BigInteger),
    PrimaryKeyConstraint("source", "day", name="quota_key"),
)
# A cache: can be made again, so no export holds it.
text_vectors = Table(
    "text_vectors",
    metadata,
    _column("encoder_key", _text),
    _column("video_id", _text),
    _column("text_hash", _text),
    _column("vector", LargeBinary),
    PrimaryKeyConstraint("encoder_key", "video_id", name="text_vectors_key"),
)
