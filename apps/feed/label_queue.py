"""The videos that are labelled one after another, forwards and back; where it stopped is kept in the database.

The labelling page and the terminal go through the same queue, and go on where the other one stopped.
"""

from traceformers.apps.feed.database.label_queries import TO_LABEL_ORDERS
from traceformers.datasets_scripts.feed.feed_records import HEADS

BLOCK = 30
SOURCE, KEY = "site", "labelling"


class LabelQueue:
    """Goes through the videos without an opinion; every method asks the database.

    Args:
        database (`FeedDatabase`). order (`str`): of `TO_LABEL_ORDERS`. head (`str`): interest or productive.

    Attributes:
        index (`int`): number of the video since the beginning of the order, from 0; kept over visits.
    """

    def __init__(self, database, order=TO_LABEL_ORDERS[0], head="interest"):
        self.database, self.order, self.head = database, order, head
        self._begin()

    def _begin(self, index=0, after=None):
        self.index, self._videos, self._at, self._after, self._ended = index, [], 0, after, False

    @property
    def video(self):
        """The `Video` to label now, None at the end."""
        return self._videos[self._at] if self._at < len(self._videos) else None

    def resume(self, as_asked=False):
        """Goes to where labelling was left.

        Args:
            as_asked (`bool`): only if that was in this order and of this head; to the first video otherwise.
        """
        kept = self.database.state(SOURCE, KEY) or {}
        order = kept["order"] if kept.get("order") in TO_LABEL_ORDERS else self.order
        head = kept["head"] if kept.get("head") in HEADS else HEADS[0]
        if as_asked and (order, head) != (self.order, self.head):
            self._begin()
        else:
            self.order, self.head = order, head
            self._begin(int(kept.get("index", 0)), kept.get("after"))
        self._fill()

    def restart(self, order=None, head=None):
        """Goes to the first video without an opinion, in another order or of another head if given."""
        self.order, self.head = order or self.order, head or self.head
        self._begin()
        self._fill()
        self.keep()

    def forward(self):
        """Goes to the next video, and keeps the place."""
        if self.video:
            self._at, self.index = self._at + 1, self.index + 1
        self._fill()
        self.keep()

    def back(self):
        """Returns whether there was a video before in this session; goes to it."""
        if not self._at:
            return False
        self._at, self.index = self._at - 1, max(self.index - 1, 0)
        self.keep()
        return True

    def back_to(self, video_id):
        """Returns whether a video was shown in this session before; goes to it."""
        places = [place for place, video in enumerate(self._videos[: self._at]) if video.video_id == video_id]
        if not places:
            return False
        self.index, self._at = max(self.index - (self._at - places[-1]), 0), places[-1]
        self.keep()
        return True

    def keep(self):
        """Keeps the place in the database."""
        after = self._videos[self._at - 1].video_id if self._at else self._after
        place = {"order": self.order, "head": self.head, "index": self.index, "after": after}
        self.database.set_state(SOURCE, KEY, place)

    def _fill(self):
        if self._at < len(self._videos) or self._ended:
            return
        after = self._videos[-1].video_id if self._videos else self._after
        found = self.database.to_label(BLOCK, after=after, order=self.order, head=self.head)
        known = {video.video_id for video in self._videos}
        self._videos += [video for video in found if video.video_id not in known]
        self._ended = len(found) < BLOCK
