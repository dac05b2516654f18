"""Plain counts of one session: what a dashboard without a model knows, and the baseline of every figure."""

import numpy as np

from traceformers.training.session_evidence.rage_clicks import rage_clicks
from traceformers.training.session_evidence.retyping import retyping
from traceformers.training.session_evidence.session_trace import (
    FOCUS,
    FULL_SNAPSHOT,
    INPUT,
    MEDIA,
    MOUSE,
    MUTATION,
    RESIZE,
    SCROLL,
    SELECTION,
    TOUCH_START,
    trace_of,
)
from traceformers.training.session_evidence.thrashing import page_returns, pointer_thrashing, scroll_thrashing

STEP_PAUSE_S = 1.0  # actions with a longer pause between them are two steps
POINTER_S, POINTER_PX = 1.0, 40.0  # a pointer that was not this near, this shortly before, did not click


def session_counters(session):
    """Returns `{name: number}` of one session, the same names for every session and no number missing.

    Lengths are in seconds or pixels where the name says so. A step is a stretch of actions without a pause of more than
    `STEP_PAUSE_S`; `clicks_without_pointer` is the share of clicks where no pointer had come near, as of scripts.

    Args:
        session: a session in any form, or its `SessionTrace`.
    """
    trace = trace_of(session)
    seconds, sources = trace.seconds, trace.sources
    clicks, actions = trace.clicks, trace.actions
    n_clicks, duration = len(clicks), trace.duration_s
    waits = trace.seconds_to_response(seconds[clicks], trace.windows[clicks])
    scrolls = np.flatnonzero((sources == SCROLL) & np.isfinite(trace.y))
    inputs = np.flatnonzero(sources == INPUT)
    steps = 1 + int((np.diff(seconds[actions]) > STEP_PAUSE_S).sum()) if len(actions) else 0
    rages = rage_clicks(trace)
    return {
        "duration_s": duration,
        "events": float(len(trace)),
        "events_per_s": len(trace) / max(duration, 1.0),
        "actions": float(len(actions)),
        "actions_per_s": len(actions) / max(duration, 1.0),
        "steps": float(steps),
        "clicks": float(n_clicks),
        "clicks_per_step": n_clicks / max(steps, 1),
        "clicks_per_s": n_clicks / max(duration, 1.0),
        "clicks_per_page": n_clicks / max(int(trace.new_page.sum()), 1),
        "rage_clicks": float(len(rages)),
        "most_clicks_in_a_burst": float(max((rage.clicks for rage in rages), default=0)),
        "clicks_unanswered": _share(waits > 1.0),
        "clicks_without_pointer": _share(_without_pointer(trace)),
        "touch_share": _share(trace.touches[(sources == MOUSE) | trace.touches]),
        "pages": float(trace.new_page.sum()),
        "page_returns": float(len(page_returns(trace))),
        "snapshots": float((trace.types == FULL_SNAPSHOT).sum()),
        "scrolls": float(len(scrolls)),
        "scroll_px": float(np.abs(np.diff(trace.y[scrolls].astype(float))).sum()),
        "scroll_thrashing": float(len(scroll_thrashing(trace))),
        "inputs": float(len(inputs)),
        "fields": float(len(np.unique(trace.nodes[inputs]))),
        "characters_per_input": _mean_growth(trace, inputs),
        "retyped_fields": float(len(retyping(trace))),
        "pointer_points": float(len(trace.path)),
        "points_per_click": len(trace.path) / max(n_clicks, 1),
        "pointer_px": float(np.hypot(*np.diff(trace.path[:, 1:3], axis=0).T).sum()),
        "pointer_thrashing": float(len(pointer_thrashing(trace))),
        "focus_changes": float(((sources == MOUSE) & (trace.kinds == FOCUS)).sum()),
        "touch_starts": float(((sources == MOUSE) & (trace.kinds == TOUCH_START)).sum()),
        "selections": float((sources == SELECTION).sum()),
        "resizes": float((sources == RESIZE).sum()),
        "media": float((sources == MEDIA).sum()),
        "mutations": float((sources == MUTATION).sum()),
        "changes": float(trace.amounts[sources == MUTATION].sum()),
        **_gaps("gap", seconds),
        **_gaps("action_gap", seconds[actions]),
        **_gaps("click_gap", seconds[clicks]),
    }


def _share(values):
    return float(np.mean(values)) if len(values) else 0.0


def _gaps(name, seconds):
    """Returns figures of the times between moments; the spread is of their logarithms: 0 for a clock's beat."""
    gaps = np.diff(seconds)
    if not len(gaps):
        gaps = np.zeros(1)
    return {
        f"{name}_median_s": float(np.median(gaps)),
        f"{name}_p90_s": float(np.quantile(gaps, 0.9)),
        f"{name}_max_s": float(gaps.max()),
        f"{name}_min_s": float(gaps.min()),
        f"{name}_log_spread": float(np.log(gaps + 0.01).std()),
    }


def _mean_growth(trace, inputs):
    """Returns the mean number of characters that an input event adds to its field: 1 for a person who types."""
    growth, last = [], {}
    for node, length in zip(trace.nodes[inputs].tolist(), trace.amounts[inputs].tolist(), strict=True):
        if length > last.get(node, 0):
            growth.append(length - last.get(node, 0))
        last[node] = length
    return float(np.mean(growth)) if growth else 0.0


def _without_pointer(trace):
    """Returns for each click whether neither pointer nor finger had come near it, `bool (n,)`."""
    clicks, path = trace.clicks, trace.path
    alone = ~trace.touches[clicks]
    for row in np.flatnonzero(alone).tolist():
        event = clicks[row]
        first, last = np.searchsorted(path[:, 0], (trace.seconds[event] - POINTER_S, trace.seconds[event] + 0.6))
        near = path[first:last]
        apart = np.hypot(near[:, 1] - trace.x[event], near[:, 2] - trace.y[event])
        alone[row] = not (apart <= POINTER_PX).any()
    return alone
