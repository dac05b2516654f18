"""Pictures of a training: loss and figures of validation over the epochs, and what the gates trusted."""

from matplotlib.figure import Figure

from traceformers.training.recommenders.gate_callback import PREFIX

SHOWN = ("ndcg@10", "hr@10", "mrr@10")


def save_pictures(folder, log_history):
    """Writes learning_curves.png and, where gates were logged, gates.png."""
    save_learning_curves(folder / "learning_curves.png", log_history)
    if any(key.startswith(PREFIX) for entry in log_history for key in entry):
        save_gates(folder / "gates.png", log_history)


def save_learning_curves(path, log_history):
    """Writes a picture of the training loss and of figures of validation, of a `trainer_state.json`, over epochs."""
    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")  # without pyplot, which holds what it draws
    left, right = figure.subplots(ncols=2)
    left.plot(*points(log_history, "loss"))
    left.set(xlabel="epoch", ylabel="training loss")
    for name in SHOWN:
        right.plot(*points(log_history, f"eval_{name}"), marker=".", label=name)
    epochs, values = points(log_history, "eval_ndcg@10")
    if values:
        best = max(range(len(values)), key=values.__getitem__)
        right.axvline(epochs[best], linewidth=0.8, linestyle="--", color="gray")
        right.set_title(f"best ndcg@10 {values[best]:.4f} after epoch {epochs[best]:g}", fontsize="medium")
        right.legend(fontsize="small")
    right.set(xlabel="epoch", ylabel="validation", ylim=(0, None))
    figure.savefig(path)


def save_gates(path, log_history):
    """Writes a picture of the shares that `GateCallback` logged, over epochs."""
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(key for entry in log_history for key in entry if key.startswith(PREFIX)):
        axes.plot(*points(log_history, name), marker=".", label=name.removeprefix(PREFIX))
    axes.set(xlabel="epoch", ylabel="share in the items' vectors", ylim=(0, 1))
    axes.legend(fontsize="small")
    figure.savefig(path)


def points(log_history, name):
    """Returns the epochs at which a figure was logged, and its values, two lists."""
    found = [(entry["epoch"], entry[name]) for entry in log_history if name in entry]
    return [epoch for epoch, _ in found], [value for _, value in found]
