"""Pictures of a run: loss and figures of validation over the epochs, what the gates trusted, what was chosen from."""

from matplotlib.figure import Figure

from traceformers.training.recommenders.gate_callback import PREFIX

SHOWN = ("ndcg@10", "hr@10", "mrr@10")
CHOSEN_BY = "ndcg@10"
#: Settings of an ensemble that are drawn, best first.
SETTINGS_DRAWN = 8


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


def save_lambdas(path, trials):
    """Writes a picture of validation over lambda, a line for each recency.

    Args:
        path (path): a .png file.
        trials (list of `dict`): l2, recency, ndcg@10, as of `fit_ease`; at least one.
    """
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    best = max(trials, key=lambda trial: trial[CHOSEN_BY])
    recencies = sorted({trial["recency"] for trial in trials})
    for recency in recencies:
        line = sorted((trial["l2"], trial[CHOSEN_BY]) for trial in trials if trial["recency"] == recency)
        axes.plot(*zip(*line, strict=True), marker=".", label=f"recency {recency:g}")
    axes.plot(best["l2"], best[CHOSEN_BY], marker="o", markersize=10, fillstyle="none", color="black")
    axes.set(xscale="log", xlabel="lambda", ylabel=f"validation {CHOSEN_BY}")
    axes.set_title(
        f"best {CHOSEN_BY} {best[CHOSEN_BY]:.4f} with lambda {best['l2']:g}, recency {best['recency']:g}",
        fontsize="medium",
    )
    if len(recencies) > 1:
        axes.legend(fontsize="small")
    figure.savefig(path)


def save_ensemble(path, found):
    """Writes a picture of validation: bars of the members, of the ensemble, and of the next best settings.

    Args:
        path (path): a .png file.
        found (`dict`): as of `build_ensemble`.
    """
    singles = found["validation_ndcg@10_of_members"].values()
    names = [f"{number}: {name}" for number, name in enumerate(found["members"])]
    bars = [(name, value, "tab:blue") for name, value in zip(names, singles, strict=True)]
    best, *others = found["trials"][:SETTINGS_DRAWN]
    bars.append((f"chosen, {setting_line(best)}", best["ndcg"], "tab:orange"))
    bars += [(setting_line(trial), trial["ndcg"], "lightgray") for trial in others]
    figure = Figure(figsize=(9, 1.2 + 0.32 * len(bars)), dpi=120, layout="constrained")
    axes = figure.subplots()
    labels, values, colors = zip(*bars, strict=True)
    drawn = axes.barh(range(len(bars)), values, color=colors)
    axes.bar_label(drawn, [f"{value:.4f}" for value in values], padding=3, fontsize="small")
    axes.set_yticks(range(len(bars)), labels, fontsize="small")
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set(xlabel=f"validation {CHOSEN_BY}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def setting_line(trial):
    """Returns one setting of an ensemble in a line, its members by their numbers.

    >>> setting_line({"members": [0, 2], "settings": {"method": "scores", "weights": [0.5, 0.5]}})
    'scores of 0 and 2, weights 0.50 0.50'
    """
    settings = dict(trial["settings"])
    words = [f"{settings.pop('method')} of {' and '.join(map(str, trial['members']))}"]
    for name, value in settings.items():
        shown = " ".join(f"{each:.2f}" for each in value) if isinstance(value, (list, tuple)) else value
        words.append(f"{name.replace('_', ' ')} {shown}")
    return ", ".join(words)


def points(log_history, name):
    """Returns the epochs at which a figure was logged, and its values, two lists."""
    found = [(entry["epoch"], entry[name]) for entry in log_history if name in entry]
    return [epoch for epoch, _ in found], [value for _, value in found]
