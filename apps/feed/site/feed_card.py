"""A card of the feed: what is shown of one video, and its element."""

from nicegui.element import Element

from traceformers.apps.feed.site.display_text import (
    LONGEST_NAME,
    ground_of,
    letters_of,
    points,
    shown_age,
    shown_duration,
    shown_text,
    shown_title,
)
from traceformers.apps.feed.site.opinion_buttons import OpinionButtons

#: What the pages call the numbers of a `FeedRow`.
SCALES = {"score": "Score", "productive": "Right now", "interest": "Interest"}
TERMS = {
    "productive": "Right now",
    "interest": "Interest",
    "freshness": "New",
    "diversity": "Other channels first",
    "exploration": "Trying something else",
}


class FeedCardElement(Element, component="feed_card.js"):
    """One video with its buttons.

    Args:
        card (`dict`): of `card_of`.
        opinions (`dict[str, float | None]`): what was said of each head.
        on_say (callable): takes this element and a `Click`.
        on_hide (callable): takes this element and "video" or "channel".
    """

    def __init__(self, card, opinions, on_say, on_hide):
        super().__init__()
        self.card, self.opinions = card, dict(opinions)
        self._props.update(video=card, id=f"video-{card['id']}")
        with self:
            self.buttons = OpinionButtons(lambda click: on_say(self, click))
        self.show(self.opinions)
        self.on("hide", lambda event: on_hide(self, event.args["what"]))

    def show(self, opinions):
        """Shows what was said of the video.

        Args:
            opinions (`dict[str, float | None]`): of some heads; the others stay.
        """
        self.opinions |= opinions
        self.buttons.show(self.card["id"], self.card["title"], self.opinions)

    def hide(self, what, hidden):
        """Notes whether the video or its channel is hidden.

        Args:
            what (`str`): "video" or "channel". hidden (`bool`)
        """
        self.card = self.card | {"hidden": self.card["hidden"] | {what: hidden}}
        self._props["video"] = self.card
        self.update()

    def is_beside(self, other):
        """Returns whether another card is of the same channel."""
        return self.card["channel"] == other.card["channel"]


def card_of(video, row, order, now, thumbnails, watched=False):
    """Returns what a card shows of a video, JSON.

    Args:
        video (`Video`), row (`FeedRow`, *optional*): its place in the feed.
        order (`str`): says which number stands beside the title.
        now (`int`): milliseconds since 1970.
        thumbnails (`bool`): whether pictures are shown.
        watched (`bool`)
    """
    scale = order if order in SCALES else "score"
    return {
        "id": video.video_id,
        "title": shown_title(video),
        "channel": shown_text(video.channel, LONGEST_NAME),
        "href": f"/watch/{video.video_id}",
        "age": shown_age(video.published_at, now),
        "length": "Live" if video.is_live else shown_duration(video.duration),
        "letters": letters_of(video.title or video.channel),
        "ground": ground_of(video.channel or video.title),
        "thumbnail": f"/thumbnails/{video.video_id}.jpg" if thumbnails else None,
        "watched": watched,
        "hidden": {"video": False, "channel": False},
        "points": points(getattr(row, scale)) if row else None,
        "points_of": SCALES[scale],
        **why(row),
    }


def why(row):
    """Returns why a video is where it is, JSON: reasons in words, the two probabilities and the terms of the score."""
    if row is None:
        return {"reasons": ["Not scored yet."], "meters": [], "terms": [], "explored": ""}
    terms = sorted(row.terms.items(), key=lambda term: -abs(term[1]))
    return {
        "reasons": [shown_text(reason) for reason in row.reasons],
        "meters": [
            {"name": SCALES[head], "kind": head, "points": points(getattr(row, head))}
            for head in ("productive", "interest")
        ],
        "terms": [
            {"name": TERMS.get(name, shown_text(name, LONGEST_NAME)), "points": _signed(100 * value)}
            for name, value in terms
            if value == value and round(abs(100 * value), 1)
        ],
        "explored": f"Shown to learn something new: it had a chance of {100 * row.propensity:.1f} %."
        if row.explored
        else "",
    }


def _signed(value):
    return f"{'+' if value > 0 else '−'}{abs(value):.1f}"
