"""N-gram encoders of a few entries: every parameter random, so that no term of the sums is zero or one by chance."""

import sys
from contextlib import contextmanager

import torch
from tiny_ngram import tiny_tokenizer, tiny_vocabulary

from traceformers import NgramEncoderConfig, NgramEncoderModel

TEXTS = [
    "New York City times, more than a B",
    "walking in the big city",
    "",
    "new york",
    "don't \u6771 \u4eac the a b c d a x1xx",
    "c",
]


def tiny_config(fallback="pieces", **settings):
    """Returns an `NgramEncoderConfig` for `tiny_vocabulary(fallback)`."""
    sizes = {"hidden_size": 16, "phi_hidden_size": 24, "rho_hidden_size": 12, "num_self_attention_heads": 2}
    return NgramEncoderConfig(vocab_size=len(tiny_vocabulary(fallback)), **{**sizes, **settings})


def tiny_encoder(fallback="pieces", seed=0, **settings):
    """Returns an `NgramEncoderModel` in training form for `tiny_vocabulary(fallback)`, ready to encode.

    Args:
        seed: of all parameters and, with pooling "sif", of the frequencies.
        settings: fields of the config.
    """
    model = NgramEncoderModel(tiny_config(fallback, **settings))
    if model.config.composed_entries:
        model.set_vocabulary(tiny_vocabulary(fallback))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    if model.config.pooling == "sif":
        model.set_entry_frequencies(torch.rand(model.config.vocab_size, generator=generator))
    return model.eval()


def flat(texts=TEXTS, fallback="pieces"):
    """Returns {"input_ids": (N,), "offsets": (B + 1,)} of texts."""
    ids, offsets = tiny_tokenizer(fallback).encode_flat(texts)
    return {"input_ids": torch.from_numpy(ids).long(), "offsets": torch.from_numpy(offsets)}


def padded(texts=TEXTS, fallback="pieces"):
    """Returns {"input_ids": (B, T), "attention_mask": (B, T)} of texts."""
    return dict(tiny_tokenizer(fallback)(texts, padding=True, return_tensors="pt"))


def vectors(model, inputs=None):
    """Returns the vectors (B, D) of inputs, those of `TEXTS` if none are given."""
    with torch.no_grad():
        return model(**(flat() if inputs is None else inputs)).pooler_output


def saved_encoder(folder, fallback="pieces", table_dtype="float32", **settings):
    """Returns `folder` with a folded tiny encoder and its tokenizer saved in it."""
    tiny_encoder(fallback, **settings).fold(table_dtype).save_pretrained(folder)
    tiny_tokenizer(fallback).save_pretrained(folder)
    return folder


@contextmanager
def without_numba():
    """Code imported inside finds no numba; what was imported before keeps it, but must not run inside."""
    numba = sys.modules.get("numba")
    sys.modules["numba"] = None  # `import numba` raises ModuleNotFoundError
    try:
        yield
    finally:
        del sys.modules["numba"]
        if numba is not None:
            sys.modules["numba"] = numba
