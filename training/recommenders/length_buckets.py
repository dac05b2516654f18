"""The order of an epoch, in which rows of a batch are about equally long, and data sets that are read in it.

Padding to the longest row of a batch wastes little when rows of a batch are alike. Rows are shuffled, sorted by length
only within stretches of some batches, and the batches are shuffled again; what comes out depends on (seed, epoch)
alone, so ranks and resumed runs agree.
"""

import numpy as np
import torch

from traceformers.training.epoch_batches import EpochBatches

#: Batches in a stretch that is sorted by length.
BUCKET_BATCHES = 50


def bucketed_order(lengths, batch_size, seed=0, epoch=0, bucket_batches=BUCKET_BATCHES):
    """Returns a permutation of rows, int64 (n,), whose consecutive `batch_size` are of like length.

    Every batch but the last has `batch_size` rows. What remains for the last is drawn at random.

    Args:
        lengths (int (n,)).
        batch_size (`int`): of all ranks together.
        seed, epoch (`int`).
        bucket_batches (`int`): batches that are sorted by length together; 1 or less only shuffles.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    full = len(order) // batch_size * batch_size
    if bucket_batches <= 1 or not full:
        return order
    stretches = np.arange(full) // (batch_size * bucket_batches)
    order[:full] = order[:full][np.lexsort((np.asarray(lengths)[order[:full]], stretches))]
    batches = order[:full].reshape(-1, batch_size)
    order[:full] = batches[random.permutation(len(batches))].reshape(-1)
    return order


class HistoryBatches(EpochBatches):
    """Users' histories in the order of an epoch, fetched by whole batches.

    Position i of an epoch is a user that follows from (seed, epoch, i) alone. A `DataLoader` asks for all positions of
    a batch at once (`__getitems__`), and what it gets is the batch; there is no Python for each user.

    Args:
        histories (`Histories`).
        max_length (`int`): most items of a row; 0 for all.
        batch_size (`int`): of all ranks together, for rows of like length.
        seed (`int`).
        bucket_batches (`int`): see `bucketed_order`.
        least (`int`): users with fewer items are left out.

    Raises:
        ValueError: if no user is left.
    """

    def __init__(self, histories, max_length, batch_size, seed=0, bucket_batches=BUCKET_BATCHES, least=1):
        super().__init__()
        self.histories, self.max_length, self.batch_size = histories, max_length, batch_size
        self.seed, self.bucket_batches = seed, bucket_batches
        self.users = np.flatnonzero(histories.lengths >= least)
        if not len(self.users):
            raise ValueError(
                f"Expected users with {least} or more items to train on, got none among {len(histories)}. "
                "Give longer histories, or leave out fewer items for validation and test."
            )
        lengths = histories.lengths[self.users]
        self._lengths = np.minimum(lengths, max_length) if max_length else lengths

    def __len__(self):
        return len(self.users)

    def order_of(self, epoch):
        """Returns the users in the order of an epoch, int64 (n,)."""
        return self.users[bucketed_order(self._lengths, self.batch_size, self.seed, epoch, self.bucket_batches)]

    def __getitems__(self, positions):
        """Returns the batch of some positions of the epoch, tensors by name."""
        batch = self.batch(self.order[positions])
        return {name: torch.from_numpy(array) for name, array in batch.items()}

    def batch(self, users):
        """Returns the batch of `users` (B,), arrays by name; what subclasses are for."""
        raise NotImplementedError
