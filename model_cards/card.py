"""Model cards: a Jinja template a family, filled from what a run left in its folder and from nowhere else.

    from traceformers.model_cards.card import write_card

    write_card("runs/tiny", repo_id="user/rrweb-bert-tiny", revision="v1")  # writes runs/tiny/model/README.md

A value that a run did not leave is an error that names the file it should be in; a card never says that more
information is needed.
"""

import csv
import json
from collections.abc import Mapping
from importlib.metadata import version
from math import prod
from pathlib import Path

import yaml
from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from safetensors import safe_open

MODEL = "model"  # the folder of a run that is pushed
PACKAGES = ("transformers", "torch", "tokenizers", "accelerate", "datasets")


class MissingFactError(ValueError):
    """The run folder lacks something the card has to say; the message names the file and the key."""


class Facts(Mapping):
    """A read-only dict of one file; a missing key, at any depth, is an error that names file and key."""

    def __init__(self, values, origin):
        self.values_, self.origin = values, origin

    def __getitem__(self, key):
        if key not in self.values_:
            raise MissingFactError(
                f"the card needs {key!r}, which {self.origin} does not have; it has {sorted(self.values_)}"
            )
        value = self.values_[key]
        return Facts(value, f"{self.origin}[{key!r}]") if isinstance(value, dict) else value

    def __contains__(self, key):
        return key in self.values_

    def __iter__(self):
        return iter(self.values_)

    def __len__(self):
        return len(self.values_)


def read(path):
    """Returns the Facts of a JSON or YAML file."""
    if not path.is_file():
        raise MissingFactError(f"the card needs {path.name}, expected at {path}")
    text = path.read_text(encoding="utf-8")
    return Facts(yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text), str(path))


def count_parameters(folder):
    """Returns how many numbers the saved weights hold; tied weights are saved, and counted, once."""
    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        raise MissingFactError(f"the card counts parameters in *.safetensors, expected in {folder}")
    total = 0
    for file in files:
        with safe_open(file, framework="numpy") as weights:
            total += sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    return total


def read_energy(run_dir):
    """Returns {"kwh", "grams_co2", "country", "tracker"} from the rows of emissions.csv, or None without one.

    codecarbon writes the file during a run in whose environment it is installed.
    """
    path = Path(run_dir) / "emissions.csv"
    if not path.is_file():
        return None
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        "kwh": sum(float(row["energy_consumed"]) for row in rows),
        "grams_co2": 1000 * sum(float(row["emissions"]) for row in rows),
        "country": rows[-1]["country_name"],
        "tracker": f"codecarbon {rows[-1]['codecarbon_version']}",
    }


def emissions_of(facts):
    """Returns {"co2_eq_emissions": {...}} for the YAML block of a card, {} where no energy was measured.

    Args:
        facts: variables of a template: "energy" as `read_energy` gives it, "metrics" with the hardware of the training.
    """
    energy = facts["energy"]
    if not energy:
        return {}
    return {
        "co2_eq_emissions": {
            "emissions": energy["grams_co2"],
            "source": energy["tracker"],
            "training_type": "training",
            "geographical_location": energy["country"],
            "hardware_used": facts["metrics"]["train"]["hardware"],
        }
    }


def table_of(figures):
    """Returns a row for all tokens and one a token class, each with the baselines next to the model.

    Args:
        figures: metrics.json["test"] or ["eval"]: "tokens", "loss", "bits_per_token", "top1" and "perplexity"
        over
            all masked tokens, the same for each name in "classes", and "bits_per_token" in "baselines".
    """
    unigram, bidirectional = figures["baselines"]["unigram"], figures["baselines"]["bidirectional"]
    compared = [("all", figures, unigram, bidirectional)]
    for name, row in figures["classes"].items():
        compared.append((name, row, unigram["classes"][name], bidirectional["classes"][name]))
    rows = []
    for name, row, *baselines in compared:
        if row["tokens"]:  # a class of which no token was masked has no figures
            shown = {key: row[key] for key in ("tokens", "loss", "bits_per_token", "top1", "perplexity")}
            bits = [baseline["bits_per_token"] for baseline in baselines]
            rows.append({"name": name, **shown, "unigram": bits[0], "bidirectional": bits[1]})
    return rows


