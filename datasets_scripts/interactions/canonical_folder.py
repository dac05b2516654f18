"""The canonical folder: interactions.parquet, items.parquet, about.json; written whole or not at all."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from traceformers.datasets_scripts.interactions.interaction_table import ITEM_SCHEMA, Interactions
from traceformers.datasets_scripts.interactions.item_columns import align_items

INTERACTIONS, ITEMS, ABOUT = "interactions.parquet", "items.parquet", "about.json"
FORMAT_VERSION = 1


def is_canonical(folder):
    """Returns whether a folder is one that `write_canonical` wrote."""
    return (Path(folder) / INTERACTIONS).is_file() and (Path(folder) / ABOUT).is_file()


def interactions_table(interactions):
    """Returns the rows as a `pa.Table`: user, item (strings, dictionary encoded), time float64, value float32."""
    columns = [
        pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(ids, pa.string()))
        for codes, ids in ((interactions.users, interactions.user_ids), (interactions.items, interactions.item_ids))
    ]
    for values, kind in ((interactions.times, pa.float64()), (interactions.values, pa.float32())):
        columns.append(
            pa.nulls(len(interactions), kind) if values is None else pa.array(values, kind, from_pandas=True)
        )
    return pa.table(dict(zip(("user", "item", "time", "value"), columns, strict=True)))


def write_canonical(interactions, folder):
    """Returns what it wrote to about.json, the counts included.

    Args:
        interactions (`Interactions`).
        folder (`str` or `os.PathLike`): to make.

    Raises:
        FileExistsError: if the folder is there already.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"Expected to make the folder {folder}, got one that is there: name another.")
    half = folder.with_name(folder.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    table = interactions_table(interactions)
    for place, name in enumerate(("user", "item")):
        table = table.set_column(place, name, table.column(name).cast(pa.string()))
    pq.write_table(table, half / INTERACTIONS, compression="zstd")
    if interactions.items_table is not None:
        items = [table for table in (interactions.items_table, interactions.untouched_items) if table is not None]
        pq.write_table(pa.concat_tables(items), half / ITEMS, compression="zstd")
    about = {"format_version": FORMAT_VERSION, **interactions.about, "counts": interactions.counts()}
    (half / ABOUT).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    half.rename(folder)
    return about


def read_canonical(folder):
    """Returns the `Interactions` of a canonical folder.

    Raises:
        ValueError: if it is of another version, or its files do not fit each other.
    """
    folder = Path(folder)
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    if about.pop("format_version", None) != FORMAT_VERSION:
        raise ValueError(
            f"Expected format_version {FORMAT_VERSION} in {folder / ABOUT}, got another. Prepare the data again."
        )
    counts = about.pop("counts", None)
    table = pq.read_table(folder / INTERACTIONS)
    users, items = (_coded(table.column(name)) for name in ("user", "item"))
    known = len(table) - table.column("time").null_count
    if known not in (0, len(table)) or users.null_count or items.null_count:
        raise ValueError(f"Expected ids, and times in all rows or none, in {folder / INTERACTIONS}. Prepare again.")
    numbers = [
        None if table.column(name).null_count == len(table) else table.column(name).to_numpy()
        for name in ("time", "value")
    ]
    made = Interactions(
        users.indices.to_numpy().astype(np.int64),
        items.indices.to_numpy().astype(np.int64),
        users.dictionary.to_pylist(),
        items.dictionary.to_pylist(),
        *numbers,
        about=about,
    )
    if counts != made.counts():
        raise ValueError(
            f"Expected {counts} in {folder / INTERACTIONS} as {ABOUT} says, got {made.counts()}. Prepare it again."
        )
    if (folder / ITEMS).is_file():
        rows = pq.read_table(folder / ITEMS).cast(ITEM_SCHEMA)
        made.items_table, made.untouched_items = align_items(rows, made.item_ids)
    return made


def _coded(column):
    return column.cast(pa.string()).combine_chunks().dictionary_encode()  # ids as they are: they were read once
