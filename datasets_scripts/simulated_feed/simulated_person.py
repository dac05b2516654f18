"""Simulated people: a desk, a feed and opinions, day by day, made from a seed; the truth behind each answer is known.

for day in simulate_days(days=14, seed=1):
    day.videos, day.events, day.watches, day.feedback
"""

from dataclasses import dataclass, field
from datetime import date as Date
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from traceformers.datasets_scripts.feed.feed_records import HEADS, Feedback, Subscription, Watch
from traceformers.datasets_scripts.simulated_feed.daily_rhythm import (
    MINUTE_MS,
    Block,
    Rhythm,
    blocks_of_day,
    events_of_block,
)
from traceformers.datasets_scripts.simulated_feed.simulated_opinions import (
    Taste,
    interest_logit,
    liking,
    productive_logit,
    productive_logit_without_activity,
    relatedness,
)
from traceformers.datasets_scripts.simulated_feed.video_pool import DAY_MS, published_over

FIRST_DAY = "2024-03-04"  # a Monday; clocks change within the first five weeks
TIME_ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Europe/London", "America/Sao_Paulo")
RECENT_DAYS = 14  # how old a video in the feed may be
LOOKS = {"work": 1.0, "break": 2.0, "leisure": 1.5}  # how much likelier somebody opens the feed in such a block
SUBSCRIPTIONS = 12
SERVED_FIT = 3.0  # how much likelier, in the logarithm, a feed that works shows what fits
AGAIN_HOURS = 2  # after which "right now" is another question
_DAYS_KEPT = 8


@dataclass(frozen=True)
class SimulatedDay:
    """What one day adds. `truth` is {feedback id: true probability of a yes}, noise included."""

    number: int
    start: int
    end: int
    videos: list
    events: list
    watches: list
    feedback: list
    blocks: list
    truth: dict = field(default_factory=dict)


