"""Vectors of a teacher for the texts of a run, computed once and kept on disk.

A cache is a folder: `teacher.json` says whose vectors they are and how many texts there are, and
`vectors-00000.safetensors`, `vectors-00001.safetensors`, ... hold "vectors", float16 (n, D), of consecutive runs of
`shard_size` texts, with the SHA-256 of those texts in the header. A shard appears whole or not at all, so filling can
be interrupted anywhere and goes on where it stopped, and several processes may fill different shards of one folder.
"""

import hashlib
import json
import os
import threading
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from tqdm.auto import tqdm

from traceformers.training.distillation.teacher import IDENTITY

FORMAT = 1
SHARD_SIZE = 8192
ABOUT = "teacher.json"


class TeacherCache:
    """The vectors of a complete cache, memory-mapped.

    Args:
        folder (`str` or `os.PathLike`): of the cache.
        about (`dict`): contents of `teacher.json`.

    Attributes:
        about (`dict`), dimension (`int`), folder (`Path`).
        texts_sha256 (list of `str`): of each shard's texts.

    Example:
        >>> cache = TeacherCache.open("runs/teacher/minilm")   # doctest: +SKIP
        >>> cache.vectors([5, 3]).shape                        # doctest: +SKIP
        (2, 384)
    """

    def __init__(self, folder, about):
        self.folder, self.about, self.dimension = Path(folder), about, int(about["dimension"])
        self._n, self._shard_size = int(about["texts"]), int(about["shard_size"])
        self._shards, self.texts_sha256 = [], []
        for k in range(shard_count(self._n, self._shard_size)):
            n = min(self._shard_size, self._n - k * self._shard_size)
            vectors, digest = open_shard(self.folder / shard_name(k), n, self.dimension)
            self._shards.append(vectors)
            self.texts_sha256.append(digest)

    @classmethod
    def open(cls, folder):
        """Returns the `TeacherCache` of a folder that has been filled to its end.

        Raises:
            FileNotFoundError: if there is no cache, or some of it is still missing.
            ValueError: if a file of it is not what its name says.
        """
        about = read_about(folder)
        if about is None:
            raise FileNotFoundError(
                f"Expected {ABOUT} and vectors-*.safetensors in {folder}, found no {ABOUT}. "
                "Fill a teacher cache there first, or name the folder of one."
            )
        missing = missing_shards(folder, about)
        if missing:
            raise FileNotFoundError(
                f"Expected {shard_count(about['texts'], about['shard_size'])} shards in {folder}, {len(missing)} are "
                f"missing, the first is {shard_name(missing[0])}. Fill the cache again: it goes on where it stopped."
            )
        return cls(folder, about)

    def __len__(self):
        return self._n

    def vectors(self, indices):
        """Returns the vectors of the texts `indices` (integers (B,)), float16 (B, D), in that order."""
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and not 0 <= indices.min() <= indices.max() < self._n:
            raise IndexError(f"Expected text numbers from 0 to {self._n - 1}, got {indices.min()} to {indices.max()}.")
        order = np.argsort(indices, kind="stable")
        wanted = indices[order]
        bounds = np.searchsorted(wanted, np.arange(len(self._shards) + 1) * self._shard_size)
        out = np.empty((len(indices), self.dimension), dtype=np.float16)
        for k in np.flatnonzero(np.diff(bounds)):
            here = slice(bounds[k], bounds[k + 1])
            out[order[here]] = self._shards[k][wanted[here] - k * self._shard_size]
        return out

    def blocks(self):
        """Yields (first text number, float16 (n, D)) of all texts in order, views of the files."""
        for k, shard in enumerate(self._shards):
            yield k * self._shard_size, shard

    def check_teacher(self, fingerprint):
        """Raises ValueError if the vectors are of another teacher than the one with this fingerprint."""
        check_same_teacher(self.folder, self.about, fingerprint)

    def check_texts(self, texts):
        """Raises ValueError if `texts` (iterable of `str`) are not those that the vectors are of, in their order."""
        n = 0
        for k, shard in enumerate(_runs(texts, self._shard_size)):
            if k >= len(self.texts_sha256) or texts_sha256(shard) != self.texts_sha256[k]:
                _raise_other_texts(self.folder, n, n + len(shard))
            n += len(shard)
        if n != self._n:
            raise ValueError(
                f"Expected the {self._n} texts that the vectors in {self.folder} are of, got {n}. "
                "Give the same files in the same order, or another folder for the new texts."
            )


