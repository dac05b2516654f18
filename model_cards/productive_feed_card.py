"""The model card of a productive feed, filled from what a run left in its folder and from nowhere else.

from traceformers.model_cards.productive_feed_card import write_feed_card

write_feed_card("runs/feed", repo_id="user/my-feed")  # writes runs/feed/model/README.md
"""

import json
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from traceformers.model_cards.card import MODEL, PACKAGES, MissingFactError, emissions_of, read, read_energy
from traceformers.model_cards.recommender_card import duration

MODEL_TYPE = "productive_feed"
HEADS = ("interest", "productive")
#: Figures of the tables, in this order, and what they are called.
SHOWN = {
    "average_precision": "average precision",
    "ndcg@21": "NDCG@21",
    "brier": "Brier",
    "brier_of_base_rate": "Brier of the base rate",
    "f1": "weighted F1",
    "calibration_error": "calibration error",
}
#: Figures by which models are compared, and those of the index that the Hub shows.
COMPARED = ("average_precision", "brier", "f1")
NOT_SETTINGS = ("output_dir", "hub_model_id", "hub_token", "data", "about_data", "vector_cache", "encoder")
ARCHITECTURE = (
    "pooling max_length use_activity head number_names categories max_events event_window_hours lora temperatures "
    "calibration_biases base_rates encoder_name encoder_revision"
).split()
#: Fields that say something only where activity is read.
OF_ACTIVITY = ("categories", "max_events", "event_window_hours")


def figure_rows(figures):
    """Returns `[{"name", "cells": [value or None for each of HEADS]}]` of one split, {head: figures}."""
    rows = []
    for key, name in SHOWN.items():
        cells = [_value(figures[head], key) for head in HEADS]
        if any(cell is not None for cell in cells):
            rows.append({"name": name, "cells": cells})
    return rows


def comparison_rows(metrics):
    """Returns `[{"name", "cells": [...]}]`: each model of the run by `COMPARED` of both heads on the test."""
    return [
        {"name": row["name"], "cells": [_value(row["test"][head], key) for head in HEADS for key in COMPARED]}
        for row in metrics["compared"]
    ]


def fold_rows(metrics):
    """Returns `[{"head", "folds", "mean", "lowest", "highest"}]` of the average precision over folds, or []."""
    rows = []
    for head in HEADS if metrics["folds"] else ():
        found = [fold[head]["average_precision"] for fold in metrics["folds"] if "average_precision" in fold[head]]
        found = [value for value in found if value is not None]
        if found:
            bounds = {"mean": sum(found) / len(found), "lowest": min(found), "highest": max(found)}
            rows.append({"head": head, "folds": len(found), **bounds})
    return rows


def metadata_of(facts):
    """Returns the YAML block at the top of the card, with a model-index that the Hub shows as results."""
    results = [
        EvalResult(
            task_type="text-classification",
            task_name=f"Would this person call it {head}{' now' if head == 'productive' else ''}?",
            dataset_type="feedback",
            dataset_name=facts["data"]["name"],
            dataset_split="test",
            dataset_config=head,
            metric_type=key,
            metric_name=f"{SHOWN[key]}, {head}",
            metric_value=facts["figures"][head][key],
        )
        for head in HEADS
        for key in COMPARED
        if _value(facts["figures"][head], key) is not None
    ]
    return ModelCardData(
        license="other",
        license_name="personal-data",
        license_link="README.md",
        library_name="transformers",
        tags=["custom_code", "recommendation", "personal", MODEL_TYPE],
        model_name=facts["name"],
        eval_results=results or None,
        **emissions_of(facts),
    ).to_yaml()


def read_feed_facts(run_dir, repo_id=None, revision=None, about_data=None):
    """Returns the variables of the template; arguments as for `write_feed_card`.

    Raises:
        MissingFactError: a file or a key is not there.
    """
    run_dir = Path(run_dir)
    metrics, config = read(run_dir / "metrics.json"), read(run_dir / MODEL / "config.json")
    if config["model_type"] != MODEL_TYPE:
        raise MissingFactError(f"the card is of {MODEL_TYPE}; {config.origin} has {config['model_type']!r}")
    about = read(Path(about_data)) if about_data else {}
    settings = read(run_dir / "run.yaml")
    facts = {
        "name": (repo_id or run_dir.resolve().name).split("/")[-1],
        "repo_id": repo_id or str(run_dir / MODEL),
        "revision": revision or f"v{version('traceformers')}",
        "config": config,
        "heads": HEADS,
        "figures": metrics["test"],
        "table": figure_rows(metrics["test"]),
        "compared": comparison_rows(metrics),
        "folds": fold_rows(metrics),
        "metrics": metrics,
        "data": metrics["data"],
        "encoder": metrics["encoder"],
        "architecture": {
            name: config[name]
            for name in ARCHITECTURE
            if name in config and config[name] not in (None, []) and (config["use_activity"] or name not in OF_ACTIVITY)
        },
        "source": _value(about, "source"),
        "people": _value(about, "people"),
        "licence": _value(about, "licence"),
        "settings": {name: settings[name] for name in settings if name not in NOT_SETTINGS},
        "energy": read_energy(run_dir),
        "versions": {name: version(name) for name in ("traceformers", *PACKAGES)},
    }
    return {**facts, "metadata": metadata_of(facts)}


def write_feed_card(run_dir, repo_id=None, revision=None, about_data=None):
    """Writes README.md into the model's folder and returns its path.

    Args:
        run_dir: output folder of run_productive_feed.py.
        repo_id: where the model will be pushed, "user/name"; without it the snippet names the folder.
        revision: tag or commit that the snippet pins; without it "v" and the version of this package.
        about_data: YAML file with what only the owner of the data knows: `source`, `people` (whose feedback, and on
            what terms) and `licence`.
    """
    facts = read_feed_facts(run_dir, repo_id, revision, about_data)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "thousands": "{:,}".format,
        "duration": duration,
        "python": lambda value: json.dumps(value, ensure_ascii=False),
        "figure": lambda value: "–" if value is None else f"{value:.3f}",
    }
    path = Path(run_dir) / MODEL / "README.md"
    path.write_text(environment.get_template("productive_feed.md.jinja").render(facts), encoding="utf-8")
    return path


def _value(facts, name, default=None):
    """Returns a fact that a run may have left out; `Facts` raises where a dict has `get`."""
    return facts[name] if name in facts else default  # noqa: SIM401
