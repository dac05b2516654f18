"""Labelling: one video after another, with the mouse or with keys."""

import asyncio
import logging

from nicegui import run

from traceformers.apps.feed.label_queue import LabelQueue
from traceformers.apps.feed.site.display_text import LONGEST_NAME, shown_description, shown_text, shown_title
from traceformers.apps.feed.site.label_balance import GOAL, LabelBalance, show_balance
from traceformers.apps.feed.site.opinion_buttons import WORDS, OpinionButtons
from traceformers.apps.feed.site.opinion_writing import saved, take_back, write_opinion
from traceformers.apps.feed.site.page_elements import button, select, tag
from traceformers.apps.feed.site.page_frame import empty_state, page_frame
from traceformers.apps.feed.site.video_player import VideoPlayer
from traceformers.apps.feed.site.watch_page import shown_facts

logger = logging.getLogger(__name__)
ORDERS = {
    "newest_watch": "Last watched first",
    "newest": "Last published first",
    "uncertain": "Least certain first",
    "random": "Mixed",
}
HEAD_CHOICES = {"interest": "Interest: is it for me at all?", "productive": "Right now: is it for what I am doing?"}


class LabelPage:
    """One open labelling page.

    Args:
        site (`Site`)
    """

    def __init__(self, site):
        self.site, self.queue = site, LabelQueue(site.database)
        self.turn, self.opinions = (
            asyncio.Lock(),
            {},
        )  # video id → {head: what was said here}; the queue has none with one

    async def build(self):
        """Makes the page, at the video where labelling was left."""
        await self._go(self.queue.resume)
        with page_frame(self.site, "label", "Label") as self.toast, tag("div", "watch"):
            with tag("div", "stack"):
                tag("h1", "unseen", "Label videos")
                self.nothing = tag("div", "stack")
                self._build_work()
            with tag("aside", "stack", aria_label="Progress"):
                with tag("div", "panel"):
                    tag("h2", "", "Progress")
                    self.progress = tag("div", "stack")
                with tag("div", "panel"):
                    tag("h2", "", "What to label")
                    select(HEAD_CHOICES, self.queue.head, self.choose_head, "What is asked", name="head")
                    select(ORDERS, self.queue.order, self.choose_order, "Order", name="label-order")
                    button(
                        "Start over",
                        self.start_over,
                        name="start-over",
                        title="Back to the first video without a label",
                    )
                with tag("div", "panel"):
                    tag("h2", "", "Labels by source")
                    self.balance = tag("div")
        await self.show()

    def _build_work(self):
        with tag("div", "stack", data_card=True) as self.work:
            auto = self.site.options.embed == "auto"
            self.player = VideoPlayer(auto, self.site.options.thumbnails == "cache")
            self.title = tag("h2", "video-title label-title", dir="auto", aria_live="polite")
            self.facts = tag("p", "facts")
            self.buttons = OpinionButtons(self.say)
            with tag("div", "row"):
                button("Previous", self.previous, key="left", name="previous", title="Previous (←)")
                button("Skip", self.skip, key="s right", name="skip", title="Skip (S or →)")
                button("Save", self.save, key="v ctrl+s", name="save", title="Save the position (V or Ctrl+S)")
                tag("span", "spring")
                button("Undo", self.toast.undo, name="undo-last", title="Undo (Z)")
            self.description = tag("div", "description", dir="auto", tabindex="0")

    async def show(self):
        """Shows the video, the progress and the labels as they are now."""
        video = self.queue.video
        self.work.set_visibility(video is not None)
        self.nothing.clear()
        if video is None:
            with self.nothing:
                self._show_end()
        else:
            self.player.show(video)
            title = shown_title(video)
            self.title.text = title
            self.title.classes(add="long" if len(title) > 120 else None, remove=None if len(title) > 120 else "long")
            facts = shown_facts(video, self.site)
            name = shown_text(video.channel, LONGEST_NAME) or "Unknown channel"
            self.facts.text = f"\u2068{name}\u2069" + (f" · {facts}" if facts else "")
            self.description.text = shown_description(video.description, 1_000)
            self.description.set_visibility(bool(video.description))
            self.buttons.show(video.video_id, title, self.opinions.get(video.video_id, {}), (self.queue.head,))
        await self._show_progress()

    async def say(self, click):
        """Writes a label, confirms it and goes on to the next video."""
        async with self.turn:
            video = self.queue.video
            before = self.opinions.get(click.video_id, {}).get(click.head)
            if video is None or click.video_id != video.video_id or before == click.value:
                return

            async def written():
                feedback = await write_opinion(self.site, click, "labelling")
                self.opinions.setdefault(click.video_id, {})[click.head] = click.value
                await self._go(self.queue.forward)
                self.toast.show(saved(click.head, click.value), lambda: self._undo(feedback, before))
                await self.show()

            if not await self._guarded(written):
                await self._guarded(self.show)

    async def _undo(self, feedback, before):
        async with self.turn:
            await take_back(self.site, feedback, before)
            self.opinions[feedback.video_id][feedback.head] = before
            await self._go(self.queue.back_to, feedback.video_id)
            await self.show()
        return saved(feedback.head, None)

    async def skip(self):
        """Goes on without a label."""
        await self._move(lambda: self._go(self.queue.forward))

    async def previous(self):
        """Goes back to the video before."""
        await self._move(lambda: self._go(self.queue.back))

    async def save(self):
        """Keeps the position, and says so. Labels were written when they were given."""

        async def kept():
            await self._go(self.queue.keep)
            self.toast.show(f"Saved: video {self.queue.index + 1}. You can go on here any time.")

        await self._move(kept)

    async def start_over(self):
        """Goes to the first video without a label."""
        await self._move(lambda: self._go(self.queue.restart))

    async def choose_order(self, order):
        """Starts over in another order."""
        await self._move(lambda: self._go(self.queue.restart, order=order if order in ORDERS else None))

    async def choose_head(self, head):
        """Starts over with the other head."""
        await self._move(lambda: self._go(self.queue.restart, head=head if head in HEAD_CHOICES else None))

    async def _go(self, step, *args, **kwargs):
        """Does one step of the queue; it asks the database, so it runs in a thread."""
        return await run.io_bound(step, *args, **kwargs)

    async def _move(self, doing):
        if self.turn.locked():  # a second press of the same key
            return

        async def moved():
            await doing()
            await self.show()

        async with self.turn:
            await self._guarded(moved)

    async def _show_progress(self):
        balance = LabelBalance(await self.site.ask("label_counts") or {})
        latest = await self.site.ask("latest_labelled", 1)
        last = latest and await self.site.ask("video", latest[0].video_id)
        head, queue = self.queue.head, self.queue
        total = balance.of(head)
        self.progress.clear()
        with self.progress:
            tag("p", "position", f"Video {queue.index + 1}" if queue.video else "At the end")
            tag("p", "count", f"{total} of {GOAL} labels")
            progress = {"role": "progressbar", "aria_valuenow": str(min(total, GOAL)), "aria_valuemax": str(GOAL)}
            with tag("div", "progress", aria_label="Labels", aria_valuemin="0", **progress):
                tag("div").style(f"width: {min(100, 100 * total / GOAL):.1f}%")
            tag("p", "facts", f"Short: {balance.short(head)}." if balance.short(head) else "Enough for a good start.")
            if latest:
                word = WORDS[latest[0].head, float(latest[0].value >= 0.5)]
                tag("p", "facts", f"Last labelled ({word}):")
                tag("p", "last", shown_title(last) if last else latest[0].video_id, dir="auto")
        self.balance.clear()
        with self.balance:
            show_balance(balance)

    def _show_end(self):
        if self.queue.index:
            with empty_state("The end of the list", "Start over to see what you skipped, or choose another order."):
                button("Start over", self.start_over, "main", name="again")
            return
        empty_state(
            "Nothing to label",
            "Every known video has a label, or none is known yet. Collect videos, or import your Google Takeout.",
            commands=("traceformers feed collect",),
        )

    async def _guarded(self, doing):
        try:
            await doing()
        except Exception as error:
            logger.exception("the labelling page failed")
            self.toast.show(f"Not done: {error}", bad=True)
            return False
        return True
