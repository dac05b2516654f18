"""The encoder of an index: queries by the student, documents by the student or by the teacher that it names."""

import hashlib
import json
from pathlib import Path

import numpy as np

from traceformers.training.model_files import model_folder

# What decides an encoder's vectors; cards, metrics and exports beside them may change.
DECIDING = ("*.safetensors", "*.bin", "tokenizer.json", "vocab.txt", "*.model")
NOT_DECIDING = ("onnx", "openvino", "checkpoints", "runs")
BATCH_SIZE = 32  # of a transformer; the n-gram encoder takes any number at once


class SearchModel:
    """An encoder repository as a search index uses it. Nothing is loaded before it is needed.

    Args:
        name (`str`): folder or Hub id of an n-gram encoder, or of any sentence-transformers model.
        revision (`str`, *optional*): of a Hub id.
        device (`str`, *optional*): of the teacher, or of a model other than the n-gram encoder.
        threads (`int`): of the n-gram encoder.
        precision (`str`, *optional*): of its table, "float32", "float16" or "int8"; as stored by default.

    Attributes:
        hashes (`dict`): SHA-256 of each file that decides the vectors, by path in the repository.
        teacher, teacher_revision (`str` or None): the teacher that the repository names.
        documents_by_teacher (`bool`): whether the repository leaves documents to it.
    """

    def __init__(self, name, revision=None, device=None, threads=1, precision=None):
        self.folder = model_folder(name, revision)
        self.name = str(self.folder.resolve()) if Path(name).is_dir() else name
        self.revision, self.device, self.threads, self.precision = revision, device, threads, precision
        config = self.folder / "config.json"
        config = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
        self.is_ngram = config.get("model_type") == "ngram_encoder"
        self.documents_by_teacher = self.is_ngram and config.get("documents") == "teacher"
        self.teacher = config.get("teacher_name") if self.is_ngram else None
        self.teacher_revision = config.get("teacher_revision") if self.is_ngram else None
        self._similarity = config.get("similarity", "cosine") if self.is_ngram else None
        self._runtime = self._encoder = None

    @property
    def hashes(self):
        return file_hashes(self.folder)

    @property
    def similarity(self):
        """How vectors are compared: "cosine" or "dot"."""
        if self._similarity is None:
            self._similarity = "dot" if self._sentence_transformer().similarity_fn_name == "dot" else "cosine"
        return self._similarity

    def encode_queries(self, texts):
        """Returns the vectors of queries, float32 (B, D), of length 1 where they are compared by cosine."""
        if self.is_ngram:
            return self._compared(self._student().encode(list(texts)))
        return self._compared(self._transform("encode_query", texts))

    def encode_documents(self, texts, by_teacher):
        """Returns the vectors of documents, float32 (B, D), made by the teacher or by the student."""
        if by_teacher and self.teacher is None:
            raise ValueError(
                f"Expected a repository whose config.json names its teacher, got {self.name}, which names none. "
                "Use --mode symmetric, or hybrid, which takes the student where documents are not the teacher's."
            )
        if by_teacher or not self.is_ngram:
            return self._compared(self._transform("encode_document", texts))
        return self._compared(self._student().encode(list(texts)))

    def _compared(self, vectors):
        vectors = np.asarray(vectors, dtype=np.float32)
        if self.similarity == "cosine":
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        if not np.isfinite(vectors).all():
            raise ValueError(
                f"Expected finite vectors of {self.name}, got some that are not. Repair the model's weights."
            )
        return vectors

    def _student(self):
        if self._runtime is None:
            from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime

            self._runtime = NgramRuntime.from_pretrained(self.folder, threads=self.threads, precision=self.precision)
        return self._runtime

    def _transform(self, method, texts):
        encode = getattr(self._sentence_transformer(), method)
        return encode(list(texts), batch_size=BATCH_SIZE, show_progress_bar=False, convert_to_numpy=True)

    def _sentence_transformer(self):
        if self._encoder is None:
            from sentence_transformers import SentenceTransformer

            if self.is_ngram:  # with the code of this package, so that no code of a repository is trusted
                from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
                from traceformers.modeling.ngram_encoder.sentence_ngram_encoder import (
                    DOCUMENT_MAP_NAME,
                    NgramSentenceEncoder,
                )
                from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer

                model = NgramEncoderModel.from_pretrained(self.folder)
                model.config.documents = "teacher"  # the student encodes without torch
                tokenizer = NgramTokenizer.from_pretrained(self.folder)
                held = self.folder / DOCUMENT_MAP_NAME
                document_map = held.read_bytes() if held.is_file() else None
                modules = [NgramSentenceEncoder(model, tokenizer, document_map=document_map)]
                self._encoder = SentenceTransformer(modules=modules, device=self.device)
            else:
                self._encoder = SentenceTransformer(str(self.folder), device=self.device)
        return self._encoder


def file_hashes(folder):
    """Returns {path in the repository: SHA-256} of the files that decide the vectors."""
    folder, hashes = Path(folder), {}
    for path in sorted({path for pattern in DECIDING for path in folder.rglob(pattern)}):
        name = path.relative_to(folder)
        if path.is_file() and not set(name.parts) & set(NOT_DECIDING):
            with open(path, "rb") as file:
                hashes[name.as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    if not hashes:
        raise ValueError(f"Expected a model with weights in {folder}, found none. Give the folder of a saved model.")
    return hashes
