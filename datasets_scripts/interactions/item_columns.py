"""The table of items: title, year, genres, directors, writers, one row an item (`ITEM_SCHEMA`)."""

import pyarrow as pa
import pyarrow.compute as pc

from traceformers.datasets_scripts.interactions.interaction_ids import id_texts
from traceformers.datasets_scripts.interactions.interaction_numbers import number_column
from traceformers.datasets_scripts.interactions.interaction_table import ITEM_SCHEMA, LIST

YEAR_IN_TITLE = r"\((?P<year>\d{4})(?:[-–]\d{0,4})?\)\s*$"
NO_GENRE = frozenset({"(no genres listed)", "unknown"})  # how MovieLens says that it knows none
LIST_COLUMNS = ("genres", "directors", "writers")


def make_items_table(items, titles=None, years=None, genres=None, directors=None, writers=None):
    """Returns a `pa.Table` with `ITEM_SCHEMA`; of an item that is there twice the first row is kept.

    A title is kept as it is. A year that is not given is read from a title that ends as "Toy Story (1995)" does.

    Args:
        items: J ids.
        titles: J strings, empty or None where there is none.
        years: J numbers or strings.
        genres, directors, writers: J lists of strings; doubles and empty names are dropped.

    Raises:
        ValueError: if an id is missing or a year is no whole number.
    """
    items = id_texts(items, "item").cast(pa.string())
    empty = pa.nulls(len(items), pa.string())
    titles = empty if titles is None else _texts(titles)
    years = pa.nulls(len(items), pa.int32()) if years is None else _years(years)
    dated = pc.struct_field(pc.extract_regex(titles, YEAR_IN_TITLE), "year").cast(pa.int32())
    columns = [items, titles, pc.coalesce(years, dated)]
    for names in (genres, directors, writers):
        lists = [[]] * len(items) if names is None else [_names(cell) for cell in names]
        columns.append(pa.array(lists, LIST))
    table = pa.Table.from_arrays(columns, schema=ITEM_SCHEMA)
    first = items.dictionary_encode()
    if len(first.dictionary) < len(items):
        positions = pa.table({"code": first.indices, "row": pa.array(range(len(items)))})
        rows = positions.group_by("code").aggregate([("row", "min")]).column("row_min")
        table = table.take(pc.take(rows, pc.sort_indices(rows)))
    return table


def split_names(column, separator="|"):
    """Returns the cells of a column of strings as lists: "Drama|War" is ["Drama", "War"]."""
    return [cell.split(separator) if cell else [] for cell in _texts(column).to_pylist()]


def group_names(items, names):
    """Returns {item id: [name, ...]} of two columns with a row for each pair, in their order.

    Args:
        items, names: columns of equal length, ids and strings.
    """
    grouped = {}
    ids = id_texts(items, "item").cast(pa.string()).to_pylist()
    for item, name in zip(ids, _texts(names).to_pylist(), strict=True):
        if name:
            grouped.setdefault(item, []).append(name)
    return grouped


def align_items(table, item_ids):
    """Returns (row i about `item_ids[i]`, the rows about other items); an item without metadata has nulls and [].

    Args:
        table (`pa.Table`): with `ITEM_SCHEMA`, each item once.
        item_ids (`list[str]`).
    """
    wanted, known = pa.array(item_ids, pa.string()), table.column("item").combine_chunks()
    nothing = pa.Table.from_arrays(
        [pa.nulls(1, kind) if kind != LIST else pa.array([[]], LIST) for kind in ITEM_SCHEMA.types], schema=ITEM_SCHEMA
    )
    rows = pc.fill_null(pc.index_in(wanted, known), len(table))
    aligned = pa.concat_tables([table, nothing]).take(rows).set_column(0, ITEM_SCHEMA.field(0), wanted)
    untouched = table.filter(pc.invert(pc.is_in(known, wanted)))
    return aligned.combine_chunks(), untouched.combine_chunks() if len(untouched) else None


def metadata_coverage(table):
    """Returns {column: number of items that have it} of a table of items."""
    counts = {}
    for name in ITEM_SCHEMA.names[1:]:
        column = table.column(name)
        if name in LIST_COLUMNS:
            counts[name] = int(pc.sum(pc.greater(pc.list_value_length(column), 0)).as_py() or 0)
        else:
            counts[name] = len(table) - column.null_count
    return counts


def _texts(column):
    if not isinstance(column, pa.Array | pa.ChunkedArray):
        column = pa.array([None if cell is None or cell != cell else str(cell) for cell in column], pa.string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _years(column):
    numbers = pa.array(number_column(column, "year", "years"), from_pandas=True)
    wrong = numbers.filter(pc.fill_null(pc.not_equal(numbers, pc.floor(numbers)), False))
    if len(wrong):
        raise ValueError(f"Expected whole numbers as years, got {wrong[0].as_py()}. Correct the column of years.")
    return numbers.cast(pa.int32())


def _names(cell):
    names = dict.fromkeys(str(name).strip() for name in cell or ())
    return [name for name in names if name and name not in NO_GENRE]
