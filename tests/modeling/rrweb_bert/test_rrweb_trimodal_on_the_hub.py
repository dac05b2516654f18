"""The trimodal model for people who have transformers and not this package: the law of the Hub, and AutoProcessor."""

import json

import hub_visitor
import pytest
import torch
import trimodal_visitor
from assertions import assert_loads_without_our_package
from tiny_trimodal import tiny_batch, tiny_model, tiny_processor, tiny_session
from transformers import AutoModel, AutoProcessor

from traceformers.training.hub_folder import push_folder

SESSIONS = [tiny_session(number, seconds=3) for number in range(2)]


@pytest.fixture
def visitor(monkeypatch):
    monkeypatch.setattr(hub_visitor, "__file__", trimodal_visitor.__file__)
    monkeypatch.setattr(hub_visitor, "outputs_of", trimodal_visitor.outputs_of)


def test_model_and_processor_load_without_our_package(visitor, tmp_path, hub):
    model, batch = tiny_model(seed=1), tiny_batch(rows=2)
    model.save_pretrained(tmp_path)
    tiny_processor().save_pretrained(tmp_path)
    found = assert_loads_without_our_package(tmp_path, hub, {"events": SESSIONS}, batch)
    with torch.no_grad():
        outputs = model(**batch)
    for name, value in outputs.items():
        assert torch.equal(found[f"AutoModel.{name}"], value)
    assert found["AutoProcessor.text_mask"].tolist() == [True, False]
    assert found["processed.image_embeds"].any(1).tolist() == [False, True]


def test_a_pushed_folder_holds_all_code(tmp_path, hub):
    tiny_model().save_pretrained(tmp_path)
    tiny_processor().save_pretrained(tmp_path)
    push_folder(tmp_path, "user/trimodal", tag="v1")
    files = set(hub.files("user/trimodal"))
    assert {
        "configuration_rrweb_trimodal.py",
        "modeling_rrweb_trimodal.py",
        "processing_rrweb_trimodal.py",
        "configuration_rrweb_bert.py",
        "modeling_rrweb_bert.py",
        "rrweb_bert_attention.py",
        "tokenization_rrweb.py",
        "processor_config.json",
        "structural_vocab.json",
        "text_tokenizer/tokenizer.json",
        "model.safetensors",
    } <= files


def test_model_and_processor_pushed_one_by_one_load_and_push_again(hub):
    batch = tiny_batch(rows=2)
    tiny_model(seed=2).push_to_hub("user/tri-once")
    tiny_processor().push_to_hub("user/tri-once")
    model = AutoModel.from_pretrained("user/tri-once", trust_remote_code=True).eval()
    model.push_to_hub("user/tri-twice")
    AutoProcessor.from_pretrained("user/tri-once", trust_remote_code=True).push_to_hub("user/tri-twice")
    once, twice = hub.files("user/tri-once"), hub.files("user/tri-twice")
    assert sorted(once) == sorted(twice)
    assert "--" not in json.dumps(json.loads(twice["config.json"])["auto_map"])
    again = AutoModel.from_pretrained("user/tri-twice", trust_remote_code=True).eval()
    with torch.no_grad():
        assert torch.equal(again(**batch).session_embeds, tiny_model(seed=2)(**batch).session_embeds)
