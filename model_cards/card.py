"""Model cards: a Jinja template a family, filled from what a run left in its folder and from nowhere else.

    from traceformers.model_cards.card import write_card write_card("runs/quickstart",
    repo_id="user/rrweb-bert-tiny", revision="v1")     # writes runs/quickstart/README.md

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

METRICS, STATE, CONFIG, DATA = "metrics.json", "trainer_state.json", "config.json", "dataset_info.json"
RESOLVED, COMMIT, ENERGY = "resolved_config.yaml", "git_commit.txt", "emissions.csv"
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


def read(run_dir, name):
    """Returns the Facts of `<run_dir>/<name>`, a JSON or YAML file."""
    path = Path(run_dir) / name
    if not path.is_file():
        raise MissingFactError(
            f"the card needs {name}, expected at {path}; is {run_dir} the output folder of a run?"
        )
    text = path.read_text()
    return Facts(yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text), str(path))


def count_parameters(run_dir):
    """Returns how many numbers the saved weights hold; tied weights are saved, and counted, once."""
    files = sorted(Path(run_dir).glob("*.safetensors"))
    if not files:
        raise MissingFactError(
            f"the card counts parameters in the weights: no *.safetensors file in {run_dir}"
        )
    total = 0
    for file in files:
        with safe_open(file, framework="numpy") as weights:
            total += sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    return total


def read_energy(run_dir):
    """Returns {"kwh", "grams_co2", "country", "tracker"} from the rows of emissions.csv, or None without one.

    codecarbon writes the file during a run in whose environment it is installed.
    """
    path = Path(run_dir) / ENERGY
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


def table_of(figures):
    """Returns a row for all tokens and one a token class, each with the baselines next to the model.

    Args:
        figures: metrics.json["test"] or ["eval"]: "tokens", "loss", "bits_per_token", "top1" and "perplexity"
        over
            all masked tokens, the same for each name in "classes", and "bits_per_token" in "baselines".
    """
    rows = []
    unigram, bidirectional = figures["baselines"]["unigram"], figures["baselines"]["bidirectional"]
    for name, row in [("all", figures), *((name, figures["classes"][name]) for name in figures["classes"])]:
        if not row["tokens"]:
            continue  # a class of which no token was masked has no figures
        peers = (
            (unigram, bidirectional)
            if name == "all"
            else (unigram["classes"][name], bidirectional["classes"][name])
        )
        figure = {key: row[key] for key in ("tokens", "loss", "bits_per_token", "top1", "perplexity")}
        rows.append(
            {
                "name": name,
                **figure,
                "unigram": peers[0]["bits_per_token"],
                "bidirectional": peers[1]["bits_per_token"],
            }
        )
    return rows


def metadata_of(facts):
    """Returns the YAML block at the top of the card, with a model-index that the Hub shows as results."""
    data = facts["data"]
    results = []
    for row in facts["rows"]:
        for metric, label in [
            ("bits_per_token", "bits per masked token"),
            ("top1", "masked top-1 accuracy"),
            ("perplexity", "perplexity"),
        ]:
            results.append(
                EvalResult(
                    task_type="fill-mask",
                    task_name="Masked token prediction",
                    dataset_type=data["name"],
                    dataset_name=data["name"],
                    dataset_config=row["name"],
                    dataset_split=facts["split"],
                    metric_type=metric,
                    metric_name=f"{label}, {row['name']}",
                    metric_value=row[metric],
                )
            )
    more = {}
    if facts["energy"]:
        more["co2_eq_emissions"] = {
            "emissions": facts["energy"]["grams_co2"],
            "source": facts["energy"]["tracker"],
            "training_type": "pre-training",
            "geographical_location": facts["energy"]["country"],
            "hardware_used": facts["hardware"],
        }
    return ModelCardData(
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag="feature-extraction",
        tags=["custom_code", "rrweb", "session-replay", "masked-lm", facts["config"]["model_type"]],
        model_name=facts["name"],
        eval_results=results,
        **more,
    ).to_yaml()


def read_facts(run_dir, repo_id=None, revision=None):
    """Returns the variables of the template, each read from the run folder.

    Raises:
        MissingFactError: a file or a key is not there.
    """
    run_dir = Path(run_dir)
    metrics, config, resolved = read(run_dir, METRICS), read(run_dir, CONFIG), read(run_dir, RESOLVED)
    split = next((name for name in ("test", "eval") if name in metrics), None)
    if split is None:
        raise MissingFactError(f"{run_dir / METRICS} has neither 'test' nor 'eval'; run the evaluation first")
    commit = run_dir / COMMIT
    if not commit.is_file():
        raise MissingFactError(f"the card needs the git commit of the run, expected at {commit}")
    facts = {
        "name": (repo_id or run_dir.resolve().name).split("/")[-1],
        "repo_id": repo_id or str(run_dir),
        "revision": revision or f"v{version('traceformers')}",
        "config": config,
        "parameters": count_parameters(run_dir),
        "data": read(run_dir, DATA),
        "split": split,
        "rows": table_of(metrics[split]),
        "command": metrics["command"],
        "seed": metrics["seed"],
        "hardware": metrics["hardware"],
        "hours": metrics["train"]["train_runtime"] / 3600,
        "speed": metrics["train"]["train_samples_per_second"],
        "state": read(run_dir, STATE),
        "settings": resolved,
        "commit": commit.read_text().strip(),
        "energy": read_energy(run_dir),
        "versions": {name: version(name) for name in ("traceformers", *PACKAGES)},
    }
    return {**facts, "metadata": metadata_of(facts)}


def render_card(run_dir, repo_id=None, revision=None):
    """Returns the text of the card of a run, from the template named after the model type.

    Args:
        run_dir: output folder of a run script.
        repo_id: where the model will be pushed, "user/name"; without it the snippet names the folder.
        revision: tag or commit that the snippet pins; without it "v" and the version of this package.
    """
    facts = read_facts(run_dir, repo_id, revision)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{facts['config']['model_type']}.md.jinja").render(facts)


def write_card(run_dir, repo_id=None, revision=None):
    """Writes README.md into the run folder and returns its path; do it last, the Trainer writes one too."""
    path = Path(run_dir) / "README.md"
    path.write_text(render_card(run_dir, repo_id, revision))
    return path
