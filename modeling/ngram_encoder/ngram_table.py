"""Weighted sums of table rows: bags of ids, n-grams as sums of their words, storage in fewer bits.

Axes: B texts, T ids of a padded row, N or M ids of all texts, U rows, V entries, E width of the table, H heads.
"""

import numpy as np
import torch
from torch import nn

#: Words of an n-gram, at most.
COMPOSITION_WIDTH = 4

#: First column of a composition: the entry is not composed; it is, but stands beside its words, which have ids already.
NOT_COMPOSED, BESIDE_ITS_WORDS = -1, -2

TABLE_DTYPES = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}


def bag(rows, index, offsets, weights=None, sparse=False) -> torch.Tensor:
    """Return, for each text, the sum (B, E) of rows (U, E) at index (M,), each head's block times its weight.

    No (M, E) tensor is made, forwards or backwards.

    Arguments:
        offsets (B + 1,): where each text begins in `index`, and M.
        weights (M, H) or None: one a head; None = 1.
        sparse (bool): the gradient of `rows` is a sparse tensor; for one head.
    """
    heads = 1 if weights is None else weights.shape[1]
    if heads == 1:
        weights = None if weights is None else weights[:, 0].to(rows.dtype)
        return nn.functional.embedding_bag(
            index, rows, offsets, mode="sum", sparse=sparse, per_sample_weights=weights, include_last_offset=True
        )
    # Every (row, head) is a row of its own, every (head, text) a bag.
    head = torch.arange(heads, device=index.device)[:, None]
    index = (index * heads + head).flatten()
    begins = (offsets[:-1] + head * len(weights)).flatten()
    sums = nn.functional.embedding_bag(
        index,
        rows.view(-1, rows.shape[1] // heads),
        torch.cat([begins, begins.new_tensor([index.numel()])]),
        mode="sum",
        per_sample_weights=weights.t().flatten().to(rows.dtype),
        include_last_offset=True,
    )  # (H * B, E / H)
    return sums.unflatten(0, (heads, -1)).transpose(0, 1).flatten(1) if len(sums) else sums.view(0, rows.shape[1])


def bag_of_weights(weights, offsets) -> torch.Tensor:
    """Return the sums (B, H) of weights (M, H) of each text; in one order, so that a GPU repeats itself."""
    return bag(weights, torch.arange(weights.shape[0], device=weights.device), offsets)


def as_tensor(values) -> torch.Tensor:
    """Return a tensor of a tensor, array or list; a read-only array, such as a file mapped into memory, is copied."""
    return values if isinstance(values, torch.Tensor) else torch.from_numpy(np.array(values))


def flatten_ids(input_ids, attention_mask, pad_token_id) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (ids (N,), offsets (B + 1,)) of padded ids (B, T); padding goes by the mask and by its id."""
    mask = input_ids != pad_token_id
    if attention_mask is not None:
        mask = mask & attention_mask.bool()
    return input_ids[mask], nn.functional.pad(mask.sum(1).cumsum(0), (1, 0))


def scale_blocks(values, factors) -> torch.Tensor:
    """Return values (U, E) with each head's block times its factor; factors (U, H)."""
    if factors.shape[1] == 1:
        return values * factors
    blocks = values.unflatten(1, (factors.shape[1], -1))  # (U, H, E / H)
    return (blocks * factors[..., None]).flatten(1)


def quantize(values, heads, dtype) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return (table (V, E), scale (V, H) or None): values (V, E) are table * scale, one scale a row and head.

    float16 has a scale as well: rare weights make values too small for its exponent.
    """
    if dtype == "float32":
        return values.contiguous(), None
    blocks = values.unflatten(1, (heads, -1))
    scale = blocks.abs().amax(-1).clamp(min=torch.finfo(torch.float32).tiny)  # (V, H)
    if dtype == "int8":
        scale = (scale / 127).clamp(min=torch.finfo(torch.float32).tiny)
    blocks = blocks / scale[..., None]
    table = blocks.round().clamp(-127, 127).to(torch.int8) if dtype == "int8" else blocks.to(torch.float16)
    return table.reshape(values.shape).contiguous(), scale


def dequantize(table, scale) -> torch.Tensor:
    """Return the values (U, E) in float32 of table rows (U, E) and their scale (U, H) or None."""
    if scale is None:
        return table.float()
    return scale_blocks(table.float(), scale)


def add_words(values, weights, words, word_values, word_weights) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (values (n, E), weights (n, H)) in which composed entries hold the sums of their words as well.

    Arguments:
        values (n, E), weights (n, H): what each entry adds by itself.
        words int64 (n, 4): ids of the words of each, as in `NgramEncoderModel.composition`.
        word_values (V, E), word_weights (V, H): what each word adds.
    """
    composed = words[:, :1] != NOT_COMPOSED
    weights = weights.masked_fill(composed, 0)
    for column in words.T:
        entries = (column >= 0).nonzero()[:, 0]
        values[entries] += word_values[column[entries]]
        weights[entries] += word_weights[column[entries]]
    return values, weights


def checked_composition(composition, beside_words, rows, vocab_size):
    """Return composition as int64 (rows, 4) after checking its shape and its word ids."""
    composition = as_tensor(composition).long().cpu()
    if composition.shape != (rows, COMPOSITION_WIDTH):
        raise ValueError(
            f"Expected a composition of shape ({rows}, {COMPOSITION_WIDTH}), one row an entry, got "
            f"{tuple(composition.shape)}; pass the composition of the vocabulary the model is for."
        )
    if composition.numel() and not -1 <= int(composition.min()) <= int(composition.max()) < vocab_size:
        raise ValueError(
            f"Expected word ids below {vocab_size}, or -1, in the composition, got {int(composition.min())} to "
            f"{int(composition.max())}; vocabulary and model must have the same size."
        )
    if beside_words is not None:
        beside_words = as_tensor(beside_words).bool().cpu()
        composition = composition.masked_fill(beside_words[:, None], NOT_COMPOSED)
        composition[beside_words, 0] = BESIDE_ITS_WORDS
    return composition
