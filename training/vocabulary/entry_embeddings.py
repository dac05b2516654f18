"""Vectors that a teacher gives to vocabulary entries, kept on disk: encoded once, whatever is killed in between.

A folder holds shards `entries-00000.safetensors` with two tensors, "vectors" float16 (n, D) and "texts" uint8 (the
UTF-8 of n texts, a NUL after each), and the teacher's fingerprint in the header. A shard is written whole or not at
all, so after a crash no more than one shard is encoded again. Entries are found by their text: another vocabulary, or
a vocabulary that grew, encodes only what is new.
"""

import json
from pathlib import Path

import numpy as np
from safetensors import safe_open
from tqdm import tqdm

from traceformers.tokenization.ngram.ngram_vocabulary import BUCKET, SPECIAL
from traceformers.training.distillation.teacher import IDENTITY
from traceformers.training.tensor_files import write_tensors

ENTRIES_A_SHARD = 8192
FLOAT16_LARGEST = float(np.finfo(np.float16).max)


def entry_text(token):
    """Returns the text that stands for a token before the teacher, or None for specials and buckets.

    >>> [entry_text(token) for token in ("york", "new york", "##ing", "un##", "new _ city", "[PAD]")]
    ['york', 'new york', 'ing', 'un', 'new city', None]
    """
    if token.startswith("["):
        return None
    return token.replace(" _ ", " ").replace("##", "")


class EntryEmbeddings:
    """The vectors of one teacher, by text.

    Args:
        folder (`str` or `os.PathLike`): made if missing.
        teacher: with `encode(texts, batch_size=)`, `dimension` and `fingerprint`, see `teacher.py`.
        batch_size (`int`, *optional*): texts that the teacher encodes at a time.
        entries_a_shard (`int`): written at a time.

    Attributes:
        encoded (`int`): texts that this object had the teacher encode.

    Raises:
        ValueError: if the folder holds vectors of another teacher, or a shard cannot be read.
    """

    def __init__(self, folder, teacher, batch_size=None, entries_a_shard=ENTRIES_A_SHARD):
        self.folder, self.teacher, self.batch_size = Path(folder), teacher, batch_size
        self.entries_a_shard, self.encoded = entries_a_shard, 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self._place, self._shards = {}, []
        for path in sorted(self.folder.glob("entries-*.safetensors")):
            self._open(path)

    def _open(self, path):
        try:
            with safe_open(path, "np") as shard:
                theirs = json.loads((shard.metadata() or {}).get("teacher", "{}"))
                texts, vectors = bytes(shard.get_tensor("texts")).decode().split("\0")[:-1], shard.get_tensor("vectors")
        except Exception as error:
            raise ValueError(f"Expected vectors of entries in {path}, got {error}. Delete the file.") from error
        ours = self.teacher.fingerprint
        differing = [key for key in IDENTITY if theirs.get(key) != ours.get(key)]
        if differing:
            got = ", ".join(f"{key}={str(theirs.get(key))[:16]}" for key in differing)
            expected = ", ".join(f"{key}={str(ours.get(key))[:16]}" for key in differing)
            raise ValueError(
                f"Expected vectors of the teacher with {expected} in {path}, got {got}. "
                "Give the teacher they were made with, or another output folder."
            )
        if vectors.shape != (len(texts), self.teacher.dimension):
            expected = (len(texts), self.teacher.dimension)
            raise ValueError(f"Expected vectors of shape {expected} in {path}, got {vectors.shape}. Delete the file.")
        self._add(texts, vectors)

    def _add(self, texts, vectors):
        self._place.update({text: (len(self._shards), row) for row, text in enumerate(texts)})
        self._shards.append(vectors)

    def encode(self, texts, progress=None):
        """Returns the vectors of texts, float16 (B, D); those that are new are encoded and written first.

        Args:
            texts (list of `str`): without NUL.
            progress (`str`, *optional*): label of a progress bar.
        """
        missing = [text for text in dict.fromkeys(texts) if text not in self._place]
        with tqdm(total=len(missing), desc=progress, unit="entry", disable=progress is None or not missing) as bar:
            for start in range(0, len(missing), self.entries_a_shard):
                part = missing[start : start + self.entries_a_shard]
                vectors = self.teacher.encode(part, batch_size=self.batch_size)
                if not np.isfinite(vectors).all():
                    bad = part[int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])]
                    raise ValueError(
                        f"Expected finite vectors of the teacher, got others for {bad!r}. "
                        "Compute in float32: --teacher-precision float32."
                    )
                vectors = np.clip(vectors, -FLOAT16_LARGEST, FLOAT16_LARGEST).astype(np.float16)
                data = np.frombuffer("".join(f"{text}\0" for text in part).encode(), np.uint8)
                path = self.folder / f"entries-{len(self._shards):05d}.safetensors"
                write_tensors(
                    path, {"vectors": vectors, "texts": data}, {"teacher": json.dumps(self.teacher.fingerprint)}
                )
                self._add(part, vectors)
                self.encoded += len(part)
                bar.update(len(part))
        found = np.empty((len(texts), self.teacher.dimension), np.float16)
        for i, text in enumerate(texts):
            shard, row = self._place[text]
            found[i] = self._shards[shard][row]
        return found


def entry_vectors(vocabulary, embeddings, progress=None):
    """Returns the vectors of all entries of a vocabulary in the order of ids, float16 (V, D).

    Words, pieces, n-grams and skip-grams have the teacher's vector of their text. A hashed bucket and [UNK] stand for
    any unknown word: theirs is the mean over the words. [PAD] is zero.

    Args:
        vocabulary (`NgramVocabulary`).
        embeddings (`EntryEmbeddings`).
        progress (`str`, *optional*): label of a progress bar.
    """
    texts = [entry_text(token) for token in vocabulary.tokens]
    own = np.array([text is not None for text in texts])
    vectors = np.zeros((len(texts), embeddings.teacher.dimension), np.float16)
    vectors[own] = embeddings.encode([text for text in texts if text is not None], progress)
    kinds = np.asarray(vocabulary.kinds)
    stand_in = (kinds == BUCKET) | ((kinds == SPECIAL) & (np.arange(len(kinds)) > 0))
    if own.any():
        vectors[stand_in] = vectors[own & (kinds != SPECIAL)].mean(axis=0, dtype=np.float32)
    return vectors
