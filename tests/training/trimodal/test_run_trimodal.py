"""Whole runs of run_trimodal.py on recordings made by hand: their record, their model, interrupted, refused."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from assertions import assert_hub_folder_is_self_contained
from started_runs import start_and_kill
from tiny_rrweb import tokenizer_folder
from tiny_teacher import tiny_teacher
from tiny_trimodal import tiny_config, tiny_picture, tiny_session, write_recordings
from transformers import AutoModel, AutoProcessor

from traceformers import RRWebBertModel
from traceformers.run_scripts import run_trimodal
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer

CONFIG = {
    "vision_model": "new",
    "vision_hidden_size": 16,
    "vision_layers": 1,
    "vision_heads": 2,
    "image_size": 32,
    "projection_dim": 12,
    "text_name": "user/text-encoder",
    "frozen": ["text", "rrweb"],
    "max_length": 64,
    "text_max_length": 32,
    "held_out_sites": ["blog.test"],
    "held_out_share": 0.5,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 6,
    "learning_rate": 0.01,
    "save_strategy": "steps",
    "save_steps": 3,
    "logging_steps": 1,
    "dataloader_pin_memory": False,
    "use_cpu": True,
    "disable_tqdm": True,
    "report_to": "none",
    "seed": 3,
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    base = tmp_path_factory.mktemp("trimodal")
    torch.manual_seed(0)
    RRWebBertModel(tiny_config().rrweb_config).save_pretrained(base / "rrweb")
    RRWebTokenizer.from_pretrained(tokenizer_folder()).save_pretrained(base / "rrweb")
    about = {"name": "made by hand", "source": "a test", "people": "None.", "licence": "Apache-2.0"}
    (base / "about.yaml").write_text(yaml.safe_dump(about))
    paths = {
        "recordings": [str(write_recordings(base / "recorded", sessions=10))],
        "rrweb_model": str(base / "rrweb"),
        "text_model": tiny_teacher(base / "text"),
        "about_data": str(base / "about.yaml"),
    }
    (base / "test.yaml").write_text(yaml.safe_dump(CONFIG | paths))
    return str(base / "test.yaml")


@pytest.fixture(scope="module")
def run(tmp_path_factory, config):
    output_dir = tmp_path_factory.mktemp("runs") / "whole"
    return output_dir, run_trimodal.main([config, "--output_dir", str(output_dir)])


def losses(output_dir):
    state = json.loads((output_dir / "trainer_state.json").read_text())
    return {entry["step"]: entry["loss"] for entry in state["log_history"] if "loss" in entry}


def test_a_run_leaves_its_record(run):
    output_dir, metrics = run
    assert json.loads((output_dir / "metrics.json").read_text()) == metrics
    assert set(metrics["retrieval"]) == set(metrics["untrained"]) == {"sessions", "sites"}
    assert len([name for name in metrics["retrieval"]["sites"]["all"] if "->" in name]) == 6
    assert metrics["data"]["sites"] == {**metrics["data"]["sites"], "sessions": 5, "sites": 1}
    assert metrics["train"]["trained_parameters"] < metrics["train"]["parameters"]
    assert len(metrics["train"]["temperatures"]) == 3
    resolved = yaml.safe_load((output_dir / "run.yaml").read_text())
    assert resolved["frozen"] == ["text", "rrweb"] and resolved["held_out_sites"] == ["blog.test"]
    assert resolved["lr_scheduler_type"] == "cosine"


def test_frozen_encoders_stay_as_they_were_and_the_rest_moves(run, config):
    model = AutoModel.from_pretrained(run[0] / "model")
    settings = yaml.safe_load(Path(config).read_text())
    text = AutoModel.from_pretrained(settings["text_model"])
    rrweb = RRWebBertModel.from_pretrained(settings["rrweb_model"])
    for trained, first in ((model.text_encoder, text), (model.rrweb_encoder, rrweb)):
        weights = first.state_dict()
        assert all(torch.equal(value, weights[name]) for name, value in trained.state_dict().items())
    assert model.logit_scales.tolist() != [pytest.approx(2.6592)] * 3
    assert (model.config.text_name, model.config.rrweb_name) == ("user/text-encoder", None)


def test_the_model_folder_is_for_strangers(run):
    folder = run[0] / "model"
    assert_hub_folder_is_self_contained(folder)
    processor, model = AutoProcessor.from_pretrained(folder), AutoModel.from_pretrained(folder)
    assert processor.tokenizer.model_max_length == 64
    batch = processor(events=[tiny_session(), None], text=["red", "blue"], images=[None, tiny_picture()])
    assert model(**batch).loss.item() == pytest.approx(0, abs=20)
    card = (folder / "README.md").read_text()
    assert "| chance |" in card and "made by hand" in card and "user/text-encoder" in card


def test_the_same_seed_gives_the_same_run_and_its_resolved_config_repeats_it(run, tmp_path):
    again = run_trimodal.main([str(run[0] / "run.yaml"), "--output_dir", str(tmp_path)])
    assert losses(tmp_path) == losses(run[0])
    assert again["retrieval"] == run[1]["retrieval"]


def test_a_killed_run_goes_on_to_the_same_losses(run, config, tmp_path):
    start_and_kill("run_trimodal", config, "--output_dir", str(tmp_path))
    metrics = run_trimodal.main([config, "--output_dir", str(tmp_path), "--resume_from_checkpoint", "auto"])
    assert metrics["train"]["resumed_from"].startswith("checkpoint-")
    whole, resumed = losses(run[0]), losses(tmp_path)
    assert resumed == {step: pytest.approx(whole[step], rel=1e-5) for step in resumed} and max(resumed) == max(whole)


def test_all_encoders_may_learn(config, tmp_path):
    metrics = run_trimodal.main(
        [config, "--output_dir", str(tmp_path), "--frozen", "none", "--num_train_epochs", "1", "--save_strategy", "no"]
    )
    assert metrics["train"]["trained_parameters"] == metrics["train"]["parameters"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frozen", "image"], "Expected frozen to name text, vision, rrweb or none, got image"),
        (["--frozen", "vision"], "a vision encoder with weights where it is frozen"),
        (["--image_size", "50"], "image_size to be a multiple of patch_size"),
        (["--held_out_share", "1.5"], r"held_out_share in \[0, 1\)"),
        (["--held_out_share", "0"], "Expected held-out sessions with pictures"),
        (["--per_device_train_batch_size", "500"], "Expected at least one batch of 500 rows"),
        (["--max_length", "512"], "max_length of at most 256, what the rrweb encoder reads"),
        (["--held_out_sites", "nowhere.test"], "got nowhere.test"),
        (["--push_to_hub", "true", "--about_data", "no-such.yaml"], "Expected --about_data"),
    ],
)
def test_what_cannot_work_is_said_before_training(config, tmp_path, arguments, said):
    with pytest.raises(ValueError, match=said):
        run_trimodal.main([config, "--output_dir", str(tmp_path), *arguments])


def test_a_run_is_pushed_with_its_card(config, tmp_path, hub):
    run_trimodal.main(
        [
            *(config, "--output_dir", str(tmp_path), "--num_train_epochs", "1", "--save_strategy", "no"),
            *("--push_to_hub", "true", "--hub_model_id", "user/trimodal-run"),
        ]
    )
    files = hub.files("user/trimodal-run")
    assert {"README.md", "model.safetensors", "modeling_rrweb_trimodal.py", "text_tokenizer/tokenizer.json"} <= set(
        files
    )
    assert b'"user/trimodal-run"' in files["README.md"]
