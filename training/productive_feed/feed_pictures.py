"""Pictures of a run: whether probabilities mean what they say, how training went, how many labels there are of each."""

from matplotlib.figure import Figure

from traceformers.datasets_scripts.feed.feed_records import HEADS
from traceformers.training.productive_feed.feed_evaluation import calibration_curve
from traceformers.training.productive_feed.feed_split import PARTS
from traceformers.training.recommenders.training_pictures import points

#: Labels below which a head has no calibration curve.
FEWEST = 10


def save_pictures(folder, labels, probabilities, about, log_history):
    """Writes calibration.png, label_balance.png and, where there is a log of a training, learning_curves.png."""
    save_calibration(folder / "calibration.png", labels, probabilities)
    save_balance(folder / "label_balance.png", about["labels_of_parts"])
    if any("loss" in entry for entry in log_history):
        save_learning_curves(folder / "learning_curves.png", log_history)


def save_calibration(path, labels, probabilities):
    """Writes a picture of the share of yes over the probability that was told, of labels (n, 2), NaN for none."""
    figure = Figure(figsize=(5, 5), dpi=120, layout="constrained")  # without pyplot, which holds what it draws
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], linewidth=0.8, linestyle="--", color="gray")
    for i, head in enumerate(HEADS):
        said = labels[:, i] == labels[:, i]
        if said.sum() >= FEWEST:
            told, came, _ = calibration_curve(labels[said, i], probabilities[said, i])
            axes.plot(told, came, marker="o", label=f"{head} ({said.sum()} labels)")
    axes.set(xlabel="probability that was told", ylabel="share of yes in the test", xlim=(0, 1), ylim=(0, 1))
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    figure.savefig(path)


def save_balance(path, counts):
    """Writes a picture of the labels of each part: {part: {head: {"yes", "no"}}}."""
    figure = Figure(figsize=(7, 3.5), dpi=120, layout="constrained")
    for axes, head in zip(figure.subplots(ncols=len(HEADS), sharey=True), HEADS, strict=True):
        bottom = [0] * len(PARTS)
        for answer in ("yes", "no"):
            heights = [counts[part][head][answer] for part in PARTS]
            axes.bar(PARTS, heights, bottom=bottom, label=answer)
            bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
        axes.set_title(head, fontsize="medium")
        axes.legend(fontsize="small")
    figure.savefig(path)


def save_learning_curves(path, log_history):
    """Writes a picture of losses and of F1 in validation, as it was and smoothed, over epochs."""
    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    left, right = figure.subplots(ncols=2)
    left.plot(*points(log_history, "loss"), label="training")
    left.plot(*points(log_history, "eval_loss"), label="validation")
    left.set(xlabel="epoch", ylabel="loss")
    left.legend(fontsize="small")
    for name, shown in (("eval_f1", "weighted F1"), ("eval_ema_f1", "smoothed, chooses")):
        right.plot(*points(log_history, name), marker=".", label=shown)
    epochs, values = points(log_history, "eval_ema_f1")
    if values:
        best = max(range(len(values)), key=values.__getitem__)
        right.axvline(epochs[best], linewidth=0.8, linestyle="--", color="gray")
        right.set_title(f"best {values[best]:.3f} after epoch {epochs[best]:g}", fontsize="medium")
    right.set(xlabel="epoch", ylabel="validation", ylim=(0, 1))
    right.legend(fontsize="small")
    figure.savefig(path)
