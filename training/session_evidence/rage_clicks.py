"""Rage clicks by the usual rule: 3 clicks within 30 pixels in 1 second, the rule of session replay products."""

from typing import NamedTuple

import numpy as np

from traceformers.training.session_evidence.session_trace import trace_of

CLICKS, RADIUS_PX, WITHIN_S = 3, 30.0, 1.0
ANSWER_S = 1.0  # a page that changes later did not answer the clicks
LONGEST_LOOK = 64  # clicks that one is compared with: more in a second is a machine


class RageClick(NamedTuple):
    """One burst of clicks.

    Attributes:
        seconds (`float`): of the first click.
        x, y (`float`): mean place in pixels of the viewport.
        target (`str`): what the first click touched, such as `button "Save"`.
        clicks (`int`): clicks in the burst.
        lasted_s (`float`): from its first click to its last.
        answered (`bool`): the page changed during it or within a second after.
    """

    seconds: float
    x: float
    y: float
    target: str
    clicks: int
    lasted_s: float
    answered: bool


def rage_clicks(session, clicks=CLICKS, radius_px=RADIUS_PX, within_s=WITHIN_S):
    """Returns the `RageClick`s of a session in time order, overlapping bursts joined.

    Args:
        session: a session in any form, or its `SessionTrace`.
        clicks (`int`), radius_px (`float`), within_s (`float`): the rule: so many clicks, each at most so far from the
            first of them, in so many seconds, in one browser window.

    Raises:
        ValueError: fewer than 2 clicks, or a radius or time that is not above 0.
    """
    if clicks < 2 or radius_px <= 0 or within_s <= 0:
        raise ValueError(
            f"Expected a rule of at least 2 clicks, a radius and a time above 0, got {clicks}, {radius_px}, "
            f"{within_s}. Leave them out for the usual rule."
        )
    trace = trace_of(session)
    found = []
    for members in _bursts(trace, clicks, radius_px, within_s):
        times = trace.seconds[members]
        window = trace.windows[members[:1]]
        wait = trace.seconds_to_response(times[:1], window)[0]
        found.append(
            RageClick(
                round(float(times[0]), 3),
                round(float(trace.x[members].mean()), 1),
                round(float(trace.y[members].mean()), 1),
                trace.target(members[0]),
                len(members),
                round(float(times[-1] - times[0]), 3),
                bool(wait <= times[-1] - times[0] + ANSWER_S),
            )
        )
    return sorted(found)


def _bursts(trace, clicks, radius_px, within_s):
    """Yields the events of each burst, `int64 (n,)`."""
    for window in np.unique(trace.windows[trace.clicks]):
        events = trace.clicks[trace.windows[trace.clicks] == window]
        events = events[np.isfinite(trace.x[events] + trace.y[events])]
        times, places = trace.seconds[events], np.stack([trace.x[events], trace.y[events]], axis=1)
        near = np.ones(len(events), dtype=int)  # clicks of the burst that starts here
        last = np.arange(len(events))
        for ahead in range(1, min(len(events), LONGEST_LOOK)):
            apart = np.hypot(*(places[ahead:] - places[:-ahead]).T)
            joined = (times[ahead:] - times[:-ahead] <= within_s) & (apart <= radius_px)
            near[:-ahead] += joined
            last[:-ahead][joined] = np.flatnonzero(joined) + ahead
        start = end = None
        for i in np.flatnonzero(near >= clicks).tolist():
            if end is None or i > end:
                if start is not None:
                    yield events[start : end + 1]
                start, end = i, int(last[i])
            end = max(end, int(last[i]))
        if start is not None:
            yield events[start : end + 1]
