"""The n-gram encoder for people who have transformers and not this package: the law of the Hub, on tiny models."""

import json

import hub_visitor
import pytest
import torch
from assertions import assert_hub_folder_is_self_contained, assert_loads_without_our_package
from tiny_ngram import tiny_tokenizer
from tiny_ngram_encoder import TEXTS, padded, saved_encoder, tiny_encoder, vectors, without_numba
from transformers import AutoModel, AutoTokenizer
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.modeling.ngram_encoder.sentence_ngram_encoder import save_sentence_transformer

SHAPE = {"phi": "mlp", "rho": "mlp", "num_attention_heads": 2}


@pytest.mark.parametrize("dtype", ["int8", pytest.param("float32", marks=pytest.mark.slow)])
def test_a_folded_encoder_loads_without_our_package(tmp_path, hub, dtype, monkeypatch):
    # The copy of the code in this process compiles nothing: the visitor's, which it is compared with, cannot either.
    monkeypatch.setattr(hub_visitor, "embeddings_of", without_numba()(hub_visitor.embeddings_of))
    saved_encoder(tmp_path, table_dtype=dtype, **SHAPE)
    save_sentence_transformer(tmp_path)
    inputs = padded()
    found = assert_loads_without_our_package(tmp_path, hub, {"text": TEXTS}, inputs, TEXTS)
    expected = vectors(tiny_encoder(**SHAPE).fold(dtype), inputs)
    assert torch.equal(found["AutoModel.pooler_output"], expected)
    for number, text in enumerate(TEXTS):
        assert found[f"AutoTokenizer.input_ids.{number}"].tolist() == tiny_tokenizer()(text)["input_ids"]
    torch.testing.assert_close(found["embeddings"], expected, atol=1e-6, rtol=0)
    runtime = NgramRuntime.from_pretrained(tmp_path).encode(TEXTS)
    torch.testing.assert_close(found["embeddings"], torch.from_numpy(runtime), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_a_training_form_loads_without_our_package(tmp_path, hub):
    model = tiny_encoder(num_self_attention_layers=1, **SHAPE)
    model.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    inputs = padded()
    found = assert_loads_without_our_package(tmp_path, hub, {"text": TEXTS}, inputs)
    assert torch.equal(found["AutoModel.pooler_output"], vectors(model, inputs))


def test_push_to_hub_of_a_loaded_encoder_keeps_it_loadable(hub):
    folded = tiny_encoder().fold("float16")
    folded.push_to_hub("user/ngrams-once")
    tiny_tokenizer().push_to_hub("user/ngrams-once")
    again = AutoModel.from_pretrained("user/ngrams-once", trust_remote_code=True)
    again.push_to_hub("user/ngrams-twice")
    AutoTokenizer.from_pretrained("user/ngrams-once", trust_remote_code=True).push_to_hub("user/ngrams-twice")
    once, twice = hub.files("user/ngrams-once"), hub.files("user/ngrams-twice")
    assert sorted(once) == sorted(twice)
    assert b"--" not in json.dumps(json.loads(twice["config.json"])["auto_map"]).encode()
    last = AutoModel.from_pretrained("user/ngrams-twice", trust_remote_code=True)
    assert torch.equal(vectors(last), vectors(folded))


def test_a_model_loaded_from_its_own_code_folds(tmp_path):
    tiny_encoder(**SHAPE).save_pretrained(tmp_path / "trained")
    cls = get_class_from_dynamic_module("modeling_ngram_encoder.NgramEncoderModel", str(tmp_path / "trained"))
    loaded = cls.from_pretrained(tmp_path / "trained").eval()
    assert type(loaded).__module__.startswith("transformers_modules.")
    folded = loaded.fold("int8")
    assert torch.equal(vectors(folded), vectors(tiny_encoder(**SHAPE).fold("int8")))
    folded.save_pretrained(tmp_path / "folded")
    assert_hub_folder_is_self_contained(tmp_path / "folded")
