"""What the feed says when it has nothing to show: why, and what to do next."""

from nicegui import ui

from traceformers.apps.feed.site.page_elements import button
from traceformers.apps.feed.site.page_frame import empty_state

HOW_MANY = "About 500 labels make a good start, at least 100 of the rarest kind."


async def show_why_empty(site, query, clear, show_all):
    """Shows the reason and the next step.

    Args:
        site (`Site`), query (`FeedQuery`): that found nothing.
        clear, show_all (callable): what the buttons do.
    """
    if not await site.ask("to_label", 1, order="newest") and not await site.ask("label_counts"):
        empty_state(
            "No videos yet",
            "Collect them from your subscriptions, Google Takeout or YouTube, or look at an invented person's feed.",
            commands=("traceformers feed collect", "traceformers feed demo"),
        )
        return
    if query.feed is not None and query.narrows:
        with empty_state("Nothing fits", "No video of this feed passes the search and the filters."):
            button("Clear search and filters", clear, "main", name="clear-all")
        return
    if query.feed is not None and not (query.watched and query.rated):
        lines = (
            "You have watched or rated everything in this feed, or it is empty.",
            "The next scoring brings new videos.",
        )
        with empty_state("All done", *lines, commands=("traceformers feed run-once",)):
            button("Show watched and rated", show_all, "main", name="show-all")
        return
    if query.feed is not None:
        empty_state("This feed is empty", "Collect videos, then score them.", commands=("traceformers feed run-once",))
        return
    with empty_state(
        "Nothing is scored yet",
        f"Say of some videos whether they interest you, then train and score. {HOW_MANY}",
        commands=("traceformers feed train", "traceformers feed score"),
    ):
        button("Label videos", lambda: _open("/label"), "main", name="to-label")


def _open(address):
    ui.navigate.to(address)
