"""When a simulated person is at the desk, and what for: a plan of each day in blocks, and the windows of each block."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from re import compile as pattern

import numpy as np

from traceformers.datasets_scripts.activitywatch.aw_categories import Categorizer
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent
from traceformers.datasets_scripts.simulated_feed.activity_titles import CHORES, LEISURE, WORK

MINUTE_MS = 60_000
MODES = ("work", "break", "leisure")
#: What a window of a block is about: the block, a chore, something else altogether.
SHARE_OF_CHORES, SHARE_OF_STRAYS, SHARE_OF_IDLE_GAPS = 0.18, 0.10, 0.08
SHARE_OF_BREAKS_AWAY = 0.6  # of the time in a break nobody is at the desk
WINDOWS_OF_A_BLOCK = 5
BUCKET = "aw-watcher-window_simulated"
_CHOICE = pattern(r"\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a day: `start` and `end` in ms, `mode` of `MODES`, and the topic that it is spent on.

    The topic of a break is that of the work before it.
    """

    start: int
    end: int
    mode: str
    topic: str


@dataclass(frozen=True)
class Rhythm:
    """The hours of a person, local time."""

    work_start: float
    work_end: float
    bed: float
    office_share: float  # of the work on weekdays

    @classmethod
    def drawn(cls, random):
        """Returns a rhythm drawn at random."""
        start = random.normal(9, 0.8)
        has_job = random.random() < 0.5
        return cls(start, start + random.normal(8, 0.7), random.normal(23, 0.7), 0.5 if has_job else 0.15)


def blocks_of_day(rhythm, date, zone, projects, leisure, random):
    """Returns the blocks of a local date, list of `Block` in order.

    Args:
        rhythm (`Rhythm`). date (`datetime.date`). zone (`ZoneInfo`).
        projects, leisure (`dict[str, float]`): topics and how much of the time they take; they add up to 1 each.
        random (`numpy.random.Generator`).
    """
    blocks, last_project = [], None

    def add(hour, minutes, mode, topic):
        start, end = (_moment(date, zone, each) for each in (hour, hour + minutes / 60))
        if end > start:
            blocks.append(Block(start, end, mode, topic))
        return hour + minutes / 60

    def project(office_share):
        nonlocal last_project
        if random.random() < office_share:
            return "office"
        if last_project is None or random.random() > 0.35:
            last_project = _drawn(projects, random)
        return last_project

    def work_until(hour, end, office_share):
        had_lunch = hour > 12.5
        while hour < end:
            topic = project(office_share)
            hour = add(hour, min(_minutes(70, 0.5, 25, 180, random), 60 * (end - hour)), "work", topic)
            long_break = not had_lunch and hour > 12
            had_lunch |= long_break
            hour = add(hour, random.uniform(40, 70) if long_break else random.uniform(5, 25), "break", topic)
        return hour

    def leisure_until(hour, end, project_share):
        while hour < end:
            minutes = min(_minutes(60, 0.45, 20, 150, random), 60 * (end - hour))
            if random.random() < project_share:
                hour = add(hour, minutes, "work", project(0.0))
            else:
                hour = add(hour, minutes, "leisure", _drawn(leisure, random))
            hour += random.uniform(5, 30) / 60
        return hour

    bed = rhythm.bed + random.normal(0, 0.5)
    if date.weekday() < 5:
        hour = work_until(rhythm.work_start + random.normal(0, 0.4), rhythm.work_end, rhythm.office_share)
        leisure_until(hour + random.uniform(0.7, 2), bed, 0.25)
    else:
        hour = leisure_until(random.normal(10.5, 0.7), 18, 0.45)
        leisure_until(max(hour, 18) + random.uniform(0.5, 2.5), bed, 0.15)
    return blocks


def events_of_block(block, leisure, random):
    """Returns the windows of a block, list of `ActivityEvent` in order, none longer than the block.

    A block has a few windows that come again and again, chores and strays between them, and gaps with nobody there.
    """
    away = SHARE_OF_BREAKS_AWAY if block.mode == "break" else SHARE_OF_IDLE_GAPS
    topic = _drawn(leisure, random) if block.mode == "break" else block.topic
    listed = (LEISURE if block.mode != "work" else WORK)[topic]
    windows = [_filled(listed[random.integers(len(listed))], random) for _ in range(WINDOWS_OF_A_BLOCK)]
    events, now = [], block.start
    while now < block.end - 5_000:
        if random.random() < away:
            now += int(random.uniform(2, 15) * MINUTE_MS)
            continue
        kind = random.random()
        if kind < SHARE_OF_CHORES:
            window = _filled(CHORES[random.integers(len(CHORES))], random)
        elif kind < SHARE_OF_CHORES + SHARE_OF_STRAYS:
            stray = LEISURE[list(LEISURE)[random.integers(len(LEISURE))]]
            window = _filled(stray[random.integers(len(stray))], random)
        else:
            window = windows[random.integers(len(windows))]
        seconds = min(float(np.clip(random.lognormal(np.log(75), 1.0), 5, 1200)), (block.end - now) / 1000)
        app, title, url = window
        events.append(ActivityEvent(BUCKET, now, round(seconds, 3), app, title, url, _categorizer().category(*window)))
        now += int(seconds * 1000) + int(random.integers(0, 4000))
    return events


@lru_cache(1)
def _categorizer():
    return Categorizer()


def _moment(date, zone, hour):
    wall = datetime(date.year, date.month, date.day) + timedelta(hours=float(hour))
    return int(wall.replace(tzinfo=zone).astimezone(UTC).timestamp() * 1000)


def _minutes(median, spread, low, high, random):
    return float(np.clip(random.lognormal(np.log(median), spread), low, high))


def _drawn(shares, random):
    return str(random.choice(list(shares), p=np.fromiter(shares.values(), float) / sum(shares.values())))


def _filled(window, random):
    def chosen(match):
        options = match[1].split("|")
        return options[random.integers(len(options))]

    app, title, url = window
    return app, _CHOICE.sub(chosen, title), url
