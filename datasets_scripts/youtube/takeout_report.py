"""What was read of a Takeout, and what was not: the records, the counts by reason, in plain words."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple


class FileRead(NamedTuple):
    """A file that was read: its name, what it is, its records, and how many of them are in the report."""

    name: str
    kind: str
    records: int
    kept: int


@dataclass
class TakeoutReport:
    """What `read_takeout` found.

    Attributes:
        watches (`list` of `Watch`): in order of time, each video once a second.
        videos (`list` of `Video`): those watched, liked or in a playlist, each once; of a like only the id is known.
        feedback (`list` of `Feedback`): the likes, as interest.
        subscriptions (`list` of `Subscription`).
        dropped (`Counter`): reason → records that are not in the report.
        files (`list` of `FileRead`).
        ignored (`int`): files that hold nothing of YouTube's history.
        warnings (`list` of `str`): what the reader should know.
    """

    watches: list = field(default_factory=list)
    videos: list = field(default_factory=list)
    feedback: list = field(default_factory=list)
    subscriptions: list = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)
    files: list = field(default_factory=list)
    ignored: int = 0
    warnings: list = field(default_factory=list)

    def sample(self, count, seed=0):
        """Returns the report with `count` watches drawn at random; likes and subscriptions stay.

        Args:
            count (`int`): all of them if there are no more.
            seed (`int`): the same seed draws the same.

        Raises:
            ValueError: for a negative count.
        """
        if count < 0:
            raise ValueError(f"Expected a number of watches to draw, got {count}. Give 0 or more.")
        if count >= len(self.watches):
            return self
        drawn = sorted(random.Random(seed).sample(range(len(self.watches)), count))
        watches = [self.watches[place] for place in drawn]
        watched = {watch.video_id for watch in self.watches}
        left = watched - {watch.video_id for watch in watches} - {said.video_id for said in self.feedback}
        videos = [video for video in self.videos if video.video_id not in left]
        dropped = self.dropped + Counter({"not drawn for the sample": len(self.watches) - count})
        return replace(self, watches=watches, videos=videos, dropped=dropped)

    def describe(self):
        """Returns the report as a text of a few lines, for people."""
        counts = [
            _count(len(self.watches), "watch", "watches"),
            _count(len(self.videos), "video"),
            _count(len(self.feedback), "like"),
            _count(len(self.subscriptions), "subscription"),
        ]
        lines = ["Read " + ", ".join(counts[:-1]) + " and " + counts[-1] + "."]
        times = [watch.watched_at for watch in self.watches if watch.watched_at]
        if times:
            first, last = (datetime.fromtimestamp(time / 1000, UTC).date() for time in (min(times), max(times)))
            lines.append(f"Watched from {first} to {last}.")
        if self.dropped:
            reasons = (f"{count:,} {reason}" for reason, count in self.dropped.most_common())
            lines.append(f"Left out {sum(self.dropped.values()):,} records: " + "; ".join(reasons) + ".")
        for file in self.files:
            lines.append(f"  {file.name} ({file.kind}): {file.kept:,} of {file.records:,} records")
        if self.ignored:
            lines.append(f"  {_count(self.ignored, 'other file')} without anything of YouTube's history")
        return "\n".join(lines + [f"Note: {warning}" for warning in self.warnings])


def _count(number, one, many=None):
    return f"{number:,} {one if number == 1 else many or one + 's'}"
