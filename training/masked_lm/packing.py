"""Windows to batches of masked tokens: packed in one row without padding, or padded to the longest.

Axes: B windows, W tokens of one window, N tokens of all of them, n masked tokens.
"""

import numpy as np
import torch

PAD_ID = 0
IGNORED = -100  # label that cross-entropy leaves out


class PackingCollator:
    """Puts B windows one after the other in a single row; nothing is padded, logits are asked for masked tokens only.

    Returns a dict of `input_ids`, `token_type_ids`, `position_ids` (each `int64 (1, N)`), `cu_seq_lens_q` and
    `cu_seq_lens_k` (`int32 (B + 1,)`, borders of the windows in the row), `max_length_q` and `max_length_k` (`int`),
    `masked_positions` (`int64 (n,)`, places in the row) and `labels` (`int64 (n,)`, the true ids there).

    Args:
        masking (`Masking`).
        structural_vocab_size (`int`): ids from here on are text (token type 1).
    """

    def __init__(self, masking, structural_vocab_size):
        self.masking, self.structural_vocab_size = masking, structural_vocab_size

    def __call__(self, items):
        true, masked, positions = mask_items(items, self.masking)
        lengths = np.array([len(ids) for ids in true])
        borders = np.concatenate([[0], np.cumsum(lengths)])
        flat = np.concatenate(true)
        places = np.concatenate([p + start for p, start in zip(positions, borders[:-1], strict=True)])
        position_ids = np.arange(len(flat)) - np.repeat(borders[:-1], lengths)
        cu_seq_lens = torch.from_numpy(borders.astype(np.int32))
        longest = int(lengths.max())
        return {
            "input_ids": _long(np.concatenate(masked))[None],
            # of the true ids: [MASK] is structural by number but keeps the type of what it hides
            "token_type_ids": _long(flat >= self.structural_vocab_size)[None],
            "position_ids": _long(position_ids)[None],
            "cu_seq_lens_q": cu_seq_lens,
            "cu_seq_lens_k": cu_seq_lens,
            "max_length_q": longest,
            "max_length_k": longest,
            "masked_positions": _long(places),
            "labels": _long(flat[places]),
        }


class PaddingCollator:
    """Pads B windows to the longest of them, as transformers' own collators do: the baseline of the benchmark.

    Returns a dict of `input_ids`, `token_type_ids`, `attention_mask` and `labels`, each `int64 (B, W)`; labels are
    `IGNORED` where nothing is masked. The masks are those of `PackingCollator`.
    """

    def __init__(self, masking, structural_vocab_size, pad_id=PAD_ID):
        self.masking, self.structural_vocab_size, self.pad_id = masking, structural_vocab_size, pad_id

    def __call__(self, items):
        true, masked, positions = mask_items(items, self.masking)
        shape = (len(true), max(len(ids) for ids in true))
        batch = {
            "input_ids": np.full(shape, self.pad_id),
            "token_type_ids": np.zeros(shape, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "labels": np.full(shape, IGNORED),
        }
        for row, (ids, visible, chosen) in enumerate(zip(true, masked, positions, strict=True)):
            batch["input_ids"][row, : len(ids)] = visible
            batch["token_type_ids"][row, : len(ids)] = ids >= self.structural_vocab_size
            batch["attention_mask"][row, : len(ids)] = 1
            batch["labels"][row, chosen] = ids[chosen]
        return {name: _long(array) for name, array in batch.items()}


def mask_items(items, masking):
    """Returns lists of true ids, masked ids and chosen positions, one entry an item.

    Args:
        items (list of `{"ids": uint16 (W,), "mask_seed": tuple of int}`): from a windows data set.
        masking (`Masking`).
    """
    true, masked, positions = [], [], []
    for item in items:
        visible, chosen = masking(item["ids"], np.random.default_rng(item["mask_seed"]))
        true.append(item["ids"])
        masked.append(visible)
        positions.append(chosen)
    return true, masked, positions


def _long(array):
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64))
