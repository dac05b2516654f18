"""A stranger's fresh process on the Hub: loads repositories with the real clients, and tells what came, or why not.

    python hub_stranger.py request.json      # [{"kind": "model" | "data set", "source": ..., "options": {...}}, ...]

The answer, answer.json beside the request, has one entry a source: {"classes": {...}, "weights": {class: SHA-256},
"vectors": [...]} of a model, {"rows": {split: [...]}, "streamed": ...} of a data set, or {"error": "Type: message"}.
`told_of` is called by tests in their own process too, so that both sides do the same.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HIDDEN = ("traceformers", "orjson", "msgspec", "cramjam", "numba", "flash_attn")
SENTENCES = ["red river", "how are sentence vectors made"]


def weights_sha256(model):
    """Returns the SHA-256 of all names and values of a state dict."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + str(tensor.dtype).encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def model_told_of(source, **options):
    """Returns what every class that a repository or folder promises is loaded as, with the hash of its weights."""
    import torch
    import transformers

    options = {"trust_remote_code": True, **options}
    config = transformers.AutoConfig.from_pretrained(source, **options)
    loaded = {"AutoConfig": config}
    if "AutoTokenizer" in _auto_map_of_tokenizer(source, options):
        loaded["AutoTokenizer"] = transformers.AutoTokenizer.from_pretrained(source, **options)
    if _has(source, "processor_config.json", options):
        loaded["AutoProcessor"] = transformers.AutoProcessor.from_pretrained(source, **options)
    told = {"model_type": config.model_type, "weights": {}, "vectors": None}
    for auto in sorted(config.auto_map):
        if auto.startswith("AutoModel"):
            torch.manual_seed(0)  # a head that the checkpoint lacks is drawn anew, equal on both sides
            loaded[auto] = getattr(transformers, auto).from_pretrained(source, **options)
            told["weights"][auto] = weights_sha256(loaded[auto])
    if _has(source, "modules.json", options):
        from sentence_transformers import SentenceTransformer

        revision = {"revision": options["revision"]} if "revision" in options else {}
        encoder = SentenceTransformer(source, device="cpu", trust_remote_code=True, **revision)
        told["vectors"] = encoder.encode(SENTENCES).tolist()
    told["classes"] = {name: f"{type(it).__module__}.{type(it).__qualname__}" for name, it in loaded.items()}
    return told


def _has(source, name, options):
    from transformers.utils import cached_file

    revision = options.get("revision")
    return cached_file(source, name, revision=revision, _raise_exceptions_for_missing_entries=False) is not None


def _auto_map_of_tokenizer(source, options):
    from transformers.utils import cached_file

    if not _has(source, "tokenizer_config.json", options):
        return {}
    path = cached_file(source, "tokenizer_config.json", revision=options.get("revision"))
    return json.loads(Path(path).read_text()).get("auto_map") or {}


def data_told_of(source, **options):
    """Returns all rows of a data set, plain and streaming."""
    from datasets import load_dataset

    plain = load_dataset(source, **options)
    streamed = load_dataset(source, streaming=True, **options)
    return {
        "rows": {name: split.to_list() for name, split in plain.items()},
        "streamed": {name: list(split) for name, split in streamed.items()},
    }


def told_of(kind, source, options):
    """Returns what is loaded, or {"error": "Type: message"}."""
    try:
        return (model_told_of if kind == "model" else data_told_of)(source, **options)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def visit_as_stranger(hub, requests, **environment):
    """Returns the answers to [(kind, source, options)] of one fresh process without our package and with empty caches.

    Args:
        hub: the fixture of this name.
        environment: variables beside those of the Hub; HF_TOKEN="" for somebody without a token.
    """
    with tempfile.TemporaryDirectory() as room:
        path = Path(room, "request.json")
        path.write_text(json.dumps([{"kind": k, "source": str(s), "options": o} for k, s, o in requests]))
        keep = {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS", "LD_LIBRARY_PATH") if name in os.environ}
        run = subprocess.run(
            [sys.executable, __file__, str(path)],
            env={**keep, **hub.environment(f"{room}/home"), "HOME": room, **environment},
            cwd=room,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert run.returncode == 0, f"the stranger failed:\n{run.stdout[-2000:]}\n{run.stderr[-6000:]}"
        return json.loads(Path(room, "answer.json").read_text())


def main(path):
    """Answers a request file."""
    for name in HIDDEN:
        sys.modules[name] = None  # `import name` raises ModuleNotFoundError and find_spec returns None
    import torch

    torch.set_num_threads(1)
    answers = [told_of(**request) for request in json.loads(Path(path).read_text())]
    Path(path).with_name("answer.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1])
