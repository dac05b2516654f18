"""The teacher that a repository of an n-gram encoder names: its vectors of documents and of queries, with torch."""

import json
from pathlib import Path

import numpy as np

BATCH_SIZE = 32


def document_side(folder):
    """Returns "teacher" or "student": who encodes documents as the repository's config.json says."""
    return _config(folder).get("documents", "student")


def names_teacher(folder):
    """Returns whether the repository records a teacher."""
    return _config(folder).get("teacher_name") is not None


def _config(folder):
    return json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))


class RepositoryTeacher:
    """The teacher of an n-gram encoder; its files are read at the first text.

    Args:
        folder (path): of a published n-gram encoder that names a teacher.
        device (`str`, *optional*): of the teacher; by default a GPU if there is one.

    Attributes:
        dimension (`int`): length of the vectors.

    Raises:
        ValueError: the repository names none.
    """

    def __init__(self, folder, device=None):
        from sentence_transformers import SentenceTransformer

        # With the code of this package, so that no code of a repository is trusted.
        from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
        from traceformers.modeling.ngram_encoder.sentence_ngram_encoder import DOCUMENT_MAP_NAME, NgramSentenceEncoder
        from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer

        if not names_teacher(folder):
            raise ValueError(
                f"Expected a repository whose config.json names its teacher, got {folder}, which names none. "
                "Let the student encode documents too, or name the teacher in config.json."
            )
        model, tokenizer = NgramEncoderModel.from_pretrained(folder), NgramTokenizer.from_pretrained(folder)
        model.config.documents = "teacher"
        self.dimension, self.normalize = model.config.hidden_size, model.config.normalize
        self.map_file = Path(folder) / DOCUMENT_MAP_NAME if model.config.document_map else None
        held = Path(folder) / DOCUMENT_MAP_NAME
        document_map = held.read_bytes() if held.is_file() else None
        self.module = NgramSentenceEncoder(model, tokenizer, document_map=document_map)
        self.model = SentenceTransformer(modules=[self.module], device=device)

    def encode_documents(self, texts):
        """Returns the vectors of documents, float32 (B, D), put through the repository's document map if it has one."""
        vectors = self.model.encode_document(
            list(texts), batch_size=BATCH_SIZE, show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(vectors, dtype=np.float32)

    def encode_queries(self, texts):
        """Returns the vectors of queries, float32 (B, D), to compare with those of `encode_documents`.

        Where documents d are mapped to d A, a query q becomes q A^-T, so that their product is that of q and d.
        """
        vectors = self.module.teacher.to(self.model.device).encode_query(
            list(texts), batch_size=BATCH_SIZE, show_progress_bar=False, convert_to_numpy=True
        )
        vectors = np.asarray(vectors, dtype=np.float32)
        if self.normalize:
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        if self.map_file is not None:
            from traceformers.training.evaluation.document_map import DocumentMap

            matrix = DocumentMap.load(self.map_file).matrix.astype(np.float64)
            vectors = np.linalg.lstsq(matrix, vectors.T, rcond=None)[0].T.astype(np.float32)
        return vectors
