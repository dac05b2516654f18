"""The player page of one video."""

import logging

from traceformers.apps.feed.site.display_text import (
    LONGEST_NAME,
    shown_age,
    shown_description,
    shown_duration,
    shown_text,
    shown_time,
    shown_title,
)
from traceformers.apps.feed.site.feed_card import why
from traceformers.apps.feed.site.opinion_buttons import OpinionButtons
from traceformers.apps.feed.site.opinion_writing import saved, say_now, take_back, write_opinion
from traceformers.apps.feed.site.page_elements import button, tag
from traceformers.apps.feed.site.page_frame import empty_state, page_frame
from traceformers.apps.feed.site.video_player import VideoPlayer
from traceformers.datasets_scripts.feed.feed_records import Watch

logger = logging.getLogger(__name__)


class WatchPage:
    """One open player page.

    Args:
        site (`Site`), video_id (`str`)
    """

    def __init__(self, site, video_id):
        self.site, self.video_id = site, video_id

    async def build(self):
        """Makes the page."""
        site = self.site
        self.video = video = await site.ask("video", self.video_id)
        with page_frame(site, "watch", shown_text(video.title, LONGEST_NAME) if video else None) as self.toast:
            if video is None:
                with empty_state("This video is not known", "It may have been deleted from the database."):
                    tag("a", "button main", "To the feed", href="/")
                return
            row, self.opinions, _ = await site.card(video)
            with tag("div", "row"):
                button("Back to the feed", key="b", name="back", title="Back (B)").on(
                    "click", js_handler="() => feedBack()"
                )
            with tag("div", "watch"):
                with tag("div", "stack"):
                    auto = site.options.embed == "auto"
                    VideoPlayer(auto, site.options.thumbnails == "cache", self.opened).show(video)
                    title = shown_title(video)
                    tag("h1", "video-title" + (" long" if len(title) > 120 else ""), title, dir="auto")
                    facts = shown_facts(video, site)
                    with tag("p", "facts"):
                        tag("bdi", "channel", shown_text(video.channel, LONGEST_NAME) or "Unknown channel")
                        tag("span", "", f" · {facts}" if facts else "")
                    self.buttons = OpinionButtons(self.say)
                    self.buttons.show(self.video_id, title, self.opinions)
                    with tag("div", "row"):
                        self.back_all = button("Take back what I said", self.forget, "quiet", name="take-back")
                        self.back_all.set_visibility(self._said_something)
                        tag("span", "spring")
                        link = tag(
                            "a",
                            "button",
                            "Open on YouTube",
                            href=f"https://www.youtube.com/watch?v={self.video_id}",
                            rel="noopener noreferrer",
                            target="_blank",
                            data_do="open",
                        )
                        link.on("click", lambda: self.opened(self.video_id), args=[])
                    if video.description:
                        tag("div", "description", shown_description(video.description), dir="auto", tabindex="0")
                with tag("aside", "panel", aria_label="Why this video"):
                    tag("h2", "", "Why this video")
                    show_why(row)
        if auto:
            await self.opened(self.video_id)

    async def opened(self, video_id):
        """Notes that the video was watched."""
        if video_id == self.video_id:
            await self._guarded(lambda: self.site.ask("add_watches", [Watch(video_id, self.site.now(), "feed")]))

    async def say(self, click):
        """Writes an opinion, then shows it."""
        before = self.opinions.get(click.head)

        async def written():
            feedback = await write_opinion(self.site, click, "feed")
            self._show({click.head: click.value})
            self.toast.show(saved(click.head, click.value), lambda: self._undo(feedback, before))

        if click.video_id != self.video_id or before == click.value:
            return
        if not await self._guarded(written):
            self._show({})

    async def forget(self):
        """Takes back all that was said of the video."""
        before = dict(self.opinions)

        async def written():
            for head, value in before.items():
                if value is not None:
                    await say_now(self.site, self.video_id, head, None, "feed")
            self._show(dict.fromkeys(before))
            self.toast.show("Taken back", undo)

        async def undo():
            for head, value in before.items():
                if value is not None:
                    await say_now(self.site, self.video_id, head, value, "feed")
            self._show(before)
            return "Said again"

        await self._guarded(written)

    async def _undo(self, feedback, before):
        await take_back(self.site, feedback, before)
        self._show({feedback.head: before})
        return saved(feedback.head, None)

    def _show(self, opinions):
        self.opinions = self.opinions | opinions
        self.buttons.show(self.video_id, shown_title(self.video), self.opinions)
        self.back_all.set_visibility(self._said_something)

    @property
    def _said_something(self):
        return any(value is not None for value in self.opinions.values())

    async def _guarded(self, doing):
        try:
            await doing()
        except Exception as error:
            logger.exception("the player page failed")
            self.toast.show(f"Not done: {error}", bad=True)
            return False
        return True


def shown_facts(video, site):
    """Returns when a video was published, how long it is and what it is about, in a line.

    Args:
        video (`Video`), site (`Site`)
    """
    age = shown_age(video.published_at, site.now())
    published = f"{shown_time(video.published_at, site.zone)[:10]} ({age})" if age else ""
    return " · ".join(
        filter(None, (published, shown_duration(video.duration), shown_text(video.category, LONGEST_NAME)))
    )


def show_why(row):
    """Shows why a video is where it is.

    Args:
        row (`FeedRow`, *optional*): its place in the newest feed.
    """
    reasons = why(row)
    with tag("div", "why-list stack"):
        if reasons["reasons"]:
            with tag("ul"):
                for reason in reasons["reasons"]:
                    tag("li", "", reason, dir="auto")
        with tag("dl", "meters"):
            for meter in reasons["meters"]:
                tag("dt", "", meter["name"])
                with tag("dd"):
                    with tag("span", f"bar {meter['kind']}"):
                        tag("span").style(f"width: {meter['points']}%")
                    tag("b", "", str(meter["points"]))
        if reasons["terms"]:
            with tag("table"):
                tag("caption", "", "What the score is made of, in points of 100")
                for term in reasons["terms"]:
                    with tag("tr"):
                        tag("th", "", term["name"], scope="row")
                        tag("td", "", term["points"])
        if reasons["explored"]:
            tag("p", "explored", reasons["explored"])