class SimulatedPerson:
    """Returns a person; two made with equal arguments are equal in everything.

    Args:
        seed (`int`).
        days (`int`): how many the videos are published over and `simulate_days` goes.
        feedbacks (`int`): how much is said in all, about half for each head.
        noise (`float`): share of the answers that are turned round, below 0.5.
        null (`bool`): "right now" does not depend on the activity, only on video, taste and hour.
        served (`float`): share of the videos shown that are chosen to fit what the person is doing, as by a feed that
            works already; the others are chosen by taste alone.
        again (`float`): share of the "right now" that is asked of a video of which it was said before, at another time.
        drift (`bool`): tastes change from day to day, and a project ends after a third and two thirds of the days.
        first_day (`str`): ISO date, local.
        time_zone (`str`, *optional*): IANA; drawn if not given.
        pool (`VideoPool`, *optional*): the shipped videos, published over the days, if not given.
    """

    def __init__(
        self,
        seed=0,
        days=60,
        feedbacks=1200,
        noise=0.05,
        null=False,
        drift=False,
        served=0.0,
        again=0.0,
        first_day=FIRST_DAY,
        time_zone=None,
        pool=None,
    ):
        if days < 1 or feedbacks < 0:
            raise ValueError(f"Expected 1 day or more and no fewer than 0 feedbacks, got {days} and {feedbacks}.")
        if not 0 <= noise < 0.5:
            raise ValueError(f"Expected noise from 0 to below 0.5, got {noise}. 0.5 says nothing of what is thought.")
        if not 0 <= served <= 1:
            raise ValueError(f"Expected a share served from 0 to 1, got {served}. 0 shows what is liked at any time.")
        if not 0 <= again <= 1:
            raise ValueError(f"Expected a share asked again from 0 to 1, got {again}. 0 asks of each video once.")
        self.served, self.again = served, again
        self.seed, self.days, self.feedbacks = seed, days, feedbacks
        self.noise, self.null, self.drift = noise, null, drift
        random = self._random("person")
        drawn_zone = str(random.choice(TIME_ZONES))
        self.time_zone = time_zone or drawn_zone
        self.zone = ZoneInfo(self.time_zone)
        self.first_day = Date.fromisoformat(first_day)
        self.start = self.midnight(0)
        self.pool = published_over(self.start, days, seed) if pool is None else pool
        self._topics = {video.video_id: topic for video, topic in zip(self.pool.videos, self.pool.topics, strict=True)}
        self._published = np.array([video.published_at for video in self.pool.videos])
        self.rhythm = Rhythm.drawn(random)
        self._tastes = [Taste.drawn((video.channel for video in self.pool.videos), random)]
        self._blocks = lru_cache(_DAYS_KEPT)(self._blocks_of)
        self._said = 0

    def _random(self, *names):
        return np.random.default_rng([self.seed, *(each if isinstance(each, int) else _number(each) for each in names)])

    def midnight(self, day):
        """Returns when a day begins, ms; days are numbered from 0 and may lie beyond the simulated ones."""
        date = self.first_day + timedelta(days=day)
        return int(datetime(date.year, date.month, date.day, tzinfo=self.zone).timestamp() * 1000)

    def day_of(self, moment):
        """Returns the number of the local day of a moment."""
        return (datetime.fromtimestamp(moment / 1000, self.zone).date() - self.first_day).days

    def hour_of(self, moment):
        """Returns the local hour of a moment, with its minutes as a fraction."""
        local = datetime.fromtimestamp(moment / 1000, self.zone)
        return local.hour + local.minute / 60

    def taste(self, day):
        """Returns the `Taste` of a day."""
        while self.drift and len(self._tastes) <= day:
            number = len(self._tastes)
            ends = number in (self.days // 3, 2 * self.days // 3)
            self._tastes.append(self._tastes[-1].next_day(ends, self._random("drift", number)))
        return self._tastes[max(day, 0) if self.drift else 0]

    def blocks(self, day):
        """Returns the plan of a day, list of `Block`."""
        return self._blocks(day)

    def _blocks_of(self, day):
        taste = self.taste(day)
        date = self.first_day + timedelta(days=day)
        random = self._random("blocks", max(day, 0), int(day < 0) * -day)
        return blocks_of_day(self.rhythm, date, self.zone, taste.projects, taste.leisure, random)

    def doing(self, moment):
        """Returns the `Block` of a moment; between blocks and at night it is a break from the block before."""
        day = self.day_of(moment)
        before = [block for number in (day - 1, day) for block in self.blocks(number) if block.start <= moment]
        if not before:
            return Block(moment, moment, "break", "office")
        last = before[-1]
        return last if moment < last.end else Block(last.end, moment, "break", last.topic)

    def events(self, day):
        """Returns the windows of a day, list of `ActivityEvent` in order."""
        leisure, found = self.taste(day).leisure, []
        for number, block in enumerate(self.blocks(day)):
            found += events_of_block(block, leisure, self._random("events", max(day, 0), int(day < 0) * -day, number))
        return found

    def probability(self, video, head, moment, activity=None):
        """Returns the true probability that the person says yes, noise included.

        Args:
            video (`Video`): one that is not of the pool counts as of the topic "other".
            head (`str`): of `HEADS`. moment (`int`): ms.
            activity (`Block`, *optional*): what they were just doing; their own plan if not given.
        """
        if head not in HEADS:
            raise ValueError(f"Expected a head of {', '.join(HEADS)}, got {head!r}. Name one of these.")
        taste, topic = self.taste(self.day_of(moment)), self._topics.get(video.video_id, "other")
        if head == "interest":
            logit = interest_logit(taste, video, topic)
        elif self.null:
            logit = productive_logit_without_activity(taste, video, topic, self.hour_of(moment))
        else:
            logit = productive_logit(taste, video, topic, activity or self.doing(moment), self.hour_of(moment))
        return float(self.noise + (1 - 2 * self.noise) / (1 + np.exp(-logit)))

    def say(self, video, moment, activity=None, head="productive", random=None):
        """Returns what the person says of a video that they are shown, `Feedback`; arguments as of `probability`."""
        if random is None:
            self._said += 1
            random = self._random("say", self._said)
        yes = random.random() < self.probability(video, head, moment, activity)
        name = f"simulated-{self.seed}-{head}-{video.video_id}-{moment}"
        return Feedback(name, video.video_id, head, float(yes), int(moment), "simulated")

    def subscriptions(self):
        """Returns the channels that the person likes best, list of `Subscription`."""
        liked = sorted(self.taste(0).channels.items(), key=lambda pair: -pair[1])[:SUBSCRIPTIONS]
        return [Subscription(channel, channel) for channel, _ in liked]

    def simulate_days(self):
        """Yields each `SimulatedDay`. The first one's videos are all that were there before, too."""
        said, last = {head: set() for head in HEADS}, {}
        quota = self._random("quota").multinomial(self.feedbacks, np.full(self.days, 1 / self.days))
        for day in range(self.days):
            start, end = self.midnight(day), self.midnight(day + 1)
            since = start if day else -(2**62)
            rows = np.flatnonzero((self._published >= since) & (self._published < end))
            videos = [self.pool.videos[row] for row in rows]
            random = self._random("looks", day)
            watches, feedback, truth = [], [], {}
            for moment, block in self._looks(day, int(quota[day]), random):
                head = HEADS[int(random.random() < 0.5)]
                row = self._asked_again(moment, last, random) if head == "productive" and self.again else None
                row = self._shown(moment, block, said[head], random) if row is None else row
                if row is None:
                    continue
                video = self.pool.videos[row]
                said[head].add(row)
                if head == "productive":
                    last[row] = moment
                opinion = self.say(video, moment, block, head, random)
                feedback.append(opinion)
                truth[opinion.feedback_id] = self.probability(video, head, moment, block)
                if random.random() < 0.6:
                    seconds = random.uniform(0.1, 1.0) * min(video.duration or 60.0, 300.0)
                    opened = max(moment - int(seconds * 1000), block.start, video.published_at)
                    watches.append(Watch(video.video_id, opened, "simulated"))
            yield SimulatedDay(
                day, start, end, videos, self.events(day), watches, feedback, list(self.blocks(day)), truth
            )

    def _looks(self, day, count, random):
        """Yields so many (moment, block), in order: looks at the feed, several videos at each."""
        blocks = [block for block in self.blocks(day) if block.end - block.start > 10 * MINUTE_MS]
        if not blocks or not count:
            return
        weights = np.array([LOOKS[block.mode] for block in blocks])
        found = []
        while len(found) < count:
            block = blocks[random.choice(len(blocks), p=weights / weights.sum())]
            first = 0 if block.mode == "break" else 10 * MINUTE_MS
            moment = int(random.uniform(block.start + first, block.end))
            for _ in range(min(int(random.integers(3, 9)), count - len(found))):
                found.append((moment, block))
                moment += int(random.uniform(5, 40) * 1000)
        yield from sorted(found, key=lambda pair: pair[0])

    def _asked_again(self, moment, last, random):
        """Returns the row of a video of which "right now" was said some hours ago or more, or None."""
        rows = [
            row for row, said_at in last.items() if AGAIN_HOURS * 3_600_000 <= moment - said_at <= RECENT_DAYS * DAY_MS
        ]
        return int(random.choice(rows)) if rows and random.random() < self.again else None

    def _shown(self, moment, block, said, random):
        """Returns the row of a video that the feed shows and of which nothing was said, or None."""
        rows = np.flatnonzero((self._published < moment) & (self._published > moment - RECENT_DAYS * DAY_MS))
        rows = [row for row in rows if row not in said]
        if not rows:
            return None
        taste = self.taste(self.day_of(moment))
        own = [self.pool.topics[row] in taste.projects or self.pool.topics[row] in taste.leisure for row in rows]
        likes = [liking(taste, self.pool.videos[row], self.pool.topics[row]) for row in rows]
        weights = np.exp(0.5 * np.array(likes) + 1.5 * np.array(own))  # people follow what they like and need
        if self.served and random.random() < self.served:
            weights *= np.exp([SERVED_FIT * relatedness(self.pool.topics[row], block.topic) for row in rows])
        return int(random.choice(rows, p=weights / weights.sum()))


def simulate_days(**options):
    """Yields the days of a `SimulatedPerson` made with these options."""
    yield from SimulatedPerson(**options).simulate_days()


def _number(name):
    return int.from_bytes(name.encode()[:6], "little")
