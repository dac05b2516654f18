"""Interactions of users with items as arrays: who, what, when, how much, and a table of what is known of the items.

N rows in the order of the file, U users, I items. Ids are text: 1193, "1193" and 1193.0 are one item.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

LIST = pa.list_(pa.string())
ITEM_SCHEMA = pa.schema(
    [
        ("item", pa.string()),
        ("title", pa.string()),
        ("year", pa.int32()),
        ("genres", LIST),
        ("directors", LIST),
        ("writers", LIST),
    ]
)


@dataclass
class Interactions:
    """Rows (user, item, time, value) as codes, with the ids they stand for.

    Attributes:
        users, items (`np.ndarray`): int64 (N,), codes into `user_ids` and `item_ids`, in the order of the file.
        user_ids, item_ids (`list[str]`): of U users and I items, in the order of their first row.
        times (`np.ndarray` or None): float64 (N,), seconds since 1970 or ranks, see `about["time"]`.
        values (`np.ndarray` or None): float32 (N,), NaN where a row has none.
        items_table (`pa.Table` or None): `ITEM_SCHEMA`, row i about `item_ids[i]`; nulls for an item without metadata.
        untouched_items (`pa.Table` or None): the same columns, items with metadata that no row is about.
        about (`dict`): name, source, format, licence, "time" ("unix", "order" or "none": without times the order of the
            rows counts), "columns", "dropped" {reason: rows}, "sha256" {file: hash}.
    """

    users: np.ndarray
    items: np.ndarray
    user_ids: list
    item_ids: list
    times: np.ndarray | None = None
    values: np.ndarray | None = None
    items_table: pa.Table | None = None
    untouched_items: pa.Table | None = None
    about: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.users)

    def counts(self):
        """Returns {"users": U, "items": I, "interactions": N}."""
        return {"users": len(self.user_ids), "items": len(self.item_ids), "interactions": len(self)}

    def select(self, rows):
        """Returns the interactions of some rows; users and items that are left with none are dropped, in the old order.

        Args:
            rows (`np.ndarray`): bool (N,), or positions.
        """
        users, user_ids, _ = _compact(self.users[rows], self.user_ids)
        items, item_ids, kept = _compact(self.items[rows], self.item_ids)
        table, untouched = self.items_table, self.untouched_items
        if table is not None:
            left = table.filter(pa.array(~kept))
            untouched = left if untouched is None else pa.concat_tables([untouched, left])
            table = table.filter(pa.array(kept))
        return Interactions(
            users,
            items,
            user_ids,
            item_ids,
            None if self.times is None else self.times[rows],
            None if self.values is None else self.values[rows],
            table,
            untouched,
            self.about,
        )

    def time_order(self):
        """Returns the positions of the rows by time, int64 (N,); of equal times the first in the file is first."""
        return np.arange(len(self)) if self.times is None else np.argsort(self.times, kind="stable")


def _compact(codes, ids):
    kept = np.zeros(len(ids), dtype=bool)
    kept[codes] = True
    new = np.cumsum(kept) - 1
    return new[codes], [name for name, stays in zip(ids, kept.tolist(), strict=True) if stays], kept
