"""Text vectors that were computed before, by encoder and by text: a folder of safetensors, one file an encoder.

The methods are those of the feed's database, so either can be handed to what encodes. A vector is only given for the
text that it was made of: an edited title has another hash. Vectors of an encoder that is trained are never kept.
"""

import hashlib
import re
from pathlib import Path

import numpy as np
from safetensors import safe_open

from traceformers.training.tensor_files import write_tensors

#: Texts that are encoded before their vectors are kept.
AT_ONCE = 1024
_DIGEST = 16  # bytes of a key


class TextVectorCache:
    """Vectors in a folder, or in memory alone.

    Args:
        folder (path, *optional*): made at the first save.
    """

    def __init__(self, folder=None):
        self.folder = None if folder is None else Path(folder)
        self._held = {}

    def text_vectors(self, encoder_key, video_ids, text_hashes):
        """Returns (found bool (N,), vectors float32 (N, H)); rows not found are zeros, and H is 0 if none was.

        Args:
            encoder_key (`str`): see `ProductiveFeedModel.encoder_key`. video_ids, text_hashes (N `str` each).
        """
        row_of, matrix = self._read(encoder_key)
        rows = np.array([row_of.get(_digest(*pair), -1) for pair in zip(video_ids, text_hashes, strict=True)], np.int64)
        found = rows >= 0
        vectors = np.zeros((len(rows), matrix.shape[1]), dtype=np.float32)
        vectors[found] = matrix[rows[found]]
        return found, vectors

    def save_text_vectors(self, encoder_key, ids, hashes, matrix):
        """Keeps vectors, float32 (N, H); those of the same ids and texts are replaced."""
        row_of, held = self._read(encoder_key)
        matrix = np.asarray(matrix, dtype=np.float32)
        keys = [_digest(*pair) for pair in zip(ids, hashes, strict=True)]
        new = {key: i for i, key in enumerate(keys)}
        kept = [(key, row) for key, row in row_of.items() if key not in new]
        old = held[[row for _, row in kept]] if kept else np.zeros((0, matrix.shape[1]), np.float32)
        joined = np.concatenate([old, matrix[list(new.values())]])
        names = [key for key, _ in kept] + list(new)
        self._held[encoder_key] = {key: row for row, key in enumerate(names)}, joined
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            keys = np.frombuffer(b"".join(names), dtype=np.uint8).reshape(len(names), _DIGEST)
            write_tensors(self._path(encoder_key), {"keys": keys, "vectors": joined})

    def _read(self, encoder_key):
        if encoder_key not in self._held:
            self._held[encoder_key] = {}, np.zeros((0, 0), dtype=np.float32)
            if self.folder is not None and self._path(encoder_key).is_file():
                with safe_open(self._path(encoder_key), framework="numpy") as file:
                    keys, matrix = file.get_tensor("keys"), file.get_tensor("vectors")
                self._held[encoder_key] = {keys[i].tobytes(): i for i in range(len(keys))}, matrix
        return self._held[encoder_key]

    def _path(self, encoder_key):
        return self.folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', encoder_key)}.safetensors"


def cached_vectors(encode, texts, ids, store=None, key=None, progress=None):
    """Returns the vectors of texts, float32 (N, H); those that the store has are not computed again.

    Args:
        encode (callable): list of `str` to vectors (n, H), tensor or array.
        texts (list of `str`), ids (list of `str`): what they are kept under.
        store (`TextVectorCache` or a database with its methods, *optional*), key (`str`): of the encoder.
        progress (`str`, *optional*): show a progress bar of this name.
    """
    from tqdm.auto import tqdm

    hashes = [text_hash(text) for text in texts]
    found, vectors = np.zeros(len(texts), dtype=bool), np.zeros((len(texts), 0), dtype=np.float32)
    if store is not None:
        found, vectors = store.text_vectors(key, ids, hashes)
        found, vectors = np.asarray(found, dtype=bool), np.asarray(vectors, dtype=np.float32)
    missing = np.flatnonzero(~found)
    parts = []
    for start in tqdm(range(0, len(missing), AT_ONCE), desc=progress, unit="block", disable=progress is None):
        rows = missing[start : start + AT_ONCE]
        parts.append(np.asarray(encode([texts[i] for i in rows]), dtype=np.float32))
        if store is not None:  # what is done is not lost when the rest is interrupted
            store.save_text_vectors(key, [ids[i] for i in rows], [hashes[i] for i in rows], parts[-1])
    if parts:
        new = np.concatenate(parts)
        if vectors.shape[1] != new.shape[1]:
            vectors = np.zeros((len(texts), new.shape[1]), dtype=np.float32)
        vectors[missing] = new
    return vectors


def text_hash(text):
    """Returns what a text is known by again: 32 hexadecimal digits of its SHA-256.

    >>> text_hash("a") == text_hash("a") != text_hash("b")
    True
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _digest(video_id, text_hash):
    return hashlib.blake2b(f"{video_id}\x1f{text_hash}".encode(), digest_size=_DIGEST).digest()
