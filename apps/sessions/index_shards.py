"""What an index has embedded so far: Parquet shards that are written aside and renamed, so that a kill costs one."""

import fcntl
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SHARDS = "shards"
_NUMBER = re.compile(r"shard-(\d+)\.parquet")
TIMELINE = pa.struct(
    [
        ("seconds", pa.float64()),
        ("action", pa.string()),
        ("target", pa.string()),
        ("surprise_bits", pa.float32()),
        ("n_tokens", pa.int32()),
        ("flags", pa.list_(pa.string())),
    ]
)


def write_shard(folder, rows):
    """Writes rows as the next shard; a reader sees the whole shard or none.

    Args:
        folder (path): of the index.
        rows (list of `dict`): columns of a session, with `vector` (`float32 (H,)`), `timeline` and `words`; or with
            `reason` for a file that was left out.
    """
    folder = Path(folder) / SHARDS
    folder.mkdir(exist_ok=True)
    numbers = [int(_NUMBER.fullmatch(path.name)[1]) for path in folder.iterdir() if _NUMBER.fullmatch(path.name)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    arrays = {}
    for name, values in columns.items():
        kind = {
            "timeline": pa.list_(TIMELINE),
            "vector": pa.list_(pa.float32()),
            "started_at": pa.timestamp("ms", tz="UTC"),
            "struggle_reasons": pa.list_(pa.string()),
            "quality_reasons": pa.list_(pa.string()),
            "reason": pa.string(),
        }.get(name)
        arrays[name] = pa.array(values, type=kind)
    path = folder / f"shard-{max(numbers, default=0) + 1:06}.parquet"
    replace_with(path, lambda half: pq.write_table(pa.table(arrays), half))


def read_shards(folder, columns=None):
    """Returns `{file: row}` over all shards, the newest row of each file; `columns` limits what is read."""
    found = {}
    for path in sorted((Path(folder) / SHARDS).glob("shard-*.parquet")):
        held = pq.ParquetFile(path).schema_arrow.names
        wanted = None if columns is None else [name for name in columns if name in held]
        for row in pq.read_table(path, columns=wanted).to_pylist():
            found[row["file"]] = {**row, "shard": path.name}
    return found


def drop_shards(folder, rows):
    """Removes the shards that hold no row in use, and half-written files that a kill left behind.

    Args:
        folder (path): of the index.
        rows (`{file: row}`): of `read_shards`, those in use.
    """
    used = {row["shard"] for row in rows.values()}
    for path in (Path(folder) / SHARDS).iterdir():
        if path.name.endswith(".half") or (_NUMBER.fullmatch(path.name) and path.name not in used):
            path.unlink()


def replace_with(path, write):
    """Writes a file by `write(half)` beside its place and renames it there, on the disk before it is named."""
    path = Path(path)
    half = path.with_name(path.name + ".half")
    write(half)
    with open(half, "rb") as file:
        os.fsync(file.fileno())
    half.replace(path)


def write_json(path, value):
    """Writes JSON; a reader sees the old file or the whole new one."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    replace_with(path, lambda half: half.write_text(text, encoding="utf-8"))


@contextmanager
def one_writer(folder):
    """One writer at a time; the lock goes with the process, however it ends.

    Raises:
        RuntimeError: another process changes the index.
    """
    with open(Path(folder) / "index.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"Expected to be the only one who changes {folder}, but another process does. Wait until it has ended."
            ) from None
        yield
