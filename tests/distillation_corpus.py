"""Everything that a distillation needs, small: texts in files, a teacher, a vocabulary with the teacher's vectors."""

import json
from pathlib import Path

import numpy as np
from tiny_teacher import WORDS, tiny_teacher

from traceformers.tokenization.ngram.ngram_vocabulary import assemble
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer
from traceformers.training.distillation.teacher import load_teacher
from traceformers.training.distillation.teacher_cache import fill_cache
from traceformers.training.tensor_files import write_tensors

NGRAMS = ("new york", "the river bank", "red cat")
CHARACTERS = "abcdefghijklmnopqrstuvwxyz"


def random_texts(n, seed=0, longest=20):
    """Returns n texts of the tiny teacher's words, the commoner ones more often."""
    draw = np.random.default_rng(seed)
    shares = 1 / np.arange(1, len(WORDS) + 1)
    lengths = draw.integers(1, longest + 1, n)
    return [" ".join(draw.choice(WORDS, size, p=shares / shares.sum())) for size in lengths]


def write_vocabulary(folder, teacher):
    """Returns `folder`, written as build_ngram_vocabulary does: tokenizer, entry vectors and counts."""
    folder = Path(folder)
    vocabulary = assemble(
        sorted({*WORDS, "york", "new"}),
        first_pieces=CHARACTERS,
        continuations=CHARACTERS,
        ngrams=NGRAMS,
    )
    NgramTokenizer(vocabulary=vocabulary).save_pretrained(folder)
    vectors = teacher.encode([token.replace("#", "") for token in vocabulary.tokens])
    about = {"teacher": json.dumps(teacher.fingerprint)}
    write_tensors(folder / "entry_vectors.safetensors", {"vectors": vectors.astype(np.float16)}, about)
    write_tensors(folder / "entry_counts.safetensors", {"counts": np.ones(len(vectors), np.int64)})
    return folder


def write_corpus(folder, n=160, normalize=True):
    """Returns {"texts", "heldout", "teacher", "teacher_cache", "vocabulary"}: paths, and `folder` filled with them."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"teacher": tiny_teacher(folder / "teacher", normalize=normalize)}
    for name, texts in (("texts", random_texts(n)), ("heldout", random_texts(40, seed=1))):
        path = folder / f"{name}.txt"
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
        paths[name] = str(path)
    teacher = load_teacher(paths["teacher"], device="cpu", precision="float32")
    paths["vocabulary"] = str(write_vocabulary(folder / "vocabulary", teacher))
    paths["teacher_cache"] = str(folder / "cache")
    for name, cache in (("texts", folder / "cache"), ("heldout", folder / "cache-heldout")):
        fill_cache(teacher, Path(paths[name]).read_text().splitlines(), cache, shard_size=64, progress=False)
    return paths
