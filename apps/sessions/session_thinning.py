"""Less of a session that is too long to be embedded whole: evenly spaced stretches of its events.

Axes: N tokens of the session, E events.
"""

from dataclasses import replace

import numpy as np

MOST_TOKENS = 262_144  # an hour or two of a busy page; memory and time grow with what is embedded
STRETCHES = 16


def thinned(session, most_tokens=MOST_TOKENS):
    """Returns a `TokenizedSession` of at most some tokens; a shorter session comes back as it is.

    Events keep their times and their pages, so that the header of each window stays right. An event that is longer than
    a stretch is cut there.

    Args:
        session (`TokenizedSession`).
        most_tokens (`int`): at least `STRETCHES`.
    """
    n = len(session.ids)
    if n <= most_tokens:
        return session
    offsets = session.event_offsets.astype(np.int64)
    room = most_tokens // STRETCHES
    begins = np.arange(STRETCHES) * n // STRETCHES
    starts, ends = offsets[:-1], offsets[1:]
    stretch = np.searchsorted(begins, starts, side="right") - 1
    kept = starts < begins[stretch] + room  # begins in the first part of its stretch
    ends = np.minimum(ends, begins[stretch] + room)
    starts, ends = starts[kept], ends[kept]
    chosen = np.zeros(n + 1, dtype=bool)
    edges = np.zeros(n + 1, dtype=np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, ends, -1)
    chosen[:] = np.cumsum(edges) > 0
    places = np.concatenate([[0], np.cumsum(chosen[:-1])])  # of each token, and of the end, in what is kept
    nodes = session.node_offsets.astype(np.int64)
    return replace(
        session,
        ids=session.ids[chosen[:-1]],
        event_offsets=np.append(places[starts], places[-1]).astype(np.uint32),
        event_times_ms=session.event_times_ms[kept],
        node_offsets=np.unique(np.append(places[nodes[chosen[nodes]]], places[-1])).astype(np.uint32),
        context_of_event=session.context_of_event[kept],
    )
