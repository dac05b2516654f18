"""The model card of a recommender, filled from what a run left in its folder and from nowhere else.

from traceformers.model_cards.recommender_card import write_recommender_card

write_recommender_card("runs/bert4rec", repo_id="user/bert4rec-films")  # writes runs/bert4rec/model/README.md
"""

import json
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from traceformers.model_cards.card import (
    MODEL,
    PACKAGES,
    MissingFactError,
    count_parameters,
    emissions_of,
    read,
    read_energy,
)

#: What each model type is called and after whom.
KINDS = {
    "bert4rec": ("BERT4Rec", "Sun et al., CIKM 2019, arXiv 1904.06690", "reads a history in both directions"),
    "sasrec": ("SASRec", "Kang and McAuley, ICDM 2018, arXiv 1808.09781", "reads a history from the oldest item on"),
    "multivae": ("MultiVAE", "Liang et al., WWW 2018, arXiv 1802.05814", "reads a history as a set"),
    "ease": ("EASE", "Steck, WWW 2019, arXiv 1905.03375", "a linear item-to-item model in closed form"),
    "popularity": ("Popularity", "a baseline", "gives everyone the most popular items they have not had"),
    "ensemble_recommender": ("Ensemble", "rank fusion after Cormack et al., SIGIR 2009", "joins several recommenders"),
}
#: Figures of the table, in this order, where a run has them.
SHOWN = ("hr", "ndcg", "mrr", "recall", "coverage", "novelty")
MAIN = "ndcg@10"
INDEXED = ("hr@10", "ndcg@10", "mrr@10")
SLICES = {"history_length": "items of the history", "target_popularity": "interactions of the target in training"}
EXAMPLE_ITEMS = 2
NOT_SETTINGS = ("output_dir", "hub_model_id", "hub_token", "data", "members", "items_path", "title_embeddings")
#: Settings of the run that say something where nothing was trained by steps.
DATA_SETTINGS = ("model_type", "data_format", "missing_times", "duplicates", "protocol", "eval_users", "seed")
#: What of a history each model type reads.
_NEWEST = "The newest {max_history:,} items of a history are read; older ones are not recommended again either."
READS = {
    "bert4rec": _NEWEST,
    "sasrec": _NEWEST,
    "multivae": "A history is read as a set: its order does not matter.",
    "ease": "A history is read as a set, but for newer items counting more where `recency` is above 0.",
    "popularity": "A history decides only what is left out.",
    "ensemble_recommender": "Each member reads a history in its own way; what all of them overlook, the ensemble does.",
}
#: Licences of data under which a model may go anywhere.
FREE = ("cc0-1.0", "cc-by-4.0", "cc-by-3.0", "odbl", "odc-by", "mit", "apache-2.0", "public domain")


def figure_rows(figures):
    """Returns `{"cuts": [k], "rows": [{"name", "cells": [(value, error)]}]}` of the figures of one split.

    Args:
        figures: metrics.json["test"]: "hr@5", ..., and "errors" by the same names.
    """
    cuts = sorted({int(name.split("@")[1]) for name in figures if "@" in name})
    errors = _value(figures, "errors", {})
    rows = []
    for name in SHOWN:
        keys = [f"{name}@{k}" for k in cuts]
        cells = [(figures[key], _value(errors, key)) if key in figures else None for key in keys]
        if any(cells):
            rows.append({"name": name, "cells": cells})
    return {"cuts": cuts, "rows": rows}


def slice_rows(figures):
    """Returns `[{"by", "name", "users", "value", "error"}]` of the slices of one split, by `MAIN`."""
    rows = []
    for kind, shown in SLICES.items():
        for name, part in _value(_value(figures, "slices", {}), kind, {}).items():
            counts = f", {part['from']} to {part['to']}" if "from" in part else ""
            error = _value(part, f"{MAIN}_error")
            rows.append(
                {"by": shown, "name": f"{name}{counts}", "users": part["users"], "value": part[MAIN], "error": error}
            )
    return rows


def example_items(folder):
    """Returns `[{"item", "title"}]`: items of the model's vocabulary, for the code on the card."""
    vocabulary = read(Path(folder) / "item_vocabulary.json")
    titles = _value(vocabulary, "titles") or [None] * len(vocabulary["items"])
    pairs = zip(vocabulary["items"], titles, strict=True)
    return [{"item": item, "title": title} for item, title in pairs][:EXAMPLE_ITEMS]


def last_gates(run_dir):
    """Returns `{source: share}` at the last evaluation of the training, largest first; {} where none was logged."""
    path = Path(run_dir) / "trainer_state.json"
    history = read(path)["log_history"] if path.is_file() else []
    prefix = "val_gate/"
    rows = [{k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)} for row in history]
    rows = [row for row in rows if row]
    return dict(sorted(rows[-1].items(), key=lambda pair: -pair[1])) if rows else {}


def known_of(config):
    """Returns what a model of this config is told of a history, as the card says it."""
    ids = "the ids of what was chosen before"
    if _value(config, "metadata_fusion", "none") != "none":
        return f"{ids} and what is known of the items ({', '.join(config['metadata_features'])})"
    if any(member.get("metadata_fusion", "none") != "none" for member in _value(config, "members") or []):
        return f"{ids} and, for some of its members, what is known of the items"
    return f"nothing but {ids}"


