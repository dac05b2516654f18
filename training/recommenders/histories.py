"""What each user chose, in order, as two flat arrays.

axes: N choices of all users, U users, B rows of a batch, T positions of a row
"""

from dataclasses import dataclass

import numpy as np

from traceformers.modeling.recommender.configuration_recommender import FIRST_ITEM_ID
from traceformers.modeling.recommender.item_ranking import pad_rows
from traceformers.tokenization.item.tokenization_item import ItemTokenizer


@dataclass
class Histories:
    """Users' items from the oldest to the newest: user u's are items[offsets[u]:offsets[u + 1]].

    Args:
        items (int32 (N,)): token ids.
        offsets (int64 (U + 1,)).
        times (float64 (N,), *optional*): when each was chosen.
        user_ids (list of `str`, *optional*): what the users are called, (U,).
    """

    items: np.ndarray
    offsets: np.ndarray
    times: np.ndarray | None = None
    user_ids: list | None = None

    def __post_init__(self):
        self.items = np.asarray(self.items, dtype=np.int32)
        self.offsets = np.asarray(self.offsets, dtype=np.int64)
        if not len(self.offsets) or self.offsets[0] != 0 or self.offsets[-1] != len(self.items):
            raise ValueError(
                f"Expected offsets from 0 to the {len(self.items)} items, got {self.offsets[:1]} to "
                f"{self.offsets[-1:]}. Give one more offset than there are users."
            )

    def __len__(self):
        return len(self.offsets) - 1

    @classmethod
    def from_lists(cls, lists):
        """Returns the `Histories` of lists of token ids, one for each user."""
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in lists], dtype=np.int64)])
        return cls(np.concatenate([np.zeros(0, np.int32), *[np.asarray(x, np.int32) for x in lists]]), offsets)

    @property
    def lengths(self):
        """Items of each user, int64 (U,)."""
        return np.diff(self.offsets)

    def of(self, user):
        """Returns the items of one user, int32."""
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def cut(self, users, counts):
        """Returns the `Histories` of `users` (B,), of each the first `counts` (B,) items."""
        users, counts = np.asarray(users, np.int64), np.asarray(counts, np.int64)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[users] - offsets[:-1], counts)
        names = None if self.user_ids is None else [self.user_ids[user] for user in users.tolist()]
        return Histories(self.items[index], offsets, None if self.times is None else self.times[index], names)

    def padded(self, users, max_length=None, begins=None):
        """Returns the newest items of `users` as rows padded on the right: ids and mask, both int64 (B, T).

        Args:
            users (int (B,)).
            max_length (`int`, *optional*): most items of a row; all by default.
            begins (int64 (B,), *optional*): where in `items` each row begins, for other items than the newest.
        """
        begins, lengths = self.spans(users, max_length, begins)
        return pad_rows(self.items, begins, lengths)

    def spans(self, users, max_length=None, begins=None):
        """Returns where the rows of `padded` begin in `items` and how long they are, both int64 (B,)."""
        starts, ends = self.offsets[users], self.offsets[np.asarray(users) + 1]
        if begins is None:
            begins = starts if not max_length else np.maximum(starts, ends - max_length)
        elif max_length:
            ends = np.minimum(ends, begins + max_length)
        return begins, ends - begins


def from_interactions(interactions):
    """Returns the `Histories` of interactions, and the `ItemTokenizer` of all their items, in the order of their codes.

    Users come in the order of their codes, which is that of their first rows. A user's items are sorted by time; where
    times are equal, or there are none, they stay in the order of the file.

    Args:
        interactions (`Interactions`).

    Raises:
        ValueError: if there is no interaction.
    """
    users, items, times = interactions.users, interactions.items, interactions.times
    if not len(users):
        raise ValueError("Expected interactions, got none. Give a file with rows in it, or loosen the filters.")
    tokenizer = ItemTokenizer(items=list(interactions.item_ids), **columns_of_items(interactions))
    order = np.argsort(users, kind="stable") if times is None else np.lexsort((times, users))  # both are stable
    offsets = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(interactions.user_ids)))])
    times = None if times is None else np.asarray(times, np.float64)[order]
    tokens = np.asarray(items)[order] + FIRST_ITEM_ID
    return Histories(tokens, offsets, times, list(interactions.user_ids)), tokenizer


def columns_of_items(interactions):
    """Returns {"titles": ..., "genres": ...}: what the table of items knows of them, in the order of their codes."""
    table = interactions.items_table
    if table is None:
        return {}
    plural = {"title": "titles", "year": "years", "genres": "genres", "directors": "directors", "writers": "writers"}
    columns = {plural[name]: table.column(name).to_pylist() for name in table.column_names if name in plural}
    for name in ("genres", "directors", "writers"):
        if name in columns:
            columns[name] = [names or [] for names in columns[name]]
    return {name: column for name, column in columns.items() if any(entry not in (None, []) for entry in column)}
