"""What makes a recording that recording, whatever wraps it, whoever tokenizes it."""

from hashlib import blake2b

from traceformers.tokenization.rrweb import rrweb_events
from traceformers.tokenization.rrweb.rrweb_address import site_of


def fingerprint(session):
    """Returns 32 hex digits that are equal for two recordings with equal events, and differ otherwise.

    Equal are events of the same browser window with the same `type`, `timestamp` and `data`; other keys are
    what a wrapping adds.

    Args:
        session (`Session`): as `read_session` gives it.

    >>> from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
    >>> events = [{"type": 4, "data": {"href": "http://a.test"}, "timestamp": 5}]
    >>> fingerprint(read_session(events)) == fingerprint(read_session({"events": events}))
    True
    """
    digest = blake2b(digest_size=16)
    for i, event in enumerate(session.events):
        window = session.window_of[i] if session.window_of else 0
        digest.update(b"%d " % window)
        digest.update(rrweb_events.fingerprint({key: event[key] for key in ("type", "timestamp", "data")}))
    return digest.hexdigest()


def site(session):
    """Returns the host of the first page address of a session, `""` if it has none."""
    hrefs = (event["data"].get("href") for event in session.events if event["type"] == 4)
    return next((site_of(href) for href in hrefs if isinstance(href, str)), "")
