"""What is deleted for good, here and in ActivityWatch."""

WHAT = ("feedback", "events", "feed", "models", "everything")


def reset_feed(feed, what):
    """Deletes a part of a feed; returns a line that says what.

    Args:
        feed (`OpenFeed`). what (`str`): of `WHAT`.

    Raises:
        ValueError: `what` is nothing that can be deleted.
    """
    if what not in WHAT:
        raise ValueError(f"Expected one of {', '.join(WHAT)}, got {what!r}. Name what is to be deleted.")
    if what != "models":
        feed.database.reset(what)
    if what in ("models", "everything"):
        feed.registry.forget()
    if what == "everything":
        import shutil

        from traceformers.apps.feed.sources.youtube_access import TOKEN_FILE

        for folder in (feed.home.thumbnails, feed.home.work):
            shutil.rmtree(folder, ignore_errors=True)
        # Signed out, too: what the token can still fetch is nothing that should come back by itself.
        (feed.home.path / TOKEN_FILE).unlink(missing_ok=True)
        feed.home.create()
    return f"deleted: {what}; settings and secrets stay"


def forget(feed, word, on_server=False, confirmed=False):
    """Returns the `Deletion` of activity whose title contains a word; without `confirmed` it is only looked for.

    Args:
        feed (`OpenFeed`), word (`str`), on_server (`bool`): in ActivityWatch, too. confirmed (`bool`).
    """
    from traceformers.apps.feed.sources.activitywatch_client import ActivityWatchClient
    from traceformers.apps.feed.sources.activitywatch_deletion import delete_activity

    chosen = feed.settings.activitywatch
    if not on_server:
        return delete_activity(None, feed.database, word, confirmed)
    with ActivityWatchClient(chosen.host, chosen.port) as client:
        return delete_activity(client, feed.database, word, confirmed)
