"""What a simulated person thinks of a video: the true probabilities, in logits. README.md has the formulas in words."""

from dataclasses import dataclass, replace

import numpy as np

from traceformers.datasets_scripts.simulated_feed.activity_titles import LEISURE, WORK
from traceformers.datasets_scripts.simulated_feed.video_pool import TOPICS

#: How much a video of one topic serves somebody who is at another; 1 for the same, 0 for pairs that are not here.
RELATED = {
    ("rock", "metal"): 0.5,
    ("rock", "folk"): 0.3,
    ("rock", "beats"): 0.3,
    ("anime", "film"): 0.4,
    ("anime", "games"): 0.4,
    ("games", "film"): 0.3,
    ("sport", "board"): 0.4,
    ("board", "motor"): 0.2,
    ("pranks", "board"): 0.2,
    ("pranks", "film"): 0.2,
    ("family", "folk"): 0.1,
}
PROJECTS, LEISURES = 3, 3
TASTE_DRIFT = 0.08  # standard deviation a day
OWN_TOPIC = 1.0  # how much more a person likes the topics of their own projects


def relatedness(topic, other):
    """Returns how much a video of `topic` serves somebody who is at `other`, from 0 to 1."""
    return 1.0 if topic == other else RELATED.get((topic, other), RELATED.get((other, topic), 0.0))


@dataclass(frozen=True)
class Taste:
    """What a person likes and is at, on one day.

    Attributes:
        topics (`dict[str, float]`): about standard normal. channels (`dict[str, float]`): the same.
        length (`float`): log seconds of the best length.
        projects, leisure (`dict[str, float]`): topics and their shares of the time.
    """

    topics: dict
    channels: dict
    length: float
    projects: dict
    leisure: dict

    @classmethod
    def drawn(cls, channels, random):
        """Returns a taste drawn at random, over the channels given (iterable of `str`)."""
        topics = {topic: float(random.normal()) for topic in TOPICS}
        projects = _shares([str(each) for each in random.choice(_projectable(), PROJECTS, replace=False)], random)
        for topic in projects:
            topics[topic] += OWN_TOPIC
        names = [topic for topic in LEISURE if topic not in projects]
        weights = np.exp([topics[topic] for topic in names])
        leisure = [str(each) for each in random.choice(names, LEISURES, replace=False, p=weights / weights.sum())]
        liked = {channel: float(random.normal()) for channel in sorted(set(channels))}
        return cls(topics, liked, float(random.normal(np.log(150), 0.5)), projects, _shares(leisure, random))

    def next_day(self, changes_project, random):
        """Returns the taste a day later, when tastes drift; a project may end and another begin."""
        topics = {topic: value + float(random.normal(0, TASTE_DRIFT)) for topic, value in self.topics.items()}
        projects = self.projects
        if changes_project:
            names = list(projects)
            names[random.integers(len(names))] = str(random.choice([n for n in _projectable() if n not in projects]))
            projects = _shares(names, random)
        return replace(self, topics=topics, projects=projects)


def _projectable():
    return [topic for topic in WORK if topic != "office"]


def _shares(names, random):
    return dict(zip(names, (float(share) for share in random.dirichlet(np.full(len(names), 4.0))), strict=True))


def liking(taste, video, topic):
    """Returns how much a person likes what a video is of and by, about standard normal."""
    return 0.9 * taste.topics[topic] + 0.45 * taste.channels.get(video.channel, 0.0)


def interest_logit(taste, video, topic):
    """Returns the logit of "interesting": topic, channel and length; neither time nor activity matter."""
    length = np.log(max(video.duration or 1.0, 1.0))
    return 0.2 + 1.8 * liking(taste, video, topic) - 0.25 * ((length - taste.length) / 0.8) ** 2


def productive_logit(taste, video, topic, block, hour):
    """Returns the logit of "right now", for somebody in a block (`Block`), at a local hour (`float`)."""
    like, fit = liking(taste, video, topic), relatedness(topic, block.topic)
    if block.mode == "work":
        return -2.6 + 5.0 * fit + 0.4 * like - 0.7 * _longer(video, 300)
    if block.mode == "break":
        return -0.8 + 0.5 * fit + 1.2 * like - 0.8 * _longer(video, 150)
    late = hour >= 22 or hour < 5
    return -1.1 + 3.0 * fit + 0.9 * like - (0.6 * _longer(video, 180) if late else 0.0)


def productive_logit_without_activity(taste, video, topic, hour):
    """Returns the logit of "right now" for somebody who does not care what they are doing (the null generator)."""
    own = topic in taste.projects or topic in taste.leisure
    evening = np.cos(2 * np.pi * (hour - 20) / 24)
    return -1.2 + 1.0 * own + 0.9 * liking(taste, video, topic) + 0.8 * evening - 0.5 * _longer(video, 300)


def _longer(video, seconds):
    return float(max(0.0, np.log(max(video.duration or 1.0, 1.0) / seconds)))
