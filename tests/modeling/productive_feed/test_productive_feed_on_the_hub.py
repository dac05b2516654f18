"""Feed models for people who have transformers and not this package: the law of the Hub, on tiny models."""

import json
import os
import subprocess
import sys

import assertions
import feed_visitor
import hub_visitor
import pytest
import torch
from assertions import assert_hub_folder_is_self_contained, assert_loads_without_our_package, push
from huggingface_hub import HfApi
from tiny_feed_model import (
    TITLES,
    logits,
    new_feed_model,
    randomized,
    tiny_encoder_folder,
    tiny_feed_model,
    tiny_inputs,
)
from transformers import AutoConfig, AutoModel

TEXTS = ["red cat in new york", "the river", "c"]
NGRAM_FILES = {
    "configuration_ngram_encoder.py",
    "modeling_ngram_encoder.py",
    "ngram_table.py",
    "tokenization_ngram.py",
    "ngram_vocabulary.safetensors",
}


@pytest.fixture
def visited(monkeypatch):
    """The visitor of `assert_loads_without_our_package` is the one for feed models; so is what it checks first."""
    monkeypatch.setattr(assertions, "assert_hub_folder_is_self_contained", assert_folder_is_self_contained)
    monkeypatch.setattr(hub_visitor, "__file__", feed_visitor.__file__)
    monkeypatch.setattr(hub_visitor, "outputs_of", feed_visitor.outputs_of)


def assert_folder_is_self_contained(folder):
    """A saved folder holds all code that its configs name, its encoder's too."""
    assert_hub_folder_is_self_contained(folder)
    auto_map = json.loads((folder / "config.json").read_text())["encoder_config"].get("auto_map", {})
    for path in auto_map.values():
        module, _, name = path.rpartition(".")
        assert f"class {name}(" in (folder / f"{module}.py").read_text()


