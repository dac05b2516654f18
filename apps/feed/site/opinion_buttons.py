"""The four buttons that say something of a video."""

from dataclasses import dataclass

from nicegui.element import Element

from traceformers.datasets_scripts.feed.feed_records import HEADS

#: What each (head, value) is called.
WORDS = {
    ("interest", 1.0): "Interest",
    ("interest", 0.0): "Uninterest",
    ("productive", 1.0): "Right now",
    ("productive", 0.0): "Not now",
}


@dataclass(frozen=True)
class Click:
    """A button was pressed: what is said of which video. The id was made by the browser, once for each opinion."""

    video_id: str
    head: str
    value: float
    feedback_id: str


class OpinionButtons(Element, component="opinion_buttons.js"):
    """Interest, Uninterest, Right now and Not now, or those of one head.

    Args:
        on_say (callable): takes a `Click`.
    """

    def __init__(self, on_say):
        super().__init__()
        self._props["version"] = 0
        self.on("say", lambda event: on_say(click_of(event.args)))

    def show(self, video_id, about, opinions, heads=HEADS):
        """Shows what was said of a video, and lets the buttons be pressed again.

        Args:
            about (`str`): title of the video.
            opinions (`dict[str, float | None]`): by head.
            heads (`Iterable[str]`): the buttons of these.
        """
        said = {head: as_button(opinions.get(head)) for head in HEADS}
        version = self._props["version"] + 1
        self._props.update(video=video_id, about=about, heads=list(heads), version=version, **said)
        self.update()


def as_button(value):
    """Returns 1, 0 or None (nothing said) of an opinion."""
    return None if value is None or value != value else int(value >= 0.5)


def click_of(message):
    """Returns the click that a browser reports; a `ValueError` for one that no button of ours makes."""
    click = Click(*(message.get(key) for key in ("video", "head", "value", "feedback_id")))
    if click.head not in HEADS or click.value not in (0, 1) or not isinstance(click.feedback_id, str):
        raise ValueError(f"Expected an opinion of this page's buttons, got {message!r}. Reload the page.")
    return Click(click.video_id, click.head, float(click.value), click.feedback_id[:64])
