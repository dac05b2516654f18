"""Vectors to a file as they come, in bounded memory: safetensors, NumPy or JSON lines.

The number of vectors stands in the head of the first two and is known only at the end, so room is left for it. A file
appears under its name when it is whole.
"""

import json
import os
from pathlib import Path

import numpy as np

FORMATS = ("safetensors", "npy", "jsonl")
DTYPES = {"float32": "F32", "float16": "F16"}
_LARGEST = 10**15  # texts; its digits tell how much room the head takes
_NPY_HEAD = 128


class VectorWriter:
    """Writes vectors of one width to a file; use it as a context manager.

    Args:
        path (path): the file; what is there is replaced at the end, and stays if something fails.
        dimension (`int`): width of the vectors.
        kind (`str`): "safetensors" (one tensor "vectors"), "npy", or "jsonl" ({"index": 0, "vector": [...]} a line).
        dtype (`str`): "float32" or "float16".
        metadata (`dict`, *optional*): str to str, for the head of a safetensors file.
    """

    def __init__(self, path, dimension, kind, dtype="float32", metadata=None):
        for name, value, choices in (("format", kind, FORMATS), ("dtype", dtype, DTYPES)):
            if value not in choices:
                raise ValueError(f"Expected {name} to be one of {', '.join(choices)}, got {value!r}. Choose one.")
        self.path, self.dimension, self.kind, self.dtype = Path(path), dimension, kind, np.dtype(dtype)
        self.half = self.path.with_name(self.path.name + ".half")
        self.metadata = metadata or {}
        self.count = 0

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.half, "wb")
        self.room = 0
        if self.kind != "jsonl":
            self.room = len(self._head(_LARGEST))
            self.file.write(bytes(self.room))
        return self

    def write(self, vectors):
        """Writes vectors (n, dimension)."""
        vectors = np.ascontiguousarray(vectors, dtype=self.dtype)
        if self.kind == "jsonl":
            for index, vector in enumerate(vectors.tolist(), self.count):
                self.file.write(json.dumps({"index": index, "vector": vector}).encode() + b"\n")
        else:
            self.file.write(vectors)
        self.count += len(vectors)

    def __exit__(self, kind, error, traceback):
        try:
            if kind is None:
                if self.kind != "jsonl":
                    self.file.seek(0)
                    self.file.write(self._head(self.count, self.room))
                self.file.flush()
                os.fsync(self.file.fileno())
            self.file.close()
            if kind is None:
                self.half.replace(self.path)
        finally:
            self.half.unlink(missing_ok=True)

    def _head(self, count, room=0):
        """Returns the bytes before the vectors, filled with spaces to `room`."""
        if self.kind == "npy":
            about = {"descr": self.dtype.str, "fortran_order": False, "shape": (count, self.dimension)}
            text = repr(about).encode().ljust(_NPY_HEAD - 11) + b"\n"
            return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
        size = count * self.dimension * self.dtype.itemsize
        tensor = {"dtype": DTYPES[self.dtype.name], "shape": [count, self.dimension], "data_offsets": [0, size]}
        head = json.dumps({"__metadata__": self.metadata, "vectors": tensor}).encode()
        length = max(room - 8, len(head) + -len(head) % 8)
        return length.to_bytes(8, "little") + head.ljust(length)
