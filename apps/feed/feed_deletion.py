"""What is deleted for good, here and in ActivityWatch."""

WHAT = ("feedback", "events", "feed", "models", "everything")


def reset_feed(feed, what, project=None):
    """Deletes a part of a feed; returns a line that says what.

    Args:
        feed (`OpenFeed`). what (`str`): of `WHAT`.
        project (`OAuthProject`, *optional*): where the permission to read from YouTube is taken back.

    Raises:
        ValueError: `what` is nothing that can be deleted.
    """
    if what not in WHAT:
        raise ValueError(f"Expected one of {', '.join(WHAT)}, got {what!r}. Name what is to be deleted.")
    if what != "models":
        feed.database.reset(what)
    if what in ("models", "everything"):
        feed.registry.forget()
    signed_out = ""
    if what == "everything":
        import shutil

        for folder in (feed.home.thumbnails, feed.home.work):
            shutil.rmtree(folder, ignore_errors=True)
        signed_out = _sign_out(feed, project)
        feed.home.create()
    return f"deleted: {what}; settings and secrets stay{signed_out}"


def _sign_out(feed, project):
    """Ends the sign-in to YouTube, or what it can still fetch would come back by itself; returns what is to be told."""
    from traceformers.apps.feed.sources.youtube_access import TOKEN_FILE
    from traceformers.apps.feed.sources.youtube_oauth import OAuthProject, SignedIn, TokenFile

    project = project or OAuthProject(feed.secrets.youtube_client_id)
    taken_back = SignedIn(project, TokenFile(feed.home.path / TOKEN_FILE), attempts=2).sign_out()
    if taken_back is None:
        return ""
    if taken_back:
        return "; signed out of YouTube"
    return (
        "; the token of YouTube is deleted, but Google did not take the permission back: do it on "
        "https://myaccount.google.com/connections"
    )


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
