"""The videos that are labelled one after another, forwards and back; where it stopped is kept in the database."""

from traceformers.apps.feed.database.label_queries import TO_LABEL_ORDERS

BLOCK = 30
SOURCE, KEY = "site", "labelling"


class LabelQueue:
    """Goes through the videos without an opinion.

    Args:
        site (`Site`)

    Attributes:
        index (`int`): number of the video since the beginning of the order, from 0; kept over visits.
    """

    def __init__(self, site):
        self.site, self.order, self.head = site, TO_LABEL_ORDERS[0], "interest"
        self.index, self._videos, self._at, self._after, self._ended = 0, [], 0, None, False

    @property
    def video(self):
        """The `Video` to label now, None at the end."""
        return self._videos[self._at] if self._at < len(self._videos) else None

    async def resume(self):
        """Goes to where labelling was left."""
        kept = await self.site.ask("state", SOURCE, KEY) or {}
        if kept.get("order") in TO_LABEL_ORDERS:
            self.order = kept["order"]
        self.head = "productive" if kept.get("head") == "productive" else "interest"
        self.index, self._after = int(kept.get("index", 0)), kept.get("after")
        await self._fill()

    async def restart(self, order=None, head=None):
        """Goes to the first video without an opinion, in another order or of another head if given."""
        self.order, self.head = order or self.order, head or self.head
        self.index, self._videos, self._at, self._after, self._ended = 0, [], 0, None, False
        await self._fill()
        await self.keep()

    async def forward(self):
        """Goes to the next video, and keeps the place."""
        if self.video:
            self._at, self.index = self._at + 1, self.index + 1
        await self._fill()
        await self.keep()

    async def back(self):
        """Returns whether there was a video before on this page; goes to it."""
        if not self._at:
            return False
        self._at, self.index = self._at - 1, max(self.index - 1, 0)
        await self.keep()
        return True

    async def back_to(self, video_id):
        """Returns whether a video was shown on this page before; goes to it."""
        places = [place for place, video in enumerate(self._videos[: self._at]) if video.video_id == video_id]
        if not places:
            return False
        self.index, self._at = max(self.index - (self._at - places[-1]), 0), places[-1]
        await self.keep()
        return True

    async def keep(self):
        """Keeps the place in the database."""
        after = self._videos[self._at - 1].video_id if self._at else self._after
        place = {"order": self.order, "head": self.head, "index": self.index, "after": after}
        await self.site.ask("set_state", SOURCE, KEY, place)

    async def _fill(self):
        if self._at < len(self._videos) or self._ended:
            return
        after = self._videos[-1].video_id if self._videos else self._after
        found = await self.site.ask("to_label", BLOCK, after=after, order=self.order, head=self.head)
        known = {video.video_id for video in self._videos}
        self._videos += [video for video in found or () if video.video_id not in known]
        self._ended = len(found or ()) < BLOCK
