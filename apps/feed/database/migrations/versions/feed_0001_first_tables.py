"""The first version.

Revision: 0001
Follows: nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Double, ForeignKey, LargeBinary, PrimaryKeyConstraint
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

_text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_number = BigInteger().with_variant(sa.Integer, "sqlite")


def _column(name, kind, *rest, null=False, **options):
    return sa.Column(name, kind, *rest, nullable=null, **options)


def upgrade():
    """Makes all tables."""
    op.create_table(
        "videos",
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
        _column("search_text", _text),
        _column("shuffled", BigInteger),
    )
    op.create_table(
        "descriptions",
        _column("video_id", _text, ForeignKey("videos.video_id", ondelete="CASCADE"), primary_key=True),
        _column("description", _text),
    )
    op.create_table(
        "events",
        _column("event_key", LargeBinary, primary_key=True),
        _column("source", _text),
        _column("started_at", BigInteger),
        _column("duration", Double),
        _column("app", _text),
        _column("title", _text),
        _column("url", _text, null=True),
        _column("category", _text),
    )
    op.create_table(
        "watches",
        _column("video_id", _text),
        _column("watched_at", BigInteger),
        _column("source", _text),
        PrimaryKeyConstraint("video_id", "watched_at", "source", name="watches_key"),
    )
    op.create_table(
        "feedback",
        _column("feedback_id", _text, primary_key=True),
        _column("video_id", _text),
        _column("head", _text),
        _column("value", Double, null=True),
        _column("said_at", BigInteger),
        _column("source", _text),
        CheckConstraint("head IN ('interest', 'productive')", name="feedback_head"),
    )
    op.create_table(
        "subscriptions",
        _column("source", _text),
        _column("channel_id", _text),
        _column("channel", _text),
        PrimaryKeyConstraint("source", "channel_id", name="subscriptions_key"),
    )
    op.create_table(
        "channels_hidden",
        _column("channel", _text, primary_key=True),
        _column("hidden_at", BigInteger),
    )
    op.create_table(
        "videos_hidden",
        _column("video_id", _text, primary_key=True),
        _column("hidden_at", BigInteger),
    )
    op.create_table(
        "feeds",
        _column("feed_id", _number, primary_key=True, autoincrement=False),
        _column("run_id", BigInteger, null=True),
        _column("model", _text),
        _column("context", _text),
        _column("made_at", BigInteger),
    )
    op.create_table(
        "feed_rows",
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
        _column("published_at", BigInteger),
        _column("duration", Double, null=True),
        _column("is_short", Boolean, null=True),
        _column("channel_id", _text, null=True),
        _column("channel", _text),
        PrimaryKeyConstraint("feed_id", "video_id", name="feed_rows_key"),
    )
    op.create_table(
        "impressions",
        _column("feed_id", BigInteger),
        _column("video_id", _text),
        _column("position", BigInteger),
        _column("propensity", Double),
        _column("shown_at", BigInteger),
        PrimaryKeyConstraint("video_id", "feed_id", "shown_at", name="impressions_key"),
    )
    op.create_table(
        "runs",
        _column("run_id", _number, primary_key=True, autoincrement=False),
        _column("kind", _text),
        _column("started_at", BigInteger),
        _column("finished_at", BigInteger, null=True),
        _column("status", _text),
        _column("detail", _text, null=True),
        _column("counts", _text, null=True),
        _column("error", _text, null=True),
        _column("process", _text, null=True),
    )
    op.create_table(
        "states",
        _column("source", _text),
        _column("key", _text),
        _column("value", _text),
        PrimaryKeyConstraint("source", "key", name="states_key"),
    )
    op.create_table(
        "quota",
        _column("source", _text),
        _column("day", _text),
        _column("units", BigInteger),
        PrimaryKeyConstraint("source", "day", name="quota_key"),
    )
    op.create_table(
        "text_vectors",
        _column("encoder_key", _text),
        _column("video_id", _text),
        _column("text_hash", _text),
        _column("vector", LargeBinary),
        PrimaryKeyConstraint("encoder_key", "video_id", name="text_vectors_key"),
    )
    op.create_index("videos_published_at", "videos", ["published_at"])
    op.create_index("videos_channel_id", "videos", ["channel_id"], postgresql_using="hash")
    op.create_index("videos_channel", "videos", ["channel"], postgresql_using="hash")
    op.create_index("events_started_at", "events", ["started_at", "event_key"])
    op.create_index("feedback_of_video", "feedback", ["video_id", "head", "said_at", "feedback_id", "value"])
    op.create_index("feedback_said_at", "feedback", ["said_at"])
    op.create_index("feed_rows_by_rank", "feed_rows", ["feed_id", "rank", "video_id"])
    op.create_index("feed_rows_by_interest", "feed_rows", ["feed_id", "interest", "video_id"])
    op.create_index("feed_rows_by_productive", "feed_rows", ["feed_id", "productive", "video_id"])
    op.create_index("feed_rows_by_published_at", "feed_rows", ["feed_id", "published_at", "video_id"])
