"""The model card of an RRWebBERT trained for a task: labels of sessions, or the next action; filled from its run.

from traceformers.model_cards.session_task_card import write_session_task_card

write_session_task_card("runs/behaviour", repo_id="user/behaviour")  # writes runs/behaviour/model/README.md
"""

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

TEMPLATE = "rrweb_session_task.md.jinja"
CLASSIFICATION, NEXT_ACTION = "session classification", "next action"
PIPELINES = {CLASSIFICATION: "text-classification", NEXT_ACTION: "other"}
NOT_SETTINGS = ("output_dir", "hub_model_id", "hub_token", "data_dir", "labels", "recordings", "folds_file")
UNKNOWN = {
    "source": "not told by the run: name it in a YAML file and give it as --about_data",
    "people": "not told by the run",
    "licence": "not told by the run",
}


def task_rows(metrics) -> dict:
    """Returns `{"columns", "rows": [{"name", "cells"}]}` of the table of a run: each method's figures as text.

    Args:
        metrics: metrics.json.
    """
    if metrics["task"] == CLASSIFICATION:
        compared = metrics["compared"]
        columns = [name for name in ("macro_f1", "accuracy", "auroc") if metrics["test"][name] is not None]
        rows = [
            {"name": name, "cells": [f"{row[c]:.3f} ± {row[f'{c}_spread']:.3f}" for c in columns]}
            for name, row in compared.items()
        ]
        return {"columns": [name.replace("_", "-") for name in columns], "rows": rows}
    split = metrics["test"] if "test" in metrics else metrics["eval"]
    shown = [(part, name) for part in ("kind", "target") for name in ("accuracy", "top3", "macro_f1")]
    rows = [
        {"name": name, "cells": [f"{row[part][figure]:.3f}" for part, figure in shown]}
        for name, row in split["compared"].items()
    ]
    return {"columns": [f"{part}, {figure.replace('_', '-')}" for part, figure in shown], "rows": rows}


def results_of(metrics):
    """Returns the figures that the Hub shows, `{metric type: value}`."""
    if metrics["task"] == CLASSIFICATION:
        return {name: metrics["test"][name] for name in ("macro_f1", "accuracy")}
    split = metrics["test"] if "test" in metrics else metrics["eval"]
    return {
        f"{part}_{figure}": split[part][figure] for part in ("kind", "target") for figure in ("accuracy", "macro_f1")
    }


def render_session_task_card(run_dir, repo_id=None, revision=None, about_data=None) -> str:
    """Returns the text of the card of a run.

    Args:
        run_dir: output folder of run_classification.py or run_next_action.py.
        repo_id: where the model will be pushed, "user/name"; without it the snippet names the folder.
        revision: tag or commit that the snippet pins; without it "v" and the version of this package.
        about_data: YAML file with `source`, `people` and `licence` of the data; what it lacks is said to be unknown.

    Raises:
        MissingFactError: the run lacks something the card has to say.
    """
    run_dir = Path(run_dir)
    metrics, settings = read(run_dir / "metrics.json"), read(run_dir / "run.yaml")
    if metrics["task"] not in PIPELINES:
        raise MissingFactError(f"the card needs a task among {', '.join(PIPELINES)}, got {metrics['task']!r}")
    name = (repo_id or run_dir.resolve().name).split("/")[-1]
    about = dict(UNKNOWN)
    if about_data is not None and Path(about_data).is_file():
        about |= dict(read(Path(about_data)))
    energy = read_energy(run_dir)
    data_name = about.get("name") or metrics["data"]["name"]
    metadata = ModelCardData(
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag=PIPELINES[metrics["task"]],
        tags=["custom_code", "rrweb", "session-replay", "rrweb_bert", metrics["task"].replace(" ", "-")],
        model_name=name,
        eval_results=[
            EvalResult(
                task_type=PIPELINES[metrics["task"]],
                task_name=metrics["task"],
                dataset_type=data_name,
                dataset_name=data_name,
                metric_type=metric,
                metric_value=value,
            )
            for metric, value in results_of(metrics).items()
        ],
        **emissions_of({"energy": energy, "metrics": metrics}),
    ).to_yaml()
    facts = {
        "metadata": metadata,
        "name": name,
        "repo_id": repo_id or str(run_dir / MODEL),
        "revision": revision or f"v{version('traceformers')}",
        "config": read(run_dir / MODEL / "config.json"),
        "parameters": count_parameters(run_dir / MODEL),
        "metrics": metrics,
        "table": task_rows(metrics),
        "about": about,
        "energy": energy,
        "data_name": data_name,
        "settings": {key: value for key, value in settings.items() if key not in NOT_SETTINGS},
        "versions": {package: version(package) for package in ("traceformers", *PACKAGES)},
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["thousands"] = "{:,}".format
    return environment.get_template(TEMPLATE).render(facts)


def write_session_task_card(run_dir, repo_id=None, revision=None, about_data=None):
    """Writes README.md into the model's folder and returns its path; arguments as for `render_session_task_card`."""
    path = Path(run_dir) / MODEL / "README.md"
    path.write_text(render_session_task_card(run_dir, repo_id, revision, about_data), encoding="utf-8")
    return path
