"""Assertions that read as sentences; every family calls them."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import hub_visitor
import torch
import transformers
from huggingface_hub import HfApi
from island_imports import foreign_imports
from safetensors.torch import load_file, save_file

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".joblib")


def assert_same_tensors(found, expected, where):
    """All tensors of `expected` are in `found`, under the same names, equal to the bit."""
    assert sorted(found) == sorted(expected), f"{where}: {sorted(found)} and not {sorted(expected)}"
    for name, tensor in expected.items():
        same = found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
        assert same, f"{where}: {name} differs, {found[name].shape} and {tensor.shape}"


def assert_save_load_keeps_outputs(model, inputs):
    """A model saved and loaded again has the same weights and the same outputs, to the bit."""
    model = model.eval()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model.save_pretrained(folder)
        weights = [file.name for file in Path(folder).iterdir() if file.suffix == ".safetensors"]
        assert weights, f"save_pretrained wrote no safetensors file: {sorted(os.listdir(folder))}"
        again, report = type(model).from_pretrained(folder, output_loading_info=True)
        for fault in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            assert not report[fault], f"{fault} after save and load: {report[fault]}"
        assert_same_tensors(again.state_dict(), model.state_dict(), "weights after save and load")
        assert_same_tensors(tensors_of(again.eval()(**inputs)), tensors_of(model(**inputs)), "after save and load")


def tensors_of(outputs):
    """Returns the tensors among the fields of a ModelOutput."""
    return {name: value for name, value in outputs.items() if isinstance(value, torch.Tensor)}


def assert_hub_folder_is_self_contained(folder):
    """A saved folder holds the code its configs name; that imports nothing of ours; nothing is pickled."""
    folder = Path(folder)
    files = {file.name for file in folder.rglob("*") if file.is_file()}
    pickles = sorted(name for name in files if name.endswith(PICKLES))
    assert not pickles, f"weights are safetensors only; found {pickles}"
    modules = {file.stem for file in folder.glob("*.py")}
    faults = [fault for file in sorted(folder.glob("*.py")) for fault in foreign_imports(file, modules)]
    assert not faults, "\n".join(faults)
    for name in sorted(files & {"config.json", "tokenizer_config.json"}):
        config = json.loads((folder / name).read_text())
        if hasattr(transformers, config.get("tokenizer_class") or ""):  # a tokenizer of the library's own
            continue
        auto_map = config.get("auto_map")
        assert auto_map, f"{name} has no auto_map: the classes were not registered with register_for_auto_class"
        paths = [path for value in auto_map.values() for path in (value if isinstance(value, list) else [value])]
        for path in filter(None, paths):
            module, _, class_name = path.rpartition(".")
            assert "--" not in module, f"{name} points at another repository: {path}"
            assert module in modules, f"{name} names {path}, but {module}.py is not in the folder"
            assert f"class {class_name}(" in (folder / f"{module}.py").read_text(), f"{path} does not exist"


def assert_loads_without_our_package(folder, hub, tokenize, inputs, sentences=None):
    """A fresh process without our package gets our outputs: from a folder, from the Hub, after saving again.

    One process, with an empty HF_HOME and no optional package, loads AutoConfig, AutoTokenizer, AutoModel and
    every head of config.auto_map, and SentenceTransformer when `sentences` are given.

    Args:
        folder: what `save_pretrained` of the model and the tokenizer wrote.
        hub: the fixture of this name.
        tokenize: JSON-safe keyword arguments of the tokenizer's call, a batch.
        inputs: {name: tensor} that every head takes.
        sentences: list of str for `SentenceTransformer.encode`.

    Returns:
        {"AutoModel.last_hidden_state": tensor, "AutoTokenizer.input_ids.0": tensor, ...} as our own classes,
        and {"embeddings": tensor} as SentenceTransformer gives them.
    """
    assert_hub_folder_is_self_contained(folder)
    with tempfile.TemporaryDirectory() as room:
        save_file(inputs, f"{room}/inputs.safetensors")
        repository = push(folder, name=f"visited-{uuid4().hex}", tag="v1")
        pinned = {"revision": "v1"}
        request = {
            "tokenize": tokenize,
            "inputs": f"{room}/inputs.safetensors",
            "sentences": sentences,
            "threads": torch.get_num_threads(),
            "answer": room,
            "sources": [
                ("folder", str(folder), {"resave": f"{room}/resaved"}),
                ("hub", repository, pinned),
                ("resaved", f"{room}/resaved", {}),
            ],
            "sentence_sources": [
                ("folder", str(folder), {"resave": f"{room}/resaved-sentence"}),
                ("hub", repository, pinned),
                ("resaved", f"{room}/resaved-sentence", {}),
            ],
        }
        if sentences is None:
            request["sentence_sources"] = []
        visit(request, hub.environment(f"{room}/home"))
        expected, _ = hub_visitor.outputs_of(str(folder), tokenize, request["inputs"], trust_remote_code=False)
        for label, _, _ in request["sources"]:
            assert_same_tensors(load_file(f"{room}/{label}.safetensors"), expected, f"loaded from {label}")
        for label, classes in json.loads(Path(room, "classes.json").read_text()).items():
            ours = {name for name, path in classes.items() if not path.startswith("transformers_modules.")}
            assert not ours, f"loaded from {label}: {ours} came from elsewhere than the repository: {classes}"
        if sentences is not None:
            expected["embeddings"] = hub_visitor.embeddings_of(str(folder), sentences)
            for label, _, _ in request["sentence_sources"]:
                found = load_file(f"{room}/sentence-{label}.safetensors")
                assert_same_tensors(found, {"embeddings": expected["embeddings"]}, f"encoded from {label}")
        return expected


def push(folder, name, tag):
    """Returns the id of a new model repository with the files of `folder`, tagged."""
    api = HfApi()
    repository = api.create_repo(name).repo_id
    api.upload_folder(repo_id=repository, folder_path=folder)
    api.create_tag(repository, tag=tag)
    return repository


def visit(request, environment):
    """Runs hub_visitor.py on a request in a process whose environment has nothing of this one's caches."""
    path = Path(request["answer"], "request.json")
    path.write_text(json.dumps(request))
    keep = {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS", "LD_LIBRARY_PATH") if name in os.environ}
    run = subprocess.run(
        [sys.executable, hub_visitor.__file__, str(path)],
        env={**keep, **environment, "HOME": request["answer"]},
        cwd=request["answer"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, f"the visitor failed:\n{run.stdout[-2000:]}\n{run.stderr[-6000:]}"
