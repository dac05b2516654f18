"""What all pages of one site share: the database, the options, the newest feed. Nothing of a visitor is kept here."""

import asyncio
import logging
from zoneinfo import ZoneInfo

from nicegui import run

from traceformers.apps.feed.feed_clock import now_ms

logger = logging.getLogger(__name__)


class Site:
    """One site on one database.

    Args:
        options (`SiteOptions`), database (`FeedDatabase`)
        health (callable): takes the database, returns a `SiteHealth`; runs in a thread.
    """

    def __init__(self, options, database, health):
        self.options, self.database, self.health = options, database, health
        self.zone = ZoneInfo(options.time_zone)
        self.newest_feed = None
        self._last_ms = 0

    def now(self):
        """Returns the time, milliseconds since 1970; never the same twice, never earlier than before."""
        self._last_ms = max(now_ms(), self._last_ms + 1)
        return self._last_ms

    async def ask(self, method, *args, **kwargs):
        """Returns what a method of the database returns; it runs in a thread, the pages go on meanwhile.

        Args:
            method (`str`): its name.
        """
        return await run.io_bound(getattr(self.database, method), *args, **kwargs)

    async def look_at_health(self):
        """Returns the `SiteHealth`."""
        return await run.io_bound(self.health, self.database)

    async def look_for_feed(self):
        """Returns the id of the newest feed, None if there is none; the open pages see it too."""
        self.newest_feed = await self.ask("feed_version")
        return self.newest_feed

    async def keep_looking(self):
        """Looks for a newer feed every `poll_seconds`, until cancelled; a database that fails is asked again later."""
        while True:
            try:
                await self.look_for_feed()
            except Exception as error:
                logger.warning("cannot ask for the newest feed: %s", error)
            await asyncio.sleep(self.options.poll_seconds)

    async def card(self, video):
        """Returns (the video's `FeedRow` in the newest feed or None, {head: opinion}, when it was watched or None).

        Args:
            video (`Video`)
        """
        card = await self.ask("feed_card", video.video_id)
        if card is None:
            return None, {}, None
        return card.row, {"interest": card.interest_label, "productive": card.productive_label}, card.watched_at
