"""Ids of users and items as text: 1193, "1193" and 1193.0 are one item, whatever file they come from."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NO_ID = ("", "nan", "NaN", "<NA>")  # what an absent id looks like in a text table
WHOLE = r"^[+-]?\d+(\.0*)?$"
FLOAT_TEXT = r"^[+-]?\d+(\.\d+)?[eE]\+?\d+$"
LARGEST_EXACT_FLOAT = 2.0**53


def id_texts(column, name):
    """Returns the ids of a column as a `pa.Array` of strings, dictionary encoded in order of first appearance.

    White space around an id is no part of it. In a column of nothing but whole numbers 1193.0 is 1193, as pandas writes
    it where a cell is missing; elsewhere "1.0" stays what it is. Leading zeros count.

    Args:
        column: `pa.Array`, `pa.ChunkedArray`, or a list or an array of `str`, `int` and `float`.
        name (`str`): of the column, for errors.

    Raises:
        ValueError: if ids are missing, fractions, truth values, or floats too large to be exact.
    """
    column = one_array(column, name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        _check_float_ids(column, name)
        column = column.cast(pa.float64()).cast(pa.int64())
    if not (pa.types.is_integer(column.type) or is_text(column.type)):
        raise ValueError(
            f"Expected text or whole numbers as ids in the column {name!r}, got {column.type}. Name another column."
        )
    codes = column.dictionary_encode()
    if codes.null_count:
        _refuse_missing(pc.is_null(codes), name)
    texts = pc.utf8_trim_whitespace(codes.dictionary.cast(pa.string()))
    absent = pc.is_in(texts, pa.array(NO_ID))
    if pc.any(absent).as_py():
        _refuse_missing(pc.take(absent, codes.indices), name)
    texts = _whole_number_texts(texts, name)
    again = texts.dictionary_encode()  # " 7" and "7", 7.0 and 7: one id
    if len(again.dictionary) != len(texts):
        indices = pc.take(again.indices, codes.indices)
        return pa.DictionaryArray.from_arrays(indices, again.dictionary)
    return pa.DictionaryArray.from_arrays(codes.indices, texts)


def _whole_number_texts(texts, name):
    if not pc.any(pc.match_substring_regex(texts, r"[.eE]")).as_py():
        return texts
    whole, rounded = pc.match_substring_regex(texts, WHOLE), pc.match_substring_regex(texts, FLOAT_TEXT)
    if pc.all(whole).as_py():
        return pc.replace_substring_regex(texts, r"\.0*$", "")
    if pc.any(rounded).as_py() and pc.all(pc.or_(whole, rounded)).as_py():
        example = texts.filter(rounded)[0].as_py()
        raise ValueError(
            f"Expected whole ids in the column {name!r}, got {example!r}: they were written as floats and lost digits. "
            "Write the column again, as text or integers."
        )
    return texts


def one_array(column, name):
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(column, pa.Array):
        return column
    values = np.asarray(column, dtype=object) if isinstance(column, list) else np.asarray(column)
    if values.dtype != object:
        return pa.array(values)
    return pa.array([_cell_text(value, name) for value in values.tolist()], pa.string())


def _cell_text(value, name):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        if type(value).__name__ in ("NAType", "NaTType"):
            return None
        raise ValueError(
            f"Expected text or whole numbers as ids in the column {name!r}, got {value!r} ({type(value).__name__}). "
            "Convert it, or name another column."
        )
    if isinstance(value, int | np.integer):
        return str(value)
    if value != value:
        return None
    if not float(value).is_integer() or abs(value) > LARGEST_EXACT_FLOAT:
        raise ValueError(f"Expected whole ids in the column {name!r}, got {value!r}. Convert the ids to text.")
    return str(int(value))


def _check_float_ids(column, name):
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if (missing := np.isnan(values)).any():
        _refuse_missing(missing, name)
    wrong = (values != np.floor(values)) | (np.abs(values) > LARGEST_EXACT_FLOAT)
    if wrong.any():
        raise ValueError(
            f"Expected whole ids below 2^53 in the column {name!r} of floats, got {float(values[wrong][0])!r}. "
            "Write the ids as text or integers."
        )


def _refuse_missing(missing, name):
    missing = np.asarray(missing)
    first = int(np.argmax(missing)) + 1
    raise ValueError(
        f"Expected an id in every row of the column {name!r}, got {int(missing.sum()):,} rows without, the first is "
        f"row {first} of the data. Drop these rows, or give the users or items an id."
    )


def is_text(kind):
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
