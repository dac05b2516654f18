"""Figures of foretold labels, over all sessions that were held out.

Axes: n sessions, K classes.
"""

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, f1_score, roc_auc_score


def classification_figures(numbers, scores) -> dict:
    """Returns `{"n", "accuracy", "macro_f1", "auroc"}`; the last of two classes, that of the second, else None.

    Args:
        numbers (`int (n,)`): true classes. scores (`float (n, K)`): probabilities.

    Example:
        >>> classification_figures([0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
        {'n': 3, 'accuracy': 1.0, 'macro_f1': 1.0, 'auroc': 1.0}
    """
    numbers, scores = np.asarray(numbers), np.asarray(scores)
    guess, present = scores.argmax(1), np.unique(numbers)
    auroc = None
    if scores.shape[1] == 2 and len(present) == 2:
        auroc = float(roc_auc_score(numbers, scores[:, 1]))
    return {
        "n": len(numbers),
        "accuracy": float((guess == numbers).mean()),
        "macro_f1": float(f1_score(numbers, guess, average="macro", labels=present, zero_division=0)),
        "auroc": auroc,
    }


def figures_by_class(numbers, scores, classes) -> dict:
    """Returns `{class: {"n", "f1", "precision", "recall"}}`."""
    counts = confusion_matrix(numbers, np.asarray(scores).argmax(1), labels=range(len(classes)))
    hits, true, said = np.diag(counts), counts.sum(1), counts.sum(0)
    return {
        name: {
            "n": int(true[i]),
            "f1": float(2 * hits[i] / max(true[i] + said[i], 1)),
            "precision": float(hits[i] / max(said[i], 1)),
            "recall": float(hits[i] / max(true[i], 1)),
        }
        for i, name in enumerate(classes)
    }


def mean_and_spread(rows) -> dict:
    """Returns the mean of each figure over seeds, and its standard deviation under `<name>_spread`.

    Args:
        rows (list of `dict`): what `classification_figures` gives, one a seed.
    """
    found = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name == "n" or values[0] is None:
            found[name] = values[0]
            continue
        found[name], found[f"{name}_spread"] = float(np.mean(values)), float(np.std(values))
    return found


def table_lines(compared) -> list:
    """Returns the lines of a table: macro-F1, accuracy and, of two classes, AUROC, a row a method.

    Example:
        >>> row = {"n": 3, "macro_f1": 0.5, "macro_f1_spread": 0.01, "accuracy": 0.6, "accuracy_spread": 0.0}
        >>> print(table_lines({"majority": row})[-1])
        | majority | 0.500 ± 0.010 | 0.600 ± 0.000 |
    """
    shown = [name for name in ("macro_f1", "accuracy", "auroc") if any(row.get(name) for row in compared.values())]
    lines = ["| | " + " | ".join(name.replace("_", "-") for name in shown) + " |", "| --- |" + " ---: |" * len(shown)]
    for method, row in compared.items():
        cells = [f"{row[name]:.3f} ± {row[f'{name}_spread']:.3f}" for name in shown]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def save_confusion(path, numbers, scores, classes):
    """Writes a picture of how often each class was taken for each, as shares of the true class."""
    counts = confusion_matrix(numbers, np.asarray(scores).argmax(1), labels=range(len(classes)))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2.5 + 0.5 * len(classes)
    figure = Figure(
        figsize=(side + 1, side), dpi=120, layout="constrained"
    )  # without pyplot, which holds what it draws
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for i in range(len(classes)):
        for j in range(len(classes)):
            if counts[i, j]:
                color = "white" if shares[i, j] > 0.5 else "black"
                axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=color, fontsize="small")
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="foretold", ylabel="label")
    figure.colorbar(image, label="share of the label", shrink=0.8)
    figure.savefig(path)
