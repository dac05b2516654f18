"""A fine-tuned classifier for people who have transformers and not this package: whole, and as an adapter."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from assertions import assert_loads_without_our_package, assert_same_tensors, push
from safetensors.torch import load_file, save_file
from tiny_labelled_sessions import recording, write_encoder
from tiny_rrweb import tiny_tokenizer

from traceformers.training.session_classification.classification_model import build_classifier, save_classifier

SESSIONS = [recording(1, "buys", "a.test"), recording(2, "writes", "b.test")]
SETTINGS = SimpleNamespace(
    model_revision="main",
    attn_implementation="sdpa",
    head_dropout=0.0,
    lora=True,
    lora_r=2,
    lora_alpha=4,
    lora_layers=0,
    lora_dropout=0.0,
)
STRANGER = """
import json, sys
for name in ("traceformers", "orjson", "msgspec", "cramjam", "numba", "faiss"):
    sys.modules[name] = None
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification
request = json.loads(sys.argv[1])
base = AutoModelForSequenceClassification.from_pretrained(request["base"], num_labels=2, trust_remote_code=True).eval()
assert type(base).__module__.startswith("transformers_modules."), type(base)
base.load_adapter(request["adapted"], adapter_kwargs={"subfolder": "adapter", "revision": "v1"})
save_file({"logits": base(**load_file(request["inputs"])).logits.detach()}, request["answer"])
"""


@pytest.fixture(scope="module")
def inputs():
    return dict(tiny_tokenizer()(events=SESSIONS, padding=True, return_tensors="pt"))


def trained(encoder):
    """Returns a classifier with an adapter that says something."""
    model = build_classifier(str(encoder), ["buys", "writes"], SETTINGS, 128).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def test_an_adapter_and_its_classifier_learn_and_nothing_else(tmp_path):
    model = build_classifier(str(write_encoder(tmp_path)), ["buys", "writes"], SETTINGS, 128)
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(".lora_" in name or ".classifier.modules_to_save." in name for name in learning)
    assert len([name for name in learning if ".lora_A." in name]) == 6  # one layer: query, key, value, output, up, down


def test_the_layers_below_those_that_are_adapted_do_not_learn(tmp_path):
    encoder = str(write_encoder(tmp_path, num_hidden_layers=3))
    settings = SimpleNamespace(**(vars(SETTINGS) | {"lora_layers": 1}))
    model = build_classifier(encoder, ["buys", "writes"], settings, 128)
    learning = [name for name, p in model.named_parameters() if p.requires_grad and ".lora_A." in name]
    assert len(learning) == 6 and all(".layers.2." in name for name in learning)
    settings.lora_layers = 4
    with pytest.raises(ValueError, match="lora_layers between 0 and 3"):
        build_classifier(encoder, ["buys", "writes"], settings, 128)


def test_an_adapted_classifier_loads_whole_without_our_package(tmp_path, hub, inputs):
    model = trained(write_encoder(tmp_path / "encoder"))
    with torch.no_grad():
        expected = model(**inputs).logits
    save_classifier(model, tiny_tokenizer(), tmp_path / "model")
    found = assert_loads_without_our_package(tmp_path / "model", hub, {"events": SESSIONS}, inputs)
    torch.testing.assert_close(found["AutoModelForSequenceClassification.logits"], expected, atol=1e-5, rtol=1e-4)
    assert (expected[0] - expected[1]).abs().max() > 1e-3


def test_a_stranger_puts_the_adapter_on_the_encoder_it_was_trained_on(tmp_path, hub, inputs):
    model = trained(write_encoder(tmp_path / "encoder"))
    with torch.no_grad():
        expected = model(**inputs).logits
    save_classifier(model, tiny_tokenizer(), tmp_path / "model")
    save_file(inputs, tmp_path / "inputs.safetensors")
    request = {
        "base": push(tmp_path / "encoder", "base-of-classifier", "v1"),
        "adapted": push(tmp_path / "model", "adapted-classifier", "v1"),
        "inputs": str(tmp_path / "inputs.safetensors"),
        "answer": str(tmp_path / "answer.safetensors"),
    }
    environment = {key: os.environ[key] for key in ("PATH", "OMP_NUM_THREADS", "LD_LIBRARY_PATH") if key in os.environ}
    environment |= hub.environment(tmp_path / "home") | {"HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", STRANGER, json.dumps(request)], env=environment, cwd=tmp_path, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert_same_tensors(load_file(tmp_path / "answer.safetensors"), {"logits": expected}, "an adapter on its encoder")


def test_what_is_no_rrweb_bert_or_too_short_is_refused(tmp_path):
    encoder = str(write_encoder(tmp_path / "encoder"))
    with pytest.raises(ValueError, match="Expected max_length of at most 128"):
        build_classifier(encoder, ["a", "b"], SETTINGS, 129)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match=r"Expected a saved RRWebBERT .*'bert'"):
        build_classifier(str(tmp_path / "other"), ["a", "b"], SETTINGS, 64)
