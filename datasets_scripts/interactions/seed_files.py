"""The folder `train_ratings.csv` (user, item, time) with titles.tsv, years.tsv, genres.tsv, directors.tsv, writers.tsv.

Each .tsv has a header and two columns, the item and the fact; the last three have a row for each name.
"""

import pyarrow as pa

from traceformers.datasets_scripts.interactions.interaction_columns import find_column, raw_from_table, read_table
from traceformers.datasets_scripts.interactions.interaction_ids import id_texts
from traceformers.datasets_scripts.interactions.interaction_text import find_file
from traceformers.datasets_scripts.interactions.item_columns import group_names, make_items_table

RATINGS = "train_ratings.csv"
TABLES = ("titles", "years", "genres", "directors", "writers")


def read_seed_folder(folder, asked=None):
    """Returns the `RawInteractions` of such a folder; each table of facts may be absent.

    Args:
        folder (`Path`).
        asked (`dict`, *optional*): {role: column of train_ratings.csv}.

    Raises:
        FileNotFoundError: if there is no train_ratings.csv.
        ValueError: if a file cannot be read.
    """
    ratings = find_file(folder, RATINGS)
    if ratings is None:
        raise FileNotFoundError(f"Expected {RATINGS} in {folder}, found none. Name another folder, or a format.")
    raw = raw_from_table(read_table(ratings), str(ratings), asked, files=[ratings])
    columns = {}
    for name in TABLES:
        path = find_file(folder, f"{name}.tsv")
        if path is not None:
            raw.files.append(path)
            columns[name] = _read_pairs(path)
    if columns:
        raw.items = _join(columns)
    return raw


def _read_pairs(path):
    table = read_table(path, "\t")
    item = find_column(table.column_names, "item", None, str(path))
    others = [name for name in table.column_names if name != item]
    if len(others) != 1:
        raise ValueError(f"{path}: expected the item and one more column, got {table.column_names}. Remove the others.")
    return table.column(item), table.column(others[0])


def _join(columns):
    facts = {}
    for name in ("titles", "years"):
        if name in columns:
            items, values = columns[name]
            ids = id_texts(items, "item").cast(pa.string()).to_pylist()
            facts[name] = dict(reversed(list(zip(ids, values.to_pylist(), strict=True))))  # the first of two stays
    for name in ("genres", "directors", "writers"):
        if name in columns:
            facts[name] = group_names(*columns[name])
    items = list(dict.fromkeys(item for name in TABLES if name in columns for item in _ids_in_order(columns[name][0])))
    return make_items_table(items, **{name: [found.get(item) for item in items] for name, found in facts.items()})


def _ids_in_order(items):
    return id_texts(items, "item").dictionary.to_pylist()
