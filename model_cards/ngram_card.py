"""The model card of an n-gram encoder, filled from what distillation and evaluation left in their folders.

from traceformers.model_cards.ngram_card import write_ngram_card

write_ngram_card("runs/student", report="runs/eval/retrieval_report.json")  # writes runs/student/model/README.md
"""

from importlib.metadata import version
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from traceformers.model_cards.card import (
    MODEL,
    PACKAGES,
    count_parameters,
    emissions_of,
    read,
    read_energy,
    rendered,
)

#: Figures of the held-out texts, by their names in metrics.json.
AGREEMENT = {
    "cosine": "mean cosine",
    "cosine_short": "mean cosine, texts below 12 words",
    "cosine_long": "mean cosine, longer texts",
    "pair_spearman": "rank correlation of the similarities of random pairs",
}
#: Modes in which a model answers by itself, not beside another.
OWN_MODES = ("symmetric", "asymmetric")


def retrieval_rows(report, names=(), part="test"):
    """Returns {"sets": [name], "rows": [row]} of a report.

    A row is {"label", "mode", "own", "cells": [{"ndcg", "retention"}], "mean"}.

    Args:
        report: `retrieval_report.json`.
        names: what the model of the card may be called in it; `own` tells its rows. If the report has no such name, but
            one student only, that is it.
        part: which queries: "test" or "all".
    """
    sets, own = list(report["sets"]), _own_system(report, names)
    rows = []
    for system in report["systems"]:
        figures = system["parts"].get(part)
        if figures and all(name in figures for name in sets):
            cells = [{"ndcg": figures[name]["ndcg@10"], "retention": figures[name]["retention"]} for name in sets]
            is_own = system["system"] == own and system["mode"] in OWN_MODES
            row = {"label": system["label"], "mode": system["mode"], "own": is_own}
            rows.append({**row, "cells": cells, "mean": figures["mean"]["retention"]})
    return {"sets": sets, "rows": rows}


def _own_system(report, names):
    systems = [system["system"] for system in report["systems"]]
    students = {system["system"] for system in report["systems"] if system["mode"] == "asymmetric"}
    wanted = {name for one in names for name in (str(one), str(Path(one).resolve()))}
    for name in systems:
        place = name.removeprefix("runtime:")
        if {place, str(Path(place).resolve())} & wanted:
            return name
    return students.pop() if len(students) == 1 else None


def metadata_of(facts):
    """Returns the YAML block at the top of the card, with a model-index, which the Hub shows, of this model alone."""
    results = [
        EvalResult(
            task_type="feature-extraction",
            dataset_type="heldout-texts",
            dataset_name="held-out texts",
            metric_type=name,
            metric_name=name,
            metric_value=value,
        )
        for name, value in facts["agreement"].items()
    ]
    for row in facts["report"]["rows"] if facts["report"] else []:
        if not row["own"]:
            continue
        results += [
            EvalResult(
                task_type="text-retrieval",
                dataset_type=name,
                dataset_name=name,
                metric_type="ndcg_at_10",
                metric_name=f"nDCG@10, {row['mode']}",
                metric_value=cell["ndcg"],
            )
            for name, cell in zip(facts["report"]["sets"], row["cells"], strict=True)
        ]
    return ModelCardData(
        license="apache-2.0",
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=[
            "custom_code",
            "sentence-transformers",
            "static-embeddings",
            "distillation",
            facts["config"]["model_type"],
        ],
        model_name=facts["name"],
        eval_results=results,
        **emissions_of(facts),
    ).to_yaml()


def about_texts(about_data=None):
    """Returns {"source", "people", "licence"} of the training texts as their owner tells them, None for what is not."""
    about = read(Path(about_data)) if about_data else {}
    return {name: about[name] if name in about else None for name in ("source", "people", "licence")}  # noqa: SIM401


def read_ngram_facts(run_dir, repo_id=None, revision=None, about_data=None, report=None):
    """Returns the variables of the template; arguments as for `write_ngram_card`.

    Raises:
        MissingFactError: a file or a key is not there.
    """
    run_dir = Path(run_dir)
    metrics = read(run_dir / "metrics.json")
    names = [run_dir / MODEL, *([repo_id] if repo_id else [])]
    facts = {
        "name": (repo_id or run_dir.resolve().name).split("/")[-1],
        "repo_id": repo_id or str(run_dir / MODEL),
        "revision": revision or f"v{version('traceformers')}",
        "config": read(run_dir / MODEL / "config.json"),
        "parameters": count_parameters(run_dir / MODEL),
        "metrics": metrics,
        "agreement": {shown: metrics["eval"][name] for name, shown in AGREEMENT.items() if name in metrics["eval"]},
        "eval_texts": metrics["heldout_texts"],
        "report": retrieval_rows(read(Path(report)), names) if report else None,
        "about": about_texts(about_data),
        "settings": read(run_dir / "run.yaml"),
        "energy": read_energy(run_dir),
        "versions": {name: version(name) for name in ("traceformers", "sentence-transformers", *PACKAGES)},
    }
    return {**facts, "metadata": metadata_of(facts)}


def write_ngram_card(run_dir, repo_id=None, revision=None, about_data=None, report=None):
    """Writes README.md into the model's folder and returns its path.

    Args:
        run_dir: output folder of run_distillation.py.
        repo_id: where the model will be pushed, "user/name"; without it the snippet names the folder.
        revision: tag or commit that the snippet pins; without it "v" and the version of this package.
        about_data: YAML file of `source`, `people` and `licence` of the training texts.
        report: `retrieval_report.json` of run_retrieval_eval.py; without it the card says nothing of retrieval.
    """
    facts = read_ngram_facts(run_dir, repo_id, revision, about_data, report)
    path = Path(run_dir) / MODEL / "README.md"
    path.write_text(rendered(facts), encoding="utf-8")
    return path