def fill_cache(teacher, texts, folder, rank=0, world_size=1, batch_size=None, shard_size=SHARD_SIZE, progress=True):
    """Returns the `TeacherCache` of `texts`, or None if shards of other ranks are still missing.

    Shards that are there, with the right hash of their texts, are not computed again.

    Args:
        teacher (`Teacher`).
        texts (iterable of `str`): gone through twice if it has no length.
        folder (path): made if missing.
        rank, world_size (`int`): this process computes shards rank, rank + world_size, ...
        batch_size (`int`, *optional*): most texts in a batch of the teacher.
        shard_size (`int`): texts in a shard.
        progress (`bool`): show a progress bar.

    Raises:
        ValueError: if the folder holds vectors of another teacher or of other texts, or a vector is not finite.
        OSError: if the disk is full. What was complete stays.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    n_texts = len(texts) if hasattr(texts, "__len__") else sum(1 for _ in texts)
    if not n_texts:
        raise ValueError("Expected texts to embed, got none. Name files that are not empty.")
    about = _claim(folder, teacher.fingerprint, n_texts, shard_size)
    bar = tqdm(total=n_texts, unit=" texts", desc="teacher", disable=not progress)
    for k, shard in enumerate(_runs(texts, shard_size)):
        if k % world_size == rank:
            _fill_shard(teacher, shard, folder, k, about, batch_size)
        bar.update(len(shard))
    bar.close()
    return None if missing_shards(folder, about) else TeacherCache.open(folder)


def _fill_shard(teacher, texts, folder, k, about, batch_size):
    path, digest = folder / shard_name(k), texts_sha256(texts)
    if path.exists():
        try:
            _, found = open_shard(path, len(texts), about["dimension"])
        except ValueError:
            found = digest  # cut short by something other than us: computed again
        else:
            if found == digest:
                return
        if found != digest:
            _raise_other_texts(folder, k * about["shard_size"], k * about["shard_size"] + len(texts))
    with np.errstate(over="ignore"):  # told below
        vectors = teacher.encode(texts, batch_size=batch_size).astype(np.float16)
    if not np.isfinite(vectors).all():
        raise ValueError(
            f"Expected finite vectors of the teacher, got others in {path.name}: beyond float16, or a broken model. "
            "Try --teacher_precision float32, or another teacher."
        )
    try:
        _write(path, save({"vectors": vectors}, metadata={"texts_sha256": digest}))
    except OSError as error:
        done = shard_count(about["texts"], about["shard_size"]) - len(missing_shards(folder, about))
        raise OSError(
            error.errno,
            f"Expected room for {vectors.nbytes} bytes, could not write {path.name}: {error.strerror}. {done} shards "
            f"are complete and stay. Free space on the disk of {folder}, then run the same command: it goes on",
        ) from error


def _claim(folder, fingerprint, n_texts, shard_size):
    """Returns the contents of `teacher.json`, written if this is a new cache, checked if it is not."""
    about = read_about(folder)
    if about is None:
        if any(folder.glob("vectors-*.safetensors")):
            raise ValueError(
                f"Expected {ABOUT} beside the vectors in {folder}, found none: whose they are is not known. "
                "Put it back, or choose an empty folder."
            )
        about = {"format": FORMAT, **fingerprint, "dtype": "float16", "shard_size": shard_size, "texts": n_texts}
        own = f"{ABOUT}.{os.getpid()}.{threading.get_ident()}.tmp"  # all that fill a new folder write it
        _write(folder / ABOUT, (json.dumps(about, indent=2) + "\n").encode(), own)
        about = read_about(folder)
    check_same_teacher(folder, about, fingerprint, also=("compute_dtype",))
    if about["texts"] != n_texts:
        raise ValueError(
            f"Expected the {about['texts']} texts that the cache in {folder} was begun with, got {n_texts}. "
            "Give the same files in the same order, or another folder for the new texts."
        )
    return about


def check_same_teacher(folder, about, fingerprint, also=()):
    """Raises ValueError unless `about` and `fingerprint` agree on what decides a teacher's vectors."""
    differing = [key for key in (*IDENTITY, *also) if about.get(key) != fingerprint.get(key)]
    if differing:
        key = differing[0]
        raise ValueError(
            f"Expected vectors of {fingerprint['teacher']} with {key} {fingerprint[key]} in {folder}, got those of "
            f"{about['teacher']} with {key} {about.get(key)}. Choose another folder, or the teacher that filled it."
        )


