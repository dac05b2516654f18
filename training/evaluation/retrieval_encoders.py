"""Encoders by name, behind one face: a vector for each query and each document, how fast, and how large.

    open_encoder("runs/student")                        a folder that sentence-transformers loads
    open_encoder("sentence-transformers/all-MiniLM-L6-v2")
    open_encoder("runtime:runs/student")                the same n-gram student without torch
    open_encoder("model2vec:minishlab/potion-base-8M")  a static model, if model2vec is installed

A student of ours answers for queries and, in symmetric search, for documents by itself: its repository may name a
teacher for documents, and that is the asymmetric mode, which needs the teacher's vectors.
"""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch

from traceformers.training.evaluation.text_vectors import folder_sha256, settings_fingerprint
from traceformers.training.model_files import model_folder

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
STUDENT_TYPE = "ngram_encoder"
WEIGHTS = (".safetensors", ".npy", ".onnx", ".bin")


class Encoder:
    """Texts to vectors.

    Attributes:
        name (`str`): as it was asked for.
        similarity (`str`): "cosine" (vectors have length 1) or "dot".
        fingerprint (`str`): two encoders with the same one give the same vectors.
        size_bytes (`int` or None): of its weights as stored.
        is_student (`bool`): it approximates a teacher, so its queries can be asked of the teacher's documents.
        unknown_share (callable or None): of texts to the share of their tokens that are no known words, `float (n,)`.
    """

    def __init__(self, name, queries, documents, similarity, fingerprint, size_bytes, is_student, unknown_share=None):
        self.name, self.similarity, self.fingerprint = name, similarity, fingerprint
        self.size_bytes, self.is_student, self.unknown_share = size_bytes, is_student, unknown_share
        self._queries, self._documents = queries, documents

    def encode_queries(self, texts):
        """Returns vectors `float32 (n, D)` of texts as queries."""
        return self._vectors(self._queries, texts)

    def encode_documents(self, texts):
        """Returns vectors `float32 (n, D)` of texts as documents, by this encoder itself."""
        return self._vectors(self._documents, texts)

    def _vectors(self, encode, texts):
        vectors = np.asarray(encode(list(texts)), dtype=np.float32)
        if self.similarity == "cosine":
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


def open_encoder(
    name, revision=None, device=None, precision=None, threads=None, trust_remote_code=False, batch_size=None
):
    """Returns the `Encoder` of a name.

    Args:
        name (`str`): a folder or a Hub id; `runtime:<folder>`; `model2vec:<folder or Hub id>`.
        revision (`str`, *optional*): commit or tag of a Hub repository.
        device (`str`, *optional*): as torch names it; a GPU if there is one.
        precision (`str`, *optional*): as stored if not given; "float32", "bfloat16" or "float16", and "int8" for
            `runtime:`.
        threads (`int`, *optional*): threads of this process.
        trust_remote_code (`bool`): run the code in a Hub repository; that of a local folder is always run.
        batch_size (`int`, *optional*): texts encoded at once; 32 for transformers, 1,024 for students.

    Raises:
        ValueError: for an unknown precision, or a name that has no such kind.
        ImportError: if model2vec is asked for and not installed.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    kind, _, place = name.rpartition(":")
    if kind == "runtime":
        return _open_runtime(name, place, precision, threads, batch_size)
    if kind == "model2vec":
        return _open_model2vec(name, place)
    if kind:
        raise ValueError(f"Expected a folder, a Hub id, runtime:<folder> or model2vec:<folder>, got {name!r}.")
    return _open_sentence_transformer(name, revision, device, precision, trust_remote_code, batch_size)


def measure_texts_per_second(encode, texts, seconds=2.0):
    """Returns how many texts an encoder takes in a second: the best pass of those that `seconds` allow, two at least.

    Args:
        encode (callable): of `list[str]`.
        texts (`list[str]`): encoded in one call a pass.
    """
    encode(texts[:32])  # what is compiled or loaded at first use is not counted
    best, spent, passes = float("inf"), 0.0, 0
    while passes < 2 or spent < seconds:
        start = time.perf_counter()
        encode(texts)
        took = time.perf_counter() - start
        best, spent, passes = min(best, took), spent + took, passes + 1
    return len(texts) / best


def files_size(folder):
    """Returns the bytes of the weights in a folder, None if it holds none."""
    sizes = [path.stat().st_size for path in Path(folder).rglob("*") if path.suffix in WEIGHTS and path.is_file()]
    return sum(sizes) or None


def _open_sentence_transformer(name, revision, device, precision, trust_remote_code, batch_size):
    from sentence_transformers import SentenceTransformer

    if precision is not None and precision not in PRECISIONS:
        raise ValueError(
            f"Expected a precision of {', '.join(PRECISIONS)} for {name}, got {precision!r}. "
            "int8 is for runtime:<folder>, or save the folded model with table_dtype int8."
        )
    is_local = Path(name).is_dir()
    model = SentenceTransformer(
        name, revision=revision, device=device, trust_remote_code=trust_remote_code or is_local
    ).eval()
    if precision is not None:
        model = model.to(PRECISIONS[precision])
    folder = model_folder(name, revision)
    is_student = _model_type(folder) == STUDENT_TYPE
    options = {"batch_size": batch_size or (1_024 if is_student else 32), "show_progress_bar": False}

    def queries(texts):
        return model.encode_query(texts, **options)

    def documents(texts):
        return model.encode(texts, **options) if is_student else model.encode_document(texts, **options)

    return Encoder(
        name,
        queries,
        documents,
        "dot" if str(model.similarity_fn_name) in ("dot", "dot_score") else "cosine",
        settings_fingerprint(folder_sha256(folder), precision=precision, max_length=model.max_seq_length),
        files_size(folder),
        is_student,
        _unknown_share(model.tokenizer) if is_student else None,
    )


def _open_runtime(name, folder, precision, threads, batch_size):
    from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime

    runtime = NgramRuntime.from_pretrained(folder, threads=threads or 1, precision=precision)

    def encode(texts):
        return runtime.encode(texts, batch_size=batch_size or 1_024)

    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    fingerprint = settings_fingerprint(folder_sha256(folder), runtime=precision)
    similarity = config.get("similarity", "cosine")
    return Encoder(name, encode, encode, similarity, fingerprint, files_size(folder), True)


def _open_model2vec(name, place):
    try:
        from model2vec import StaticModel
    except ImportError as error:
        raise ImportError(
            f"Expected model2vec for {name}, found it not: install it, or leave this model out."
        ) from error
    model = StaticModel.from_pretrained(place)
    table = model.embedding
    fingerprint = hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()
    return Encoder(name, model.encode, model.encode, "cosine", fingerprint, table.nbytes, False)


def _unknown_share(tokenizer):
    """Returns a function of texts to the share of their ids that stand for unknown words: pieces, buckets, [UNK]."""
    from traceformers.tokenization.ngram.ngram_vocabulary import NGRAM, SKIPGRAM, WORD

    known = np.isin(tokenizer.vocabulary.kinds, (WORD, NGRAM, SKIPGRAM))

    def share(texts):
        ids, offsets = tokenizer.encode_flat(list(texts))
        ids, offsets = np.asarray(ids), np.asarray(offsets)
        sums = np.concatenate([[0], np.cumsum(~known[ids])])
        return (sums[offsets[1:]] - sums[offsets[:-1]]) / np.maximum(np.diff(offsets), 1)

    return share


def _model_type(folder):
    path = Path(folder) / "config.json"
    return json.loads(path.read_text(encoding="utf-8")).get("model_type") if path.is_file() else None
