"""Histories as sets of items: what EASE, MultiVAE, popularity and ensembles read of padded rows.

The rule of all bag models: an item counts once however often it was chosen, where it stands does not matter, and ids
that are no items ([PAD], [MASK], [UNK]) count nothing. Sets come in ascending order of ids, so that sums over them are
equal to the bit for every order and padding of the same history.

Axes: B users, T items of a padded row, N items of all sets, V ids, I = V - FIRST_ITEM_ID items.
"""

import numpy as np
import torch

from .configuration_recommender import FIRST_ITEM_ID

#: Pairs of items that are counted at once: about 100 MB of indices.
_PAIRS_AT_ONCE = 1 << 22


def item_sets(input_ids, attention_mask=None):
    """Returns the sets of items of padded rows, laid end to end: (ids int64 (N,), offsets int64 (B + 1,)).

    Args:
        input_ids, attention_mask: as for `placed_item_sets`.

    >>> item_sets(torch.tensor([[7, 4, 7], [5, 1, 0]]))
    (tensor([4, 7, 5]), tensor([0, 2, 3]))
    """
    return placed_item_sets(input_ids, attention_mask)[:2]


def placed_item_sets(input_ids, attention_mask=None):
    """Returns (ids, offsets) of `item_sets`, and how many items of the history are newer than each, int64 (N,).

    Of an item that was chosen several times the newest choice is meant.

    Args:
        input_ids (int (B, T)): histories, padded on any side.
        attention_mask (B, T): 0 at what is not to be read; all is read by default, but ids that are no items.

    Raises:
        ValueError: the shapes do not fit together.

    >>> placed_item_sets(torch.tensor([[7, 4, 7], [5, 1, 0]]))
    (tensor([4, 7, 5]), tensor([0, 2, 3]), tensor([1, 0, 0]))
    """
    if input_ids.dim() != 2 or (attention_mask is not None and attention_mask.shape != input_ids.shape):
        came = "none" if attention_mask is None else tuple(attention_mask.shape)
        raise ValueError(
            f"Expected input_ids (B, T) and an attention_mask of the same shape, got {tuple(input_ids.shape)} and "
            f"{came}; call the model's item_tokenizer with histories=[[...]] and padding=True."
        )
    ids = input_ids.long()
    if attention_mask is not None:
        ids = ids.masked_fill(attention_mask == 0, 0)
    is_item = ids >= FIRST_ITEM_ID
    newer = is_item.flip(1).cumsum(1).flip(1) - is_item.long()
    width = ids.shape[1] + 1
    ids, newer = divided((ids * width + newer).sort(dim=1).values, width)
    kept = ids >= FIRST_ITEM_ID
    kept[:, 1:] &= ids[:, 1:] != ids[:, :-1]
    return ids[kept], torch.nn.functional.pad(kept.sum(1).cumsum(0), (1, 0)), newer[kept]


def divided(numbers, divisor):
    """Returns (whole parts, remainders) of integers."""
    return torch.div(numbers, divisor, rounding_mode="floor"), numbers % divisor


def recency_weights(newer, recency):
    """Returns float32 weights (1 + newer)^-recency of items that have so many newer ones, (N,)."""
    return (1 + newer).float().pow(-recency)


def newest_items(input_ids, attention_mask, count):
    """Returns the newest items of padded rows, ids and mask (B, at most count), padded on the right.

    Args:
        input_ids (int64 (B, T)), attention_mask (B, T). count (`int`): most items of a row; 0 for all, as they are.

    >>> newest_items(torch.tensor([[7, 4, 5], [0, 0, 6]]), torch.tensor([[1, 1, 1], [0, 0, 1]]), 2)[0]
    tensor([[4, 5],
            [6, 0]])
    """
    if not count or input_ids.shape[1] <= count:
        return input_ids, attention_mask
    read = attention_mask != 0
    read &= read.flip(1).cumsum(1).flip(1) <= count  # places from the end
    order = (~read).to(torch.int8).argsort(dim=1, stable=True)[:, :count]
    read = read.gather(1, order)
    return input_ids.gather(1, order).masked_fill(~read, 0), read.to(attention_mask.dtype)


def flat_item_sets(ids, offsets, vocab_size=None):
    """Returns the sets of items of flat histories as arrays: (items int64 (N,) from 0, offsets int64 (U + 1,), I).

    Args:
        ids (int (M,)), offsets (int (U + 1,)): history u is ids[offsets[u]:offsets[u + 1]].
        vocab_size (`int`, *optional*): V; by default up to the largest id.

    Raises:
        ValueError: offsets are not of these ids, or an id is not below vocab_size.
    """
    ids, offsets = np.asarray(ids), np.asarray(offsets)
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(ids) or (np.diff(offsets) < 0).any():
        raise ValueError(
            f"Expected offsets that rise from 0 to the {len(ids)} ids, got {offsets[:1]} to {offsets[-1:]}; history u "
            "is ids[offsets[u]:offsets[u + 1]]."
        )
    most = int(ids.max(initial=FIRST_ITEM_ID - 1)) + 1
    vocab_size = most if vocab_size is None else vocab_size
    if most > vocab_size:
        raise ValueError(
            f"Expected token ids below vocab_size {vocab_size}, got {most - 1}; encode the histories with the "
            "tokenizer that the model was made for, or give its vocabulary size."
        )
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    is_item = ids >= FIRST_ITEM_ID
    keys = np.unique(users[is_item].astype(np.int64) * vocab_size + ids[is_item])
    counts = np.bincount(keys // vocab_size, minlength=len(offsets) - 1)
    return keys % vocab_size - FIRST_ITEM_ID, np.concatenate([[0], np.cumsum(counts)]), vocab_size - FIRST_ITEM_ID


def item_counts(ids, offsets, vocab_size=None):
    """Returns how many users have had each id, int64 (V,); arguments as for `flat_item_sets`."""
    items, _, count = flat_item_sets(ids, offsets, vocab_size)
    return np.bincount(items + FIRST_ITEM_ID, minlength=count + FIRST_ITEM_ID)


def item_gram(ids, offsets, vocab_size=None):
    """Returns the Gram matrix X'X of the sets, float32 (I, I): how many users have had both items.

    X itself, users times items, is never made: the pairs of each user are counted, some at a time. float32 holds
    counts below 2^24 exactly.

    Args:
        ids, offsets, vocab_size: as for `flat_item_sets`.
    """
    items, offsets, count = flat_item_sets(ids, offsets, vocab_size)
    gram = np.zeros((count, count), np.float32)
    lengths = np.diff(offsets)
    partners, begins = np.repeat(lengths, lengths), np.repeat(offsets[:-1], lengths)  # of each element: (N,)
    ends = np.cumsum(partners)
    first = 0
    while first < len(items):
        before = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")), first + 1)
        share = partners[first:last]
        other = np.arange(share.sum()) + np.repeat(begins[first:last] - (ends[first:last] - share - before), share)
        np.add.at(gram.reshape(-1), np.repeat(items[first:last] * count, share) + items[other], np.float32(1))
        first = last
    return gram
