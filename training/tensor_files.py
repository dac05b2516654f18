"""Files that a reader sees whole or not at all: named arrays as safetensors, and JSON."""

import json
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import save


def write_tensors(path, tensors, metadata=None):
    """Writes {name: array} as one safetensors file.

    Args:
        path (`str` or `os.PathLike`).
        tensors (dict of `np.ndarray`).
        metadata (dict of `str` to `str`, *optional*).
    """
    write_bytes(path, save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, metadata))


def write_json(path, content):
    """Writes `content` as indented JSON."""
    write_bytes(path, json.dumps(content, indent=1, ensure_ascii=False).encode())


def write_bytes(path, data):
    """Writes bytes to a file beside `path`, to the disk, and gives it the name."""
    path = Path(path)
    half = path.with_name(path.name + ".half")
    with open(half, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
