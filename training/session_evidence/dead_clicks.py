"""Dead clicks: the page did nothing after them. Clicks into fields are left out: all they do is to set the caret."""

from typing import NamedTuple

from traceformers.training.session_evidence.session_trace import FIELDS, trace_of

WAIT_S = 2.5
BARE = ("html", "body", "#document")


class DeadClick(NamedTuple):
    """One click that nothing followed: its moment in seconds, place in pixels, and what it touched."""

    seconds: float
    x: float
    y: float
    target: str
    event: int


def dead_clicks(session, wait_s=WAIT_S):
    """Returns the `DeadClick`s of a session in time order.

    A click is dead if its window neither changed its page, nor scrolled, nor went to another page, nor took input, for
    `wait_s` seconds, or until the next click, as far as the recording shows: at the end of one it cannot be known.

    Args:
        session: a session in any form, or its `SessionTrace`.
        wait_s (`float`): how long the page may take.
    """
    trace = trace_of(session)
    clicks = trace.clicks
    waits = trace.seconds_to_response(trace.seconds[clicks], trace.windows[clicks])
    seen = trace.seconds[clicks] + wait_s <= trace.duration_s
    found = []
    for i in clicks[(waits > wait_s) & seen].tolist():
        target = trace.target(i)
        if target.split(" ", 1)[0] not in FIELDS:
            moment, x, y = (round(float(value), 3) for value in (trace.seconds[i], trace.x[i], trace.y[i]))
            found.append(DeadClick(moment, x, y, target, i))
    return found


def is_named(target):
    """Returns whether words for a target name something that a person would expect an answer of.

    >>> is_named('button "Save"'), is_named("body"), is_named("div")
    (True, False, False)
    """
    tag = target.split(" ", 1)[0]
    return tag in ("a", "button", "summary", "img", "svg") or "role=" in target or ('"' in target and tag not in BARE)
