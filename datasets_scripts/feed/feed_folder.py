"""The feed folder: one table a noun and about.json. Exports, imports, training and simulated users share it.

A folder is written aside and renamed, so it is whole or not there. `about.json` holds the SHA-256 of every file, so a
file that was cut or edited is refused. Columns have the names of the records in feed_records.py, their types are fixed
in `SCHEMAS`. Rows are JSON Lines in the format "json", Parquet in the other; both read back to equal tables.
"""

import hashlib
import json
import os
import shutil
import time
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from traceformers.datasets_scripts.feed.feed_records import (
    HEADS,
    ActivityEvent,
    Feedback,
    FeedRow,
    Subscription,
    Video,
    Watch,
)

ABOUT = "about.json"
FORMAT_VERSION = 1
SUFFIXES = {"parquet": ".parquet", "json": ".jsonl"}
BLOCK = 10_000  # rows of JSON that are in memory as objects at once


def _schema(required, **optional):
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in required.items()]
        + [pa.field(name, kind) for name, kind in optional.items()]
    )


_text, _time, _number, _flag, _count = pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.int64()

#: Arrow schema of every table; a column that is not nullable must be there in every row.
SCHEMAS = {
    "videos": _schema(
        {"video_id": _text, "title": _text, "channel": _text},
        channel_id=_text,
        description=_text,
        published_at=_time,
        duration=_number,
        category=_text,
        tags=pa.list_(_text),
        is_short=_flag,
        is_live=_flag,
        source=_text,
    ),
    "events": _schema(
        {"source": _text, "started_at": _time, "duration": _number, "app": _text, "title": _text},
        url=_text,
        category=_text,
    ),
    "watches": _schema({"video_id": _text, "watched_at": _time}, source=_text),
    "feedback": _schema(
        {"feedback_id": _text, "video_id": _text, "head": _text}, value=_number, said_at=_time, source=_text
    ),
    "subscriptions": _schema({"channel_id": _text}, channel=_text, source=_text),
    # What follows is what a complete export has besides; training reads none of it. JSON is kept as text.
    "channels_hidden": _schema({"channel": _text}, hidden_at=_time),
    "videos_hidden": _schema({"video_id": _text}, hidden_at=_time),
    "feeds": _schema({"feed_id": _count}, run_id=_count, model=_text, context=_text, made_at=_time),
    "feed_rows": _schema(
        {"feed_id": _count, "video_id": _text, "rank": _count},
        score=_number,
        interest=_number,
        productive=_number,
        terms=pa.map_(_text, _number),
        reasons=pa.list_(_text),
        explored=_flag,
        propensity=_number,
    ),
    "impressions": _schema(
        {"feed_id": _count, "video_id": _text, "position": _count}, propensity=_number, shown_at=_time
    ),
    "runs": _schema(
        {"run_id": _count, "kind": _text},
        started_at=_time,
        finished_at=_time,
        status=_text,
        detail=_text,
        counts=_text,
        error=_text,
    ),
    "states": _schema({"source": _text, "key": _text}, value=_text),
    "quota": _schema({"source": _text, "day": _text, "units": _count}),
}
#: Tables that a folder always has, empty ones included.
CORE_TABLES = ("videos", "events", "watches", "feedback", "subscriptions")
#: Which record a row of a table is.
RECORDS = {
    "videos": Video,
    "events": ActivityEvent,
    "watches": Watch,
    "feedback": Feedback,
    "subscriptions": Subscription,
    "feed_rows": FeedRow,
}


@dataclass(frozen=True)
class FeedFolder:
    """What a feed folder holds: `tables` ({name: `pa.Table`}, those of `CORE_TABLES` always) and `about` (`dict`)."""

    tables: dict
    about: dict

    @property
    def time_zone(self):
        """Returns the IANA name of the time zone that the person lives in."""
        return self.about["time_zone"]

    def records(self, name):
        """Yields the rows of a table as records, see `records_of`."""
        return records_of(name, self.tables[name])


def table_of(name, records):
    """Returns the `pa.Table` of records (dataclasses or dicts; any iterable), with the columns of `SCHEMAS[name]`."""
    names = SCHEMAS[name].names
    blocks, columns = [], {column: [] for column in names}
    for rows, record in enumerate(records, 1):
        given = record.get if isinstance(record, dict) else lambda column, record=record: getattr(record, column, None)
        for column in names:
            columns[column].append(_as_arrow(given(column)))
        if rows % BLOCK == 0:
            blocks.append(pa.table(columns, schema=SCHEMAS[name]))
            columns = {column: [] for column in names}
    blocks.append(pa.table(columns, schema=SCHEMAS[name]))
    return pa.concat_tables(blocks)


