"""How often a next action was foretold: accuracy, top 3, macro-F1, for kinds and for targets.

Axes: n examples, K classes.
"""

import numpy as np

#: Examples that a class needs to count in macro-F1: the F1 of fewer is chance.
LEAST_IN_MACRO = 10
PARTS = ("kind", "target")


def class_figures(labels, scores, names=None, least=LEAST_IN_MACRO) -> dict:
    """Returns `{"n", "accuracy", "top3", "macro_f1", "log_loss", "classes"}` of one part.

    Args:
        labels (`int (n,)`): the true class; one that has no column, -1 or -100 say, is always a miss.
        scores (`float (n, K)`): probabilities.
        names (list of K `str`, *optional*): with them `by_class` tells examples and F1 of each that occurs.
        least (`int`): examples a class needs to count in macro-F1; all count where none has so many.
    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    n = len(labels)
    if not n:
        return {"n": 0, "accuracy": None, "top3": None, "macro_f1": None, "log_loss": None, "classes": 0}
    known = labels >= 0
    order = np.argsort(-scores, axis=1, kind="stable")
    guess = order[:, 0]
    own = np.where(known, scores[np.arange(n), np.where(known, labels, 0)], 0.0)
    present, counts = np.unique(labels[known], return_counts=True)
    counted = present[counts >= least] if (counts >= least).any() else present
    f1 = {int(each): _f1(labels == each, guess == each) for each in present}
    figures = {
        "n": n,
        "accuracy": float((guess == labels).mean()),
        "top3": float((order[:, :3] == labels[:, None]).any(1).mean()),
        "macro_f1": float(np.mean([f1[int(each)] for each in counted])) if len(counted) else 0.0,
        "log_loss": float(-np.log(own.clip(1e-6)).mean()),
        "classes": len(counted),
    }
    if names is not None:
        figures["by_class"] = {
            names[each]: {"n": int(count), "f1": f1[int(each)]} for each, count in zip(present, counts, strict=True)
        }
    return figures


def action_figures(labels, kind_scores, target_scores, names=None) -> dict:
    """Returns `{"kind": ..., "target": ..., "both": ...}` of `class_figures`.

    Args:
        labels (`int (n, 2)`): kind and target.
        kind_scores (`float (n, K)`), target_scores (`float (n, C)`): probabilities.
        names (`ActionNames`, *optional*): for figures by class.
    """
    labels, scores = np.asarray(labels), (kind_scores, target_scores)
    given = (None, None) if names is None else (names.kinds, names.targets)
    found = {part: class_figures(labels[:, i], scores[i], given[i]) for i, part in enumerate(PARTS)}
    both = (np.argmax(kind_scores, 1) == labels[:, 0]) & (np.argmax(target_scores, 1) == labels[:, 1])
    found["both"] = {"n": len(labels), "accuracy": float(both.mean()) if len(labels) else None}
    return found


def _f1(is_class, is_guess):
    hits = np.sum(is_class & is_guess)
    return float(2 * hits / max(is_class.sum() + is_guess.sum(), 1))
