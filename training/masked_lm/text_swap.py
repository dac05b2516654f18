"""Other words in the same places: text of a window replaced by other text, the same everywhere in the window.

A model trained on few sites learns their words by heart and is lost on a site with others. What helps there is to look
for the word elsewhere in the window, where a label is told again each time it is clicked. In a window whose words were
swapped nothing else helps, so that is what is learned.
"""

import numpy as np


class TextSwap:
    """Swaps text ids of a window; a function of the window, of a pool of ids and of a random generator.

    Args:
        first_text_id (`int`), vocab_size (`int`): text ids are those from the one up to the other.
        windows (`float`): share of the windows in which words are swapped.
        words (`float`): share of the distinct text ids of such a window that become others.

    Raises:
        ValueError: for a share that is not in [0, 1].

    Example:
        >>> swap = TextSwap(520, 1000, windows=1.0, words=1.0)
        >>> ids = np.array([2, 600, 7, 600, 3], dtype=np.uint16)
        >>> swapped = swap(ids, np.array([900], dtype=np.uint16), np.random.default_rng(0))
        >>> swapped[1] == swapped[3], swapped[[0, 2, 4]].tolist()
        (np.True_, [2, 7, 3])
    """

    def __init__(self, first_text_id, vocab_size, windows=0.5, words=0.5):
        if not (0 <= windows <= 1 and 0 <= words <= 1):
            raise ValueError(f"Expected shares of windows and words in [0, 1], got {windows} and {words}.")
        self.first_text_id, self.vocab_size = first_text_id, vocab_size
        self.windows, self.words = windows, words

    def __call__(self, ids, pool, rng):
        """Returns the window `uint16 (W,)` with words swapped, or as it is.

        Args:
            ids (`uint16 (W,)`): a window.
            pool (`uint16 (P,)`): ids of another session; half of the new words come from it, half are any.
            rng (`numpy.random.Generator`).
        """
        if rng.random() >= self.windows:
            return ids
        words, place = np.unique(ids, return_inverse=True)
        chosen = (words >= self.first_text_id) & (rng.random(len(words)) < self.words)
        others = rng.integers(self.first_text_id, self.vocab_size, size=len(words))
        pool = pool[pool >= self.first_text_id]
        if len(pool):
            others = np.where(rng.random(len(words)) < 0.5, pool[rng.integers(0, len(pool), size=len(words))], others)
        return np.where(chosen, others, words).astype(np.uint16)[place]
