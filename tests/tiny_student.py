"""A folded n-gram student small enough for a test, over the words of the tiny retrieval set."""

import json
from pathlib import Path

import torch
from tiny_retrieval import CORPUS, QUERIES

from traceformers.modeling.ngram_encoder.configuration_ngram_encoder import NgramEncoderConfig
from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
from traceformers.modeling.ngram_encoder.sentence_ngram_encoder import save_sentence_transformer
from traceformers.tokenization.ngram.ngram_vocabulary import assemble
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer


def tiny_student(folder, dimension=16, teacher=None, seed=0):
    """Returns `folder`, in which a student with random weights is saved, as str.

    Args:
        dimension (`int`): width of its vectors.
        teacher (`str`, *optional*): name of its teacher.
    """
    texts = [*(f"{title} {text}" for title, text in CORPUS.values()), *QUERIES.values()]
    words = sorted({word for text in texts for word in text.lower().split()} - {"birds", "dawn"})
    vocabulary = assemble(words, buckets=4, ngrams=["the moon", "the earth"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = NgramEncoderConfig(
            vocab_size=len(vocabulary.tokens), hidden_size=dimension, initializer_range=0.5, teacher_name=teacher
        )
        model = NgramEncoderModel(config).eval()
    model.fold().save_pretrained(folder)
    NgramTokenizer(vocabulary=vocabulary).save_pretrained(folder)
    return str(save_sentence_transformer(folder))


def change_config(folder, **changes):
    """Changes the config.json of a saved student."""
    path = Path(folder) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
