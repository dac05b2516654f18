"""What the feed keeps about videos, activity and opinions: one frozen record a noun.

Times are whole milliseconds since 1970 in UTC (`int`): no time zone, no daylight saving, equal in every database.
Durations are seconds (`float`). Texts are as their source gave them; what cleans or cuts them does so when it reads.
"""

from dataclasses import dataclass, field

#: What a person can say of a video, and the outputs of the model in this order.
HEADS = ("interest", "productive")
#: Where a feedback can come from.
FEEDBACK_SOURCES = ("like", "dislike", "labelling", "feed", "import", "simulated")


@dataclass(frozen=True, slots=True)
class Video:
    """One video. None is "not known", which never replaces what is known."""

    video_id: str
    title: str = ""
    channel: str = ""
    channel_id: str | None = None
    description: str = ""
    published_at: int | None = None
    duration: float | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    is_short: bool | None = None
    is_live: bool | None = None
    source: str = ""  # the first that named it: "rss", "youtube", "takeout" ...


@dataclass(frozen=True, slots=True)
class ActivityEvent:
    """A stretch of time in one window or tab, while the person was there."""

    source: str  # bucket id
    started_at: int
    duration: float
    app: str = ""
    title: str = ""
    url: str | None = None
    category: str = "Uncategorized"  # names of the path joined by " > "


@dataclass(frozen=True, slots=True)
class Watch:
    """A video was opened."""

    video_id: str
    watched_at: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Feedback:
    """One thing said of one video. The newest of a (video, head) counts; None takes back what was said before it."""

    feedback_id: str  # made where it was said: said twice with one id, it counts once
    video_id: str
    head: str  # of HEADS
    value: float | None  # 1.0 yes, 0.0 no
    said_at: int
    source: str  # of FEEDBACK_SOURCES


@dataclass(frozen=True, slots=True)
class Subscription:
    """A channel whose new videos are collected."""

    channel_id: str
    channel: str = ""


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One video of a scored feed, and why it is where it is."""

    video_id: str
    rank: int
    score: float  # what it was sorted by
    interest: float  # probability
    productive: float  # probability
    terms: dict[str, float] = field(default_factory=dict)  # name → what it added to `score`
    reasons: tuple[str, ...] = ()  # in words, most important first
    explored: bool = False
    propensity: float = 1.0  # probability with which it was shown at this rank
