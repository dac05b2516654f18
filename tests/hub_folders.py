"""Folders to push, of every kind: made up ones that are small, and one of every class of every family.

model_folder(path)            what a push of a model needs, a few kilobytes, not to be loaded
FAMILIES["rrweb_bert"](path)  a real tiny model with its tokenizer, saved as its run script saves it; returns its card's
                              model type
"""

import json

import numpy as np
import tiny_trimodal
import torch
from safetensors.numpy import save_file
from tiny_feed_model import tiny_feed_model
from tiny_recommender import KINDS, tiny_recommender
from tiny_rrweb import tiny_tokenizer
from tiny_student import tiny_student

import traceformers
from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import save_sentence_transformer

CARD = """---
license: apache-2.0
tags: [custom_code]
model-index:
- name: made-up
  results:
  - task: {{type: fill-mask}}
    dataset: {{name: made up, type: made-up}}
    metrics:
    - {{type: loss, value: 0.5}}
---
# made-up

```python
name, revision = "{repository}", "{revision}"
```

## Data and privacy

Made up.

## Limits

It is made up.

## Licence

Apache-2.0.
"""


def model_folder(folder, repository="user/made-up", revision="v1", model_type="rrweb_bert", seed=0, size=30_000):
    """Returns `folder` with config, weights of `size` numbers, a vocabulary and a card that names `repository`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, "seed": seed}))
    weights = np.random.default_rng(seed).standard_normal(size, dtype=np.float32)
    save_file({"table": weights}, folder / "model.safetensors")
    (folder / "vocab.json").write_text(json.dumps({"the": 0, "river": 1}))
    (folder / "README.md").write_text(CARD.format(repository=repository, revision=revision))
    return folder


def rrweb_config():
    """Returns the config of a tiny RRWebBERT."""
    return traceformers.RRWebBertConfig(
        vocab_size=tiny_tokenizer().vocab_size,
        structural_vocab_size=520,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=512,
        num_labels=3,
    )


def _rrweb(class_name):
    def save(folder):
        torch.manual_seed(1)
        getattr(traceformers, class_name)(rrweb_config()).eval().save_pretrained(folder)
        tiny_tokenizer().save_pretrained(folder)
        save_sentence_transformer(folder)
        return "rrweb_bert"

    return save


def _trimodal(folder):
    tiny_trimodal.tiny_model().save_pretrained(folder)
    tiny_trimodal.tiny_processor().save_pretrained(folder)
    return "rrweb_trimodal"


def _recommender(kind):
    def save(folder):
        tiny_recommender(kind).save_pretrained(folder)
        return kind

    return save


def _feed(kind, lora=False, **settings):
    def save(folder):
        model = tiny_feed_model(kind, **settings)
        if lora:
            model.add_lora(r=2, alpha=4)
        model.save_pretrained(folder)
        return "productive_feed"

    return save


def _ngram(folder):
    tiny_student(folder)
    return "ngram_encoder"


FAMILIES = {
    "RRWebBertModel": _rrweb("RRWebBertModel"),
    "RRWebBertForMaskedLM": _rrweb("RRWebBertForMaskedLM"),
    "RRWebBertForSequenceClassification": _rrweb("RRWebBertForSequenceClassification"),
    "RRWebBertForNextAction": _rrweb("RRWebBertForNextAction"),
    "RRWebTrimodalModel": _trimodal,
    "NgramEncoderModel": _ngram,
    **{kind: _recommender(kind) for kind in KINDS},
    "ProductiveFeedModel": _feed("ngram"),
    "ProductiveFeedModel-linear": _feed("ngram", head="linear"),
    "ProductiveFeedModel-bert": _feed("bert"),
    "ProductiveFeedModel-lora": _feed("bert", lora=True),
}
