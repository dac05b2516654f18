"""The file of a vocabulary: its arrays in one safetensors file, mapped into memory and not read.

The hash tables are stored as they are used, so that 300,000 tokens load in milliseconds. What a file says is checked
before the compiled kernel, which checks nothing, follows it.
"""

import json
import os

import numpy as np

from .ngram_tables import EMPTY, SKIP

FORMAT, VERSION = "ngram_vocabulary", "1"
DTYPES = {"I64": np.dtype("<i8"), "I32": np.dtype("<i4"), "U8": np.dtype("u1")}
# The widest type first, so that each array is aligned where it lies.
ARRAYS = {
    "word_slots": np.int64,
    "first_slots": np.int64,
    "continuation_slots": np.int64,
    "pair_slots": np.int64,
    "bucket_ids": np.int32,
    "composition": np.int32,
    "token_offsets": np.int32,
    "kinds": np.uint8,
    "pair_filter": np.uint8,
    "piece_filter": np.uint8,
    "token_bytes": np.uint8,
}
STRING_TABLES = ("word_slots", "first_slots", "continuation_slots")
FILTERS = ("pair_filter", "piece_filter")
TABLES = (*STRING_TABLES, "pair_slots", *FILTERS, "bucket_ids", "token_bytes", "token_offsets")
ID_BITS = (1 << 31) - 1  # of a value in a table: the id, or the node


class VocabularyFormatError(ValueError):
    """A file is no n-gram vocabulary, of another version, or damaged."""


def write_arrays(path, arrays):
    """Writes the arrays of a vocabulary, whole or not at all: a file that is mapped elsewhere stays as it was there.

    Args:
        path: where.
        arrays: {name: array}, the names of `ARRAYS`.
    """
    header, end = {"__metadata__": {"format": FORMAT, "version": VERSION}}, 0
    for name in ARRAYS:
        array = arrays[name]
        kind = next(kind for kind, dtype in DTYPES.items() if dtype == array.dtype)
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 64)
    scratch = f"{os.fspath(path)}.{os.getpid()}.tmp"
    try:
        with open(scratch, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in ARRAYS:
                file.write(np.ascontiguousarray(arrays[name]).data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        if os.path.exists(scratch):
            os.remove(scratch)
        raise


def read_arrays(path):
    """Returns {name: read-only array} of a file that `write_arrays` wrote.

    Raises:
        VocabularyFormatError: if it is something else; the message says what was found.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        start = file.read(12)
        file.seek(8)
        length = int.from_bytes(start[:8], "little")
        text = file.read(length) if length <= size - 8 else b""
    try:
        header = json.loads(text)
        found = header.pop("__metadata__")
        found, version = found["format"], found["version"]
        end = 8 + length + max(entry["data_offsets"][1] for entry in header.values())
    except (ValueError, KeyError, AttributeError, TypeError):
        found = f"a file of {size} bytes that begins with {start!r}"
    if found != FORMAT:
        raise VocabularyFormatError(
            f"Expected an n-gram vocabulary, got {found}: {path}. Save one with NgramVocabulary.save."
        )
    if version != VERSION:
        raise VocabularyFormatError(
            f"Expected version {VERSION} of the n-gram vocabulary's format, got {version}: {path}. Save it again with "
            "this version of the code, or load it with the version that wrote it."
        )
    if size != end:
        raise VocabularyFormatError(
            f"Expected {end} bytes, as its header says, got {size}: {path} is cut or damaged. Copy or download it "
            "again."
        )
    fault, arrays = "no data", {}
    try:
        whole = np.memmap(path, np.uint8, "r")
        for name, entry in header.items():
            first, last = (8 + length + offset for offset in entry["data_offsets"])
            arrays[name] = np.asarray(whole[first:last]).view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
        fault = fault_of(arrays)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        fault = f"arrays that are none ({error})"
    if fault:
        raise VocabularyFormatError(
            f"Expected tables of an n-gram vocabulary that fit together, got {fault}: {path} is damaged. Copy or "
            "download it again."
        )
    return {name: arrays[name] for name in ARRAYS}


def fault_of(arrays):
    """Returns what is wrong with the arrays of a file, or None: no table may point outside another."""
    if sorted(arrays) != sorted(ARRAYS) or any(arrays[name].dtype != dtype for name, dtype in ARRAYS.items()):
        return f"the arrays {', '.join(arrays)}"
    n_tokens, n_bytes = len(arrays["kinds"]), len(arrays["token_bytes"])
    slots = (*STRING_TABLES, "pair_slots")
    shapes = {name: (len(arrays[name]), 2) for name in slots}
    shapes |= {"composition": (n_tokens, 4), "token_offsets": (n_tokens + 1,)}
    for name, array in arrays.items():
        shape = shapes.get(name, (len(array),))
        if array.shape != shape:
            return f"{name} of shape {array.shape} for {shape}"
    for name in (*slots, *FILTERS):
        if len(arrays[name]) < 8 or len(arrays[name]) & (len(arrays[name]) - 1):
            return f"{len(arrays[name])} rows of {name}"
    offsets = arrays["token_offsets"]
    if n_tokens < 2 or offsets[0] != 0 or offsets[-1] != n_bytes or (np.diff(offsets) < 2).any():
        return "token offsets that are out of order"
    for name in slots:
        used = arrays[name][:, 1] != EMPTY
        values = arrays[name][used, 1]
        if used.all() or (values < 0).any():
            return f"{name} without an end"
        ids = values & ID_BITS
        if name == "pair_slots":
            ids = ids[arrays[name][used, 0] & SKIP != 0]
        elif ((values >> 32 < 1) | (values >> 32 >= np.diff(offsets)[np.minimum(ids, n_tokens - 1)])).any():
            return f"{name} longer than their tokens"
        if (ids >= n_tokens).any():
            return f"{name} beyond {n_tokens} tokens"
    for name in ("bucket_ids", "composition"):
        if arrays[name].size and not -1 <= arrays[name].min() <= arrays[name].max() < n_tokens:
            return f"{name} beyond {n_tokens} tokens"
    return None
