"""Tokenized sessions of a prepared data set, read from memory-mapped Arrow files without copying them.

A data set folder holds `<split>-00000-of-00004.arrow` files (Arrow IPC streams, one row a session, the fields of
`TokenizedSession` as columns) and `dataset_info.json`. Every array that comes out of a store is a view of the
mapped file, so many processes that read one store share its memory.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from traceformers.tokenization.rrweb.rrweb_windows import TokenizedSession

ARRAY_COLUMNS = {
    "ids": np.uint16,
    "event_offsets": np.uint32,
    "event_times_ms": np.uint32,
    "node_offsets": np.uint32,
    "context_of_event": np.uint16,
}
TEXT_COLUMNS = ("session", "site", "fingerprint", "source_file")


class ListColumn:
    """One list column of one record batch: row i is `values[offsets[i]:offsets[i + 1]]`."""

    def __init__(self, array, dtype, name, path):
        if array.null_count or array.values.null_count:
            raise ValueError(f"Expected no nulls in column {name!r} of {path}. Prepare the data set again.")
        self.offsets = array.offsets.to_numpy(zero_copy_only=True)
        if pa.types.is_list(array.values.type) or pa.types.is_large_list(array.values.type):
            self.values = ListColumn(array.values, dtype, name, path)
        else:
            self.values = array.values.to_numpy(zero_copy_only=True)
            if self.values.dtype != dtype:
                raise ValueError(
                    f"Expected {np.dtype(dtype)} in column {name!r} of {path}, got {self.values.dtype}. "
                    "Prepare the data set again."
                )

    def __getitem__(self, i):
        return self.values[self.offsets[i] : self.offsets[i + 1]]


class RowLists:
    """The lists of one row of a list-of-lists column, sliced only when asked for."""

    def __init__(self, column, row):
        self.column = column
        self.first, self.stop = (int(x) for x in column.offsets[row : row + 2])

    def __len__(self):
        return self.stop - self.first

    def __getitem__(self, i):
        if not 0 <= i < len(self):
            raise IndexError(f"Expected a list number below {len(self)}, got {i}.")
        return self.column.values[self.first + i]


class SessionStore:
    """The sessions of one split of a prepared data set.

    `store[i]` is a `TokenizedSession` whose arrays are read-only views of the mapped files. A store pickles as
    (folder, split), so data-loader workers map the files again rather than receive their contents.

    Args:
        folder (`str` or `os.PathLike`): data set folder.
        split (`str`): e.g. "train".

    Attributes:
        token_counts (`int64 (n_sessions,)`): tokens of each session.
        info (`dict`): contents of `dataset_info.json`, `{}` when there is none.

    Raises:
        FileNotFoundError: if the folder has no file of the split.
        ValueError: if files are missing, or a column is missing or of another type.

    Example:
        >>> store = SessionStore("runs/quickstart/sessions", "train")  # doctest: +SKIP
        >>> len(store), store[0].ids[:3]                           # doctest: +SKIP
        (412, array([487,   7, 106], dtype=uint16))
    """

    def __init__(self, folder, split):
        self.folder, self.split = str(folder), split
        self.files = split_files(folder, split)
        self._batches = []
        for path in self.files:
            with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
                self._batches += [self._open_batch(batch, path) for batch in stream if batch.num_rows]
        lengths = [batch["n"] for batch in self._batches]
        self._first_row = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        counts = [np.diff(batch["ids"].offsets) for batch in self._batches]
        self.token_counts = np.concatenate([*counts, []]).astype(np.int64)

    @staticmethod
    def _open_batch(batch, path):
        missing = {*ARRAY_COLUMNS, "contexts"} - set(batch.schema.names)
        if missing:
            raise ValueError(
                f"Expected the columns of a prepared data set in {path}, without {sorted(missing)}. "
                "Prepare the data set again with datasets_scripts."
            )
        columns = {name: ListColumn(batch.column(name), dtype, name, path) for name, dtype in ARRAY_COLUMNS.items()}
        columns["contexts"] = ListColumn(batch.column("contexts"), np.uint16, "contexts", path)
        texts = {name: batch.column(name) for name in TEXT_COLUMNS if name in batch.schema.names}
        return {"n": batch.num_rows, "texts": texts, **columns}

    def __len__(self):
        return int(self._first_row[-1])

    def _locate(self, i):
        if not -len(self) <= i < len(self):
            raise IndexError(f"Expected a session number below {len(self)}, got {i}.")
        i = i % len(self)
        batch = int(np.searchsorted(self._first_row, i, side="right")) - 1
        return self._batches[batch], i - int(self._first_row[batch])

    def __getitem__(self, i):
        batch, row = self._locate(i)
        arrays = {name: batch[name][row] for name in ARRAY_COLUMNS}
        return TokenizedSession(contexts=RowLists(batch["contexts"], row), **arrays)

    def texts(self, name):
        """Returns a text column ("session", "site", "fingerprint" or "source_file") as a list of str."""
        return [text for batch in self._batches for text in batch["texts"][name].to_pylist()]

    @property
    def info(self):
        path = Path(self.folder) / "dataset_info.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def __reduce__(self):
        return SessionStore, (self.folder, self.split)


def split_files(folder, split):
    """Returns the Arrow files of a split in order, all of them.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the count in the names is not the count of files.
    """
    files = sorted(Path(folder).glob(f"{split}-?????-of-?????.arrow"))
    if not files:
        there = sorted({path.name.split("-")[0] for path in Path(folder).glob("*-of-*.arrow")})
        raise FileNotFoundError(
            f"Expected {split}-00000-of-NNNNN.arrow in {folder}, found splits {there}. "
            "Give the folder that the data set was prepared into."
        )
    expected = {int(path.stem.rpartition("-")[2]) for path in files}
    if expected != {len(files)}:
        raise ValueError(
            f"Expected {sorted(expected)} files of split {split!r} in {folder} by their names, found {len(files)}. "
            "Copy the missing files, or prepare the data set again into an empty folder."
        )
    return files
