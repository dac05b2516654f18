"""What all of the database's tables share: opening, transactions, writing records that may be there, Arrow tables."""

import pyarrow as pa
from sqlalchemy import bindparam, insert, select, update

from traceformers.apps.feed.database.database_engine import open_engine, reading, writing
from traceformers.apps.feed.database.record_merging import Counts, in_blocks

_ARROW_ROWS = 50_000


#: Values of a second key column that are worth a condition: with more, an index is entered once for each pair.
_FEW_VALUES = 8


class RecordStore:
    """A database that is open: a context manager, or `close()` it. It may be used by several threads."""

    def __init__(self, url):
        self.url = str(url)
        self._engine = open_engine(url)

    def close(self):
        """Ends all connections."""
        self._engine.dispose()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _reading(self):
        return reading(self._engine)

    def _writing(self):
        return writing(self._engine)

    def _merge(self, table, rows, merge):
        """Returns the `Counts` of rows that were added, merged into one with the same key, or were there already.

        Block by block, each in a transaction: what comes after an error is not written, what came before stays.

        Args:
            table (`Table`): its primary key says which rows are one.
            rows (iterable of `dict`): read outside of transactions, so it may be slow.
            merge (callable): two rows → the row to keep.
        """
        counts = Counts()
        for block in in_blocks(rows):
            with self._writing() as connection:
                counts += self._merge_block(connection, table, block, merge)
        return counts

    def _merge_block(self, connection, table, block, merge):
        keys = [column.name for column in table.primary_key]
        found = connection.execute(select(table).where(*_near(table, keys, block))).mappings()
        before = {tuple(row[key] for key in keys): dict(row) for row in found}
        now = dict(before)
        added = updated = 0
        for row in block:
            key = tuple(row[key] for key in keys)
            old = now.get(key)
            new = row if old is None else merge(old, row)
            if old is None:
                added += 1
            elif new != old:
                updated += 1
            now[key] = new
        self._write_rows(connection, table, [row for key, row in now.items() if key not in before])
        self._change_rows(connection, table, [now[key] for key, row in before.items() if row != now[key]])
        return Counts(added, updated, len(block) - added - updated)

    def _write_rows(self, connection, table, rows):
        if rows:
            connection.execute(insert(table), rows)

    def _change_rows(self, connection, table, rows):
        """Gives the rows with these primary keys these values."""
        keys = [column.name for column in table.primary_key]
        rest = [column.name for column in table.c if column.name not in keys]
        if rows and rest:
            statement = update(table).where(*(table.c[key] == bindparam(f"of_{key}") for key in keys))
            statement = statement.values({name: bindparam(f"to_{name}") for name in rest})
            of, to = [(key, f"of_{key}") for key in keys], [(name, f"to_{name}") for name in rest]
            connection.execute(statement, [{bound: row[name] for name, bound in of + to} for row in rows])

    def _arrow(self, connection, statement, schema, decode=None):
        """Returns the `pa.Table` of a statement's rows; `decode` maps a column's name to what is done to its values."""
        decode = decode or {}
        result = connection.execution_options(stream_results=True, max_row_buffer=_ARROW_ROWS).execute(statement)
        batches = []
        for rows in result.partitions(_ARROW_ROWS):
            columns = [
                pa.array(
                    map(decode[field.name], column) if field.name in decode else column, type=field.type, size=len(rows)
                )
                for field, column in zip(schema, zip(*rows, strict=True), strict=True)
            ]
            batches.append(pa.record_batch(columns, schema=schema))
        return pa.Table.from_batches(batches, schema=schema)


def _near(table, keys, rows):
    """Yields conditions that the rows of a table with the keys of `rows` fulfil, and few others."""
    main = "video_id" if "video_id" in keys else keys[0]
    for key in keys:
        values = sorted({row[key] for row in rows})
        if key == main or len(values) <= _FEW_VALUES:
            yield table.c[key].in_(values)
