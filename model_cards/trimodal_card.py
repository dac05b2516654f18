"""The model card of a trimodal model, filled from what a run left in its folder and from nowhere else.

from traceformers.model_cards.trimodal_card import write_trimodal_card

write_trimodal_card("runs/trimodal", repo_id="user/rrweb-trimodal", about_data="about_data.yaml")
"""

from importlib.metadata import version
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from traceformers.model_cards.card import (
    MODEL,
    PACKAGES,
    MissingFactError,
    count_parameters,
    read,
    read_energy,
    rendered,
)

MODEL_TYPE = "rrweb_trimodal"
DIRECTIONS = ("text->image", "image->text", "text->session", "session->text", "image->session", "session->image")
FIGURES = {"r_at_1": "R@1", "r_at_5": "R@5", "mrr": "MRR"}
HELD_OUT = {"sessions": "held-out sessions of sites it was trained on", "sites": "sites it never saw"}
NOT_SETTINGS = ("output_dir", "hub_model_id", "recordings", "about_data", "rrweb_model", "text_model", "vision_model")


def direction_rows(pool):
    """Returns `[{"name", "figures": [R@1, R@5, MRR]}]`: each direction, their mean, and chance, of one pool."""
    names = {**{direction: direction.replace("->", " → ") for direction in DIRECTIONS}, "mean": "mean of the six"}
    rows = [{"name": name, "figures": [pool[key][figure] for figure in FIGURES]} for key, name in names.items()]
    return [*rows, {"name": "chance", "figures": [pool["chance"][figure] for figure in FIGURES]}]


def tables_of(retrieval):
    """Returns `[{"title", "rows", "candidates", "table"}]`: all rows, and inside a site where there are several."""
    tables = []
    for part, title in HELD_OUT.items():
        if part not in retrieval:
            continue
        report = retrieval[part]
        pools = {"all": title, "within": f"{title}, candidates of the same site"}
        for pool, name in pools.items():
            if pool in report and (pool == "all" or report["groups"] > 1):
                candidates = report[pool]["candidates"]
                table = direction_rows(report[pool])
                tables.append({"title": name, "rows": report["rows"], "candidates": candidates, "table": table})
    return tables


def encoder_rows(config):
    """Returns `[{"name", "kind", "size", "origin"}]` of the three encoders."""
    rows = []
    for name in ("text", "vision", "rrweb"):
        encoder = config[f"{name}_config"]
        origin, revision = (_value(config, f"{name}_{field}") for field in ("name", "revision"))
        rows.append(
            {
                "name": name,
                "kind": encoder["model_type"],
                "layers": encoder["num_hidden_layers"],
                "size": encoder["hidden_size"],
                "origin": origin and (f"{origin} at `{revision}`" if revision else origin),
            }
        )
    return rows


def metadata_of(facts):
    """Returns the YAML block at the top of the card, with a model-index that the Hub shows as results."""
    retrieval = facts["metrics"]["retrieval"]
    results = [
        EvalResult(
            task_type="feature-extraction",
            task_name=f"Retrieval, {direction}",
            dataset_type=facts["about"]["name"],
            dataset_name=facts["about"]["name"],
            dataset_split=HELD_OUT[part],
            metric_type=figure,
            metric_name=f"{name}, {direction}",
            metric_value=retrieval[part]["all"][direction][figure],
        )
        for part in HELD_OUT
        if part in retrieval
        for direction in DIRECTIONS
        for figure, name in FIGURES.items()
    ]
    return ModelCardData(
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag="feature-extraction",
        tags=["custom_code", "rrweb", "session-replay", "multimodal", "contrastive", MODEL_TYPE],
        model_name=facts["name"],
        base_model=[row["origin"].split(" at ")[0] for row in facts["encoders"] if row["origin"]] or None,
        eval_results=results,
    ).to_yaml()


def read_trimodal_facts(run_dir, repo_id=None, revision=None, about_data=None):
    """Returns the variables of the template; arguments as for `write_trimodal_card`.

    Raises:
        MissingFactError: a file or a key is not there.
    """
    run_dir = Path(run_dir)
    metrics, config = read(run_dir / "metrics.json"), read(run_dir / MODEL / "config.json")
    if config["model_type"] != MODEL_TYPE:
        raise MissingFactError(f"the card is of {MODEL_TYPE}; {config.origin} has {config['model_type']!r}")
    if about_data is None:
        raise MissingFactError(
            "the card needs about_data, the YAML of name, source, people and licence of the recordings"
        )
    settings = read(run_dir / "run.yaml")
    facts = {
        "name": (repo_id or run_dir.resolve().name).split("/")[-1],
        "repo_id": repo_id or str(run_dir / MODEL),
        "revision": revision or f"v{version('traceformers')}",
        "config": config,
        "encoders": encoder_rows(config),
        "parameters": count_parameters(run_dir / MODEL),
        "about": read(Path(about_data)),
        "tables": tables_of(metrics["retrieval"]),
        "figure_names": list(FIGURES.values()),
        "metrics": metrics,
        "hardware": metrics["train"]["hardware"],
        "settings": {name: settings[name] for name in settings if name not in NOT_SETTINGS},
        "energy": read_energy(run_dir),
        "versions": {name: version(name) for name in ("traceformers", *PACKAGES)},
    }
    return {**facts, "metadata": metadata_of(facts)}


def write_trimodal_card(run_dir, repo_id=None, revision=None, about_data=None):
    """Writes README.md into the model's folder and returns its path.

    Args:
        run_dir: output folder of run_trimodal.py.
        repo_id: where the model will be pushed, "user/name"; without it the snippet names the folder.
        revision: tag or commit that the snippet pins; without it "v" and the version of this package.
        about_data: YAML file with what only the owner of the recordings knows: `name`, `source`, `people` (who was
            recorded, and on what terms) and `licence`.
    """
    path = Path(run_dir) / MODEL / "README.md"
    path.write_text(rendered(read_trimodal_facts(run_dir, repo_id, revision, about_data)), encoding="utf-8")
    return path


def _value(facts, name):
    """Returns a fact that may have been left out; `Facts` raises where a dict has `get`."""
    return facts[name] if name in facts else None  # noqa: SIM401