def _as_arrow(value):
    return list(value.items()) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else value


def records_of(name, table):
    """Yields the rows of a table as records of `RECORDS[name]`, block by block; null texts become their defaults.

    Args:
        name (`str`): of `RECORDS`. table (`pa.Table`): columns that the record lacks are left out (feed_rows: feed_id).
    """
    kind = RECORDS[name]
    names = [each.name for each in fields(kind) if each.name in table.column_names]
    defaulted = {
        each.name for each in fields(kind) if each.default not in (None, MISSING) or each.default_factory is not MISSING
    }
    for batch in table.select(names).to_batches(BLOCK):
        columns = [batch.column(column).to_pylist() for column in names]
        for row in zip(*columns, strict=True):
            given = {
                column: tuple(value) if column in ("tags", "reasons") and value is not None else value
                for column, value in zip(names, row, strict=True)
                if not (value is None and column in defaulted)
            }
            if "terms" in given:
                given["terms"] = dict(given["terms"])
            yield kind(**given)


def write_feed_folder(folder, tables, about, format="parquet"):
    """Returns what it wrote to about.json.

    Args:
        folder (`str` or `os.PathLike`): to make, for its owner alone (0700, files 0600); its parent is made too.
        tables (`dict[str, pa.Table]`): by names of `SCHEMAS`. Tables of `CORE_TABLES` that are not given are written
            empty, nullable columns that are not given are null.
        about (`dict`): JSON values; `time_zone` (IANA) is needed, `created_at` (ms) is now where it is not given.
        format (`str`): "parquet" or "json".

    Raises:
        FileExistsError: if the folder is there already.
        ValueError: for tables, columns, values or a time zone that do not fit.
        OSError: if the disk is full or not writable; nothing is left behind.
    """
    folder = Path(folder)
    if format not in SUFFIXES:
        raise ValueError(f"Expected a format of {', '.join(SUFFIXES)}, got {format!r}. Name one of these.")
    if folder.exists():
        raise FileExistsError(f"Expected to make the folder {folder}, got one that is there: name another.")
    _check_time_zone(about.get("time_zone"))
    empty = {name: SCHEMAS[name].empty_table() for name in CORE_TABLES}
    tables = {name: _fitted(name, table) for name, table in (empty | dict(tables)).items()}
    half = folder.with_name(folder.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        half.mkdir(mode=0o700)  # what somebody did and said is for its owner alone
        for name, table in tables.items():
            _write_rows(half / (name + SUFFIXES[format]), table, format)
        written = {
            "format_version": FORMAT_VERSION,
            "format": format,
            "created_at": time.time_ns() // 1_000_000,
            **about,
            "counts": {name: len(table) for name, table in tables.items()},
            "sha256": {path.name: _sha256(path) for path in sorted(half.iterdir())},
        }
        text = json.dumps(written, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (half / ABOUT).write_text(text, encoding="utf-8")
        for path in half.iterdir():
            path.chmod(0o600)
            _to_disk(path)
        half.rename(folder)
    except BaseException as error:
        shutil.rmtree(half, ignore_errors=True)
        if isinstance(error, OSError):
            raise OSError(
                error.errno, f"Expected to write {folder}, got: {error.strerror or error}. Nothing was left behind."
            ) from error
        raise
    return written


def read_feed_folder(folder, tables=None):
    """Returns the `FeedFolder` of a folder; every file is checked against about.json.

    Args:
        folder (`str` or `os.PathLike`).
        tables (iterable of `str`, optional): which to read, all by default; the others are not opened.

    Raises:
        FileNotFoundError: if it is not such a folder, or lacks a file that about.json names.
        ValueError: if it is of another version, or a file is not the one that was written.
    """
    folder = Path(folder)
    if not (folder / ABOUT).is_file():
        raise FileNotFoundError(f"Expected a feed folder with {ABOUT}, got {folder}. Name one that an export wrote.")
    about = _read_about(folder / ABOUT)
    suffix = SUFFIXES[about["format"]]
    unknown = sorted(set(about["counts"]) - set(SCHEMAS))
    if unknown:
        raise ValueError(f"Expected tables of {', '.join(SCHEMAS)} in {folder}, got {unknown}. Update this package.")
    found = {}
    for name in CORE_TABLES if tables is None else tables:
        found[name] = SCHEMAS[name].empty_table()
    for name, rows in about["counts"].items():
        if tables is not None and name not in tables:
            continue
        path = folder / (name + suffix)
        if not path.is_file():
            raise FileNotFoundError(f"Expected {path} as {ABOUT} says, got no such file. Export the folder again.")
        if _sha256(path) != about["sha256"].get(path.name):
            raise ValueError(
                f"Expected {path} as it was written (SHA-256 in {ABOUT}), got another: it was cut short or edited. "
                "Export the folder again, or copy it again whole."
            )
        found[name] = _fitted(name, _read_rows(path, name, about["format"]))
        if len(found[name]) != rows:
            raise ValueError(f"Expected {rows} rows in {path}, got {len(found[name])}. Export the folder again.")
    return FeedFolder(found, about)


def _read_about(path):
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"Expected JSON in {path}, got {error}. Export the folder again.") from error
    version = about.get("format_version") if isinstance(about, dict) else None
    if version != FORMAT_VERSION:
        raise ValueError(
            f"Expected format_version {FORMAT_VERSION} in {path}, got {version!r}. "
            "Export the folder again with this version, or read it with the one that wrote it."
        )
    missing = [key for key in ("format", "time_zone", "counts", "sha256") if key not in about]
    if missing or about["format"] not in SUFFIXES:
        raise ValueError(f"Expected format, time_zone, counts and sha256 in {path}, got not: {missing or 'format'}.")
    _check_time_zone(about["time_zone"])
    return about


def _check_time_zone(name):
    try:
        ZoneInfo(name)
    except (TypeError, ValueError, OSError, KeyError) as error:
        raise ValueError(
            f'Expected an IANA time zone such as "Europe/Berlin", got {name!r}. Set `time_zone`.'
        ) from error


def _fitted(name, table):
    """Returns a table with the columns and types of its schema, checked."""
    if name not in SCHEMAS:
        raise ValueError(f"Expected tables of {', '.join(SCHEMAS)}, got {name!r}. Rename it or leave it out.")
    schema = SCHEMAS[name]
    unknown = sorted(set(table.column_names) - set(schema.names))
    if unknown:
        raise ValueError(f"Expected columns of {', '.join(schema.names)} in {name}, got {unknown}. Leave them out.")
    columns = []
    for kind in schema:
        if kind.name in table.column_names:
            try:
                column = table.column(kind.name).cast(kind.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise ValueError(
                    f"Expected {kind.type} in the column {kind.name} of {name}, got {error}. Convert it first."
                ) from error
        else:
            column = pa.nulls(len(table), kind.type)
        if pa.types.is_floating(kind.type):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind.type), column)  # JSON has no NaN
        if not kind.nullable and column.null_count:
            raise ValueError(
                f"Expected a {kind.name} in every row of {name}, got {column.null_count} without. Leave these rows out."
            )
        columns.append(column)
    table = pa.table(columns, schema=schema)
    if name == "feedback":
        heads = set(table.column("head").unique().to_pylist()) - set(HEADS)
        low, high = (pc.min_max(table.column("value"))[key].as_py() for key in ("min", "max"))
        if heads:
            raise ValueError(f"Expected heads of {', '.join(HEADS)} in feedback, got {sorted(heads)}. Correct them.")
        if low is not None and not 0 <= low <= high <= 1:
            raise ValueError(f"Expected values from 0 to 1 in feedback, got {low} to {high}. Correct them.")
    return table


def _write_rows(path, table, format):
    if format == "parquet":
        pq.write_table(table, path, compression="zstd")
        return
    maps = [kind.name for kind in table.schema if pa.types.is_map(kind.type)]
    with path.open("w", encoding="utf-8") as file:
        for batch in table.to_batches(BLOCK):
            for row in batch.to_pylist():
                row |= {name: row[name] and dict(row[name]) for name in maps}
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def _read_rows(path, name, format):
    if format == "parquet":
        return pq.read_table(path)

    def rows():
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

    return table_of(name, rows())


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path):
    with path.open("rb") as file:
        os.fsync(file.fileno())
