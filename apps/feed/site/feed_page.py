"""The feed: cards by score, `page_size` at a time."""

import asyncio
import logging
from dataclasses import replace
from urllib.parse import urlencode

from nicegui import ui

from traceformers.apps.feed.database.database_engine import FeedDatabaseError
from traceformers.apps.feed.site.feed_card import FeedCardElement, card_of
from traceformers.apps.feed.site.feed_empty import show_why_empty
from traceformers.apps.feed.site.feed_query import MOST_PAGES, FeedQuery
from traceformers.apps.feed.site.feed_toolbar import FeedToolbar
from traceformers.apps.feed.site.opinion_writing import saved, take_back, write_opinion
from traceformers.apps.feed.site.page_elements import button, tag
from traceformers.apps.feed.site.page_frame import page_frame
from traceformers.datasets_scripts.feed.feed_records import HEADS

logger = logging.getLogger(__name__)
LOOK_SECONDS = 1.0


def address_of(query):
    """Returns the address of the feed that a query asks for."""
    params = query.params()
    return "/?" + urlencode(params) if params else "/"


def names_of(video, what):
    """Returns by what a video or its channel is hidden, the first of which hides it.

    Args:
        video (`Video`), what (`str`): "video" or "channel".
    """
    names = (video.video_id,) if what == "video" else (video.channel_id, video.channel)
    return [name for name in names if name]


