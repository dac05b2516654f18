"""Folders with a whole n-gram encoder, small enough for a test: vocabulary, folded model, and texts it knows."""

import random
import tempfile
from functools import cache
from pathlib import Path

import torch
from tiny_teacher import WORDS

from traceformers.modeling.ngram_encoder.configuration_ngram_encoder import NgramEncoderConfig
from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
from traceformers.tokenization.ngram.ngram_vocabulary import assemble
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIMENSION, SHORT_DIMENSION = 16, 8

_folder = tempfile.TemporaryDirectory(prefix="tiny-encoders-")


@cache
def encoder_folder(seed=0, **config):
    """Returns a folder with a folded encoder of random weights; equal arguments give equal weights."""
    folder = Path(_folder.name) / "-".join(map(str, (seed, *sorted(config.values(), key=str)))).replace("/", "_")
    vocabulary = assemble(WORDS, LETTERS, LETTERS, ngrams=["new york", "red house"])
    table_dtype = config.pop("table_dtype", "float32")
    settings = {
        "vocab_size": len(vocabulary),
        "hidden_size": DIMENSION,
        "matryoshka_dims": [SHORT_DIMENSION],
        "initializer_range": 0.5,
        **config,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = NgramEncoderModel(NgramEncoderConfig(**settings))
        with torch.no_grad():
            model.logits.normal_()
        if model.composition is not None:
            model.set_vocabulary(vocabulary)
    model.eval().fold(table_dtype).save_pretrained(folder)
    NgramTokenizer(vocabulary=vocabulary).save_pretrained(folder)
    return folder


def some_texts(count, seed=0, words=WORDS, shortest=2, longest=9):
    """Returns texts of known words."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(words, k=chance.randint(shortest, longest))) for _ in range(count)]


def shuffled_alphabet(texts, seed=1):
    """Returns the texts with every letter replaced by another: of the same lengths, in no language."""
    letters = list(LETTERS)
    random.Random(seed).shuffle(letters)
    return [text.translate(str.maketrans(LETTERS, "".join(letters))) for text in texts]
