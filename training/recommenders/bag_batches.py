"""Histories as sets of items, for models that know no order. axes: B rows, T positions"""

from traceformers.training.recommenders.length_buckets import HistoryBatches


class BagBatches(HistoryBatches):
    """Whole histories: input_ids and attention_mask, both int64 (B, T). What to reconstruct is what is read.

    Args:
        histories, max_length, batch_size, seed, bucket_batches: see `HistoryBatches`.
    """

    def batch(self, users):
        ids, mask = self.histories.padded(users, self.max_length)
        return {"input_ids": ids, "attention_mask": mask}