def with_lora(model):
    """Returns the model with an adapter that says something."""
    model.add_lora(r=2, alpha=4)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def assert_visited(model, folder, hub):
    """The folder is loaded by a stranger from disk, from the Hub and saved again, with this model's outputs."""
    inputs = tiny_inputs(model)
    expected = logits(model, **inputs)
    vectors = model.encode_text(TEXTS, TEXTS[::-1], TEXTS)
    model.save_pretrained(folder)
    found = assert_loads_without_our_package(folder, hub, {"text": TEXTS}, inputs)
    assert torch.equal(found["AutoModel.logits"], expected)
    assert torch.equal(found["feed.text_vectors"], vectors)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("ngram", {}),
        pytest.param("bert", {}, marks=pytest.mark.slow),
        pytest.param("ngram", {"head": "linear"}, marks=pytest.mark.slow),
        pytest.param("ngram", {"head": "residual"}, marks=pytest.mark.slow),
        pytest.param("bert", {"activity_fusion": "token"}, marks=pytest.mark.slow),
        pytest.param("bert", {"use_activity": False}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_feed_model_scores_without_our_package(tmp_path, hub, visited, kind, settings):
    assert_visited(tiny_feed_model(kind, **settings), tmp_path, hub)


def test_an_adapted_model_on_a_named_encoder_scores_without_our_package(tmp_path, hub, visited):
    repository = push(tiny_encoder_folder(tmp_path / "base"), "base-of-visited", "v1")
    model = with_lora(randomized(new_feed_model(encoder=repository)))
    assert_visited(model, tmp_path / "saved", hub)
    assert not (tmp_path / "saved" / "encoder").exists()


@pytest.mark.slow
def test_an_adapted_model_that_carries_its_encoder_scores_without_our_package(tmp_path, hub, visited):
    assert_visited(with_lora(tiny_feed_model()), tmp_path / "saved", hub)
    assert (tmp_path / "saved" / "encoder" / "model.safetensors").exists()


@pytest.mark.parametrize("kind", ["bert", "ngram"])
def test_push_to_hub_of_a_model_alone_pushes_all_it_needs(hub, kind):
    model = tiny_feed_model(kind)
    model.push_to_hub(f"user/feed-{kind}")
    files = hub.files(f"user/feed-{kind}")
    needed = {"config.json", "model.safetensors", "tokenizer_config.json", "modeling_productive_feed.py"}
    assert needed | (NGRAM_FILES if kind == "ngram" else set()) <= set(files)
    loaded = AutoModel.from_pretrained(f"user/feed-{kind}")
    inputs = tiny_inputs(model)
    assert torch.equal(logits(loaded, **inputs), logits(model, **inputs))


def test_push_to_hub_of_an_adapted_model_puts_the_adapter_in_its_folder(hub):
    model = with_lora(tiny_feed_model())
    model.push_to_hub("user/feed-adapted")
    files = hub.files("user/feed-adapted")
    assert {"adapter/adapter_config.json", "adapter/adapter_model.safetensors", "encoder/model.safetensors"} <= set(
        files
    )
    assert "adapter_config.json" not in files
    loaded = AutoModel.from_pretrained("user/feed-adapted")
    inputs = tiny_inputs(model)
    assert torch.equal(logits(loaded, **inputs), logits(model, **inputs))
    assert torch.equal(loaded.encode_text(TITLES), model.encode_text(TITLES))


@pytest.mark.parametrize("adapted", [False, True])
def test_a_revision_is_a_revision_of_everything(hub, adapted):
    name = f"user/feed-revisions-{adapted}"
    first, second = tiny_feed_model(seed=1, max_length=4), tiny_feed_model(seed=2)
    for model in (first, second):
        (with_lora(model) if adapted else model).push_to_hub(name)
        HfApi().create_tag(name, tag=f"v{model.config.max_length}")
    inputs = tiny_inputs(first)
    early = AutoModel.from_pretrained(name, revision="v4")  # its tokenizer is loaded later
    late = AutoModel.from_pretrained(name)
    assert torch.equal(logits(early, **inputs), logits(first, **inputs))
    assert torch.equal(logits(late, **inputs), logits(second, **inputs))
    assert early.max_tokens == 4
    assert AutoConfig.from_pretrained(name, revision="v4").max_length == 4


def test_a_branch_that_moves_on_does_not_change_a_loaded_models_tokenizer(hub):
    model = tiny_feed_model()
    model.push_to_hub("user/feed-moves")
    early = AutoModel.from_pretrained("user/feed-moves")
    moved = tiny_feed_model()
    moved.text_tokenizer.add_tokens(["zzz"])
    try:
        moved.push_to_hub("user/feed-moves")
    finally:
        moved.text_tokenizer = None
    assert "zzz" in AutoModel.from_pretrained("user/feed-moves").text_tokenizer.get_vocab()
    assert "zzz" not in early.text_tokenizer.get_vocab()


@pytest.mark.parametrize("kind", ["bert", "ngram"])
def test_a_saved_folder_is_self_contained_also_after_load_and_save(tmp_path, kind):
    tiny_feed_model(kind).save_pretrained(tmp_path / "once")
    assert_folder_is_self_contained(tmp_path / "once")
    said = json.loads((tmp_path / "once" / "config.json").read_text())["encoder_config"]
    assert ("auto_map" in said) == (kind == "ngram")
    AutoModel.from_pretrained(tmp_path / "once").save_pretrained(tmp_path / "twice")
    once, twice = ({path.name for path in (tmp_path / name).iterdir()} for name in ("once", "twice"))
    assert once == twice


def test_a_model_in_a_subfolder_is_found_there(tmp_path):
    for model in (tiny_feed_model(), with_lora(tiny_feed_model())):
        model.save_pretrained(tmp_path / "best")
        loaded = AutoModel.from_pretrained(tmp_path, subfolder="best")
        inputs = tiny_inputs(model)
        assert torch.equal(logits(loaded, **inputs), logits(model, **inputs))
        assert torch.equal(loaded.encode_text(TITLES), model.encode_text(TITLES))


def test_an_encoder_of_this_package_is_found_whether_or_not_it_was_used_before(tmp_path):
    """The n-gram family registers at first use; a feed model's folder is such a use."""
    tiny_feed_model("ngram").save_pretrained(tmp_path)
    program = (
        "import sys, traceformers; from traceformers import ProductiveFeedModel\n"
        "model = ProductiveFeedModel.from_pretrained(sys.argv[1])\n"
        "print(type(model.encoder).__module__, len(model.encode_texts(['a'])))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        env=dict(os.environ),
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split() == ["traceformers.modeling.ngram_encoder.modeling_ngram_encoder", "1"]
