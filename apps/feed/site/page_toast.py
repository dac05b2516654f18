"""The line at the bottom that says what was done, with Undo."""

import logging

from nicegui import ui

from traceformers.apps.feed.site.page_elements import button, tag

logger = logging.getLogger(__name__)
SECONDS = 8.0


class Toast:
    """What was done last; keeps the ways back of all that was done on this page.

    Each way back is an async function without arguments; it returns the message to show, text.
    """

    def __init__(self):
        self._ways_back, self._hiding = [], None
        with tag("div", "toast hidden", role="status", **{"aria-live": "polite"}) as self._box:
            self._text = tag("span", "said")
            self._undo = button("Undo", self.undo, key="z", name="undo", title="Undo (Z)")

    def show(self, message, way_back=None, bad=False):
        """Shows a message for SECONDS.

        Args:
            message (`str`)
            way_back (callable, *optional*): async; what Undo does now. Earlier ones are kept for further Undos.
            bad (`bool`): whether it failed.
        """
        if way_back:
            self._ways_back.append(way_back)
        self._text.text = message
        self._undo.set_visibility(bool(self._ways_back) and not bad)
        self._box.classes(remove="hidden", add="bad" if bad else None)
        if not bad:
            self._box.classes(remove="bad")
        if self._hiding:
            self._hiding.cancel()
        with self._box:
            self._hiding = ui.timer(SECONDS * (3 if bad else 1), self._hide, once=True)

    async def undo(self):
        """Takes the last thing back."""
        if not self._ways_back:
            return
        way_back = self._ways_back.pop()
        try:
            self.show(await way_back())
        except Exception as error:
            logger.exception("Undo failed")
            self._ways_back.append(way_back)
            self.show(f"Not undone: {error}", bad=True)

    def _hide(self):
        self._box.classes("hidden")
