"""Answers as a person, a script or a spreadsheet wants them: a table, JSON lines, CSV or Parquet."""

import csv
import json
import math
from datetime import datetime
from pathlib import Path

SHOWN_REASONS = 3
# Control characters, and those that turn the direction of what follows.
_CONTROL = dict.fromkeys((*range(32), *range(127, 160), *range(0x2028, 0x202F), *range(0x2066, 0x206A)), " ")


def printed(text, longest=110):
    """Returns a text that cannot move a terminal's cursor, on one line, cut with "…": pages say what they want.

    >>> printed("a\\x1b[2J b\\n c", 20)
    'a [2J b c'
    """
    text = " ".join(str(text).translate(_CONTROL).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def json_line(row):
    """Returns one row as a line of JSON; no NaN, times in ISO 8601."""
    return json.dumps({name: _plain(value) for name, value in row.items()}, ensure_ascii=False, allow_nan=False)


def _plain(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def export_rows(path, rows):
    """Writes rows as a table: `.csv` (lists joined by "; "), `.parquet` or `.jsonl`, by the name of the file.

    Args:
        path (path).
        rows (list of `dict`): with the same names.

    Raises:
        ValueError: another suffix.
    """
    path = Path(path)
    rows = [{name: _plain(value) for name, value in row.items()} for row in rows]
    if path.suffix == ".csv":
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
            writer.writeheader()
            for row in rows:
                writer.writerow({name: _cell(value) for name, value in row.items()})
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json_line(row) + "\n" for row in rows), encoding="utf-8")
    else:
        raise ValueError(f"Expected a file that ends in .csv, .parquet or .jsonl to export to, got {path.name}.")


def _cell(value):
    """Returns a cell of a CSV; a text that a spreadsheet would run as a formula begins with an apostrophe."""
    text = "; ".join(map(str, value)) if isinstance(value, list) else "" if value is None else value
    return f"'{text}" if isinstance(text, str) and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def table_lines(rows, columns):
    """Yields the lines of a plain table.

    Args:
        rows (list of `dict`).
        columns (`{name: heading}`): in order; numbers stand to the right, with three digits.
    """
    cells = [[_shown(row[name]) for name in columns] for row in rows]
    numeric = [all(isinstance(row[name], int | float | None) for row in rows) for name in columns]
    widths = [max(map(len, column)) for column in zip(list(columns.values()), *cells, strict=True)]
    for line in [list(columns.values()), *cells]:
        parts = zip(line, widths, numeric, strict=True)
        yield "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in parts).rstrip()


def _shown(value):
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return printed(", ".join(map(str, value)) if isinstance(value, list | tuple) else value, 48)