def read_about(folder):
    """Returns the contents of a folder's `teacher.json`, or None without one.

    Raises:
        ValueError: if it is of another format or lacks a key.
    """
    path = Path(folder) / ABOUT
    if not path.is_file():
        return None
    about = json.loads(path.read_text(encoding="utf-8"))
    missing = {"format", "texts", "shard_size", "compute_dtype", "similarity", *IDENTITY} - set(about)
    if missing or about["format"] != FORMAT:
        raise ValueError(
            f"Expected a teacher cache of format {FORMAT} in {path}, got format {about.get('format')}"
            f"{f' without {sorted(missing)}' if missing else ''}. Fill a new folder."
        )
    return about


def open_shard(path, n, dimension):
    """Returns (vectors float16 (n, D) mapped from the file, SHA-256 of their texts).

    Raises:
        ValueError: if the file is not a shard of that shape.
    """
    with open(path, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(length) if length <= path.stat().st_size else b""
    try:
        header = json.loads(header)
        vectors, digest = header["vectors"], header["__metadata__"]["texts_sha256"]
        first, _ = vectors["data_offsets"]
        found = (vectors["dtype"], vectors["shape"], path.stat().st_size - 8 - length)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected a shard of a teacher cache in {path}, got another file. Delete it and fill the cache again."
        ) from error
    if found != ("F16", [n, dimension], 2 * n * dimension):
        raise ValueError(
            f"Expected F16 [{n}, {dimension}] in {path}, got {found[0]} {found[1]} in {found[2]} bytes. "
            "Delete it and fill the cache again."
        )
    return np.memmap(path, np.float16, "r", 8 + length + first, (n, dimension)), digest


def texts_sha256(texts):
    """Returns the hash of a run of texts: of each, its length in UTF-8 as 8 bytes, then its UTF-8."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()


def shard_name(k):
    """Returns the file name of shard `k`.

    >>> shard_name(3)
    'vectors-00003.safetensors'
    """
    return f"vectors-{k:05d}.safetensors"


def shard_count(n_texts, shard_size):
    """Returns how many shards so many texts have.

    >>> shard_count(8193, 8192)
    2
    """
    return -(-n_texts // shard_size)


def missing_shards(folder, about):
    """Returns the numbers of the shards that a cache still lacks."""
    n = shard_count(about["texts"], about["shard_size"])
    return [k for k in range(n) if not (Path(folder) / shard_name(k)).is_file()]


def _raise_other_texts(folder, first, stop):
    raise ValueError(
        f"Expected the texts that the vectors in {folder} are of, got others among texts {first} to {stop - 1}: they "
        "changed after they were embedded. Give the texts as they were, or another folder for the new ones."
    )


def _runs(texts, size):
    texts = iter(texts)
    while run := list(islice(texts, size)):
        yield run


def _write(path, data, half_name=None):
    half = path.with_name(half_name or path.name + ".tmp")
    try:
        with open(half, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        half.unlink(missing_ok=True)
        raise
    half.replace(path)
