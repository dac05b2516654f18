"""Writes what a person said, before a page says that it was; and the way back."""

import secrets

from traceformers.apps.feed.site.opinion_buttons import WORDS
from traceformers.datasets_scripts.feed.feed_records import Feedback


class NotWritten(RuntimeError):
    """The site is being stopped: what was said is not written."""


async def write_opinion(site, click, source):
    """Returns the `Feedback` that was written; when this returns, it is on disk.

    Args:
        site (`Site`), click (`Click`)
        source (`str`): "feed" or "labelling".
    """
    return await _write(site, click.feedback_id, click.video_id, click.head, click.value, source)


async def take_back(site, feedback, before):
    """Returns the `Feedback` that puts the opinion before another one in its place.

    Args:
        site (`Site`), feedback (`Feedback`): what is taken back.
        before (`float`, *optional*): what was said before it.
    """
    name = f"{feedback.feedback_id}-undo"
    return await _write(site, name, feedback.video_id, feedback.head, before, feedback.source)


async def say_now(site, video_id, head, value, source):
    """Returns the `Feedback` of an opinion that has no button, such as one taken back later.

    Args:
        value (`float`, *optional*): None takes back.
    """
    return await _write(site, f"site-{secrets.token_hex(16)}", video_id, head, value, source)


async def _write(site, feedback_id, video_id, head, value, source):
    feedback = Feedback(feedback_id, video_id, head, value, site.now(), source)
    if await site.ask("add_feedback", [feedback]) is None:
        raise NotWritten("Expected to write what you said, but the site is being stopped. Say it again later.")
    return feedback


def saved(head, value):
    """Returns what the page says of an opinion that was written."""
    return f"Saved: {WORDS[head, value]}" if value is not None else "Taken back"
