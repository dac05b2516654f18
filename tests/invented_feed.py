"""A person who was invented: what they did, and what they said of videos. Small, and the rule behind it is known.

Interest hangs on the topic of a video. Productive hangs on whether the topic is that of what was done before: code
after code, cooking after cooking.
"""

import numpy as np

from traceformers.datasets_scripts.feed.feed_folder import table_of, write_feed_folder
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback, Video

START = 1_700_000_000_000  # 14 November 2023, 22:13 in UTC
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TOPICS = ("code", "cooking", "music")
#: Words that the tiny encoders of the tests know.
WORDS = {"code": "red green blue", "cooking": "cat dog house", "music": "bank river street"}
LIKED = ("code", "music")


def invented_tables(videos=120, days=20, seed=0, noise=0.0):
    """Returns {"videos", "events", "feedback"}, `pa.Table` each."""
    random = np.random.default_rng(seed)

    def words(topic, count):
        return " ".join(random.choice(WORDS[topic].split(), count))

    films, topics = [], []
    for i in range(videos):
        topic = TOPICS[random.integers(len(TOPICS))]
        topics.append(topic)
        films.append(
            Video(
                video_id=f"video{i:06d}",
                title=words(topic, 3),
                channel=f"{topic} channel",
                description=words(topic, 6),
                published_at=START - int(random.integers(1, 30)) * DAY,
                duration=float(random.integers(60, 3600)) if i % 7 else None,
            )
        )
    said, events = [], []
    for i, film in enumerate(films):
        moment = START + (i * days * DAY) // videos
        doing = TOPICS[random.integers(2)]
        for back in range(6):
            events.append(
                ActivityEvent(
                    source="window",
                    started_at=moment - (back + 1) * 10 * MINUTE,
                    duration=540.0,
                    app="editor" if doing == "code" else "browser",
                    title=words(doing, 3),
                    category="Work > Code" if doing == "code" else "Home",
                )
            )
        answers = {"interest": topics[i] in LIKED, "productive": topics[i] == doing}
        for head, answer in answers.items():
            flipped = bool(random.random() < noise)
            if head == "interest" or i % 2:
                value = float(answer != flipped)
                said.append(Feedback(f"{head}{i}", film.video_id, head, value, moment, "simulated"))
    rows = {"videos": films, "events": events, "feedback": said}
    return {name: table_of(name, records) for name, records in rows.items()}


def write_invented_feed(folder, **settings):
    """Returns `folder`, a feed folder of `invented_tables(**settings)`."""
    write_feed_folder(folder, invented_tables(**settings), {"time_zone": "Europe/Berlin"})
    return folder
