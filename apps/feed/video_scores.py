"""What is said of videos at one moment, by a model or by the rule that stands in for one.

axes: N videos, E events
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class VideoScores:
    """What a model says of N videos at one moment.

    Attributes:
        interest, productive (`float64 (N,)`): calibrated probabilities.
        like (`int64 (N,)`), likeness (`float64 (N,)`): the event each is most like, see `nearest_events`.
        events (list of E `dict`): app, title, category, minutes_ago, seconds; newest first.
        base_rates (`(interest, productive)`): shares of yes in the training labels.
        encoded (`int`): texts that had no vector yet. reranked (`int`): how many were read again.
    """

    interest: np.ndarray
    productive: np.ndarray
    like: np.ndarray
    likeness: np.ndarray
    events: list
    base_rates: tuple
    encoded: int = 0
    reranked: int = 0


def event_rows(events, window):
    """Returns the events of a window of one moment, newest first."""
    rows = []
    for place in np.flatnonzero(window.mask[0]).tolist():
        index = int(window.event_index[0, place])
        row = {name: events.distinct[name][index] for name in ("app", "title", "category")}
        rows.append(
            row | {"minutes_ago": float(window.minutes_ago[0, place]), "seconds": float(window.seconds[0, place])}
        )
    return rows
