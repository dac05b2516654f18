"""Reading a safetensors file with numpy alone: arrays that are mapped into memory and not copied."""

import json
from pathlib import Path

import numpy as np

DTYPES = {"F32": "<f4", "F16": "<f2", "I8": "i1", "I32": "<i4", "I64": "<i8", "U8": "u1"}


def read_tensors(source) -> tuple[dict, dict]:
    """Return ({name: array}, metadata) of a safetensors file; the arrays are read-only.

    Arguments:
        source (path or bytes): the file, which is mapped into memory, or what it holds.

    Raises:
        ValueError: the file is damaged, or holds a type that is none of `DTYPES`.
    """
    if isinstance(source, bytes):
        path, data = "these bytes", np.frombuffer(source, np.uint8)
    else:
        path = Path(source)
        data = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    size = len(data)
    length = int.from_bytes(data[:8].tobytes(), "little") if size >= 8 else size
    if length > size - 8:
        raise _damaged(path, f"{size} bytes, fewer than its header says")
    try:
        header = json.loads(data[8 : 8 + length].tobytes())
        metadata = header.pop("__metadata__", {})
        entries = [(name, about["dtype"], about["shape"], *about["data_offsets"]) for name, about in header.items()]
    except (ValueError, AttributeError, KeyError, TypeError):
        raise _damaged(path, "a header that describes no tensors") from None
    body = np.asarray(data[8 + length :])
    tensors = {}
    for name, dtype, shape, first, last in entries:
        if dtype not in DTYPES:
            raise ValueError(
                f"Expected tensors of the types {', '.join(DTYPES)} in {path}, got {name} of type {dtype}; fold the "
                "model with table_dtype='float32', 'float16' or 'int8'."
            )
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(DTYPES[dtype]).itemsize
        if not 0 <= first <= last <= len(body) or last - first != size:
            raise _damaged(path, f"{name} from byte {first} to {last} of {len(body)} for the shape {shape}")
        tensors[name] = body[first:last].view(DTYPES[dtype]).reshape(shape)
    return tensors, metadata


def _damaged(path, got):
    return ValueError(f"Expected a whole safetensors file, got {got}: {path}; copy or download it again.")
