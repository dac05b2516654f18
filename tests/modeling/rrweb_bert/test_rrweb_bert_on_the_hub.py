"""RRWebBERT for people who have transformers and not this package: the law of the Hub, on a tiny model."""

import json
import re

import pytest
import torch
from assertions import assert_loads_without_our_package, assert_save_load_keeps_outputs
from tiny_rrweb import click, element, page, tiny_tokenizer
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

from traceformers import (
    RRWebBertConfig,
    RRWebBertForMaskedLM,
    RRWebBertForSequenceClassification,
    RRWebBertModel,
)
from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import SessionEncoder, save_sentence_transformer

SESSIONS = [
    [*page(element(5, "button", "Pay now"), element(6, "p", "Größe wählen")), click(5, time=700), click(6, time=1400)],
    [*page(element(5, "button", "[MASK] [SEP]"), element(6, "a", "日本語")), click(6, time=90)],
]


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def config(tokenizer):
    return RRWebBertConfig(
        vocab_size=tokenizer.vocab_size,
        structural_vocab_size=520,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=512,
        num_labels=3,
    )


@pytest.fixture(scope="module")
def inputs(tokenizer):
    return dict(tokenizer(events=SESSIONS, padding=True, return_tensors="pt"))


BACKWARDS = """
forwards = RRWebTokenizer.__call__
RRWebTokenizer.__call__ = lambda *a, **k: {n: [row[::-1] for row in v] for n, v in forwards(*a, **k).items()}
"""


def model_of(cls, config):
    torch.manual_seed(1)
    return cls(config).eval()


@pytest.mark.parametrize("cls", [RRWebBertModel, RRWebBertForMaskedLM, RRWebBertForSequenceClassification])
def test_save_and_load_keep_the_outputs_of_every_head(cls, config, inputs):
    assert_save_load_keeps_outputs(model_of(cls, config), inputs)


def test_a_masked_language_model_loads_without_our_package(config, tokenizer, inputs, tmp_path, hub):
    model = model_of(RRWebBertForMaskedLM, config)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    save_sentence_transformer(tmp_path)
    sentences = [json.dumps(SESSIONS[0]), "pay now", json.dumps(SESSIONS[1])]
    found = assert_loads_without_our_package(tmp_path, hub, {"events": SESSIONS}, inputs, sentences)
    with torch.no_grad():
        assert torch.equal(found["AutoModelForMaskedLM.logits"], model(**inputs).logits)
        assert torch.equal(found["AutoModel.last_hidden_state"], model.base_model(**inputs).last_hidden_state)
    for number, events in enumerate(SESSIONS):
        assert found[f"AutoTokenizer.input_ids.{number}"].tolist() == tokenizer(events=events)["input_ids"]
    assert found["AutoModelForSequenceClassification.logits"].shape == (2, 3)
    encoder = SessionEncoder(model.base_model, tokenizer)
    with torch.no_grad():
        expected = encoder(encoder.preprocess(sentences))["sentence_embedding"]
    torch.testing.assert_close(found["embeddings"], expected)


def test_a_classifier_loads_without_our_package(config, tokenizer, inputs, tmp_path, hub):
    model = model_of(RRWebBertForSequenceClassification, config)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    found = assert_loads_without_our_package(tmp_path, hub, {"events": SESSIONS}, inputs)
    with torch.no_grad():
        assert torch.equal(found["AutoModelForSequenceClassification.logits"], model(**inputs).logits)


def test_push_to_hub_of_a_loaded_model_keeps_it_loadable(config, tokenizer, inputs, hub):
    model = model_of(RRWebBertForMaskedLM, config)
    model.push_to_hub("user/pushed-once")
    tokenizer.push_to_hub("user/pushed-once")
    again = AutoModelForMaskedLM.from_pretrained("user/pushed-once", trust_remote_code=True)
    again.push_to_hub("user/pushed-twice")
    AutoTokenizer.from_pretrained("user/pushed-once", trust_remote_code=True).push_to_hub("user/pushed-twice")
    once, twice = hub.files("user/pushed-once"), hub.files("user/pushed-twice")
    assert sorted(once) == sorted(twice)
    assert b"--" not in json.dumps(json.loads(twice["config.json"])["auto_map"]).encode()
    last = AutoModel.from_pretrained("user/pushed-twice", trust_remote_code=True).eval()
    with torch.no_grad():
        assert torch.equal(last(**inputs).last_hidden_state, model.base_model(**inputs).last_hidden_state)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("tokenization_rrweb.py", lambda text: text + BACKWARDS, "AutoTokenizer.input_ids.0 differs"),
        ("modeling_rrweb_bert.py", lambda text: "import traceformers\n" + text, "not on the allow-list"),
        ("rrweb_privacy.py", lambda text: "from ..x import y\n" + text, "only `.sibling` is copied"),
        ("config.json", lambda text: text.replace("auto_map", "otto_map"), "has no auto_map"),
        ("modeling_rrweb_bert.py", None, "modeling_rrweb_bert.py is not in the folder"),
    ],
)
def test_the_law_of_the_hub_finds_what_is_wrong(config, tokenizer, inputs, tmp_path, hub, name, change, said):
    model_of(RRWebBertForMaskedLM, config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    if change is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(change((tmp_path / name).read_text()))
    with pytest.raises(AssertionError, match=re.escape(said)):
        assert_loads_without_our_package(tmp_path, hub, {"events": SESSIONS}, inputs)
