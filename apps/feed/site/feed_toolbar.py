"""Search, order and filters above the feed."""

from nicegui.element import Element


class FeedToolbar(Element, component="feed_toolbar.js"):
    """Tells what is asked for.

    Args:
        query (`FeedQuery`): what it shows first.
        on_ask (callable): takes the parameters, `dict[str, str]`, at every change.
    """

    def __init__(self, query, on_ask):
        super().__init__()
        self.show(query)
        self.on("ask", lambda event: on_ask({str(name): str(value) for name, value in event.args.items()}))

    def show(self, query):
        """Shows another query."""
        self._props["query"] = query.params()
        self.update()
