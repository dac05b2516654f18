"""Labelling in a terminal: one video after another, a key an answer. The place is that of the labelling page."""

import secrets
from dataclasses import dataclass

from traceformers.apps.feed.open_feed import now_ms
from traceformers.datasets_scripts.feed.feed_records import Feedback

SOURCE, KEY = "site", "labelling"
BLOCK = 30
KEYS = {"y": 1.0, "n": 0.0}
HELP = "y yes  n no  s skip  p previous  u undo  b balance  q save and end"


@dataclass
class TerminalLabelling:
    """Goes through the videos without an opinion.

    Args:
        database (`FeedDatabase`). head (`str`): interest or productive.
        order (`str`): newest_watch, newest, uncertain or random.
        resume (`bool`): go on where labelling was left, in the terminal or on the page.
    """

    database: object
    head: str = "interest"
    order: str = "newest_watch"
    resume: bool = True

    def __post_init__(self):
        self.videos, self.at, self.index, self.after = [], 0, 0, None
        self.said = []  # (feedback, what was said before it)
        kept = (self.database.state(SOURCE, KEY) or {}) if self.resume else {}
        if kept.get("order") == self.order and kept.get("head", "interest") == self.head:
            self.index, self.after = int(kept.get("index", 0)), kept.get("after")

    @property
    def video(self):
        """The `Video` to label now, None at the end."""
        if self.at >= len(self.videos):
            after = self.videos[-1].video_id if self.videos else self.after
            known = {video.video_id for video in self.videos}
            found = self.database.to_label(BLOCK, after=after, order=self.order, head=self.head)
            self.videos += [video for video in found if video.video_id not in known]
        return self.videos[self.at] if self.at < len(self.videos) else None

    def answer(self, key, now=None):
        """Returns what a key did, a line for the person; None for one that means nothing.

        Args:
            key (`str`): of `HELP`. now (`int`, *optional*): ms.
        """
        if key in KEYS and self.video is not None:
            return self._say(KEYS[key], now_ms() if now is None else now)
        if key == "s" and self.video is not None:
            self._go(1)
            return "skipped"
        if key == "p":
            if not self.at:
                return "this is the first"
            self._go(-1)
            return "back"
        if key == "u":
            return self._undo(now_ms() if now is None else now)
        if key == "b":
            return self.balance()
        return None

    def balance(self):
        """Returns how many yes and no there are, a line."""
        from traceformers.apps.feed.training_need import label_numbers

        return ", ".join(
            f"{head}: {counts['yes']} yes {counts['no']} no" for head, counts in label_numbers(self.database).items()
        )

    def save(self):
        """Keeps the place in the database."""
        after = self.videos[self.at - 1].video_id if self.at else self.after
        place = {"order": self.order, "head": self.head, "index": self.index, "after": after}
        self.database.set_state(SOURCE, KEY, place)

    def _say(self, value, now):
        video = self.video
        before = next((old for old, _ in reversed(self.said) if old.video_id == video.video_id), None)
        feedback = Feedback(f"terminal-{secrets.token_hex(12)}", video.video_id, self.head, value, now, "labelling")
        self.database.add_feedback([feedback])
        self.said.append((feedback, None if before is None else before.value))
        self._go(1)
        return f"saved: {'yes' if value else 'no'}"

    def _undo(self, now):
        if not self.said:
            return "nothing to undo"
        feedback, before = self.said.pop()
        now = max(now, feedback.said_at + 1)
        back = Feedback(f"{feedback.feedback_id}-undo", feedback.video_id, self.head, before, now, "labelling")
        self.database.add_feedback([back])
        places = [place for place, video in enumerate(self.videos) if video.video_id == feedback.video_id]
        self._go(places[-1] - self.at)
        return "taken back"

    def _go(self, steps):
        self.at, self.index = self.at + steps, max(self.index + steps, 0)
        self.save()


def label_in_terminal(labelling, ask, say):
    """Returns how many videos were labelled; asks until the end, "q", or the end of the input.

    Args:
        labelling (`TerminalLabelling`).
        ask (callable): is given a prompt, returns what was typed. say (callable): is given lines.
    """
    say(HELP)
    while (video := labelling.video) is not None:
        minutes = f"  {video.duration / 60:.0f} min" if video.duration else ""
        say(f"\n{labelling.index + 1}. {video.title}\n   {video.channel}{minutes}  https://youtu.be/{video.video_id}")
        try:
            key = ask(f"{labelling.head}? ").strip().lower()[:1]
        except (EOFError, KeyboardInterrupt):
            break
        if key == "q":
            break
        say(labelling.answer(key) or HELP)
    else:
        say("There is nothing more to label. Collect first: traceformers feed collect.")
    labelling.save()
    return len(labelling.said)
