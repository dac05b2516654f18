"""The items of a catalogue with what is known of them, and the JSON file they lie in."""

import gc
import json
import os
from contextlib import contextmanager
from itertools import chain

FORMAT = 1
#: Columns beside "items", and what one entry of each is: a value or None, or a list of names.
SINGLE_COLUMNS = {"titles": str, "years": int}
LIST_COLUMNS = ("genres", "directors", "writers")
COLUMNS = (*SINGLE_COLUMNS, *LIST_COLUMNS)


class ItemVocabularyError(ValueError):
    """A file or a list is no catalogue."""


@contextmanager
def without_garbage_collection():
    """Millions of small lists are made inside: looking through them for garbage takes three quarters of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def checked_items(items):
    """Returns `items` as a list of `str`; an integer id is taken as its decimal digits.

    Raises:
        ItemVocabularyError: if an id is neither `str` nor integer, is empty, or occurs twice.
    """
    if isinstance(items, str | bytes | dict):
        raise ItemVocabularyError(f"Expected a list of item ids, got {type(items).__name__}. Pass a list.")
    items = list(items)
    kinds = set(map(type, items))
    if kinds - {str}:
        items = [name_of(item) for item in items]
    if "" in items:
        raise ItemVocabularyError(f"Expected item ids of at least one character, got '' at {items.index('')}. Drop it.")
    return items


def name_of(item):
    """Returns the id of an item as `str`: of a string the string, of an integer its digits.

    Raises:
        TypeError: if it is anything else; 1193.0 too, since a float says that values are missing in the column.
    """
    if isinstance(item, str):
        return str(item)
    if not isinstance(item, bool | float) and hasattr(item, "__index__") and getattr(item, "ndim", 0) == 0:
        return str(item.__index__())
    raise TypeError(
        f"Expected item ids of type str or int, got {item!r} of type {type(item).__name__}. Convert the ids; a column "
        "of floats is one of integers with missing values, to be dropped first."
    )


def checked_column(name, column, n):
    """Returns a column as a list of `n` entries of its kind; None stands for a column of nothing.

    Raises:
        ItemVocabularyError: if its length or an entry does not fit.
    """
    if isinstance(column, str | bytes | dict):
        raise ItemVocabularyError(f"Expected {name} to be a list, got {type(column).__name__}. Pass one entry an item.")
    column = list(column)
    if len(column) != n:
        raise ItemVocabularyError(
            f"Expected {name} to hold one entry for each of {n} items, got {len(column)}. Pass None"
            f"{' or []' if name in LIST_COLUMNS else ''} where nothing is known."
        )
    if name in SINGLE_COLUMNS:
        kind = SINGLE_COLUMNS[name]
        if set(map(type, column)) - {kind, type(None)}:
            column = [_single(name, entry, kind, at) for at, entry in enumerate(column)]
        return column
    if set(map(type, column)) - {list}:
        column = [_names(name, entry, at) for at, entry in enumerate(column)]
    if set(map(type, chain.from_iterable(column))) - {str}:
        wrong = next(entry for entry in column if any(type(part) is not str for part in entry))
        raise ItemVocabularyError(f"Expected {name} to hold lists of str, got {wrong!r}. Convert the names to str.")
    return column


def _single(name, entry, kind, at):
    if entry is None or (kind is str and isinstance(entry, str)):
        return entry if entry is None else str(entry)
    if kind is int and not isinstance(entry, bool | float | str) and hasattr(entry, "__index__"):
        return entry.__index__()
    if isinstance(entry, float) and entry != entry:  # what pandas calls missing
        return None
    if kind is int and isinstance(entry, float) and entry.is_integer():
        return int(entry)
    raise ItemVocabularyError(
        f"Expected {name} to hold {kind.__name__} or None, got {entry!r} at {at}. Convert it, or pass None."
    )


def _names(name, entry, at):
    if entry is None:
        return []
    if isinstance(entry, str | bytes | dict) or not hasattr(entry, "__iter__"):
        raise ItemVocabularyError(
            f"Expected {name} to hold lists of str, got {entry!r} at {at}. Split it, or pass [{entry!r}]."
        )
    return [str(part) if isinstance(part, str) else part for part in entry]


def read_vocabulary(path):
    """Returns (items, {column: list}) of a vocabulary file.

    Raises:
        ItemVocabularyError: if the file is no vocabulary, or one of another format.
    """
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read())
    except ValueError as error:
        raise ItemVocabularyError(
            f"Expected a JSON file with the items of a catalogue, got {path}, which is not JSON ({error}). Save the "
            "tokenizer again, or download the file again."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or not isinstance(content.get("items"), list):
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ItemVocabularyError(
            f'Expected {{"format": {FORMAT}, "items": [...]}}, got {found!r} in {path}. A newer format needs a newer '
            "version of the code beside it."
        )
    return content["items"], {name: content[name] for name in COLUMNS if content.get(name) is not None}


def write_vocabulary(path, items, columns):
    """Writes a vocabulary file; it is made beside its place and then moved there."""
    parts = {"format": FORMAT, "items": items, **{name: columns[name] for name in COLUMNS if name in columns}}
    try:
        text = _lines(parts, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair is a legal str and no legal UTF-8
        text = _lines(parts, ensure_ascii=True).encode()
    partial = f"{path}.{os.getpid()}.partial"
    try:
        with open(partial, "wb") as file:
            file.write(text)
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def _lines(parts, ensure_ascii):
    """Returns JSON with a line a column."""
    lines = [f"{json.dumps(name)}: {json.dumps(part, ensure_ascii=ensure_ascii)}" for name, part in parts.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"
