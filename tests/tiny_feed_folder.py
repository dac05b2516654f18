"""A tiny feed folder: 12 videos of two topics, a desk that does one or the other, and what was said of the videos.

In the first half of a day the windows are of Python, in the second of music. A video is productive when it is of what
the desk does; Python is interesting, music is not. So interest is in the text, productive in text and activity.
"""

from traceformers.datasets_scripts.feed.feed_folder import table_of, write_feed_folder
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback, Subscription, Video, Watch

HOUR = 3_600_000  # milliseconds
START = 1_700_006_400_000  # 2023-11-15, 00:00 UTC, a Wednesday
TITLES = {
    "python": ("python tutorial", "python search", "street python code", "python water bank", "red python", "code"),
    "music": ("guitar music", "music of the river", "blue guitar", "green music", "guitar street", "music"),
}
ABOUT = {"time_zone": "Europe/Berlin", "created_at": START + 30 * 24 * HOUR, "licence": "CC0-1.0"}


def tiny_videos():
    """Returns 12 `Video`, python and music in turn; one without a duration, one without a date, one short, one live."""
    videos = []
    for number in range(12):
        topic = ("python", "music")[number % 2]
        videos.append(
            Video(
                video_id=f"tiny-{number:06d}",
                title=TITLES[topic][number // 2],
                channel=f"{topic} channel",
                channel_id=f"UC{topic}",
                description=f"a video of {topic}, number {number}" if number != 5 else "",
                published_at=None if number == 7 else START - (12 - number) * HOUR,
                duration=None if number == 4 else 60.0 * (number + 1),
                category="Education" if topic == "python" else "Music",
                tags=(topic,) if number % 3 else (),
                is_short=number == 10 or None,
                is_live=number == 11 or None,
                source="simulated",
            )
        )
    return videos


def tiny_events(days=6):
    """Returns 16 `ActivityEvent` a day, hourly from 6 to 21 UTC: Python until 14, then music."""
    events = []
    for hour in (day * 24 + hour for day in range(days) for hour in range(6, 22)):
        python = hour % 24 < 14
        events.append(
            ActivityEvent(
                source="aw-watcher-window_tiny",
                started_at=START + hour * HOUR,
                duration=1200.0 + 60 * (hour % 7),
                app="Code" if python else "Player",
                title=f"python code {hour % 5}" if python else f"guitar music {hour % 5}",
                url=None if hour % 4 else "https://example.org/" + ("python" if python else "music"),
                category="Work > Programming" if python else "Media > Music",
            )
        )
    return events


def tiny_feedback(days=6):
    """Returns 16 `Feedback` a day, both heads in turn, at half past the hours of the events."""
    feedback = []
    for hour in (day * 24 + hour for day in range(days) for hour in range(6, 22)):
        number = (hour * 7) % 12
        head = ("interest", "productive")[hour % 3 == 0]
        python, topic_is_python = hour % 24 < 14, number % 2 == 0
        value = topic_is_python if head == "interest" else topic_is_python == python
        feedback.append(
            Feedback(
                feedback_id=f"said-{hour}",
                video_id=f"tiny-{number:06d}",
                head=head,
                value=float(value),
                said_at=START + hour * HOUR + HOUR // 2,
                source="simulated",
            )
        )
    return feedback


def tiny_tables(days=6):
    """Returns the five core tables of a feed folder."""
    feedback = tiny_feedback(days)
    records = {
        "videos": tiny_videos(),
        "events": tiny_events(days),
        "watches": [Watch(each.video_id, each.said_at - 60_000, "simulated") for each in feedback[::2]],
        "feedback": feedback,
        "subscriptions": [Subscription("UCpython", "python channel")],
    }
    return {name: table_of(name, rows) for name, rows in records.items()}


def tiny_feed_folder(folder, days=6, format="parquet"):
    """Returns `folder` as str, in which a feed folder of so many days was written."""
    write_feed_folder(folder, tiny_tables(days), ABOUT, format)
    return str(folder)
