"""The encoder of an index: queries by the student, documents by the student or by the teacher that it names."""

import hashlib
import json
from pathlib import Path

import numpy as np

from traceformers.training.model_files import model_folder

# What decides an encoder's vectors; cards, metrics and exports beside them may change. The map of documents counts
# for documents by the teacher only, and the doubt of the student for the choice of who encodes a query.
DECIDING = ("*.safetensors", "*.bin", "tokenizer.json", "vocab.txt", "*.model")
DOCUMENT_MAP, STUDENT_DOUBT = "document_map.safetensors", "student_doubt.safetensors"
NOT_DECIDING = ("onnx", "openvino", "checkpoints", "runs", DOCUMENT_MAP, STUDENT_DOUBT)
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
        teacher, teacher_revision, teacher_pooling (`str` or None): the teacher that the repository names.
        teacher_sha256 (`dict` or None): as `hashes`, of a teacher in a folder or an installed package.
        document_map_sha256 (`str` or None): of the map that the teacher's documents are put through.
        check_teacher (callable or None): called before the teacher is loaded.
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
        self.teacher_pooling = config.get("teacher_pooling") if self.is_ngram else None
        self.document_map = self.is_ngram and bool(config.get("document_map"))
        self.check_teacher = None
        self._similarity = config.get("similarity", "cosine") if self.is_ngram else None
        self._runtime = self._encoder = self._teacher = self._doubt = None

    @property
    def hashes(self):
        return file_hashes(self.folder)

    @property
    def teacher_sha256(self):
        local = self.teacher is not None and (Path(self.teacher).is_dir() or self.teacher.startswith("package:"))
        return file_hashes(model_folder(self.teacher)) if local else None

    @property
    def document_map_sha256(self):
        if not self.document_map:
            return None
        path = self.folder / DOCUMENT_MAP
        if not path.is_file():
            raise ValueError(
                f"Expected {DOCUMENT_MAP} in {self.folder}, because its config.json says document_map, found none. "
                "Copy it there, or set document_map to false."
            )
        return _file_sha256(path)

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

    def encode_queries_by_teacher(self, texts):
        """Returns the teacher's vectors of queries, float32 (B, D), as `encode_queries` does."""
        return self._compared(self._loaded_teacher().encode_queries(texts))

    def to_teacher(self, texts, share):
        """Returns which queries the teacher should encode, bool (B,): those the student is least sure of.

        Args:
            texts (`list[str]`): queries.
            share (`float`): of queries like those the doubt was measured on, 0 (none) to 1 (all).

        Raises:
            ValueError: the share is not from 0 to 1, or the repository holds no doubt of the student, or another's.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"Expected a share of queries for the teacher of 0 to 1, got {share}. Correct it.")
        if share in (0, 1) or not len(texts):
            return np.full(len(texts), share == 1)
        doubt, figures = self._loaded_doubt()
        return doubt.ask(figures, list(texts))[1] >= doubt.threshold(share)

    def encode_documents(self, texts, by_teacher):
        """Returns the vectors of documents, float32 (B, D), made by the teacher or by the student."""
        if by_teacher and self.teacher is None:
            raise ValueError(
                f"Expected a repository whose config.json names its teacher, got {self.name}, which names none. "
                "Use --mode symmetric, or hybrid, which takes the student where documents are not the teacher's."
            )
        if by_teacher:
            return self._compared(self._loaded_teacher().encode_documents(texts))
        if not self.is_ngram:
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

            self._encoder = SentenceTransformer(str(self.folder), device=self.device)
        return self._encoder

    def _loaded_doubt(self):
        """Returns the doubt of the student and what reads the figures of a text for it; neither needs torch."""
        if self._doubt is None:
            from traceformers.training.evaluation.encoder_monitor import TextFigures
            from traceformers.training.evaluation.student_doubt import StudentDoubt

            path = self.folder / STUDENT_DOUBT
            if not path.is_file():
                raise ValueError(
                    f"Expected {STUDENT_DOUBT} in the repository of {self.name}, by which queries are chosen for the "
                    "teacher, found none. Give a share of 0 or 1, or a repository that was published with it."
                )
            doubt, runtime = StudentDoubt.load(path), self._student()
            if doubt.quantiles is None or doubt.weights.shape != (runtime.dimension,):
                raise ValueError(
                    f"Expected weights of width {runtime.dimension} and quantiles in {path}, got weights of shape "
                    f"{doubt.weights.shape} and {'no' if doubt.quantiles is None else 'their'} quantiles. "
                    "Copy the file that was published with these weights."
                )
            self._doubt = doubt, TextFigures(runtime)
        return self._doubt

    def _loaded_teacher(self):
        if self._teacher is None:
            from traceformers.training.repository_teacher import RepositoryTeacher

            if self.check_teacher is not None:
                self.check_teacher()
            self._teacher = RepositoryTeacher(self.folder, self.device)
        return self._teacher


def file_hashes(folder):
    """Returns {path in the repository: SHA-256} of the files that decide the vectors."""
    folder, hashes = Path(folder), {}
    for path in sorted({path for pattern in DECIDING for path in folder.rglob(pattern)}):
        name = path.relative_to(folder)
        if path.is_file() and not set(name.parts) & set(NOT_DECIDING):
            hashes[name.as_posix()] = _file_sha256(path)
    if not hashes:
        raise ValueError(f"Expected a model with weights in {folder}, found none. Give the folder of a saved model.")
    return hashes


def _file_sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
