"""Recordings with their labels, from the CSV that the recorder writes or one like it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

FILE, SITE, EVIDENCE = "file", "site", "task_evidence"


@dataclass
class LabelledSessions:
    """Recordings and a row of labels for each.

    Attributes:
        files (list of `Path`): recordings that exist.
        table (`pandas.DataFrame`): the rows of the CSV in the same order, numbered from 0.
    """

    files: list
    table: pd.DataFrame

    def __len__(self):
        return len(self.files)

    def column(self, name) -> np.ndarray:
        """Returns one column as an array of objects `(n_sessions,)`; "" where the CSV has nothing.

        Raises:
            ValueError: the CSV has no such column.
        """
        if name not in self.table.columns:
            raise ValueError(
                f"Expected a column {name!r} in the labels, found {', '.join(self.table.columns)}. Add the column, or "
                "name another."
            )
        return self.table[name].fillna("").astype(object).to_numpy()

    @property
    def sites(self) -> np.ndarray:
        """The site of each session, `(n_sessions,)`."""
        return self.column(SITE)

    def where(self, chosen) -> "LabelledSessions":
        """Returns the sessions that `chosen`, booleans or numbers of rows, picks."""
        rows = np.arange(len(self))[np.asarray(chosen)]
        return LabelledSessions([self.files[i] for i in rows], self.table.iloc[rows].reset_index(drop=True))


def read_labels(csv, folder=None, evidence_only=False, columns=(SITE,)) -> LabelledSessions:
    """Returns the labelled recordings of a CSV with a column `file`.

    Args:
        csv (`str` or `os.PathLike`): labels, one recording a row; every value is read as text.
        folder (`str` or `os.PathLike`): where the files lie; the folder of the CSV when absent.
        evidence_only (`bool`): leave out rows whose `task_evidence` is not "1": the visitor never came to the task.
        columns (sequence of `str`): columns that are needed besides `file`; each needs a value in every row that stays.

    Raises:
        FileNotFoundError: the CSV or recordings it names are not there.
        ValueError: a column is missing or has empty cells, a file is named twice, or no row is left.

    Example:
        >>> sessions = read_labels("samples/labels.csv", evidence_only=True)  # doctest: +SKIP
        >>> len(sessions), sessions.column("behaviour")[:2]                   # doctest: +SKIP
        (12, array(['engaged', 'bot'], dtype=object))
    """
    csv = Path(csv)
    if not csv.is_file():
        raise FileNotFoundError(f"Expected a CSV of labels, found no file {csv}. Check the path.")
    table = pd.read_csv(csv, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    needed = [FILE, *columns, *([EVIDENCE] if evidence_only else [])]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise ValueError(
            f"Expected the columns {', '.join(needed)} in {csv}, without {', '.join(missing)}; it has "
            f"{', '.join(table.columns)}. Add them, or leave out what needs them."
        )
    if evidence_only:
        table = table[table[EVIDENCE] == "1"]
    table = table.reset_index(drop=True)
    if table.empty:
        kept = f" with {EVIDENCE} = 1" if evidence_only else ""
        raise ValueError(f"Expected at least one row{kept} in {csv}, found none. Label some recordings.")
    for name in (FILE, *columns):
        empty = table.index[table[name].str.strip() == ""]
        if len(empty):
            raise ValueError(
                f"Expected a value of {name!r} in every row of {csv}, found none in {len(empty)} rows, the first for "
                f"{table[FILE][empty[0]]!r}. Fill them in, or take the rows out."
            )
    twice = table[FILE][table[FILE].duplicated()]
    if len(twice):
        raise ValueError(
            f"Expected every file once in {csv}, found {twice.iloc[0]!r} again ({len(twice)} rows in all). One row a "
            "recording: take the others out."
        )
    folder = csv.parent if folder is None else Path(folder)
    files = [folder / name for name in table[FILE]]
    absent = [path for path in files if not path.is_file()]
    if absent:
        raise FileNotFoundError(
            f"Expected all {len(files)} recordings of {csv.name} in {folder}, found {len(files) - len(absent)}; the "
            f"first that is missing is {absent[0].name}. Name the folder that holds them."
        )
    return LabelledSessions(files, table)


def class_numbers(labels, least=2):
    """Returns (numbers `int64 (n,)`, names of the classes, sorted).

    Args:
        labels (sequence of `str`).
        least (`int`): sessions that a class needs.

    Raises:
        ValueError: fewer than two classes, or a class with fewer than `least` sessions.
    """
    names, numbers, counts = np.unique(np.asarray(labels, dtype=str), return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError(f"Expected at least two classes, found {list(map(str, names))}. Label sessions of another.")
    if counts.min() < least:
        few = names[counts < least]
        raise ValueError(
            f"Expected at least {least} sessions of each class, found fewer of {', '.join(few)}. Label more, or "
            "leave the class out."
        )
    return numbers.astype(np.int64), [str(name) for name in names]


__all__ = ["LabelledSessions", "class_numbers", "read_labels"]
