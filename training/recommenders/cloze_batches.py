"""Histories with some items masked, for models that read both ways.

Sun et al., "BERT4Rec: Sequential recommendation with bidirectional encoder representations from transformer", CIKM
2019, arXiv 1904.06690. Each item is masked with a probability; of the masked, 80 % are shown as [MASK], 10 % as a
random item and 10 % as they are (Devlin et al. 2019, arXiv 1810.04805).

Differences from the paper:
- Every row has at least one masked item, so none is read for nothing.
- Optionally the last item is masked more often: it is the only one asked for when the model is used.

    axes: B rows, T positions
"""

import numpy as np

from traceformers.training.recommenders.length_buckets import HistoryBatches
from traceformers.training.recommenders.row_uniforms import row_uniforms

IGNORED = -100
MASKED_SHARE, RANDOM_SHARE = 0.8, 0.1


class ClozeBatches(HistoryBatches):
    """Masked histories: input_ids, attention_mask and labels, all int64 (B, T), -100 where nothing is asked.

    Args:
        histories, max_length, batch_size, seed, bucket_batches: see `HistoryBatches`.
        vocab_size (`int`), first_item_id (`int`), mask_id (`int`): items are the ids from the one to the other.
        mask_probability (`float`): with which each item is masked.
        last_item_probability (`float`): with which the last one is masked besides, and then always as [MASK].
        random_windows (`bool`): of histories longer than a row, another stretch in each epoch; else the newest items.
    """

    def __init__(
        self,
        *args,
        vocab_size,
        first_item_id=3,
        mask_id=1,
        mask_probability=0.15,
        last_item_probability=0.0,
        random_windows=False,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.first_item_id, self.n_items, self.mask_id = first_item_id, vocab_size - first_item_id, mask_id
        for name, value in {
            "mask_probability": mask_probability,
            "last_item_probability": last_item_probability,
        }.items():
            if not 0 <= value <= 1:
                raise ValueError(f"Expected {name} from 0 to 1, got {value}. Correct --{name}.")
        self.mask_probability, self.last_item_probability = mask_probability, last_item_probability
        self.random_windows = random_windows

    def batch(self, users):
        begins = window_begins(self, users, self.max_length) if self.random_windows else None
        ids, mask = self.histories.padded(users, self.max_length, begins)
        chosen, as_mask, as_random, drawn = self.masks(users, mask)
        labels = np.where(chosen, ids, IGNORED)
        ids[as_mask] = self.mask_id
        ids[as_random] = drawn[as_random]
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    def masks(self, users, mask):
        """Returns what is masked, shown as [MASK], shown as a random item, all bool (B, T), and random items (B, T).

        Args:
            users (int (B,)), mask (int64 (B, T)): 1 for items, which come before the padding.
        """
        width, rows, items = mask.shape[1], np.arange(len(users)), mask > 0
        choice, shown, item = (row_uniforms(self.seed, self.epoch, users, width, stream) for stream in (0, 1, 2))
        choice = np.where(items, choice, 2.0)
        chosen = choice < self.mask_probability
        chosen[rows, choice.argmin(axis=1)] = True  # at least one a row: the one nearest to being masked
        chosen &= items
        last = np.maximum(items.sum(axis=1) - 1, 0)
        boosted = row_uniforms(self.seed, self.epoch, users, 1, stream=3)[:, 0] < self.last_item_probability
        boosted &= items[:, 0]
        chosen[rows[boosted], last[boosted]] = True
        shown[rows[boosted], last[boosted]] = 0.0
        as_mask = chosen & (shown < MASKED_SHARE)
        as_random = chosen & (shown >= MASKED_SHARE) & (shown < MASKED_SHARE + RANDOM_SHARE)
        return chosen, as_mask, as_random, self.first_item_id + (item * self.n_items).astype(np.int64)


def window_begins(batches, users, max_length):
    """Returns where a stretch of at most `max_length` items begins for each user, int64 (B,), at random by epoch."""
    starts, lengths = batches.histories.offsets[users], batches.histories.lengths[users]
    spare = np.maximum(lengths - max_length, 0)
    draw = row_uniforms(batches.seed, batches.epoch, users, 1, stream=4)[:, 0]
    return starts + (draw * (spare + 1)).astype(np.int64)
