"""Every class of every family, pushed by the command or by Trainer, loaded from the loopback Hub by a stranger."""

import importlib
import json
from pkgutil import iter_modules

import pytest
import torch
from hub_folders import FAMILIES, rrweb_config
from hub_stranger import model_told_of, visit_as_stranger
from huggingface_hub import HfApi
from safetensors.torch import load_file, save_file
from tiny_rrweb import tiny_tokenizer
from transformers import Trainer, TrainingArguments
from typer.testing import CliRunner

from traceformers import RRWebBertForMaskedLM, modeling
from traceformers.apps.hub import hub_faults
from traceformers.apps.hub.hub_commands import app

QUICK = ("ease",)
OURS = "transformers_modules."


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(hub_faults, "FIRST_WAIT", 0.01)


def run_push(folder, name, *options):
    """Pushes a folder by the command; the card is made later, so it is not checked here."""
    arguments = ["push", str(folder), name, "--skip-check", "card", *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def assert_loaded_as(found, folder):
    """What a stranger loaded is what the folder holds: classes of the repository's code, equal weights and vectors."""
    assert "error" not in found, found["error"]
    expected = json.loads(json.dumps(model_told_of(str(folder))))
    assert found["weights"] == expected["weights"] and found["weights"]
    assert found["vectors"] == expected["vectors"] and found["model_type"] == expected["model_type"]
    strangers = {name: path for name, path in found["classes"].items() if not path.startswith(OURS)}
    assert strangers == {}


def test_what_is_pushed_is_what_a_stranger_loads(tmp_path, hub):
    for name in QUICK:
        FAMILIES[name](tmp_path / name)
        run_push(tmp_path / name, f"user/quick-{name}", "--tag", "v1", "--skip-check", "loads")
    requests = [("model", f"user/quick-{name}", {"revision": "v1"}) for name in QUICK]
    for name, found in zip(QUICK, visit_as_stranger(hub, requests), strict=True):
        assert_loaded_as(found, tmp_path / name)


def test_every_class_that_the_package_registers_is_among_those_that_are_pushed(tmp_path):
    modules = [importlib.import_module(f"traceformers.modeling.{one.name}") for one in iter_modules(modeling.__path__)]
    registered = {
        path.rpartition(".")[2]
        for module in modules
        for classes in getattr(module, "AUTO_CLASSES", ())
        for auto, path in classes.items()
        if auto.startswith("AutoModel")
    }
    pushed = set()
    for name, save in FAMILIES.items():
        save(tmp_path / name)
        pushed.update(json.loads((tmp_path / name / "config.json").read_text())["architectures"])
    assert registered - pushed == set() and registered


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_class_of_every_family_passes_the_checks(tmp_path, hub, name):
    FAMILIES[name](tmp_path)
    out = run_push(tmp_path, f"user/checked-{name}")
    assert "AutoModel" in out and hub.files(f"user/checked-{name}")["config.json"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_class_of_every_family_is_loaded_by_a_stranger(tmp_path, hub):
    requests = []
    for name, save in FAMILIES.items():
        save(tmp_path / name)
        run_push(tmp_path / name, f"user/family-{name}", "--tag", "v1", "--skip-check", "loads")
        requests.append(("model", f"user/family-{name}", {"revision": "v1"}))
    for name, found in zip(FAMILIES, visit_as_stranger(hub, requests), strict=True):
        assert_loaded_as(found, tmp_path / name)


@pytest.mark.slow
def test_the_feed_model_keeps_its_adapter_in_a_folder_of_its_own_on_the_hub(tmp_path, hub):
    FAMILIES["ProductiveFeedModel-lora"](tmp_path)
    run_push(tmp_path, "user/adapter", "--skip-check", "loads")
    files = hub.files("user/adapter")
    assert "adapter/adapter_model.safetensors" in files and "adapter_config.json" not in files


@pytest.mark.slow
def test_tags_branches_and_commits_pin_what_is_loaded_and_faults_are_told(tmp_path, hub):
    FAMILIES["popularity"](tmp_path)
    name = "user/pinned"
    run_push(tmp_path, name, "--tag", "v1", "--skip-check", "loads")
    first = model_told_of(str(tmp_path))["weights"]
    commit = hub.repositories["model", name].branches["main"]
    weights = {key: value + 1 for key, value in load_file(tmp_path / "model.safetensors").items()}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    run_push(tmp_path, name, "--tag", "v2", "--skip-check", "loads")
    second = model_told_of(str(tmp_path))["weights"]
    HfApi().create_repo("user/no-code", private=True)
    HfApi().upload_folder(repo_id="user/no-code", folder_path=tmp_path, ignore_patterns=["modeling_*.py"])
    HfApi().create_repo("user/no-weights", private=True)
    HfApi().upload_folder(repo_id="user/no-weights", folder_path=tmp_path, ignore_patterns=["*.safetensors"])
    pins = [{}, {"revision": "main"}, {"revision": "v1"}, {"revision": "v2"}, {"revision": commit}]
    faults = [(name, {"revision": "v3"}), ("user/no-code", {}), ("user/no-weights", {}), ("user/not-there", {})]
    requests = [("model", name, pin) for pin in pins] + [("model", *fault) for fault in faults]
    found = visit_as_stranger(hub, requests)
    assert [one.get("weights") for one in found[:5]] == [second, second, first, second, first]
    said = [one["error"] for one in found[5:]]
    assert "v3 is not a valid git identifier" in said[0]
    assert "modeling_" in said[1]
    assert "model.safetensors" in said[2]
    assert "user/not-there is not a" in said[3]
    (alone,) = visit_as_stranger(hub, [("model", name, {})], HF_TOKEN="")
    assert alone["error"].startswith("OSError") and "private repository" in alone["error"]


@pytest.mark.slow
def test_a_stranger_loads_through_a_busy_hub_and_a_cut_connection(tmp_path, hub):
    FAMILIES["RRWebBertForMaskedLM"](tmp_path)
    run_push(tmp_path, "user/rough", "--tag", "v1", "--skip-check", "loads")
    with (
        hub.failing("HEAD .*/resolve/.*config.json", status=503) as busy,
        hub.failing("GET .*/resolve/.*config.json", status=429, headers={"Retry-After": "0"}) as limited,
        hub.failing("GET .*/resolve/.*safetensors", cut_after=10_000, times=2) as cut,
        hub.failing("GET .*/resolve/.*modeling.*", cut_after=0) as silent,
    ):
        (found,) = visit_as_stranger(hub, [("model", "user/rough", {"revision": "v1"})])
    assert (busy.met, limited.met, cut.met, silent.met) == (1, 1, 2, 1)
    assert_loaded_as(found, tmp_path)


@pytest.mark.slow
def test_what_trainer_pushes_is_loaded_by_a_stranger_and_a_busy_hub_is_asked_again(tmp_path, hub):
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    rows = [{"input_ids": [2, 3, 4, 5, 6, 7], "labels": [-100, 3, -100, -100, 6, -100]} for _ in range(4)]
    arguments = TrainingArguments(
        tmp_path / "run",
        max_steps=2,
        per_device_train_batch_size=2,
        push_to_hub=True,
        hub_model_id="user/by-trainer",
        hub_private_repo=True,
        hub_strategy="end",
        use_cpu=True,
        report_to="none",
    )
    trainer = Trainer(RRWebBertForMaskedLM(rrweb_config()), arguments, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    with hub.failing("POST .*/preupload/main", status=429, headers={"Retry-After": "0"}) as limited:
        trainer.push_to_hub()
    assert limited.met == 1 and hub.repositories["model", "user/by-trainer"].private
    trainer.model.save_pretrained(tmp_path / "expected")
    tokenizer.save_pretrained(tmp_path / "expected")
    (found,) = visit_as_stranger(hub, [("model", "user/by-trainer", {})])
    assert_loaded_as(found, tmp_path / "expected")
