"""Vectors of texts on disk: encoded once, and used again only for the same texts and the same encoder.

A file `<name>.safetensors` holds one tensor "vectors", float32 (n, D), and two hashes in its header: of the texts and
of the encoder that made them.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save


def texts_sha256(texts):
    """Returns the SHA-256 of texts in their order: of each, 8 bytes of length (little endian) and its UTF-8.

    >>> texts_sha256(["a", "bc"]) == texts_sha256(["ab", "c"])
    False
    """
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def folder_sha256(folder):
    """Returns the SHA-256 of what decides an encoder's vectors: all of a folder's files but its texts to read."""
    digest = hashlib.sha256()
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file() and _decides(p)):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def write_vectors(path, vectors, texts, encoder):
    """Writes vectors `float32 (n, D)` of n texts; a reader sees no half-written file.

    Args:
        encoder (`str`): fingerprint of the encoder that made them.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"texts_sha256": texts_sha256(texts), "encoder": encoder}
    half = path.with_name(path.name + ".half")
    with open(half, "wb") as file:
        file.write(save({"vectors": np.ascontiguousarray(vectors, dtype=np.float32)}, metadata=header))
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)


def read_vectors(path, texts=None, encoder=None):
    """Returns the vectors of a file, `float32 (n, D)`.

    Args:
        texts (`list[str]`, optional): the texts they must be of.
        encoder (`str`, optional): fingerprint of the encoder they must be of.

    Raises:
        ValueError: if the file is of other texts or of another encoder.
    """
    with safe_open(path, "np") as file:
        header = file.metadata() or {}
        expected = {"texts_sha256": None if texts is None else texts_sha256(texts), "encoder": encoder}
        for key, value in expected.items():
            if value is not None and header.get(key) != value:
                what = "texts" if key == "texts_sha256" else "encoder"
                raise ValueError(
                    f"Expected vectors of the {what} {value[:12]}, got those of {str(header.get(key))[:12]} in {path}. "
                    "Remove the file or name another folder, and they are encoded again."
                )
        return file.get_tensor("vectors")


def cached_vectors(path, texts, encoder, encode):
    """Returns vectors from a file if it is there, else encodes them and writes it.

    Args:
        path (`str` or `os.PathLike`): file to read or write; None encodes and writes nothing.
        texts (`list[str]`): n texts.
        encoder (`str`): fingerprint of the encoder.
        encode (callable): of texts to `float (n, D)`.

    Raises:
        ValueError: if the file is of other texts or of another encoder.
    """
    if path is None:
        return np.asarray(encode(texts), dtype=np.float32)
    if not Path(path).is_file():
        write_vectors(path, encode(texts), texts, encoder)
    return read_vectors(path, texts, encoder)


def settings_fingerprint(folder_hash, **settings):
    """Returns the fingerprint of an encoder and of the settings that change its vectors (precision, ...)."""
    text = json.dumps([folder_hash, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _decides(path):
    return path.suffix in (".safetensors", ".json", ".txt", ".py", ".npy", ".onnx", ".model")
