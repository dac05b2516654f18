"""What may be recommended to whom: items seen, allow-lists, exclusions and years of release, as masks of scores.

Axes: B users of a batch, V token ids, N items of all users' lists.
"""

import numpy as np
import torch

from .item_ranking import NEVER, take_rows

#: Stands for a year that nobody knows; such an item is allowed for every year.
UNKNOWN_YEAR = np.iinfo(np.int64).min


class Rules:
    """The rules of one call, for all its users.

    Arguments:
        vocab_size: V.
        first: token ids below this are special and never recommended.
        device: where the scores are.
    """

    def __init__(self, vocab_size: int, first: int, device: torch.device):
        self.blocked = torch.arange(vocab_size, device=device) < first  # (V,)
        self.can_be_retrieved = True
        self._removed, self._allowed, self._years = [], None, None

    def block(self, token_ids) -> None:
        """Leave out items (M,) for everybody."""
        self.blocked[torch.as_tensor(np.asarray(token_ids, np.int64), device=self.blocked.device)] = True
        self.can_be_retrieved = False

    def allow_only(self, token_ids) -> None:
        """Leave out all items but these (M,), for everybody."""
        blocked = torch.ones_like(self.blocked)
        blocked[torch.as_tensor(np.asarray(token_ids, np.int64), device=blocked.device)] = False
        self.blocked |= blocked
        self.can_be_retrieved = False

    def remove(self, rows) -> None:
        """Leave out the items of `rows`, (ids (N,), offsets), each for its own user."""
        self._removed.append(rows)

    def allow(self, rows) -> None:
        """Leave out all items but those of `rows`, (ids (N,), offsets), each for its own user."""
        self._allowed, self.can_be_retrieved = rows, False

    def release(self, until, years) -> None:
        """Leave out items whose year, of `years` (V,), is later than the user's year, of `until`."""
        self._years = np.asarray(until, np.int64), torch.as_tensor(np.asarray(years), device=self.blocked.device)
        self.can_be_retrieved = False

    def apply(self, scores: torch.Tensor, users: np.ndarray) -> torch.Tensor:
        """Return scores (B, V) of users (B,) with -inf where an item is left out; always a new tensor."""
        B, V = scores.shape
        scores = scores.masked_fill(self.blocked, NEVER)
        for rows in self._removed:
            scores.view(-1)[self._keys(rows, users).to(scores.device)] = NEVER
        if self._allowed is not None:
            forbidden = torch.ones(B * V, dtype=torch.bool, device=scores.device)
            forbidden[self._keys(self._allowed, users).to(scores.device)] = False
            scores.masked_fill_(forbidden.view(B, V), NEVER)
        if self._years is not None:
            until, years = self._years
            scores.masked_fill_(years > torch.as_tensor(until[users], device=scores.device)[:, None], NEVER)
        return scores

    def removed_keys(self, users: np.ndarray) -> tuple[torch.Tensor, int]:
        """Return (b * V + token id of all that is removed from user b, how many that is for one user at most)."""
        keys = [self._keys(rows, users) for rows in self._removed]
        keys = torch.cat([*keys, torch.zeros(0, dtype=torch.long)]).unique()
        return keys, int(torch.bincount(keys // len(self.blocked), minlength=1).max())

    def _keys(self, rows, users):
        at, token_ids = take_rows(*rows, users)
        return torch.from_numpy(at * len(self.blocked) + token_ids)


def flat_rows(
    ids, offsets, name: str, vocab_size: int | None = None, n_rows: int | None = None, offsets_name: str = "offsets"
) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids (N,), offsets (B + 1,)) as int64 arrays: row b is ids[offsets[b]:offsets[b + 1]].

    Arguments:
        name, offsets_name: what they are called in an error.
        vocab_size: what ids are below; n_rows: B. None for any.

    Raises:
        ValueError: they do not fit together, are not of `n_rows` rows, or an id is outside the vocabulary.
    """
    ids, offsets = (np.asarray(array.cpu() if torch.is_tensor(array) else array) for array in (ids, offsets))
    if ids.ndim != 1 or (len(ids) and ids.dtype.kind not in "iu"):
        raise ValueError(
            f"Expected {name} as a flat array of token ids, got shape {ids.shape} of {ids.dtype}; pass what "
            "ItemTokenizer.encode_histories returns."
        )
    fits = offsets.ndim == 1 and len(offsets) and offsets[0] == 0 and offsets[-1] == len(ids)
    if not fits or np.any(np.diff(offsets) < 0):
        raise ValueError(
            f"Expected {offsets_name} that rise from 0 to the {len(ids)} {name}, got "
            f"{np.array2string(offsets, threshold=6, edgeitems=2)}; row b is "
            f"{name}[{offsets_name}[b]:{offsets_name}[b + 1]], so give one more of them than there are rows."
        )
    if n_rows is not None and len(offsets) != n_rows + 1:
        raise ValueError(
            f"Expected {name} of {n_rows} users, one row a history, got {len(offsets) - 1}; pass {offsets_name} with "
            "an empty row for who has none."
        )
    if len(ids) and (ids.min() < 0 or (vocab_size is not None and ids.max() >= vocab_size)):
        most = "" if vocab_size is None else f" to {vocab_size - 1}"
        raise ValueError(
            f"Expected {name} to be token ids from 0{most}, got {ids.min()} to {ids.max()}; encode item ids with the "
            "model's own item_tokenizer."
        )
    return ids.astype(np.int64), offsets.astype(np.int64)


def last_years(released_until, n: int) -> np.ndarray | None:
    """Return the last year that is allowed for each of n users (n,), or None where there is no such rule.

    Arguments:
        released_until: None, a year for all, or n years, of which None allows any.

    Raises:
        ValueError: it is none of these.
    """
    if released_until is None:
        return None
    # A NumPy array of one year has __index__ too.
    is_year = hasattr(released_until, "__index__") and not hasattr(released_until, "__len__")
    years = [released_until] * n if is_year else released_until
    if isinstance(years, (str, bytes)) or not hasattr(years, "__len__") or len(years) != n:
        raise ValueError(
            f"Expected released_until to be a year, or {n} of them, one a history, got {released_until!r}; pass None "
            "for a user without a limit."
        )
    years = list(years)
    wrong = [year for year in years if year is not None and not hasattr(year, "__index__")]
    if wrong:
        raise ValueError(f"Expected released_until to hold integers or None, got {wrong[0]!r}; pass a year like 1999.")
    return np.array([np.iinfo(np.int64).max if year is None else year.__index__() for year in years], np.int64)


__all__ = ["UNKNOWN_YEAR", "Rules", "flat_rows", "last_years"]
