"""`read_interactions`: any of the formats of interaction_formats.py as `Interactions`, with one rule for each fault."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from traceformers.datasets_scripts.interactions.canonical_folder import read_canonical
from traceformers.datasets_scripts.interactions.interaction_columns import (
    items_from_table,
    plain,
    raw_from_table,
    read_table,
)
from traceformers.datasets_scripts.interactions.interaction_filters import drop_duplicates
from traceformers.datasets_scripts.interactions.interaction_formats import detect_format, read_raw
from traceformers.datasets_scripts.interactions.interaction_ids import id_texts
from traceformers.datasets_scripts.interactions.interaction_numbers import number_column, time_column
from traceformers.datasets_scripts.interactions.interaction_table import Interactions
from traceformers.datasets_scripts.interactions.item_columns import align_items
from traceformers.datasets_scripts.interactions.movielens_files import EMBEDDED, read_embedded
from traceformers.datasets_scripts.interactions.sequence_text import read_attributes, sequence_file, sequence_files

FIXED_COLUMNS = ("canonical", "movielens", "sasrec", "s3rec")
MISSING_TIMES = ("error", "drop", "order")


def read_interactions(
    path_or_name,
    format=None,
    *,
    user_column=None,
    item_column=None,
    time_column=None,
    value_column=None,
    separator=None,
    column_names=None,
    encoding=None,
    items_path=None,
    missing_times="error",
    duplicates="first",
):
    """Returns the `Interactions` of a file, a folder, a table in memory, or of "movielens-small".

    Args:
        path_or_name (path, `str`, `pa.Table` or `pandas.DataFrame`): see interaction_formats.py.
        format (`str`, *optional*): one of `FORMATS`; told from the names of the files by default.
        user_column, item_column, time_column, value_column (`str`, *optional*): names of columns; by default those of
            common names. Without a time column the order of the rows counts.
        separator (`str`, *optional*): of a text table; guessed from the first line by default.
        column_names (`list[str]`, *optional*): of a text table without a header.
        encoding (`str`, *optional*): of a text table; UTF-8 by default.
        items_path (path, *optional*): a table with one row an item: title, year, genres, directors, writers, its ids
            in `item_column` or in a column of a common name; or JSON, {item: [genre, ...]}.
        missing_times (`str`): for rows without a time: "error", "drop" these rows, or "order": set all times aside,
            the order of the rows counts.
        duplicates (`str`): for rows of the same user and item: "first" or "last" in time is kept, or "all". A
            recommender leaves out what a user has seen, so a repeated item can be recommended only at its first time.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read; the message names what to do.
    """
    if missing_times not in MISSING_TIMES:
        raise ValueError(f"Expected missing_times to be one of {', '.join(MISSING_TIMES)}, got {missing_times!r}.")
    asked = {"user": user_column, "item": item_column, "time": time_column, "value": value_column}
    if not isinstance(path_or_name, str | os.PathLike):
        table = path_or_name if isinstance(path_or_name, pa.Table) else _Frame(path_or_name)
        name, format, raw = "table", "table", raw_from_table(table, "the table", asked)
    elif os.fspath(path_or_name) == EMBEDDED:
        _refuse_columns(f"data {EMBEDDED}", asked, separator, column_names, what_else="")
        name, format, raw = EMBEDDED, "movielens", read_embedded()
    else:
        path = Path(path_or_name)
        if not path.exists():
            raise FileNotFoundError(
                f"Expected a file, a folder or the name {EMBEDDED!r}, found nothing at {path}. Correct the path."
            )
        if format is None and column_names is not None and path.name.removesuffix(".gz").endswith(".txt"):
            format = "table"  # without a header
        format = format or detect_format(path, [column for column in asked.values() if column], encoding)
        if format != "table":
            named = asked if format in FIXED_COLUMNS else {}
            _refuse_columns(f"format {format!r} of {path}", named, separator, column_names)
        if format == "s3rec" and path.is_dir() and sequence_files(path):
            path = sequence_file(path)
        if format == "canonical":
            made = read_canonical(path)
            if items_path is not None:
                made.items_table, made.untouched_items = align_items(
                    _read_items(items_path, encoding, None), made.item_ids
                )
            return drop_duplicates(made, duplicates)
        name = path.name.partition(".")[0] or path.name
        raw = read_raw(path, format, asked, separator, column_names, encoding)
    if items_path is not None:
        raw.items = _read_items(items_path, encoding, item_column)
        raw.files.append(Path(items_path))
    return drop_duplicates(_interactions(raw, name, format, missing_times), duplicates)


def _interactions(raw, name, format, missing_times):
    users = id_texts(raw.columns["user"], raw.names.get("user", "user"))
    items = id_texts(raw.columns["item"], raw.names.get("item", "item"))
    times, kind, values = None, raw.time or "none", None
    if "time" in raw.columns:
        times, kind = time_column(raw.columns["time"], raw.names["time"])
    if "value" in raw.columns:
        values = number_column(raw.columns["value"], raw.names["value"]).astype(np.float32)
    dropped, kept = {}, None
    if times is not None and (missing := np.isnan(times)).any():
        count = int(missing.sum())
        if missing_times == "error":
            raise ValueError(
                f"Expected a time in every row of the column {raw.names['time']!r}, got {count:,} of {len(times):,} "
                "rows without. Choose missing_times: 'drop' leaves these rows out, 'order' takes the order of the rows "
                "(--missing-times drop or order)."
            )
        if missing_times == "drop":
            kept, dropped["no time"] = ~missing, count
        else:
            times, kind = None, "order"
    about = {
        "name": name,
        "format": format,
        "source": raw.source or ", ".join(file.name for file in raw.files) or name,
        "licence": raw.licence,
        "time": kind,
        "columns": raw.names,
        "dropped": dropped,
        "sha256": {file.name: _sha256(file) for file in raw.files},
    }
    made = Interactions(
        users.indices.to_numpy().astype(np.int64),
        items.indices.to_numpy().astype(np.int64),
        users.dictionary.to_pylist(),
        items.dictionary.to_pylist(),
        times,
        values,
        about=about,
    )
    if raw.items is not None:
        made.items_table, made.untouched_items = align_items(raw.items, made.item_ids)
    if kept is not None:
        if not kept.any():
            raise ValueError(
                f"Expected times in the column {raw.names['time']!r}, got none. Choose missing_times='order'."
            )
        made = made.select(kept)
    return made


def _refuse_columns(what, asked, separator, column_names, what_else=", or choose format='table'"):
    """Raises `ValueError` where a column, a separator or names of columns are given for data that has no use for it."""
    given = [f"{role}_column" for role, column in asked.items() if column is not None]
    given += ["separator or column_names"] if separator or column_names else []
    if given:
        raise ValueError(
            f"Expected no {given[0]} for the {what}, whose columns are fixed, got one. Leave it out{what_else}."
        )


def _read_items(path, encoding, item_column):
    if Path(path).name.removesuffix(".gz").endswith(".json"):
        return read_attributes(Path(path))
    table = read_table(path, None, None, encoding)
    named = item_column is not None and plain(item_column) in map(plain, table.column_names)
    return items_from_table(table, str(path), item_column if named else None)


def _sha256(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Frame:
    """A pandas DataFrame, or a dict of columns, with the two names of `pa.Table` that readers use."""

    def __init__(self, frame):
        self.frame, self.column_names = frame, [str(name) for name in frame]
        if not len(self.column_names) or not len(frame[next(iter(frame))]):
            raise ValueError("Expected a table with rows, got an empty one. Give at least one interaction.")

    def column(self, name):
        values = self.frame[next(key for key in self.frame if str(key) == name)]
        return values.to_numpy() if hasattr(values, "to_numpy") else values
