"""Whether a new model takes the place of the one in use: only if it is better on the newest labels, which neither saw.

verdict = is_better("models/new/model", "models/current/model", "exports/feed")
verdict.better, verdict.why
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from traceformers.datasets_scripts.feed.feed_records import HEADS
from traceformers.training.productive_feed.feed_evaluation import average_precision
from traceformers.training.productive_feed.feed_examples import read_examples
from traceformers.training.productive_feed.feed_split import quantile_moment

#: Share of the labels, the newest, that decides.
NEWEST = 0.2
#: How much each head counts, as for the choice of a checkpoint.
WEIGHTS = {"interest": 0.35, "productive": 0.65}
#: Labels of a head below which it says nothing here.
FEWEST = 10
RESAMPLES = 1000


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate is better, why in words, and the figures: {head: {"candidate", "current", "n"}}."""

    better: bool
    why: str
    figures: dict = field(default_factory=dict)


def is_better(candidate, current, folder, store=None, seed=42):
    """Returns the `Verdict` of two model folders on the newest fifth of a person's labels, by time, on the same rows.

    Rows that either of them was trained on are left out. The average precision of both heads decides, productive
    weighing `WEIGHTS`; a head without yes and no among the newest labels does not count.

    Args:
        candidate (path): folder of a model. current (path or None): that in use.
        folder (path or `FeedFolder`): with all labels there are now.
        store (*optional*): of text vectors. seed (`int`): of the resampling.
    """
    from traceformers.modeling.productive_feed.modeling_productive_feed import ProductiveFeedModel
    from traceformers.training.productive_feed.feed_model import score_examples

    if current is None or not (Path(current) / "config.json").is_file():
        return Verdict(True, "There is no model in use yet.")
    models = [ProductiveFeedModel.from_pretrained(path) for path in (candidate, current)]
    windows = [(model.config.event_window_hours, model.config.max_events) for model in models]
    found = {window: read_examples(folder, *window) for window in dict.fromkeys(windows)}
    examples = [found[window] for window in windows]
    moments = examples[0].moments
    if not len(moments):
        return Verdict(False, "There are no labels to compare on.")
    seen = max(getattr(model.config, "trained_until", None) or 0 for model in models)
    rows = np.flatnonzero((moments >= quantile_moment(moments, 1 - NEWEST)) & (moments > seen))
    if not len(rows):
        return Verdict(False, "Expected labels that neither model was trained on, got none. Label more videos.")
    told = [score_examples(model, e.rows(rows), store) for model, e in zip(models, examples, strict=True)]
    return compare(examples[0].labels[rows], *told, seed=seed)


def compare(labels, candidate, current, seed=42):
    """Returns the `Verdict` of two sets of probabilities of the same examples.

    Args:
        labels (float (n, 2)): NaN for none. candidate, current (float (n, 2)).
        seed (`int`): of the resampling that gives the interval.
    """
    labels = np.asarray(labels, dtype=np.float64)
    both = [np.asarray(each, dtype=np.float64) for each in (candidate, current)]
    figures = {}
    for i, head in enumerate(HEADS):
        said = ~np.isnan(labels[:, i])
        yes = int((labels[said, i] >= 0.5).sum())
        if said.sum() >= FEWEST and 0 < yes < said.sum():
            precision = [average_precision(labels[said, i], each[said, i]) for each in both]
            figures[head] = {"candidate": precision[0], "current": precision[1], "n": int(said.sum())}
    if not figures:
        return Verdict(False, f"Expected {FEWEST} newest labels of a head with yes and no, got fewer. Label more.", {})
    gain = _gain(labels, *both, figures)
    low, high = _interval(labels, *both, figures, seed)
    parts = [
        f"{head} {each['candidate']:.3f} against {each['current']:.3f} ({each['n']} labels)"
        for head, each in figures.items()
    ]
    better = bool(gain > 0)
    told = "better" if better else "not better"
    sure = "" if low > 0 or high < 0 else ", which could be chance"
    why = (
        f"Average precision on the newest labels: {', '.join(parts)}; weighted difference {gain:+.3f} "
        f"(90 % between {low:+.3f} and {high:+.3f}{sure}): {told}."
    )
    return Verdict(better, why, figures | {"gain": gain, "interval": [low, high]})


def _gain(labels, candidate, current, heads):
    total, weights = 0.0, 0.0
    for i, head in enumerate(HEADS):
        said = ~np.isnan(labels[:, i])
        if head in heads and (labels[said, i] >= 0.5).any():
            each = [average_precision(labels[said, i], p[said, i]) for p in (candidate, current)]
            total += WEIGHTS[head] * (each[0] - each[1])
            weights += WEIGHTS[head]
    return total / weights if weights else 0.0


def _interval(labels, candidate, current, heads, seed):
    random = np.random.default_rng(seed)
    gains = []
    for _ in range(RESAMPLES):
        rows = random.integers(0, len(labels), len(labels))
        gains.append(_gain(labels[rows], candidate[rows], current[rows], heads))
    return tuple(float(each) for each in np.quantile(gains, [0.05, 0.95]))
