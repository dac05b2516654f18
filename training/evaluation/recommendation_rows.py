"""Recommendations for all users of an interactions file as rows (user, item, rank, score), written as they come.

Rows go to CSV (also .csv.gz) or Parquet in bounded memory; the file appears under its name when it is whole.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from traceformers.modeling.recommender.configuration_recommender import FIRST_ITEM_ID
from traceformers.training.evaluation.saved_recommender import token_table, translated

CHUNK_USERS = 16_384  # whose rows are held in memory at a time
SCHEMA = pa.schema([("user", pa.string()), ("item", pa.string()), ("rank", pa.int32()), ("score", pa.float32())])
SUFFIXES = (".csv", ".csv.gz", ".parquet")
LAST_CLICK = "last-click"


class RowWriter:
    """Writes tables of `SCHEMA` to a file; use it as a context manager.

    Args:
        path (path): .csv, .csv.gz or .parquet; what is there is replaced at the end, and stays if something fails.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.kind = next((suffix for suffix in SUFFIXES[::-1] if self.path.name.lower().endswith(suffix)), None)
        if self.kind is None:
            raise ValueError(f"Expected an output of {', '.join(SUFFIXES)}, got {str(path)!r}. Rename it.")
        self.half = self.path.with_name(self.path.name + ".half")
        self.rows = 0

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.kind == ".parquet":
            self._sink, self._writer = None, pa.parquet.ParquetWriter(self.half, SCHEMA)
        else:
            self._sink = pa.output_stream(str(self.half), compression="gzip" if self.kind == ".csv.gz" else None)
            options = pa.csv.WriteOptions(quoting_style="needed")
            self._writer = pa.csv.CSVWriter(self._sink, SCHEMA, write_options=options)
        return self

    def write(self, table):
        """Writes a table of `SCHEMA`."""
        self._writer.write_table(table)
        self.rows += len(table)

    def __exit__(self, kind, error, traceback):
        try:
            self._writer.close()
            if self._sink is not None:
                self._sink.close()
            if kind is None:
                self.half.replace(self.path)
        finally:
            self.half.unlink(missing_ok=True)


def recommendation_tables(model, histories, tokenizer, k=10, released_until=None, chunk_users=CHUNK_USERS, **options):
    """Yields the rows of all users, tables of `SCHEMA`, `chunk_users` users at a time, best first within each user.

    Args:
        model (`RecommenderPreTrainedModel`): with its `item_tokenizer`. Items that it does not know are left out of the
            histories; a user with none that it knows gets what it says of an empty history.
        histories (`Histories`), tokenizer (`ItemTokenizer`): of the users, with their `user_ids`.
        k (`int`): rows a user, fewer where no more items are allowed.
        released_until (`int (U,)`, *optional*): last year of release that each user may get.
        chunk_users (`int`): users at a time.
        options: `exclude_seen`, `candidates`, `exclude`, `diversity`, `batch_size` of `recommend_ids`.
    """
    ids, offsets, _ = translated(histories.items, histories.offsets, token_table(tokenizer, model.item_tokenizer))
    names = np.array(model.item_tokenizer.items, dtype=object)
    users = np.array(histories.user_ids, dtype=object)
    for start in range(0, len(users), chunk_users):
        end = min(start + chunk_users, len(users))
        own = ids[offsets[start] : offsets[end]]
        years = None if released_until is None else released_until[start:end]
        found, scores = model.recommend_ids(
            own, offsets[start : end + 1] - offsets[start], k, released_until=years, **options
        )
        kept = found > 0
        ranks = np.broadcast_to(np.arange(1, 1 + found.shape[1], dtype=np.int32), found.shape)
        columns = [np.repeat(users[start:end], kept.sum(axis=1)), names[found[kept] - FIRST_ITEM_ID], ranks[kept]]
        columns = [pa.array(column, field.type) for column, field in zip([*columns, scores[kept]], SCHEMA, strict=True)]
        yield pa.Table.from_arrays(columns, schema=SCHEMA)


def last_years(histories, time_kind):
    """Returns the year of each user's last interaction in UTC, `int64 (U,)`.

    Args:
        histories (`Histories`): with `times` in seconds since 1970; no user without any.
        time_kind (`str`): what the times are; only "unix" have years.
    """
    if histories.times is None or time_kind != "unix":
        raise ValueError(
            f"Expected interactions with dates for {LAST_CLICK}, got times of kind {time_kind!r}. Name a column of "
            "dates or Unix seconds, or give a year."
        )
    last = histories.times[histories.offsets[1:] - 1]
    return last.astype(np.int64).astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970


def read_item_list(path, tokenizer):
    """Returns `(token ids int64, items that are unknown)` of a file with one item id a line; empty lines do not count.

    Args:
        path (path): a text file in UTF-8.
        tokenizer (`ItemTokenizer`): the model's.

    Raises:
        FileNotFoundError: there is no such file. ValueError: the model knows none of them.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected a text file, one item id a line at {path}, found none. Correct the path.")
    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines()]
    items = list(dict.fromkeys(line for line in lines if line))
    known = [tokenizer.id_of(item) for item in items if item in tokenizer]
    if not known:
        raise ValueError(
            f"Expected items of the model in {path}, one id a line, got {items[:3]}. Write ids as in "
            f"item_vocabulary.json, such as {tokenizer.items[:3]}."
        )
    return np.array(known, dtype=np.int64), [item for item in items if item not in tokenizer]
