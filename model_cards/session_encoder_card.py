"""The model card of a session encoder, filled from what run_contrastive.py left in its folder.

from traceformers.model_cards.session_encoder_card import write_session_encoder_card

write_session_encoder_card("runs/sessions", repo_id="user/sessions")  # writes runs/sessions/model/README.md
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

TEMPLATE = "session_encoder.md.jinja"
NOT_SETTINGS = ("output_dir", "hub_model_id", "hub_token", "data_dir", "model_name_or_path", "about_data")
UNKNOWN = {
    "source": "not told by the run: name it in a YAML file and give it as --about_data",
    "people": "not told by the run",
    "licence": "not told by the run",
}


def retrieval_rows(metrics, split):
    """Returns the rows `{"name", "mrr", "recall_at_1"}` of the table: chance, TF-IDF, before training, every length.

    Args:
        metrics: metrics.json.
        split (`str`): "test" or "eval".
    """
    figures = metrics[split]
    baseline = figures["baselines"]["tfidf"]
    rows = [
        {"name": "chance", "mrr": figures["chance_mrr"], "recall_at_1": None},
        {"name": "TF-IDF of the same tokens", **{key: baseline[key] for key in ("mrr", "recall_at_1")}},
        {"name": "before training", **{key: metrics["before"][key] for key in ("mrr", "recall_at_1")}},
    ]
    for length, row in figures["lengths"].items():
        rows.append({"name": f"{length} numbers", **{key: row[key] for key in ("mrr", "recall_at_1")}})
    return rows


def render_session_encoder_card(run_dir, repo_id=None, revision=None, about_data=None) -> str:
    """Returns the text of the card of a run.

    Args:
        run_dir: output folder of run_contrastive.py.
        repo_id: where the model will be pushed, "user/name"; without it the snippet names the folder.
        revision: tag or commit that the snippet pins; without it "v" and the version of this package.
        about_data: YAML file with `source`, `people` and `licence` of the data; what it lacks is said to be unknown.

    Raises:
        MissingFactError: the run lacks something the card has to say.
    """
    run_dir = Path(run_dir)
    metrics, settings = read(run_dir / "metrics.json"), read(run_dir / "run.yaml")
    split = next((name for name in ("test", "eval") if name in metrics), None)
    if split is None:
        raise MissingFactError(f"the card needs 'test' or 'eval', which {metrics.origin} does not have")
    name = (repo_id or run_dir.resolve().name).split("/")[-1]
    about = dict(UNKNOWN)
    if about_data is not None and Path(about_data).is_file():
        about |= dict(read(Path(about_data)))
    energy = read_energy(run_dir)
    data_name = about.get("name") or metrics["dataset"]
    results = [
        EvalResult(
            task_type="sentence-similarity",
            task_name="Finding a session by another part of it",
            dataset_type=data_name,
            dataset_name=data_name,
            dataset_split=split,
            metric_type=metric,
            metric_value=metrics[split][metric],
        )
        for metric in ("mrr", "recall_at_1")
    ]
    metadata = ModelCardData(
        license="apache-2.0",
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=["custom_code", "rrweb", "session-replay", "sentence-transformers", "rrweb_bert"],
        model_name=name,
        eval_results=results,
        **emissions_of({"energy": energy, "metrics": metrics}),
    ).to_yaml()
    lengths = [int(length) for length in metrics[split]["lengths"]]
    facts = {
        "metadata": metadata,
        "name": name,
        "repo_id": repo_id or str(run_dir / MODEL),
        "revision": revision or f"v{version('traceformers')}",
        "config": read(run_dir / MODEL / "config.json"),
        "encoder": read(run_dir / MODEL / "session_encoder.json"),
        "parameters": count_parameters(run_dir / MODEL) + count_parameters(run_dir / MODEL / "1_Dense"),
        "lengths": lengths,
        "metrics": metrics,
        "split": split,
        "rows": retrieval_rows(metrics, split),
        "about": about,
        "energy": energy,
        "data_name": data_name,
        "settings": {key: value for key, value in settings.items() if key not in NOT_SETTINGS},
        "versions": {package: version(package) for package in ("traceformers", "sentence-transformers", *PACKAGES)},
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["thousands"] = "{:,}".format
    return environment.get_template(TEMPLATE).render(facts)


def write_session_encoder_card(run_dir, repo_id=None, revision=None, about_data=None):
    """Writes README.md into the model's folder and returns its path; arguments as for `render_session_encoder_card`."""
    path = Path(run_dir) / MODEL / "README.md"
    path.write_text(render_session_encoder_card(run_dir, repo_id, revision, about_data), encoding="utf-8")
    return path
