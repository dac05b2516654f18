"""An ensemble of a run: its members from their folders, its settings chosen by the validation."""

import dataclasses
import json
from pathlib import Path

from traceformers.training.evaluation.saved_recommender import load_recommender
from traceformers.training.recommenders.ensemble_fit import fit_ensemble

#: What of a data set must be the same for models to be compared on the same users.
SAME = ("items", "protocol", "interactions", "train_interactions", "validation_users", "validation_time", "test_time")
#: Settings that are told of, best first.
TRIALS_TOLD = 20


def load_members(folders, data, device="cpu"):
    """Returns the models of some folders, checked to be of the data of a run.

    Args:
        folders (list of paths): of models, or of the runs that left them in model/.
        data (`RecommenderData`).
        device: where they score.

    Raises:
        FileNotFoundError: there is no model.
        ValueError: a model is of other items, or was trained on another division of the data.
    """
    models = []
    for folder in map(Path, folders):
        home = folder / "model" if (folder / "model" / "config.json").is_file() else folder
        model = load_recommender(home, device=device)
        if model.item_tokenizer.items != data.tokenizer.items:
            raise ValueError(
                f"Expected in {home} a model of the {len(data.tokenizer.items)} items of this data in their order, got "
                f"one of {len(model.item_tokenizer.items)} others. Train it on the same data."
            )
        metrics = home / "metrics.json"
        about = json.loads(metrics.read_text(encoding="utf-8")).get("data", {}) if metrics.is_file() else {}
        other = [key for key in SAME if key in about and about[key] != data.about.get(key)]
        if other:
            raise ValueError(
                f"Expected in {home} a model of the same division of the data, got another {other[0]}: "
                f"{about[other[0]]} where this run has {data.about.get(other[0])}. Train it with the same protocol "
                "and filters."
            )
        models.append(model)
    return models


def member_names(folders):
    """Returns a name for each folder, no two alike: that of the run, as much of its path as tells them apart.

    >>> member_names(["runs/a/model", "runs/b"])
    ['a', 'b']
    >>> member_names(["1/a/model", "2/a"])
    ['1/a', '2/a']
    """
    homes = [Path(folder).resolve() for folder in folders]
    paths = [home.parent.parts if home.name == "model" else home.parts for home in homes]
    for length in range(1, max(map(len, paths), default=0) + 1):
        names = ["/".join(path[-length:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number})" for number, name in enumerate(names, 1)]


def build_ensemble(folders, data, device="cpu", progress=False):
    """Returns the ensemble of some models chosen by validation, and what is told of the choice, `dict`.

    Args:
        folders, data, device: as of `load_members`.
        progress (`bool`): show a progress bar.
    """
    models = load_members(folders, data, device)
    fit = fit_ensemble(models, data.split.validation, progress=progress)
    names = [f"{model.config.model_type} of {name}" for model, name in zip(models, member_names(folders), strict=True)]
    fit.model.item_tokenizer = data.tokenizer
    return fit.model, {
        "members": names,
        "validation_ndcg@10_of_members": dict(zip(names, fit.singles, strict=True)),
        "chosen": dataclasses.asdict(fit.best),
        "validation_gain_over_best_member": fit.gain,
        "standard_error": fit.standard_error,
        "trials": [dataclasses.asdict(trial) for trial in fit.trials[:TRIALS_TOLD]],
    }
