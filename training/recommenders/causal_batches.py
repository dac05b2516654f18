"""Histories and what came next at each of their positions, for models that read forwards.

Kang, McAuley, "Self-attentive sequential recommendation", ICDM 2018, arXiv 1808.09781.

Difference from the paper: a history begins with [MASK], so that its first item is asked for too.

    axes: B rows, T positions
"""

import numpy as np

from traceformers.training.recommenders.cloze_batches import IGNORED, window_begins
from traceformers.training.recommenders.length_buckets import HistoryBatches


class CausalBatches(HistoryBatches):
    """What was chosen before each item, and the item: input_ids, attention_mask and labels, all int64 (B, T).

    A row asks for the newest `max_length` items of a history. Its first input is what came before them, [MASK] where
    nothing did.

    Args:
        histories, max_length, batch_size, seed, bucket_batches: see `HistoryBatches`.
        mask_id (`int`).
        random_windows (`bool`): of histories longer than a row, another stretch in each epoch; else the newest items.
    """

    def __init__(self, *args, mask_id=1, random_windows=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.mask_id, self.random_windows = mask_id, random_windows

    def batch(self, users):
        histories = self.histories
        begins = window_begins(self, users, self.max_length) if self.random_windows and self.max_length else None
        begins, _ = histories.spans(users, self.max_length, begins)
        asked, mask = histories.padded(users, self.max_length, begins)
        ids = np.empty_like(asked)
        ids[:, 1:] = np.where(mask[:, 1:] > 0, asked[:, :-1], 0)
        ids[:, 0] = np.where(begins > histories.offsets[users], histories.items[begins - 1], self.mask_id)
        return {"input_ids": ids, "attention_mask": mask, "labels": np.where(mask > 0, asked, IGNORED)}
