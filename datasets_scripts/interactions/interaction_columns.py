"""Which column of a table is the user, the item, the time and the value."""

from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from traceformers.datasets_scripts.interactions.interaction_text import read_text_table
from traceformers.datasets_scripts.interactions.item_columns import make_items_table, split_names

# Compared without case, spaces, "-", "_" and what follows a colon (RecBole writes "user_id:token").
NAMES = {
    "user": "user userid uid useridx userindex customer customerid visitor visitorid reviewerid accountid session "
    "sessionid".split(),
    "item": "item itemid iid itemidx itemindex movie movieid film filmid product productid asin parentasin track "
    "trackid song songid article articleid book bookid businessid video videoid".split(),
    "time": "timestamp time unixtime unixreviewtime unixtimestamp datetime eventtime date ts position rank "
    "order".split(),
    "value": "rating value score stars overall weight playcount count plays".split(),
    "title": "title movietitle itemtitle name itemname".split(),
    "year": "year releaseyear".split(),
    "genres": "genres genre class categories category tags attributes".split(),
    "directors": "directors director".split(),
    "writers": "writers writer".split(),
}
ROLES = ("user", "item", "time", "value")


@dataclass
class RawInteractions:
    """What a reader found: columns as they are in the file, and where they come from.

    Attributes:
        columns (`dict`): {"user", "item", "time", "value": column}, the last two may be absent.
        names (`dict`): {role: name of the column in the file}.
        items (`pa.Table` or None): with `ITEM_SCHEMA`.
        files (`list[Path]`): that were read.
        licence (`str` or None): as the source says.
        source (`str` or None): what is recorded as the source; the names of the files by default.
        time (`str` or None): "order" for a file whose rows are in order of time; None: told from the times.
    """

    columns: dict
    names: dict = field(default_factory=dict)
    items: pa.Table | None = None
    files: list = field(default_factory=list)
    licence: str | None = None
    source: str | None = None
    time: str | None = None


def plain(name):
    """Returns a column's name as it is compared with `NAMES`."""
    return "".join(c for c in name.partition(":")[0].lower() if c not in " -_")


def find_column(names, role, asked=None, where="the table", required=True):
    """Returns the name of the column of a role, or None.

    Args:
        names (`list[str]`): of the columns there are.
        role (`str`): key of `NAMES`.
        asked (`str`, *optional*): name that the user gave.
        where (`str`): what has these columns, for errors.
        required (`bool`): whether there must be one.

    Raises:
        ValueError: if the column asked for is not there, none fits though one is required, or several fit.
    """
    listed = ", ".join(map(repr, names))
    if asked is not None:
        found = [name for name in names if name == asked] or [name for name in names if plain(name) == plain(asked)]
        if len(found) != 1:
            raise ValueError(
                f"{where}: expected a column {asked!r} for {role}, got the columns {listed}. Name one of them."
            )
        return found[0]
    fitting = [(NAMES[role].index(plain(name)), name) for name in names if plain(name) in NAMES[role]]
    if len(fitting) > 1 and role in ("user", "item"):
        both = " and ".join(repr(name) for _, name in sorted(fitting)[:2])
        raise ValueError(
            f"{where}: expected one column for {role}, got {both}. Name it: {role}_column (--{role}-column)."
        )
    if not fitting and required:
        raise ValueError(
            f"{where}: expected a header with a column for {role} such as {NAMES[role][0]!r} or {NAMES[role][1]!r}, "
            f"got the columns {listed}. Name it: {role}_column (--{role}-column); a file without a header: "
            "column_names (--column-names user,item,value,time); another separator: separator (--separator)."
        )
    return min(fitting)[1] if fitting else None


def read_table(path, separator=None, column_names=None, encoding=None):
    """Returns the `pa.Table` of a Parquet file, of a folder of Parquet files, or of a text table.

    Raises:
        ValueError: if it cannot be read, see `read_text_table`, or has no rows.
    """
    path = Path(path)
    if path.is_dir() or path.suffix == ".parquet":
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"{path}: expected a Parquet file, got: {str(error)[:120]}. Name another.") from error
        table = table.rename_columns([name.strip() for name in table.column_names])
    else:
        table = read_text_table(path, separator, column_names, encoding)
    if not len(table):
        raise ValueError(f"{path}: expected rows below its header, got none. Name another file.")
    return table


def raw_from_table(table, where, asked=None, **facts):
    """Returns the `RawInteractions` of a table with one row an interaction.

    Args:
        table (`pa.Table`).
        where (`str`): for errors.
        asked (`dict`, *optional*): {role: name of its column}.
        **facts: further fields of `RawInteractions`.

    Raises:
        ValueError: see `find_column`.
    """
    asked = asked or {}
    names = {}
    for role in ROLES:
        names[role] = find_column(table.column_names, role, asked.get(role), where, required=role in ("user", "item"))
    names = {role: name for role, name in names.items() if name is not None}
    twice = {name for name in names.values() if list(names.values()).count(name) > 1}
    if twice:
        raise ValueError(f"{where}: expected another column for each role, got {names}. Name them apart.")
    return RawInteractions({role: table.column(name) for role, name in names.items()}, names, **facts)


def items_from_table(table, where, item_column=None, separator="|"):
    """Returns the items table of a table with one row an item and any of title, year, genres, directors, writers.

    Args:
        table (`pa.Table`).
        where (`str`): for errors.
        item_column (`str`, *optional*): guessed by default.
        separator (`str`): between the names in a cell of genres, directors or writers; a list column needs none.

    Raises:
        ValueError: if there is no column of ids, or nothing about the items.
    """
    names = table.column_names
    item = find_column(names, "item", item_column, where)
    found = {
        role: find_column([name for name in names if name != item], role, None, where, required=False)
        for role in ("title", "year", "genres", "directors", "writers")
    }
    if not any(found.values()):
        listed = ", ".join(map(repr, names))
        raise ValueError(
            f"{where}: expected a column title, year, genres, directors or writers, got {listed}. Rename one."
        )

    def lists(role):
        if found[role] is None:
            return None
        column = table.column(found[role])
        is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
        return column.to_pylist() if is_list else split_names(column, separator)

    return make_items_table(
        table.column(item),
        table.column(found["title"]) if found["title"] else None,
        table.column(found["year"]) if found["year"] else None,
        lists("genres"),
        lists("directors"),
        lists("writers"),
    )
