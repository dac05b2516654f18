"""Retyping: what was in a field is deleted, mostly or wholly, and typed again."""

from typing import NamedTuple

import numpy as np

from traceformers.training.session_evidence.session_trace import INPUT, trace_of

SHORTEST = 3  # characters: below that it is a slip


class Retyping(NamedTuple):
    """One field that was emptied and filled again: moment of the first deletion in seconds, field, how often."""

    seconds: float
    target: str
    times: int


def retyping(session, shortest=SHORTEST):
    """Returns the `Retyping`s of a session in time order, one a field.

    Counted is each fall of the length of a field's text to a third or less, of at least `shortest` characters. Only
    lengths are read, so what was typed plays no part and masked recordings give the same.

    Args:
        session: a session in any form, or its `SessionTrace`.
        shortest (`int`): characters that must go.
    """
    trace = trace_of(session)
    inputs = np.flatnonzero(trace.sources == INPUT)
    keys = np.stack([trace.windows[inputs], trace.nodes[inputs]], axis=1)
    found = []
    for key in np.unique(keys, axis=0):
        events = inputs[(keys == key).all(axis=1)]
        emptied, peak = [], 0
        for event, length in zip(events.tolist(), trace.amounts[events].tolist(), strict=True):
            if peak - length >= shortest and 3 * length <= peak:
                emptied.append(event)
                peak = length
            peak = max(peak, length)
        if emptied:
            found.append(Retyping(round(float(trace.seconds[emptied[0]]), 3), trace.target(emptied[0]), len(emptied)))
    return sorted(found)