def members_of(metrics):
    """Returns `{"alone", "how", "gain", "error", "rows": [{"name", "chosen", "value"}]}` of an ensemble's run, or None.

    Args:
        metrics: metrics.json.
    """
    if "ensemble" not in metrics:
        return None
    found = metrics["ensemble"]
    chosen, singles = found["chosen"], found["validation_ndcg@10_of_members"]
    return {
        "alone": len(chosen["members"]) == 1,
        "how": ", ".join(f"`{name}` {value}" for name, value in chosen["settings"].items()),
        "gain": found["validation_gain_over_best_member"],
        "error": found["standard_error"],
        "rows": [
            {"name": name, "chosen": place in chosen["members"], "value": singles[name]}
            for place, name in enumerate(found["members"])
        ],
    }


def duration(seconds):
    """Returns a length of time in the unit that suits it.

    >>> duration(3.2), duration(90), duration(9000)
    ('3.2 seconds', '1.5 minutes', '2.5 hours')
    """
    if seconds < 60:
        return f"{seconds:.1f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"


def metadata_of(facts):
    """Returns the YAML block at the top of the card, with a model-index that the Hub shows as results."""
    results = [
        EvalResult(
            task_type="recommendation",
            task_name="Next item, ranked among all items",
            dataset_type=facts["data"]["name"],
            dataset_name=facts["data"]["name"],
            dataset_split=facts["split"],
            metric_type=name,
            metric_name=name.upper(),
            metric_value=facts["figures"][name],
        )
        for name in INDEXED
        if name in facts["figures"]
    ]
    is_free = (facts["licence"] or "").lower() in FREE
    terms = {"license": "apache-2.0"} if is_free else {"license": "other", "license_name": "terms-of-the-data"}
    if not is_free:
        terms["license_link"] = "README.md"
    return ModelCardData(
        **terms,
        library_name="transformers",
        tags=[
            "custom_code",
            "recommender",
            "recommendation",
            "sequential-recommendation",
            facts["config"]["model_type"],
        ],
        model_name=facts["name"],
        eval_results=results,
        **emissions_of(facts),
    ).to_yaml()


def read_recommender_facts(run_dir, repo_id=None, revision=None, about_data=None):
    """Returns the variables of the template; arguments as for `write_recommender_card`.

    Raises:
        MissingFactError: a file or a key is not there.
    """
    run_dir = Path(run_dir)
    metrics, config = read(run_dir / "metrics.json"), read(run_dir / MODEL / "config.json")
    if config["model_type"] not in KINDS:
        raise MissingFactError(
            f"the card is of recommenders, {', '.join(KINDS)}; {config.origin} has {config['model_type']!r}"
        )
    split = next((name for name in ("test", "eval") if name in metrics), None)
    if split is None:
        raise MissingFactError(f"the card needs 'test' or 'eval', which {metrics.origin} does not have")
    about = read(Path(about_data)) if about_data else {}
    settings = read(run_dir / "run.yaml")
    kind, source, way = KINDS[config["model_type"]]
    facts = {
        "name": (repo_id or run_dir.resolve().name).split("/")[-1],
        "repo_id": repo_id or str(run_dir / MODEL),
        "revision": revision or f"v{version('traceformers')}",
        "kind": {"name": kind, "source": source, "way": way},
        "config": config,
        "parameters": count_parameters(run_dir / MODEL),
        "examples": example_items(run_dir / MODEL),
        "split": "validation" if split == "eval" else split,
        "figures": metrics[split],
        "table": figure_rows(metrics[split]),
        "slices": slice_rows(metrics[split]),
        "gates": last_gates(run_dir),
        "known": known_of(config),
        "members": members_of(metrics),
        "metrics": metrics,
        "data": metrics["data"],
        "source": _value(about, "source"),
        "people": _value(about, "people"),
        "licence": _value(about, "licence") or _value(metrics["data"], "licence"),
        "reads": READS[config["model_type"]].format(max_history=_value(config, "max_history", 0)),
        "settings": {
            name: settings[name]
            for name in settings
            if name not in NOT_SETTINGS and ("steps" in metrics["train"] or name in DATA_SETTINGS)
        },
        "energy": read_energy(run_dir),
        "versions": {name: version(name) for name in ("traceformers", *PACKAGES)},
    }
    return {**facts, "metadata": metadata_of(facts)}


def write_recommender_card(run_dir, repo_id=None, revision=None, about_data=None):
    """Writes README.md into the model's folder and returns its path.

    Args:
        run_dir: output folder of run_recommender.py.
        repo_id: where the model will be pushed, "user/name"; without it the snippet names the folder.
        revision: tag or commit that the snippet pins; without it "v" and the version of this package.
        about_data: YAML file with what only the owner of the data knows: `source`, `people` (whose interactions, and
            on what terms) and `licence`; without it the licence that the run recorded.
    """
    facts = read_recommender_facts(run_dir, repo_id, revision, about_data)
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
    }
    path = Path(run_dir) / MODEL / "README.md"
    path.write_text(environment.get_template("recommender.md.jinja").render(facts), encoding="utf-8")
    return path


def _value(facts, name, default=None):
    """Returns a fact that a run may have left out; `Facts` raises where a dict has `get`."""
    return facts[name] if name in facts else default  # noqa: SIM401
