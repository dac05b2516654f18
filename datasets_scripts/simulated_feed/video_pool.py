"""The videos that simulated people are shown: the shipped sample of real ones, dated anew over the simulated days."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from traceformers.datasets_scripts.feed.feed_records import Video
from traceformers.datasets_scripts.simulated_feed.prepare_video_sample import SAMPLES, topics_of_videos

LICENCE = "video metadata: YouTube Tagging Dataset 2006 (10.5281/zenodo.17508119), CC BY 4.0"
DAY_MS = 86_400_000
DAYS_BEFORE = 7  # a feed is not empty on its first day
CARELESS_CATEGORIES = 0.2  # share of videos whose uploader chose a category that says nothing
#: What an uploader would choose of YouTube's categories.
CATEGORIES = {
    "politics": "News & Politics",
    "rock": "Music",
    "metal": "Music",
    "folk": "Music",
    "beats": "Music",
    "anime": "Film & Animation",
    "film": "Film & Animation",
    "games": "Gaming",
    "sport": "Sports",
    "board": "Sports",
    "motor": "Autos & Vehicles",
    "family": "People & Blogs",
    "pranks": "Comedy",
    "other": "Entertainment",
}
TOPICS = tuple(CATEGORIES)


@dataclass(frozen=True)
class VideoPool:
    """Videos in the order of their publication (list of `Video`) and the topic of each (list of `str`)."""

    videos: list
    topics: list

    def __len__(self):
        return len(self.videos)


def sample_videos(path=SAMPLES / "videos.parquet"):
    """Returns the shipped videos as (list of `Video`, list of topics), as their uploaders dated them, category None."""
    topics = topics_of_videos()
    rows = pq.read_table(Path(path)).to_pylist()
    videos = [
        Video(
            video_id=row["video_id"],
            title=row["title"],
            channel=row["channel"],
            channel_id=row["channel"],
            description=row["description"],
            published_at=row["uploaded_at"],
            duration=row["duration"],
            tags=tuple(row["tags"]),
            source="yt2006",
        )
        for row in rows
    ]
    return videos, [topics[video.video_id] for video in videos]


def published_over(start, days, seed=0):
    """Returns the `VideoPool` of the shipped videos, published one after another from `DAYS_BEFORE` days before start.

    The order is random but for the seed; the gaps are those of a Poisson process. Each gets the category of its topic
    or, by `CARELESS_CATEGORIES`, one that says nothing.

    Args:
        start (`int`): ms, the first simulated midnight. days (`int`): of the simulation. seed (`int`).
    """
    random = np.random.default_rng([seed, 101])
    videos, topics = sample_videos()
    order = random.permutation(len(videos))
    first = start - DAYS_BEFORE * DAY_MS
    moments = np.sort(random.integers(first, start + days * DAY_MS, len(videos)))
    careless = random.random(len(videos)) < CARELESS_CATEGORIES
    vague = random.choice(["People & Blogs", "Entertainment"], len(videos))
    dated = [
        replace(
            videos[index],
            published_at=int(moment),
            category=str(vague[place]) if careless[place] else CATEGORIES[topics[index]],
            source="simulated",
        )
        for place, (index, moment) in enumerate(zip(order, moments, strict=True))
    ]
    return VideoPool(dated, [topics[index] for index in order])
