"""Recommenders for people who have transformers and not this package: the law of the Hub, on tiny models."""

import json

import hub_visitor
import pytest
import recommender_visitor
import torch
from assertions import assert_hub_folder_is_self_contained, assert_loads_without_our_package
from tiny_recommender import HISTORIES, KINDS, metadata_settings, tiny_recommender
from transformers import AutoConfig, AutoModel

QUICK = ("bert4rec", "ensemble_recommender")
SETTINGS = {"bert4rec": metadata_settings(), "sasrec": metadata_settings("concat")}


def padded(model):
    """Returns {"input_ids": (B, T), "attention_mask": (B, T)} of `HISTORIES`."""
    return dict(model.item_tokenizer(histories=HISTORIES, padding=True, return_tensors="pt"))


@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_a_recommender_loads_and_recommends_without_our_package(tmp_path, hub, kind, monkeypatch):
    monkeypatch.setattr(hub_visitor, "__file__", recommender_visitor.__file__)
    monkeypatch.setattr(hub_visitor, "outputs_of", recommender_visitor.outputs_of)
    model = tiny_recommender(kind, **SETTINGS.get(kind, {}))
    model.save_pretrained(tmp_path)
    found = assert_loads_without_our_package(tmp_path, hub, {"histories": HISTORIES}, padded(model))
    expected = model.recommend(HISTORIES, k=4)
    for number, items in enumerate(expected.items):
        assert found[f"recommend.plain.{number}"].tolist() == [model.item_tokenizer.id_of(item) for item in items]
        if kind in ("bert4rec", "sasrec"):
            assert torch.equal(found[f"recommend.index.{number}"], found[f"recommend.plain.{number}"])


@pytest.mark.parametrize("kind", KINDS)
def test_push_to_hub_of_a_model_alone_pushes_its_tokenizer_and_code(hub, kind):
    model = tiny_recommender(kind)
    model.push_to_hub(f"user/pushed-{kind.replace('_', '-')}")
    files = hub.files(f"user/pushed-{kind.replace('_', '-')}")
    assert {"config.json", "model.safetensors", "item_vocabulary.json", "tokenization_item.py"} <= set(files)
    auto_map = json.loads(files["config.json"])["auto_map"]
    assert sorted(auto_map) == ["AutoConfig", "AutoModel"]


def test_save_pretrained_with_push_to_hub_pushes_the_tokenizer_too(tmp_path, hub):
    tiny_recommender("popularity").save_pretrained(tmp_path / "saved-and-pushed", push_to_hub=True)
    assert "item_vocabulary.json" in hub.files("user/saved-and-pushed")
    assert (tmp_path / "saved-and-pushed" / "item_vocabulary.json").is_file()


def test_the_item_tokenizer_is_that_of_the_revision_the_model_has(hub):
    model = tiny_recommender("popularity")
    model.push_to_hub("user/grows")
    first = hub.repositories["model", "user/grows"].branches["main"]
    early = AutoModel.from_pretrained("user/grows", trust_remote_code=True)  # its tokenizer is loaded later
    model.add_items(["new"])
    model.push_to_hub("user/grows")
    late = AutoModel.from_pretrained("user/grows", trust_remote_code=True)
    assert "new" in late.item_tokenizer.items
    assert "new" not in early.item_tokenizer.items
    pinned = AutoModel.from_pretrained("user/grows", revision=first, trust_remote_code=True)
    assert "new" not in pinned.item_tokenizer.items


def test_a_model_in_a_subfolder_finds_its_tokenizer_there(tmp_path):
    tiny_recommender("ease").save_pretrained(tmp_path / "best")
    loaded = AutoModel.from_pretrained(tmp_path, subfolder="best")
    assert loaded.recommend(HISTORIES, k=2) == tiny_recommender("ease").recommend(HISTORIES, k=2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_folder_is_self_contained_also_after_load_and_save(tmp_path, kind):
    tiny_recommender(kind).save_pretrained(tmp_path / "once")
    assert_hub_folder_is_self_contained(tmp_path / "once")
    AutoModel.from_pretrained(tmp_path / "once").save_pretrained(tmp_path / "twice")
    once, twice = ({path.name for path in (tmp_path / name).iterdir()} for name in ("once", "twice"))
    assert once == twice
    assert AutoConfig.from_pretrained(tmp_path / "twice").model_type == kind
