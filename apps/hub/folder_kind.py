"""What a folder is, which of its files go to the Hub and under which names, and who may see them."""

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import yaml

MODEL, TOKENIZER, ADAPTER, INDEX, DATA = "model", "tokenizer", "adapter", "index", "data set"
#: Files that a run leaves beside its model and that go with it.
OF_A_RUN = ("metrics.json", "emissions.csv", "retrieval_report.json")
TABLES = (".parquet", ".arrow", ".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".tsv")
#: What never goes to the Hub, by name of a file or folder, and why.
LEFT_OUT = {
    ".*": "hidden",
    "__pycache__": "compiled",
    "*.pyc": "compiled",
    "checkpoint-*": "training state",
    "optimizer.pt": "training state",
    "scheduler.pt": "training state",
    "scaler.pt": "training state",
    "rng_state*.pth": "training state",
    "training_args.bin": "training state",
    "events.out.tfevents*": "training log",
    "*.half": "half written",
    "*.tmp": "half written",
    "*.incomplete": "half written",
    "*.lock": "half written",
    "*.sqlite-wal": "half written",
    "*.sqlite-shm": "half written",
    "*.sqlite-journal": "half written",
}
#: Model types that learn from texts; all others learn from what people did.
OF_TEXTS = ("ngram_encoder",)
RECOMMENDERS = ("bert4rec", "sasrec", "multivae", "ease", "popularity", "ensemble_recommender")
#: Licences in a card that say nothing of who may have the data.
NOT_FREE = (None, "", "other", "unknown")


@dataclass(frozen=True)
class HubFolder:
    """A folder as the Hub will have it.

    Args:
        root: the folder that was named.
        kind: one of "model", "tokenizer", "adapter", "index" and "data set".
        files: {path in the repository: path on this machine}, sorted.
        left_out: {path in the folder: why it stays here}.
        model_type: of config.json, or None.
    """

    root: Path
    kind: str
    files: dict
    left_out: dict
    model_type: str | None = None

    @property
    def repo_type(self):
        """The kind of repository: "model" or "dataset"."""
        return "dataset" if self.kind in (INDEX, DATA) else "model"

    @property
    def bytes(self):
        """How large all files are."""
        return sum(path.stat().st_size for path in self.files.values())

    def card(self):
        """Returns (YAML header, text below it) of README.md; ({}, "") without one, (None, text) where it breaks."""
        path = self.files.get("README.md")
        text = path.read_text(encoding="utf-8", errors="replace") if path else ""
        return card_parts(text)


def card_parts(text):
    """Returns (YAML header, text below it) of a card; the header is {} where there is none, None where it breaks."""
    if not text.startswith("---\n"):
        return {}, text
    header, fence, body = text[4:].partition("\n---")
    if not fence:
        return None, text
    try:
        found = yaml.safe_load(header)
    except yaml.YAMLError:
        return None, body
    return (found if isinstance(found, dict) else None), body


def look_at(folder):
    """Returns the `HubFolder` of a folder: a run, a model, a tokenizer, an adapter, an index or a data set.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it is none of these.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"Expected a folder to push, found none at {root}. Name one that is there.")
    is_run = not (root / "config.json").is_file() and (root / "model" / "config.json").is_file()
    base = root / "model" if is_run else root
    files, left_out = {}, {}
    for path in sorted(base.rglob("*")):
        if path.is_file() or path.is_symlink():
            name = path.relative_to(base).as_posix()
            reason = _reason_to_stay(path, base)
            if reason is None:
                files[name] = path
            else:
                left_out[path.relative_to(root).as_posix()] = reason
    if is_run:
        for path in sorted(root.iterdir()):
            if path.name in OF_A_RUN and path.is_file():
                files.setdefault(path.name, path)
            elif path.name != "model":
                left_out[path.name + ("/" if path.is_dir() else "")] = "beside the model"
    kind = _kind_of(files)
    if kind is None:
        raise ValueError(
            "Expected the folder of a model (config.json and *.safetensors), a run with one in model/, a tokenizer, an "
            f"adapter, an index (index.json, or about.json with *.faiss) or a data set ({', '.join(TABLES[:3])} ...), "
            f"got {root} with {', '.join(sorted(files)[:5]) or 'no files'}. Name the folder that a run wrote."
        )
    return HubFolder(root, kind, dict(sorted(files.items())), left_out, _model_type(files))


def _reason_to_stay(path, base):
    for part in path.relative_to(base).parts:
        for pattern, reason in LEFT_OUT.items():
            if fnmatch(part, pattern):
                return reason
    if path.is_symlink():
        if not path.exists():
            return "a link to nothing"
        if not path.resolve().is_relative_to(base.resolve()):
            return "a link out of the folder"
    return None


def _kind_of(files):
    has_weights = any(name.endswith(".safetensors") for name in files)
    if "config.json" in files and has_weights:
        return MODEL
    if "adapter_config.json" in files:
        return ADAPTER
    if "index.json" in files or ("about.json" in files and any(name.endswith(".faiss") for name in files)):
        return INDEX
    if "tokenizer_config.json" in files:
        return TOKENIZER
    return DATA if any(name.endswith(TABLES) for name in files) else None


def _model_type(files):
    if "config.json" not in files:
        return None
    try:
        return json.loads(files["config.json"].read_text(encoding="utf-8")).get("model_type")
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError):
        return None  # the check of sizes says what is wrong with the file


def privacy_of(folder):
    """Returns (whether a new repository of it is private unless told, why)."""
    header, _ = folder.card()
    licence = (header or {}).get("license")
    if folder.kind in (INDEX, DATA):
        return True, f"{'an index holds' if folder.kind == INDEX else 'a data set is'} what people wrote or did"
    if folder.kind == MODEL and folder.model_type in OF_TEXTS:
        return False, "a model of texts"
    if folder.kind == MODEL and folder.model_type in RECOMMENDERS and licence not in NOT_FREE:
        return False, f"a recommender whose card names a licence of its data under which it may go anywhere ({licence})"
    return True, "learned from what people did"
