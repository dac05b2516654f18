"""LoRA on the text encoder: what learns, what is saved, what comes back, and what it weighs."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from assertions import push
from huggingface_hub import HfApi
from safetensors.torch import load_file, save_file
from tiny_feed_model import (
    TITLES,
    logits,
    new_feed_model,
    randomized,
    tiny_encoder_folder,
    tiny_feed_model,
    tiny_inputs,
)
from transformers import AutoModel

from traceformers import ProductiveFeedConfig, ProductiveFeedModel
from traceformers.modeling.productive_feed.feed_adapter import base_name, lora_target


def adapted(seed=0, **settings):
    """Returns a tiny model with LoRA whose adapter says something, as after training."""
    model = tiny_feed_model(seed=seed, **settings).add_lora(r=2, alpha=4)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def base_on_the_hub(tmp_path, name):
    """Returns (repository, revision) of a tiny text encoder that was pushed."""
    repository = push(tiny_encoder_folder(tmp_path / "base"), name, "v1")
    return repository, HfApi().model_info(repository).sha


@pytest.mark.parametrize(
    "settings", [{}, {"head": "linear"}, {"head": "residual"}, {"activity_fusion": "token"}, {"use_activity": False}]
)
def test_an_adapted_model_scores_the_same_to_the_bit_after_saving(tmp_path, settings):
    model = adapted(**settings)
    inputs = tiny_inputs(model)
    model.save_pretrained(tmp_path)
    for loaded in (ProductiveFeedModel.from_pretrained(tmp_path), AutoModel.from_pretrained(tmp_path)):
        assert loaded.has_lora
        assert torch.equal(logits(loaded, **inputs), logits(model, **inputs))
        assert torch.equal(loaded.encode_text(TITLES), model.encode_text(TITLES))


def test_an_adapted_model_in_half_precision_comes_back_in_it(tmp_path):
    model = adapted().bfloat16()
    inputs = tiny_inputs(model)
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert loaded.dtype == torch.bfloat16
    assert torch.equal(logits(loaded, **inputs), logits(model, **inputs))
    assert AutoModel.from_pretrained(tmp_path, dtype=torch.float32).dtype == torch.float32


def test_an_adapted_model_survives_load_and_save_and_load(tmp_path):
    model = adapted()
    inputs = tiny_inputs(model)
    model.save_pretrained(tmp_path / "once")
    ProductiveFeedModel.from_pretrained(tmp_path / "once").save_pretrained(tmp_path / "twice")
    once, twice = (
        {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        for folder in (tmp_path / "once", tmp_path / "twice")
    )
    assert once == twice
    loaded = ProductiveFeedModel.from_pretrained(tmp_path / "twice")
    assert torch.equal(logits(loaded, **inputs), logits(model, **inputs))


def test_a_new_adapter_changes_nothing_yet():
    model = tiny_feed_model()
    inputs = tiny_inputs(model)
    before = logits(model, **inputs)
    assert torch.equal(logits(model.add_lora().eval(), **inputs), before)
    assert model.config.lora == {"r": 8, "alpha": 16, "dropout": 0.0, "target": "all-linear"}


def test_the_adapter_and_all_beside_the_encoder_learn_and_the_encoder_does_not():
    model = tiny_feed_model().add_lora()
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name.split(".")[0] for name in learning} == {name for name, _ in model.named_children()}
    assert all(".lora_" in name for name in learning if name.startswith("encoder."))
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad and "original_module" not in name]
    assert all(name.startswith("encoder.") for name in frozen)


def test_every_trained_weight_is_in_the_adapter_file(tmp_path):
    model = adapted()
    model.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert sum(tensor.numel() for tensor in saved.values()) == sum(parameter.numel() for parameter in learning)
    for part in ("interest_head", "productive_head", "activity_pooler", "film", "text_norm"):
        assert any(f".{part}." in name for name in saved), part


def test_the_root_holds_config_and_code_and_no_adapter_config(tmp_path):
    adapted().save_pretrained(tmp_path)
    assert not (tmp_path / "adapter_config.json").exists()
    assert not (tmp_path / "model.safetensors").exists()
    assert json.loads((tmp_path / "config.json").read_text())["auto_map"]["AutoModel"] == (
        "modeling_productive_feed.ProductiveFeedModel"
    )
    assert sorted(file.name for file in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_an_encoder_with_a_name_and_a_revision_stays_where_it_is(tmp_path, hub):
    repository, revision = base_on_the_hub(tmp_path, "lora-base")
    model = randomized(new_feed_model(encoder=repository)).add_lora(r=2)
    assert (model.config.encoder_name, model.config.encoder_revision) == (repository, revision)
    model.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved" / "encoder").exists()
    said = json.loads((tmp_path / "saved" / "adapter" / "adapter_config.json").read_text())
    assert (said["base_model_name_or_path"], said["revision"]) == (repository, revision)
    inputs = tiny_inputs(model)
    loaded = AutoModel.from_pretrained(tmp_path / "saved")
    assert torch.equal(logits(loaded, **inputs), logits(model, **inputs))
    model.save_pretrained(tmp_path / "whole", save_encoder=True)
    assert (tmp_path / "whole" / "encoder" / "model.safetensors").exists()


def test_a_base_that_has_changed_is_refused(tmp_path, hub):
    repository, _ = base_on_the_hub(tmp_path, "moving-base")
    model = randomized(new_feed_model(encoder=repository)).add_lora(r=2)
    model.save_pretrained(tmp_path / "saved")
    other = AutoModel.from_pretrained(repository)
    with torch.no_grad():
        next(other.parameters())[0] += 1
    other.push_to_hub(repository)
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    (tmp_path / "saved" / "config.json").write_text(json.dumps({**config, "encoder_revision": "main"}))
    with pytest.raises(ValueError, match=r"got other weights; restore that revision"):
        ProductiveFeedModel.from_pretrained(tmp_path / "saved")


def test_an_encoder_that_was_trained_is_no_longer_called_by_its_name(tmp_path):
    model = tiny_feed_model()
    assert model.config.encoder_name
    with torch.no_grad():
        next(model.encoder.parameters())[0] += 1
    with pytest.raises(ValueError, match="one that was trained since"):
        model.save_pretrained(tmp_path, save_encoder=False)
    model.add_lora()
    assert model.config.encoder_name is None
    model.save_pretrained(tmp_path)
    assert (tmp_path / "encoder" / "model.safetensors").exists()


def test_a_frozen_encoder_can_be_named_instead_of_saved_without_an_adapter_too(tmp_path):
    model = tiny_feed_model()
    model.save_pretrained(tmp_path / "whole")
    model.save_pretrained(tmp_path / "named", save_encoder=False)
    size = {name: (tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "named")}
    assert size["named"] < size["whole"]
    loaded = AutoModel.from_pretrained(tmp_path / "named")
    inputs = tiny_inputs(model)
    assert torch.equal(logits(loaded, **inputs), logits(model, **inputs))
    assert torch.equal(loaded.encode_text(TITLES), model.encode_text(TITLES))
    loaded.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").stat().st_size == size["named"]


def test_an_encoder_without_a_name_cannot_be_named(tmp_path):
    model = tiny_feed_model()
    model.config.encoder_name = None
    with pytest.raises(ValueError, match="make it by from_encoder"):
        model.save_pretrained(tmp_path, save_encoder=False)


def test_merging_keeps_the_scores_and_needs_no_adapter(tmp_path):
    model = adapted()
    inputs = tiny_inputs(model)
    before = logits(model, **inputs)
    merged = model.merge_lora()
    assert not merged.has_lora
    assert not any("lora" in name or "modules_to_save" in name for name in merged.state_dict())
    torch.testing.assert_close(logits(merged, **inputs), before, atol=2e-5, rtol=1e-4)
    merged.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert torch.equal(logits(loaded, **inputs), logits(merged, **inputs))
    assert loaded.config.lora is None


def test_a_loaded_adapter_merges_and_is_saved_whole(tmp_path):
    adapted().save_pretrained(tmp_path / "adapted")
    merged = ProductiveFeedModel.from_pretrained(tmp_path / "adapted").merge_lora()
    merged.save_pretrained(tmp_path / "adapted")  # over what was there: nothing of it may be left
    names = {file.name for file in (tmp_path / "adapted").iterdir()}
    assert not names & {"adapter", "encoder"}
    loaded = AutoModel.from_pretrained(tmp_path / "adapted")
    inputs = tiny_inputs(merged)
    assert torch.equal(logits(loaded, **inputs), logits(merged, **inputs))


def test_an_adapter_saved_over_a_whole_model_replaces_it(tmp_path):
    model = tiny_feed_model()
    model.save_pretrained(tmp_path)
    model.add_lora().save_pretrained(tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    assert AutoModel.from_pretrained(tmp_path).has_lora


def test_a_checkpoint_is_loaded_into_a_model_in_training(tmp_path):
    for model in (adapted(), tiny_feed_model()):
        folder = tmp_path / str(model.has_lora)
        model.save_pretrained(folder)
        inputs = tiny_inputs(model)
        before = logits(model, **inputs)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1)
        assert not torch.equal(logits(model, **inputs), before)
        model.load_saved(folder)
        assert torch.equal(logits(model, **inputs), before)


def test_an_adapter_can_learn_further_after_loading(tmp_path):
    adapted().save_pretrained(tmp_path)
    loaded = ProductiveFeedModel.from_pretrained(tmp_path, is_trainable=True).train()
    inputs = tiny_inputs(loaded)
    loaded(**inputs, labels=torch.ones(3, 2)).loss.backward()
    learning = {name for name, parameter in loaded.named_parameters() if parameter.grad is not None}
    assert any(".lora_A." in name for name in learning)
    assert any(name.startswith("productive_head.") for name in learning)


def test_a_folder_of_another_kind_is_refused(tmp_path):
    tiny_feed_model(use_activity=False).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="load the folder that belongs to this config"):
        tiny_feed_model().load_saved(tmp_path)


@pytest.mark.parametrize("target", ["query", ["query", "value"]])
def test_named_layers_alone_are_adapted(target):
    model = tiny_feed_model().add_lora(target=target)
    names = {name.split(".lora_")[0].rpartition(".")[2] for name, _ in model.named_parameters() if ".lora_" in name}
    assert names == ({target} if isinstance(target, str) else set(target))


def test_layers_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"Expected target to be 'all-linear' or names of linear layers"):
        tiny_feed_model().add_lora(target="q_proj")
    with pytest.raises(ValueError, match="has nothing to adapt"):
        tiny_feed_model("ngram").add_lora()


def test_a_second_adapter_is_refused():
    with pytest.raises(ValueError, match="call merge_lora"):
        tiny_feed_model().add_lora().add_lora()


def test_heads_are_never_adapted_only_saved():
    pattern = lora_target(tiny_feed_model().encoder, "all-linear")
    assert re.fullmatch(pattern, "encoder.encoder.layer.0.attention.self.query")
    assert not re.fullmatch(pattern, "activity_pooler.layers.0.query")
    assert base_name("a.lora_B.default.weight") is None


def test_without_peft_a_model_without_an_adapter_works_and_one_with_it_says_what_to_do(tmp_path, monkeypatch):
    adapted().save_pretrained(tmp_path / "adapted")
    monkeypatch.setitem(sys.modules, "peft", None)  # `import peft` raises ModuleNotFoundError
    model = tiny_feed_model()
    model.save_pretrained(tmp_path / "whole")
    assert torch.equal(AutoModel.from_pretrained(tmp_path / "whole").encode_text(TITLES), model.encode_text(TITLES))
    with pytest.raises(ImportError, match="run pip install peft"):
        model.add_lora()
    with pytest.raises(ImportError, match="run pip install peft"):
        ProductiveFeedModel.from_pretrained(tmp_path / "adapted")


def test_no_file_of_the_family_imports_peft_by_itself():
    for file in Path(sys.modules[ProductiveFeedModel.__module__].__file__).parent.glob("*.py"):
        lines = [line.strip() for line in file.read_text().splitlines()]
        assert not any(line.startswith(("import peft", "from peft")) for line in lines), file.name


def test_the_adapter_of_the_default_model_is_below_20_mb():
    """Rank 8 on all linear layers of BGE-M3, the heads and the pooler with it, without the memory for it."""
    with torch.device("meta"):
        model = ProductiveFeedModel(ProductiveFeedConfig(categories=[f"c{i}" for i in range(30)]))
    model.config.encoder_sha256 = "known"
    model._base_has_changed = lambda: False  # there are no weights to sum
    model.add_lora(r=8, alpha=16)
    learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    of_lora = sum(p.numel() for name, p in model.named_parameters() if ".lora_" in name)
    assert of_lora > 3_000_000
    assert 4 * learning < 20_000_000, f"{4 * learning:,} bytes"


@pytest.mark.parametrize("lora", [False, True])
def test_a_folder_without_the_heads_is_refused_not_loaded_with_random_ones(lora, tmp_path):
    model = tiny_feed_model("bert")
    if lora:
        model.add_lora(r=2, alpha=4)
    model.save_pretrained(tmp_path)
    file = tmp_path / "adapter" / "adapter_model.safetensors" if lora else tmp_path / "model.safetensors"
    tensors = {name: tensor for name, tensor in load_file(file).items() if "productive_head" not in name}
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="productive_head"):
        AutoModel.from_pretrained(tmp_path)
