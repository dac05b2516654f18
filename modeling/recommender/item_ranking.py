"""The best items of many users at once: what may not be recommended is removed, ties have a rule, lists can be diverse.

Items with an equal score are ordered by their token id, the lower first; so a ranking is the same on every machine and
for every batch. Maximal marginal relevance is after "The Use of MMR, Diversity-Based Reranking for Reordering Documents
and Producing Summaries" (Carbonell, Goldstein, SIGIR 1998).
Differences from the paper:
- relevance is the model's score, scaled to [0, 1] within the items that are compared, because scores of models have no
  common scale; similarity is the cosine of item vectors;
- `diversity` is 1 - lambda of the paper: 0 is the model's ranking.

Axes: B users, V token ids, P items that are compared, H width of an item vector, N pairs of a user and an item.
"""

import numpy as np
import torch
from torch import nn

NEVER = float("-inf")


def take_rows(flat: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (row of each value (N,), values (N,)) of some rows of a flat array; the rows are numbered as in `rows`.

    Arguments:
        flat (M,) with offsets (R + 1,): row r holds flat[offsets[r]:offsets[r + 1]].
        rows (B,): the rows that are wanted.
    """
    lengths = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(lengths)
    at = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(offsets[rows] - (ends - lengths), lengths)
    return np.repeat(np.arange(len(rows)), lengths), flat[at]


def pad_rows(flat: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (ids int64 (B, T), mask int64 (B, T)), padded on the right; T is the longest length, at least 1.

    Arguments:
        flat (N,): ids; row b begins at starts[b] and has lengths[b] of them.
    """
    places = np.arange(max(1, int(lengths.max()) if len(lengths) else 1))
    mask = places < lengths[:, None]  # (B, T)
    if not len(flat):
        return np.zeros(mask.shape, np.int64), mask.astype(np.int64)
    rows = np.take(flat, starts[:, None] + places, mode="clip").astype(np.int64)
    rows[~mask] = 0
    return rows, mask.astype(np.int64)


def top_k(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (columns int64 (B, n), scores (B, n)), best first, with n = min(k, V); ties go to the lower column.

    Places without an item, where a row has fewer than n scores above -inf, hold column 0 and -inf. Equal to the first
    n columns of a stable sort of each row, but only rows with a tie at place n are looked through as a whole.

    Raises:
        ValueError: a score is NaN.
    """
    n = min(k, scores.shape[1])
    if n < 1 or not scores.shape[0]:
        return scores.new_zeros(len(scores), max(n, 0), dtype=torch.long), scores[:, : max(n, 0)]
    values, columns = scores.topk(min(n + 1, scores.shape[1]))
    if bool(values[:, 0].isnan().any()):  # NaN counts as the greatest
        raise ValueError("Expected scores that are numbers, got NaN; the model's weights or its inputs hold NaN.")
    border = values[:, n - 1]
    tied = (border == values[:, n]) & (border > NEVER) if values.shape[1] > n else None
    values, columns = values[:, :n], columns[:, :n]
    if tied is not None and bool(tied.any()):
        columns[tied] = _columns_with_ties(scores[tied], border[tied, None], n)
        values[tied] = scores[tied].gather(1, columns[tied])
    columns, order = columns.sort(1)
    values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return columns.gather(1, order).masked_fill(values == NEVER, 0), values


def _columns_with_ties(scores, border, n):
    """Return the columns (B, n) of the n best, in rising order, where `border` (B, 1) is the score at place n."""
    above, equal = scores > border, scores == border
    wanted = n - above.sum(1, keepdim=True)
    kept = above | (equal & (equal.cumsum(1, dtype=torch.int32) <= wanted))
    return kept.nonzero()[:, 1].view(-1, n)


def unit_vectors(vectors: torch.Tensor) -> torch.Tensor:
    """Return vectors (..., H) scaled to length 1, in float32; a vector of zeros stays one."""
    return nn.functional.normalize(vectors.float(), dim=-1)


def diversify(
    columns: torch.Tensor, scores: torch.Tensor, vectors: torch.Tensor, k: int, diversity: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (columns (B, n), scores (B, n)) in the order of maximal marginal relevance, with n = min(k, P).

    The first item is the best; then, again and again, the one with the greatest (1 - diversity) * relevance - diversity
    * similarity to the most similar item that was taken. Equal ones are taken in the order of `columns`.

    Arguments:
        columns (B, P), scores (B, P): ranked items as `top_k` gives them.
        vectors (V, H): item vectors; `columns` are its rows.
        diversity: from 0, the order of scores, to 1, the least similar items among those P.
    """
    B, P = scores.shape
    n = min(k, P)
    real = scores > NEVER
    best = scores[:, :1]
    worst = scores.masked_fill(~real, float("inf")).amin(1, keepdim=True)
    span = (best - worst).clamp(min=torch.finfo(scores.dtype).tiny)
    relevance = ((scores - worst) / span).masked_fill(~real, NEVER)  # (B, P)
    of_items = unit_vectors(vectors[columns])  # (B, P, H)
    rows = torch.arange(B, device=scores.device)
    nearest = torch.full_like(scores, -1.0)  # the least that a cosine can be
    chosen = torch.zeros(B, n, dtype=torch.long, device=scores.device)
    for place in range(n):
        # The first place has nothing to differ from.
        value = relevance if place == 0 else (1 - diversity) * relevance - diversity * nearest
        value = value.masked_fill(~real, NEVER)
        at = value.argmax(1)
        chosen[:, place] = torch.where(real[rows, at], at, P - 1)
        real[rows, at] = False
        similarity = (of_items @ of_items[rows, at, :, None])[..., 0]  # (B, P)
        nearest = torch.maximum(nearest, similarity)
    values = scores.gather(1, chosen)
    return columns.gather(1, chosen).masked_fill(values == NEVER, 0), values


__all__ = ["NEVER", "diversify", "pad_rows", "take_rows", "top_k", "unit_vectors"]
