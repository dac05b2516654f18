"""The encoders behind the service: texts to vectors, with the counts the service tells."""

import numpy as np

from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.tokenization.ngram.ngram_vocabulary import BUCKET, CONTINUATION, FIRST_PIECE
from traceformers.training.repository_teacher import RepositoryTeacher, document_side, names_teacher

UNKNOWN_ID = 1  # [UNK], in every vocabulary


class QueryEncoder:
    """The n-gram encoder of a folder, without torch.

    Args:
        folder (path): of a published n-gram encoder.
        threads (`int`), precision (`str` or None), cache_size (`int`): as for `NgramRuntime`.

    Attributes:
        dimension (`int`): length of the vectors. dimensions (`set`): the lengths they may be cut to.
        normalize (`bool`): whether they have length 1.
        inline_characters (`int`): of texts that are encoded in less time than a thread takes to begin.
    """

    inline_characters = 2048

    def __init__(self, folder, threads=1, precision=None, cache_size=10_000):
        self.runtime = NgramRuntime.from_pretrained(folder, threads=threads, precision=precision, cache_size=cache_size)
        self.dimension, self.normalize = self.runtime.dimension, self.runtime.normalize
        self.dimensions = {self.dimension, *self.runtime.config.get("matryoshka_dims", ())}
        self.unknown = np.isin(self.runtime.tokenizer.vocabulary.kinds, (FIRST_PIECE, CONTINUATION, BUCKET))
        self.unknown[UNKNOWN_ID] = True
        self(["warm up"])  # compiled before the first request, not by it
        self.runtime.cache_hits = self.runtime.cache_misses = 0

    def __call__(self, texts):
        """Returns [(vector float32 (D,), number of ids, ids that stand for unknown words)], one a text."""
        ids, offsets = self.runtime.tokenizer.encode_flat(texts, self.runtime.max_length)
        unknown = np.diff(np.concatenate([[0], np.cumsum(self.unknown[ids])])[offsets])
        vectors = self.runtime.encode(texts)
        return list(zip(vectors, np.diff(offsets).tolist(), unknown.tolist(), strict=True))

    def cache_counts(self):
        """Returns how many texts were found in the cache of texts, and how many were not."""
        return self.runtime.cache_hits, self.runtime.cache_misses


class DocumentEncoder:
    """Documents by the teacher that the repository names, with torch.

    Args:
        folder (path): of a published n-gram encoder that names a teacher.
        device (`str`, *optional*): of the teacher.
    """

    inline_characters = -1  # always in a thread, an empty text too

    def __init__(self, folder, device=None):
        if not names_teacher(folder):
            raise ValueError(
                f"Expected a repository whose config.json names its teacher, got {folder}, which names none. "
                "Start without --documents."
            )
        self.teacher = RepositoryTeacher(folder, device)
        self(["warm up"])

    def __call__(self, texts):
        """Returns [(vector, 0, 0)], one a text: a teacher has no ids of the vocabulary."""
        return [(vector, 0, 0) for vector in self.teacher.encode_documents(texts)]


def documents_by_teacher(folder):
    """Returns whether a repository leaves documents to its teacher."""
    return document_side(folder) == "teacher"
