"""A stranger loads a folder: a script for one fresh process in which our package and optional ones are hidden.

    python -I fresh_loader.py folder kind answer.json

The answer is {"loaded": [...]}: what was loaded, in words. It uses no network and no module of `traceformers`.
"""

import json
import sys
from pathlib import Path

HIDDEN = ("traceformers", "orjson", "msgspec", "cramjam", "numba", "flash_attn")


def load_model(folder):
    """Yields what was loaded of a model: config, tokenizer, every Auto class of its auto_map, SentenceTransformer."""
    import torch
    import transformers

    torch.set_num_threads(1)
    trusted = {"trust_remote_code": True}
    config = transformers.AutoConfig.from_pretrained(folder, **trusted)
    yield "AutoConfig"
    auto_map = getattr(config, "auto_map", None) or {}
    own = (config.architectures or [""])[0]
    if Path(folder, "tokenizer_config.json").is_file():
        transformers.AutoTokenizer.from_pretrained(folder, **trusted)
        yield "AutoTokenizer"
    if any(Path(folder, name).is_file() for name in ("processor_config.json", "preprocessor_config.json")):
        transformers.AutoProcessor.from_pretrained(folder, **trusted)
        yield "AutoProcessor"
    for auto in [name for name in auto_map if name.startswith("AutoModel")] or ["AutoModel"]:
        model, report = getattr(transformers, auto).from_pretrained(folder, output_loading_info=True, **trusted)
        if type(model).__name__ == own:
            missing = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
            if missing:
                raise ValueError(f"Expected all weights of {own} in the folder, {missing[:3]} are missing.")
            wrong = [name for name, weight in model.named_parameters() if not torch.isfinite(weight).all()]
            if wrong:
                raise ValueError(f"Expected finite weights, got NaN or infinity in {wrong[:3]}.")
        yield auto
    if Path(folder, "modules.json").is_file():
        from sentence_transformers import SentenceTransformer

        vectors = SentenceTransformer(folder, device="cpu", trust_remote_code=True).encode(["a text"])
        if not bool((vectors == vectors).all()):
            raise ValueError("Expected a vector of numbers of SentenceTransformer.encode, got NaN.")
        yield "SentenceTransformer"


def load_tokenizer(folder):
    """Yields what was loaded of a tokenizer."""
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    yield "AutoTokenizer"


def load_adapter(folder):
    """Yields what was loaded of an adapter: its weights, and the settings that name its base."""
    from safetensors import safe_open

    base = json.loads(Path(folder, "adapter_config.json").read_text()).get("base_model_name_or_path")
    if not base or Path(base).exists() or base.startswith((".", "/", "~")):
        raise ValueError(f"Expected the name of a repository as base_model_name_or_path, got {base!r}.")
    with safe_open(Path(folder, "adapter_model.safetensors"), framework="numpy") as weights:
        yield f"{len(list(weights.keys()))} tensors for {base}"


def load_index(folder):
    """Yields what was loaded of an index: the vectors, the documents, the tables."""
    import sqlite3

    for path in sorted(Path(folder).rglob("*")):
        if path.suffix == ".faiss":
            import faiss

            yield f"{faiss.read_index(str(path)).ntotal} vectors"
        elif path.suffix == ".sqlite":
            connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
            (state,) = connection.execute("PRAGMA quick_check").fetchone()
            connection.close()
            if state != "ok":
                raise ValueError(f"Expected a whole SQLite file at {path.name}, it says: {state}.")
            yield path.name
        elif path.suffix == ".parquet":
            import pyarrow.parquet as pq

            yield f"{pq.ParquetFile(path).metadata.num_rows} rows of {path.name}"


def load_data(folder):
    """Yields what was loaded of a data set: each split, plain and streaming."""
    from datasets import load_dataset

    for name, split in load_dataset(folder).items():
        yield f"{len(split)} rows of {name}"
    for name, split in load_dataset(folder, streaming=True).items():
        for _ in split:
            yield f"{name}, streaming"
            break


LOADERS = {
    "model": load_model,
    "tokenizer": load_tokenizer,
    "adapter": load_adapter,
    "index": load_index,
    "data set": load_data,
}


def main(folder, kind, answer):
    """Loads and writes the answer."""
    for name in HIDDEN:
        sys.modules[name] = None  # `import name` raises ModuleNotFoundError and find_spec returns None
    Path(answer).write_text(json.dumps({"loaded": list(LOADERS[kind](folder))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