class FeedPage:
    """One open page of the feed; nothing of it is shared with another.

    Args:
        site (`Site`), query (`FeedQuery`): what the address asked for.
    """

    def __init__(self, site, query):
        self.site, self.query = site, query
        self.cards, self.turn = {}, asyncio.Lock()  # one list at a time

    async def build(self):
        """Makes the page with the videos in it."""
        newest = await self.site.look_for_feed()
        feed = self.query.feed if self.query.feed and await self.site.ask("feed_about", self.query.feed) else newest
        self.query = replace(self.query, feed=feed, at=self.query.at or self.site.now())
        # Before anything is clicked, the address says which feed this is: Back finds the same one.
        ui.add_head_html(f"<script>window.feedArrived=location.search;{self._keep_address()}</script>")
        with page_frame(self.site, "feed") as self.toast:
            tag("h1", "unseen", self.site.options.title)
            self.toolbar = FeedToolbar(self.query, self.ask)
            with tag("div", "fresh") as self.fresh:
                button(
                    "New feed available: show it",
                    self.show_newest,
                    "main",
                    key="g",
                    name="new-feed",
                    title="Show it (G)",
                )
            self.fresh.set_visibility(False)
            self.grid = tag("div", "grid", role="feed", aria_label="Videos")
            self.rest = tag("div", "stack")
        await self.show_cards()
        ui.timer(LOOK_SECONDS, self._look)

    async def show_cards(self):
        """Shows the videos of the query; those that are there stay, so their order never changes under the reader."""
        site, query = self.site, self.query
        size, now = site.options.page_size, site.now()
        missing, last = max(size * query.pages - len(self.cards), 0), next(reversed(self.cards), None)
        filters, search = query.filters(now), query.search or None
        found = await site.ask("feed_page", query.order, missing + 1, filters, search, query.feed, last)
        more = len(found or ()) > missing
        shown, hidden = [], await self._hidden()
        with self.grid:
            for card in (found or ())[:missing]:
                shown.append((card.video.video_id, len(self.cards), card.row.propensity))
                element = card_of(card.video, card.row, query.order, now, self._thumbnails, card.watched_at is not None)
                element["hidden"] = {what: bool(hidden[what] & set(names_of(card.video, what))) for what in hidden}
                opinions = dict(zip(HEADS, (card.interest_label, card.productive_label), strict=True))
                self.cards[card.video.video_id] = FeedCardElement(element, opinions, self.say, self.hide)
        self.rest.clear()
        with self.rest:
            if more and query.pages < MOST_PAGES:
                with tag("div", "more"):
                    button("Load more", self.load_more, key="m", name="more", title="Load more (M)")
            elif self.cards:
                tag("p", "end", "No more videos.")
            else:
                await show_why_empty(site, query, self.clear, self.show_all)
        if shown:
            try:
                await site.ask("log_impressions", query.feed, shown, now)
            except FeedDatabaseError as error:  # the videos are worth more than the note that they were shown
                logger.warning("what was shown is not noted: %s", error)

    async def load_more(self):
        """Shows one more page."""
        if self.turn.locked():  # a second press of the same button
            return
        async with self.turn:
            self.query = replace(self.query, pages=min(self.query.pages + 1, MOST_PAGES))
            ui.run_javascript(self._keep_address())
            await self._guarded(self.show_cards)

    async def ask(self, params):
        """Shows the list that the toolbar asks for, from its beginning."""
        asked = FeedQuery.lenient(params)
        await self._start(replace(asked, feed=self.query.feed, at=self.site.now()))

    async def clear(self):
        """Shows the list without filters and search."""
        await self._start(FeedQuery(order=self.query.order, feed=self.query.feed, at=self.site.now()), toolbar=True)

    async def show_all(self):
        """Shows what was watched and rated as well."""
        await self._start(replace(self.query, watched=True, rated=True, pages=1), toolbar=True)

    async def show_newest(self):
        """Shows the newest feed from its beginning."""
        self.fresh.set_visibility(False)
        query = replace(self.query, feed=await self.site.look_for_feed(), at=self.site.now(), pages=1)
        await self._start(query)
        ui.run_javascript("scrollTo(0, 0)")

    async def say(self, card, click):
        """Writes an opinion, then shows it."""
        before = card.opinions.get(click.head)

        async def written():
            feedback = await write_opinion(self.site, click, "feed")
            card.show({click.head: click.value})
            self.toast.show(saved(click.head, click.value), lambda: undo(feedback))

        async def undo(feedback):
            await take_back(self.site, feedback, before)
            card.show({click.head: before})
            return saved(click.head, None)

        if click.video_id != card.card["id"] or before == click.value:
            return
        if not await self._guarded(written):
            card.show({})

    async def hide(self, card, what):
        """Hides a video or its channel, and takes the cards away; shows what was hidden before again."""
        video = await self.site.ask("video", card.card["id"])
        if video is None:
            return
        method, hides = f"hide_{what}", not card.card["hidden"][what]
        names = names_of(video, what)[: 1 if hides else None]
        same = [one for one in self.cards.values() if one is card or (what == "channel" and one.is_beside(card))]

        async def write(hidden):
            for name in names:
                await self.site.ask(method, name, hidden)
            for one in same:
                one.hide(what, hidden)
                one.set_visibility(not hidden)

        async def written():
            await write(hides)
            name = card.card["title"] if what == "video" else card.card["channel"]
            self.toast.show(f"{'Hidden' if hides else 'Shown again'}: {name}", undo)

        async def undo():
            await write(not hides)
            return "Shown again" if hides else "Hidden"

        await self._guarded(written)

    async def _hidden(self):
        """Returns {"video", "channel": names of those that are hidden}; none where they are not shown anyway."""
        asked = {"video": "hidden_videos", "channel": "hidden_channels"}
        shown = self.query.hidden
        return {what: set(await self.site.ask(method) or () if shown else ()) for what, method in asked.items()}

    async def _start(self, query, toolbar=False):
        async with self.turn:
            self.query = query
            self.cards.clear()
            self.grid.clear()
            if toolbar:
                self.toolbar.show(query)
            ui.run_javascript(self._keep_address())
            await self._guarded(self.show_cards)

    async def _guarded(self, doing):
        """Returns whether an async function ended well; if not, the toast says why."""
        try:
            await doing()
        except Exception as error:
            logger.exception("the feed page failed")
            self.toast.show(f"Not done: {error}", bad=True)
            return False
        return True

    def _look(self):
        newest = self.site.newest_feed
        self.fresh.set_visibility(newest is not None and newest != self.query.feed)

    def _keep_address(self):
        return f"history.replaceState(null, '', {_as_script(address_of(self.query))})"

    @property
    def _thumbnails(self):
        return self.site.options.thumbnails == "cache"


def _as_script(text):
    """Returns a JavaScript string that is safe inside a script element; an address has no quotes and no "<"."""
    return "'" + text.replace("\\", "%5C").replace("'", "%27").replace("<", "%3C") + "'"