METRIC_NAMES = {
    "bits_per_token": "bits per masked token",
    "top1": "masked top-1 accuracy",
    "perplexity": "perplexity",
}


def metadata_of(facts):
    """Returns the YAML block at the top of the card, with a model-index that the Hub shows as results."""
    results = [
        EvalResult(
            task_type="fill-mask",
            task_name="Masked token prediction",
            dataset_type=facts["about"]["name"],
            dataset_name=facts["about"]["name"],
            dataset_config=row["name"],
            dataset_split=facts["split"],
            metric_type=metric,
            metric_name=f"{name}, {row['name']}",
            metric_value=row[metric],
        )
        for row in facts["rows"]
        for metric, name in METRIC_NAMES.items()
    ]
    return ModelCardData(
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag="feature-extraction",
        tags=["custom_code", "rrweb", "session-replay", "masked-lm", facts["config"]["model_type"]],
        model_name=facts["name"],
        eval_results=results,
        **emissions_of(facts),
    ).to_yaml()


def read_facts(run_dir, repo_id=None, revision=None, about_data=None):
    """Returns the variables of the template, each read from a file of the run or of its data set.

    Raises:
        MissingFactError: a file or a key is not there.
    """
    run_dir = Path(run_dir)
    metrics, settings = read(run_dir / "metrics.json"), read(run_dir / "run.yaml")
    split = next((name for name in ("test", "eval") if name in metrics), None)
    if split is None:
        raise MissingFactError(f"the card needs 'test' or 'eval', which {metrics.origin} does not have")
    facts = {
        "name": (repo_id or run_dir.resolve().name).split("/")[-1],
        "repo_id": repo_id or str(run_dir / MODEL),
        "revision": revision or f"v{version('traceformers')}",
        "config": read(run_dir / MODEL / "config.json"),
        "parameters": count_parameters(run_dir / MODEL),
        "sentence_transformer": (run_dir / MODEL / "modules.json").is_file(),
        "data": read(Path(settings["data_dir"]) / "dataset_info.json"),
        "about": read(Path(about_data or Path(settings["data_dir"]) / "about_data.yaml")),
        "split": split,
        "rows": table_of(metrics[split]),
        "metrics": metrics,
        "hardware": metrics["train"]["hardware"],
        "state": read(run_dir / "trainer_state.json"),
        "settings": settings,
        "energy": read_energy(run_dir),
        "versions": {name: version(name) for name in ("traceformers", *PACKAGES)},
    }
    return {**facts, "metadata": metadata_of(facts)}


def render_card(run_dir, repo_id=None, revision=None, about_data=None):
    """Returns the text of the card of a run, from the template named after the model type.

    Args:
        run_dir: output folder of a run script.
        repo_id: where the model will be pushed, "user/name"; without it the snippet names the folder.
        revision: tag or commit that the snippet pins; without it "v" and the version of this package.
        about_data: YAML file with what only the owner of the data knows: `name`, `source`, `people` (who was
            recorded, and on what terms) and `licence`; without it `about_data.yaml` in the data set's folder.
    """
    return rendered(read_facts(run_dir, repo_id, revision, about_data))


def rendered(facts):
    """Returns the text of a card, from the template named after the model type, which asks for nothing but `facts`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = "{:,}".format
    return environment.get_template(f"{facts['config']['model_type']}.md.jinja").render(facts)


def write_card(run_dir, repo_id=None, revision=None, about_data=None):
    """Writes README.md into the model's folder and returns its path; arguments as for `render_card`."""
    path = Path(run_dir) / MODEL / "README.md"
    path.write_text(render_card(run_dir, repo_id, revision, about_data), encoding="utf-8")
    return path
