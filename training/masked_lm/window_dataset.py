"""Windows of sessions as map-style data sets: drawn anew every epoch for training, fixed for evaluation.

An item is `{"ids": uint16 (W,), "mask_seed": tuple of int}`. Its masks are drawn from `mask_seed`, so the window
and its masks are functions of (seed, epoch, index): the same on any number of workers and ranks, after a resume,
and in any order of reading.
"""

import numpy as np
import torch
from torch.utils.data import Dataset

from traceformers.tokenization.rrweb.rrweb_windows import cut_windows, draw_window

# First number of every seed, so that no two streams of random numbers can meet.
WINDOW_STREAM, MASK_STREAM, FIXED_MASK_STREAM = 1, 2, 3


class RandomWindows(Dataset):
    """`samples_per_epoch` windows, each from a session drawn in proportion to the windows it fills.

    `set_epoch` writes to shared memory: workers see it even when they persist from one epoch to the next.

    Args:
        store (`SessionStore`, or any sequence of `TokenizedSession` with `token_counts`).
        tokens (`WindowTokens`).
        max_length (`int`): longest window, in tokens.
        samples_per_epoch (`int`).
        seed (`int`).
        swap (`TextSwap`, *optional*): words to swap in some windows.
    """

    def __init__(self, store, tokens, max_length, samples_per_epoch=90_000, seed=0, swap=None):
        if not len(store):
            raise ValueError("Expected at least one session to draw windows from, got an empty split.")
        self.store, self.tokens, self.max_length = store, tokens, max_length
        self.samples_per_epoch, self.seed, self.swap = samples_per_epoch, seed, swap
        # [CLS] and [SEP] aside, a session of n tokens fills this many windows.
        windows = -(-np.maximum(store.token_counts, 1) // (max_length - 2))
        self._last_window = np.cumsum(windows)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch):
        self._epoch.fill_(int(epoch))

    @property
    def epoch(self):
        return int(self._epoch)

    def __len__(self):
        return self.samples_per_epoch

    def __getitem__(self, index):
        if not 0 <= index < self.samples_per_epoch:
            raise IndexError(f"Expected an index below {self.samples_per_epoch}, got {index}.")
        place = (self.seed, self.epoch, int(index))
        rng = np.random.default_rng((WINDOW_STREAM, *place))
        drawn = rng.integers(0, self._last_window[-1])
        session = self.store[int(np.searchsorted(self._last_window, drawn, side="right"))]
        ids = draw_window(session, self.max_length, self.tokens, rng)
        if self.swap is not None:
            ids = self.swap(ids, self.store[int(rng.integers(len(self.store)))].ids, rng)
        return {"ids": ids, "mask_seed": (MASK_STREAM, *place)}


class FixedWindows(Dataset):
    """Every window of every session, cut in order: each token of the split exactly once.

    Args:
        store (`SessionStore`, or any sequence of `TokenizedSession`).
        tokens (`WindowTokens`).
        max_length (`int`): longest window, in tokens.
        seed (`int`): of the masks.
        limit (`int`, *optional*): keep this many windows, evenly spaced over the split.

    Attributes:
        session_of_window (`int64 (n_windows,)`): session each window was cut from.
    """

    def __init__(self, store, tokens, max_length, seed=0, limit=None):
        self.seed, self.windows, sessions = seed, [], []
        for i in range(len(store)):
            windows, _ = cut_windows(store[i], max_length, tokens)
            self.windows += windows
            sessions += [i] * len(windows)
        self.session_of_window = np.array(sessions, dtype=np.int64)
        self.numbers = np.arange(len(self.windows))
        if limit is not None and limit < len(self.windows):
            self.numbers = np.arange(limit) * len(self.windows) // limit  # masks of a window do not depend on it
            self.windows = [self.windows[i] for i in self.numbers]
            self.session_of_window = self.session_of_window[self.numbers]

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, index):
        return {"ids": self.windows[index], "mask_seed": (FIXED_MASK_STREAM, self.seed, int(self.numbers[index]))}
