"""Pairs of views by whole batches, each batch from few sites and pages: what is hard to tell apart stands together.

What a batch holds follows from (seed, epoch, index) alone, on any number of ranks and after a resume.
"""

import numpy as np

from traceformers.training.epoch_batches import EpochBatches

# First number of every seed, so that no two streams of random numbers can meet.
ORDER_STREAM, VIEW_STREAM = 11, 12


class PairBatches(EpochBatches):
    """Batches of pairs `(anchor windows, positive windows)` of the sessions of a store.

    An epoch goes through the sessions `passes_per_epoch` times. In a pass, sessions are sorted by site, in every other
    pass by page as well, in random order otherwise, and cut into batches; the batches are then shuffled. So the
    negatives of a pair are of its site, and in half of the passes mostly of its page.

    Args:
        store (sequence of `TokenizedSession`).
        views (`SessionViews`).
        sites, pages (sequences of `str` or `bytes`): of each session.
        batch_size (`int`): pairs in a batch, those of all ranks together when they share it.
        passes_per_epoch (`int`).
        seed (`int`).

    Raises:
        ValueError: if fewer than two sessions can be cut in two.
    """

    def __init__(self, store, views, sites, pages, batch_size, passes_per_epoch=1, seed=0):
        super().__init__()
        self.store, self.views, self.seed = store, views, seed
        self.batch_size, self.passes_per_epoch = batch_size, passes_per_epoch
        self.sessions = np.array([i for i in range(len(store)) if views.can_draw(store[i])], dtype=np.int64)
        if len(self.sessions) < 2:
            raise ValueError(
                f"Expected at least two sessions of several events to draw pairs from, got {len(self.sessions)} of "
                f"{len(store)}. Prepare more recordings."
            )
        # numbers in place of names, so that a site or page can be drawn a random place in the order
        self.site = np.unique(np.asarray(sites), return_inverse=True)[1][self.sessions]
        self.page = np.unique(np.asarray(pages), return_inverse=True)[1][self.sessions]

    def __len__(self):
        return self.passes_per_epoch * len(self.sessions)

    def order_of(self, epoch):
        """Returns the session at each position of an epoch, int64 (n,)."""
        rng = np.random.default_rng((ORDER_STREAM, self.seed, epoch))
        return np.concatenate(
            [self._pass(epoch * self.passes_per_epoch + n, rng) for n in range(self.passes_per_epoch)]
        )

    def _pass(self, number, rng):
        site, page = (rng.permutation(group.max() + 1)[group] for group in (self.site, self.page))
        keys = (rng.random(len(site)), page, site) if number % 2 else (rng.random(len(site)), site)
        ordered = self.sessions[np.lexsort(keys)]
        # Batches in random order; the incomplete one stays last, where it is.
        full = len(ordered) // self.batch_size * self.batch_size
        batches = ordered[:full].reshape(-1, self.batch_size)
        return np.concatenate([batches[rng.permutation(len(batches))].ravel(), ordered[full:]])

    def __getitems__(self, positions):
        pairs = []
        for position in positions:
            rng = np.random.default_rng((VIEW_STREAM, self.seed, self.epoch, int(position)))
            pairs.append(self.views.draw(self.store[int(self.order[position])], rng))
        return pairs


class PairCollator:
    """Packs pairs for a trainer of sentence-transformers: `anchor_input_ids`, `positive_input_ids` and so on.

    Args:
        pack (callable): `SessionEncoder.pack`.
    """

    valid_label_columns = ()  # which the trainer asks every collator for

    def __init__(self, pack):
        self.pack = pack

    def __call__(self, pairs):
        batch = {}
        for side, views in zip(("anchor", "positive"), zip(*pairs, strict=True), strict=True):
            batch |= {f"{side}_{name}": values for name, values in self.pack(views).items()}
        return batch


def first_pages(store):
    """Returns the address that each session starts on, as `bytes` of its ids, without the viewport."""
    pages = []
    for i in range(len(store)):
        contexts = store[i].contexts
        pages.append(np.asarray(contexts[1][:-2]).tobytes() if len(contexts) > 1 else b"")
    return pages
