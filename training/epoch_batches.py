"""A data set that is read in another order each epoch, by whole batches.

What stands at a position of an epoch follows from the data set's seed and the epoch alone, so ranks and resumed runs
agree. A `DataLoader` asks for all positions of a batch at once (`__getitems__`), and what it gets is the batch.
"""

import torch


class EpochBatches(torch.utils.data.Dataset):
    """Base of such data sets: a subclass says what order an epoch has, and what the batch of some positions is."""

    def __init__(self):
        # shared memory: workers see a new epoch even when they persist from one to the next
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._ordered = None, None

    @property
    def epoch(self):
        return int(self._epoch)

    def set_epoch(self, epoch):
        """Shuffles for another epoch; the same epoch is the same order."""
        self._epoch.fill_(int(epoch))

    @property
    def order(self):
        """What is read at each position of this epoch, int64 (n,)."""
        if self._ordered[0] != self.epoch:
            self._ordered = self.epoch, self.order_of(self.epoch)
        return self._ordered[1]

    def order_of(self, epoch):
        """Returns the order of an epoch, int64 (n,)."""
        raise NotImplementedError(f"{type(self).__name__} has to implement order_of.")

    def __getitem__(self, position):
        return self.__getitems__([position])


def batch_as_it_is(batch):
    """Returns the batch: what a collator is, where batches come whole."""
    return batch
