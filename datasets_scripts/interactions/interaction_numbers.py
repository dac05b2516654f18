"""Times and values as arrays of numbers: units, dates, ranks, and what is no number."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traceformers.datasets_scripts.interactions.interaction_ids import is_text

NO_NUMBER = ("", "nan", "NaN", "<NA>", "NaT", "null", "NULL", "None")
# Times above these are milli-, micro- and nanoseconds: in seconds they would lie after the year 5000.
TIME_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
FIRST_UNIX_TIME = 1e8  # March 1973: smaller numbers are taken for ranks


def number_column(column, name, kind="values"):
    """Returns a column as float64 (N,), NaN where a cell is empty.

    Raises:
        ValueError: if a cell is no number; infinity is none.
    """
    column = _numbers_or_text(column)
    if is_text(column.type):
        texts = pc.utf8_trim_whitespace(column)
        texts = pc.if_else(pc.is_in(texts, pa.array(NO_NUMBER)), pa.scalar(None, texts.type), texts)
        try:
            column = texts.cast(pa.float64())
        except pa.ArrowInvalid as error:
            bad = next(text for text in texts.to_pylist() if text is not None and not _is_number(text))
            raise ValueError(
                f"Expected numbers in the column {name!r} ({kind}), got {bad!r}. Name another column."
            ) from error
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
        raise ValueError(f"Expected numbers in the column {name!r} ({kind}), got {column.type}. Name another column.")
    numbers = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    if np.isinf(numbers).any():
        row = int(np.argmax(np.isinf(numbers))) + 1
        raise ValueError(
            f"Expected finite numbers in the column {name!r} ({kind}), got infinity in row {row} of the data. "
            "Correct it."
        )
    return numbers


def time_column(column, name):
    """Returns (times float64 (N,), kind): seconds since 1970 in UTC and "unix", or ranks as they are and "order".

    Numbers above 1e11, 1e14 and 1e17 are milli-, micro- and nanoseconds; numbers whose median is below 1e8 are ranks.
    Text that is no number is a date in ISO 8601; without a zone it is UTC. NaN where a cell is empty.

    Raises:
        ValueError: if a cell is neither a number nor a date.
    """
    column = _numbers_or_text(column)
    if is_text(column.type):
        present = pc.utf8_trim_whitespace(column)
        first = next((text for text in present.to_pylist() if text not in (*NO_NUMBER, None)), None)
        if first is not None and not _is_number(first):
            column = _dates(present, name)
    if pa.types.is_temporal(column.type):
        nanoseconds = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return np.asarray(nanoseconds.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)) / 1e6, "unix"
    times = number_column(column, name, "times")
    known = times[~np.isnan(times)]
    if not len(known):
        return times, "none"
    middle = float(np.median(known))
    divisor = next((divisor for least, divisor in TIME_UNITS if middle > least), 1.0)
    return times / divisor, "unix" if middle >= FIRST_UNIX_TIME else "order"


def moment(value, name):
    """Returns a moment as a float: a number as it is, of a date the seconds since 1970; None stays None.

    Args:
        value (`float`, `str` or None): a number, or a date in ISO 8601, in UTC if it names no zone.
        name (`str`): of the argument, for errors.

    Raises:
        ValueError: for anything else.
    """
    if value is None or _is_number(value):
        return None if value is None else float(value)
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ValueError(
            f"Expected {name} as a number in the unit of the times, seconds since 1970 or ranks, or as a date such as "
            f"2026-11-20, got {value!r}. Correct it."
        ) from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _dates(texts, name):
    empty = pc.is_in(texts, pa.array(NO_NUMBER))
    texts = pc.if_else(empty, pa.scalar(None, texts.type), texts)
    zoned = pc.match_substring_regex(texts, r"(Z|[+-]\d\d:?\d\d)$")
    try:
        if pc.all(pc.fill_null(zoned, True)).as_py():
            return texts.cast(pa.timestamp("us", tz="UTC"))
        return texts.cast(pa.timestamp("us"))
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"Expected seconds since 1970, ranks or dates such as 2026-11-20T12:00:00 in the column {name!r}, got: "
            f"{str(error)[:100]}. Convert them, or name another column."
        ) from error


def _numbers_or_text(column):
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    elif not isinstance(column, pa.Array):
        values = np.asarray(column)
        column = pa.array(
            values if values.dtype != object else [None if v is None or v != v else str(v) for v in values]
        )
    if pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    return column


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
