"""Three scores of a session from 0 to 1, each with its evidence in words: struggle, anomaly, quality.

- Struggle: how much speaks for frustration. Rules find moments, each with a strength; moments add up like chances of
  independent causes, 1 - (1 - a)(1 - b)..., so that one burst of clicks says much and many small signs say as much.
- Anomaly: how far from the others, in what was done and in how. What: distance to the nearest sessions of the index,
  and surprise of the masked language model. How: the rhythm, by how far out its figures lie in their own distributions
  ("ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions", Li, Zhao, Hu, Botta,
  Ionescu, Chen, TKDE 2022, arXiv 2201.00382). Each is a rank among the sessions of the index; ranks are joined by
  Fisher's method (R. A. Fisher, "Statistical Methods for Research Workers", 1925, section 21.1), those of what first.
- Quality: whether there is anything to see: actions, a page to see them on, targets that are known, no long breaks.

Nothing is learned from labels and nothing is drawn at random: the same session in the same index has the same scores.

Axes: S sessions, H width of a vector.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from traceformers.training.session_evidence.dead_clicks import dead_clicks, is_named
from traceformers.training.session_evidence.rage_clicks import rage_clicks
from traceformers.training.session_evidence.retyping import retyping
from traceformers.training.session_evidence.session_trace import FULL_SNAPSHOT, clock, trace_of
from traceformers.training.session_evidence.thrashing import page_returns, pointer_thrashing, scroll_thrashing

NEIGHBOURS = 5
BREAK_S = 300.0  # without any event
USUAL_CLICKS_PER_STEP = 1.0
ENOUGH_ACTIONS = 5.0
RHYTHM = {  # figures of `session_counters`, and how a reason says them
    "events_per_s": "{:.1f} events a second",
    "actions_per_s": "{:.2f} actions a second",
    "clicks_per_step": "{:.1f} clicks a step",
    "action_gap_median_s": "{:.2f} s between actions",
    "action_gap_log_spread": "pauses that differ by a factor of e to the {:.1f}",
    "points_per_click": "{:.0f} points of the pointer a click",
    "characters_per_input": "{:.1f} characters an input",
}
LOOKED_AT = 1000  # actions whose targets are looked for


class Evidence(NamedTuple):
    """One reason for a score: a moment in seconds (NaN for the whole session), strength from 0 to 1, words."""

    seconds: float
    strength: float
    words: str


@dataclass
class SessionScores:
    """Scores of one session that need no other session.

    Attributes:
        struggle, quality (`float`): 0 to 1.
        struggle_reasons, quality_reasons (list of `Evidence`): the strongest first.
    """

    struggle: float
    quality: float
    struggle_reasons: list
    quality_reasons: list

    @property
    def reasons(self):
        """All reasons in words, the strongest first, those for struggle before those that spoil the recording."""
        return [evidence.words for evidence in self.struggle_reasons + self.quality_reasons]


def session_scores(session):
    """Returns the `SessionScores` of a session.

    Args:
        session: a session in any form, or its `SessionTrace`.
    """
    trace = trace_of(session)
    struggle, quality = struggle_evidence(trace), quality_evidence(trace)
    return SessionScores(
        round(joined(evidence.strength for evidence in struggle), 4),
        round(float(np.prod([1.0 - evidence.strength for evidence in quality])), 4),
        [evidence for evidence in struggle if evidence.words],
        [evidence for evidence in quality if evidence.words],
    )


def joined(strengths):
    """Returns the strength of several independent signs together.

    >>> joined([0.5, 0.5]), joined([])
    (0.75, 0.0)
    """
    return 1.0 - float(np.prod([1.0 - strength for strength in strengths]))


def struggle_evidence(session):
    """Returns the `Evidence` of frustration in a session, the strongest first; one without words is for ranking only.

    Args:
        session: a session in any form, or its `SessionTrace`.
    """
    trace, found = trace_of(session), []
    for rage in rage_clicks(trace):
        after = "" if rage.answered else ", nothing changed"
        words = f"{rage.clicks} clicks on {rage.target or 'the page'} within {rage.lasted_s:.1f} s"
        strength = (0.6 if rage.answered else 0.8) if rage.clicks < 5 else 0.85
        found.append(Evidence(rage.seconds, strength, f"{words} at {clock(rage.seconds)}{after}"))
    found += _dead_evidence(trace)
    for what, rule, strength in (
        ("pointer shaken", pointer_thrashing, 0.6),
        ("scrolled up and down", scroll_thrashing, 0.6),
    ):
        for moment in rule(trace):
            words = f"{what}, {moment.turns} turns within {moment.lasted_s:.1f} s at {clock(moment.seconds)}"
            found.append(Evidence(moment.seconds, strength, words))
    for moment in page_returns(trace):
        words = f"went back to {moment.page} after {moment.away_s:.1f} s at {clock(moment.seconds)}"
        found.append(Evidence(moment.seconds, 0.3, words))
    for field in retyping(trace):
        times = "once" if field.times == 1 else f"{field.times} times"
        words = f"emptied {field.target} {times} and typed again, first at {clock(field.seconds)}"
        found.append(Evidence(field.seconds, 0.15 if field.times == 1 else 0.45, words))
    found.append(_many_clicks(trace))
    return sorted(found, key=lambda evidence: (-evidence.strength, evidence.seconds))


def _dead_evidence(trace):
    """Returns the evidence of clicks that nothing followed: one for each target, more for more of them."""
    by_target = {}
    for dead in dead_clicks(trace):
        by_target.setdefault(dead.target, []).append(dead)
    for target, clicks in by_target.items():
        strength = 0.2 if is_named(target) else 0.1
        words = f"{len(clicks)} clicks" if len(clicks) > 1 else "a click"
        where = f"{words} on {target or 'the page'} at {clock(clicks[0].seconds)}, nothing changed"
        yield Evidence(clicks[0].seconds, joined([strength] * min(len(clicks), 4)), where)


def _many_clicks(trace):
    """Returns how far the clicks between two pauses exceed the usual: weak, it orders sessions without more."""
    steps = 1 + int((np.diff(trace.seconds[trace.actions]) > 1.0).sum()) if len(trace.actions) else 1
    each = len(trace.clicks) / steps
    strength = 0.5 * (1 - np.exp(-max(each - USUAL_CLICKS_PER_STEP, 0.0) / 2)) + 0.01 * min(each, 1.0)
    words = f"{each:.1f} clicks without a pause, on average" if each >= 2 else ""
    return Evidence(float("nan"), float(strength), words)


def quality_evidence(session):
    """Returns the `Evidence` against a recording, strengths that quality is multiplied with as 1 - strength.

    Args:
        session: a session in any form, or its `SessionTrace`.
    """
    trace, found, whole = trace_of(session), [], float("nan")
    n_actions = len(trace.actions)
    few = "" if n_actions >= ENOUGH_ACTIONS else f"only {n_actions} actions" if n_actions else "no action"
    found.append(Evidence(whole, float(np.exp(-n_actions / ENOUGH_ACTIONS)), few.replace("1 actions", "1 action")))
    snapshots = np.flatnonzero(trace.types == FULL_SNAPSHOT)
    if not len(snapshots):
        found.append(Evidence(whole, 1.0, "no page content was recorded"))
    elif len(trace.actions):
        blind = float((trace.actions < snapshots[0]).mean())
        if blind > 0.5:
            found.append(Evidence(whole, blind / 2, f"{blind:.0%} of the actions came before any page content"))
        touched = trace.actions[trace.nodes[trace.actions] >= 0]
        touched = touched[:: 1 + len(touched) // LOOKED_AT]
        gone = float(np.mean([trace.target(i) == "(node gone)" for i in touched.tolist()])) if len(touched) else 0.0
        if gone > 0:
            found.append(
                Evidence(whole, gone / 2, f"{gone:.0%} of the actions touched what the recording does not hold")
            )
    broken = sum(trace.tokens.notes.values())
    if broken:
        share = broken / (broken + len(trace))
        found.append(Evidence(whole, share, f"{broken} events or nodes were unreadable or repaired"))
    breaks = np.flatnonzero(np.diff(trace.seconds) > BREAK_S)
    if len(breaks):
        longest = float(np.diff(trace.seconds).max())
        words = f"{len(breaks)} break{'s' if len(breaks) > 1 else ''} of up to {longest / 60:.0f} minutes"
        found.append(Evidence(float(trace.seconds[breaks[0]]), min(0.1 * len(breaks), 0.5), words))
    return sorted(found, key=lambda evidence: -evidence.strength)


# -- relative to an index -------------------------------------------------------------------------------------


def percentiles(values, reference=None):
    """Returns the share of reference values below each value, ties counted half, `float64 (n,)`; NaN counts as middle.

    Args:
        values (`(n,)`): to rank.
        reference (`(m,)`, *optional*): among these; among themselves without, each one left out of its own.

    >>> percentiles([3, 1, 2]).tolist(), percentiles([2, 9], [1, 2, 3, 4]).tolist()
    ([1.0, 0.0, 0.5], [0.375, 1.0])
    """
    values = np.asarray(values, dtype=np.float64)
    own = reference is None
    known = np.sort(values if own else np.asarray(reference, dtype=np.float64))
    known = known[np.isfinite(known)]
    below = np.searchsorted(known, values, side="left").astype(float)
    equal = np.searchsorted(known, values, side="right") - below
    if own:
        equal, count = np.maximum(equal - 1, 0), len(known) - 1
    else:
        count = len(known)
    shares = (below + equal / 2) / count if count > 0 else np.full(len(values), 0.5)
    return np.where(np.isfinite(values), shares, 0.5)


def neighbour_distances(vectors, reference=None, neighbours=NEIGHBOURS):
    """Returns each vector's mean cosine distance to its nearest ones, `float64 (S,)`.

    Args:
        vectors (`float32 (S, H)`): of length 1.
        reference (`float32 (R, H)`, *optional*): among these; among themselves without, each one left out of its own.
        neighbours (`int`): how many; all there are where there are fewer.
    """
    own = reference is None
    reference = vectors if own else reference
    count = min(neighbours, len(reference) - own)
    distances = np.full(len(vectors), np.nan)
    for start in range(0, len(vectors) if count > 0 else 0, 1024):
        likeness = vectors[start : start + 1024] @ reference.T
        if own:
            likeness[np.arange(len(likeness)), start + np.arange(len(likeness))] = -np.inf
        nearest = np.partition(likeness, likeness.shape[1] - count, axis=1)[:, likeness.shape[1] - count :]
        distances[start : start + 1024] = 1.0 - nearest.mean(axis=1)
    return np.maximum(distances, 0.0)


def rhythm_scores(figures):
    """Returns how far out the rhythm of each session lies, `float64 (S,)`, and the rank of each figure, `(S, F)`.

    The score is the sum of -log of the share of sessions that lie as far out or farther, on the nearer side, a figure.

    Args:
        figures (`float64 (S, F)`): those of `RHYTHM`.
    """
    ranks = np.stack([percentiles(figure) for figure in np.asarray(figures, dtype=float).T], axis=1)
    tails = np.clip(2 * np.minimum(ranks, 1 - ranks), 0.5 / max(len(ranks), 1), 1.0)
    return -np.log(tails).sum(axis=1), ranks


def anomaly_scores(distances, surprises, rhythms):
    """Returns the anomaly of each session among the others, `float64 (S,)`.

    Args:
        distances (`(S,)`): of `neighbour_distances`.
        surprises (`(S,)`): mean bits of the session's actions; NaN where there is none.
        rhythms (`(S,)`): of `rhythm_scores`.
    """
    what = _both(percentiles(distances), percentiles(surprises))
    return _both(percentiles(what), percentiles(rhythms))


def _both(first, second):
    """Returns two ranks joined by Fisher's method: chi-squared with 4 degrees of freedom has a closed form."""
    rest = -np.log(np.clip(1.0 - np.stack([first, second]), 1e-3, 1.0)).sum(axis=0)
    return 1.0 - np.exp(-rest) * (1.0 + rest)
