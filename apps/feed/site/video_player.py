"""The embedded player."""

from nicegui.element import Element

from traceformers.apps.feed.site.display_text import ground_of, letters_of, shown_title


class VideoPlayer(Element, component="video_player.js"):
    """Plays one video after another, each after a click, or at once.

    Args:
        auto (`bool`): whether the player is loaded with the page.
        thumbnails (`bool`): whether the video's picture stands there before.
        on_play (callable, *optional*): takes the id of a video whose player was asked for.
    """

    def __init__(self, auto, thumbnails, on_play=None):
        super().__init__()
        self.thumbnails = thumbnails
        self._props["auto"] = auto
        if on_play:
            self.on("play", lambda event: on_play(event.args["video"]))

    def show(self, video):
        """Shows another video.

        Args:
            video (`Video`)
        """
        self._props["video"] = {
            "id": video.video_id,
            "title": shown_title(video),
            "letters": letters_of(video.title or video.channel),
            "ground": ground_of(video.channel or video.title),
            "thumbnail": f"/thumbnails/{video.video_id}.jpg" if self.thumbnails else None,
        }
        self.update()
