"""To and fro: the pointer shaken over the page, the page scrolled up and down, a page left and come back to."""

from typing import NamedTuple

import numpy as np

from traceformers.tokenization.rrweb.rrweb_address import page_key
from traceformers.training.session_evidence.session_trace import SCROLL, trace_of

POINTER_TURNS, POINTER_WITHIN_S, POINTER_STROKE_PX = 4, 2.0, 60.0
SCROLL_TURNS, SCROLL_WITHIN_S, SCROLL_STROKE_PX = 3, 2.0, 100.0
RETURN_S = 5.0


class Thrashing(NamedTuple):
    """A stretch of going to and fro: its first moment in seconds, how often it turned, how long it lasted."""

    seconds: float
    turns: int
    lasted_s: float


class PageReturn(NamedTuple):
    """A page left for another and come back to: the moment of return in seconds, time away, address as in the log."""

    seconds: float
    away_s: float
    page: str


def pointer_thrashing(session, turns=POINTER_TURNS, within_s=POINTER_WITHIN_S, stroke_px=POINTER_STROKE_PX):
    """Returns where the pointer turned back sharply (by more than 90 degrees) that often in that time.

    Args:
        session: a session in any form, or its `SessionTrace`.
        turns (`int`), within_s (`float`): so many turns within so many seconds.
        stroke_px (`float`): the shortest way between two turns that counts.
    """
    trace = trace_of(session)
    found = []
    for window in np.unique(trace.path[:, 3]):
        points = trace.path[trace.path[:, 3] == window]
        found += _stretches(_turns(points[:, 0], points[:, 1:3], stroke_px), turns, within_s)
    return sorted(found)


def scroll_thrashing(session, turns=SCROLL_TURNS, within_s=SCROLL_WITHIN_S, stroke_px=SCROLL_STROKE_PX):
    """Returns where one element was scrolled up and down that often in that time; arguments as above."""
    trace = trace_of(session)
    scrolls = np.flatnonzero((trace.sources == SCROLL) & np.isfinite(trace.y))
    found = []
    keys = np.stack([trace.windows[scrolls], trace.nodes[scrolls]], axis=1)
    for key in np.unique(keys, axis=0):
        events = scrolls[(keys == key).all(axis=1)]
        places = np.stack([np.zeros(len(events)), trace.y[events]], axis=1)
        found += _stretches(_turns(trace.seconds[events], places, stroke_px), turns, within_s)
    return sorted(found)


def page_returns(session, within_s=RETURN_S):
    """Returns the `PageReturn`s of a session: from a page to another and back to it within some seconds.

    Args:
        session: a session in any form, or its `SessionTrace`.
        within_s (`float`): the longest time away.
    """
    trace = trace_of(session)
    events, found, last = np.flatnonzero(trace.new_page), [], {}
    for event, href in zip(events.tolist(), trace.hrefs, strict=True):
        window = int(trace.windows[event])
        before = last.setdefault(window, [])
        now = (float(trace.seconds[event]), page_key(href))
        if len(before) > 1 and before[-2][1] == now[1] and now[0] - before[-1][0] <= within_s:
            found.append(PageReturn(round(now[0], 3), round(now[0] - before[-1][0], 3), trace.address(event)))
        before.append(now)
    return found


def _turns(times, places, stroke_px):
    """Returns the moments at which a way turns back, each after a stroke of at least some pixels, `float64 (n,)`."""
    steps = np.diff(places, axis=0)
    moving = np.hypot(*steps.T) > 0
    steps, times = steps[moving], times[1:][moving]
    if len(steps) < 2:
        return np.empty(0)
    back = np.flatnonzero((steps[1:] * steps[:-1]).sum(axis=1) < 0) + 1
    strokes = np.add.reduceat(np.hypot(*steps.T), np.r_[0, back])[:-1] if len(back) else np.empty(0)
    return times[back[strokes >= stroke_px] - 1]


def _stretches(moments, turns, within_s):
    """Returns the `Thrashing`s among the moments of turns, those that overlap joined."""
    if len(moments) < turns:
        return []
    dense = np.flatnonzero(moments[turns - 1 :] - moments[: len(moments) - turns + 1] <= within_s)
    found = []
    for i in dense.tolist():
        if found and i <= found[-1][1]:
            found[-1][1] = i + turns - 1
        else:
            found.append([i, i + turns - 1])
    return [
        Thrashing(round(float(moments[a]), 3), b - a + 1, round(float(moments[b] - moments[a]), 3)) for a, b in found
    ]
