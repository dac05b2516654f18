"""Labelling in a terminal: one video after another, a key an answer. The place is that of the labelling page."""

import secrets

from traceformers.apps.feed.feed_clock import now_ms
from traceformers.apps.feed.label_queue import LabelQueue
from traceformers.datasets_scripts.feed.feed_records import Feedback

KEYS = {"y": 1.0, "n": 0.0}
HELP = "y yes  n no  s skip  p previous  u undo  b balance  q save and end"


class TerminalLabelling:
    """Goes through the videos without an opinion.

    Args:
        database (`FeedDatabase`). head (`str`): interest or productive.
        order (`str`): newest_watch, newest, uncertain or random.
        resume (`bool`): go on where labelling was left, in the terminal or on the page.
    """

    def __init__(self, database, head="interest", order="newest_watch", resume=True):
        self.database, self.head = database, head
        self.queue = LabelQueue(database, order, head)
        self.said = []  # (feedback, what was said before it)
        if resume:
            self.queue.resume(as_asked=True)
        else:
            self.queue.restart()

    @property
    def video(self):
        """The `Video` to label now, None at the end."""
        return self.queue.video

    @property
    def index(self):
        """Its number since the beginning of the order, from 0."""
        return self.queue.index

    def answer(self, key, now=None):
        """Returns what a key did, a line for the person; None for one that means nothing.

        Args:
            key (`str`): of `HELP`. now (`int`, *optional*): ms.
        """
        if key in KEYS and self.video is not None:
            return self._say(KEYS[key], now_ms() if now is None else now)
        if key == "s" and self.video is not None:
            self.queue.forward()
            return "skipped"
        if key == "p":
            return "back" if self.queue.back() else "this is the first"
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

    def _say(self, value, now):
        video = self.video
        before = next((old for old, _ in reversed(self.said) if old.video_id == video.video_id), None)
        feedback = Feedback(f"terminal-{secrets.token_hex(12)}", video.video_id, self.head, value, now, "labelling")
        self.database.add_feedback([feedback])
        self.said.append((feedback, None if before is None else before.value))
        self.queue.forward()
        return f"saved: {'yes' if value else 'no'}"

    def _undo(self, now):
        if not self.said:
            return "nothing to undo"
        feedback, before = self.said.pop()
        now = max(now, feedback.said_at + 1)
        back = Feedback(f"{feedback.feedback_id}-undo", feedback.video_id, self.head, before, now, "labelling")
        self.database.add_feedback([back])
        self.queue.back_to(feedback.video_id)
        return "taken back"


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
    labelling.queue.keep()
    return len(labelling.said)
