"""Rules that people write by hand: what a trained score must beat.

Each rule is one counter of `session_counters`, with a sign: more of it speaks for the class, or less. They are chosen
by what is known of the class, none by looking at labels.
"""

from types import MappingProxyType

import numpy as np

#: class → rule → (counter, sign)
HAND_RULES = MappingProxyType(
    {
        "frustrated": {
            "rage clicks: 3 within 30 px in 1 s": ("rage_clicks", 1),
            "clicks nothing answers": ("clicks_unanswered", 1),
            "clicks": ("clicks", 1),
        },
        "bot": {
            "no pointer path": ("pointer_points", -1),
            "clicks where no pointer had come": ("clicks_without_pointer", 1),
            "whole strings at once": ("characters_per_input", 1),
            "events a second": ("events_per_s", 1),
            "never pauses": ("gap_max_s", -1),
        },
    }
)
#: What a dashboard shows without knowing any rule: clicks, clicks a step, gaps, events a second.
PLAIN_COUNTERS = (
    "duration_s", "events", "events_per_s", "clicks", "clicks_per_step", "clicks_per_s", "gap_median_s", "gap_p90_s",
    "gap_max_s", "gap_min_s", "gap_log_spread", "action_gap_median_s", "action_gap_p90_s", "action_gap_max_s",
    "action_gap_min_s", "action_gap_log_spread", "click_gap_median_s", "click_gap_p90_s", "click_gap_max_s",
    "click_gap_min_s", "click_gap_log_spread",
)  # fmt: skip


def rule_scores(rows, name) -> dict:
    """Returns `{rule: float (n,)}` of the class `name`; higher speaks for it.

    Args:
        rows (list of `dict`): counters of each session.
        name (`str`): a key of `HAND_RULES`.
    """
    return {rule: sign * np.array([row[counter] for row in rows]) for rule, (counter, sign) in HAND_RULES[name].items()}


def counter_vectors(rows, names=PLAIN_COUNTERS) -> np.ndarray:
    """Returns the logarithm of 1 + each counter, `float (n, len(names))`."""
    return np.log1p(np.array([[max(row[name], 0.0) for name in names] for row in rows], dtype=np.float64))


__all__ = ["HAND_RULES", "PLAIN_COUNTERS", "counter_vectors", "rule_scores"]
