"""Which tokens of a window are hidden, and what stands in their place.

As in BERT (Devlin et al., NAACL 2019, section 3.1): of the chosen tokens 80 % become [MASK], 10 % another token,
10 % stay. Differences from the paper:
- The other token is drawn from the same class (event, action, tag, attribute, gap, text), so neither its class
  nor its token type gives away that it is not the true one.
- A [MASK] keeps the token type of what it hides: the model always knows whether text or structure is missing.
  The count baselines get the same hint.
- The header is never masked. All windows of a session repeat its page and viewport, so they would be counted many
  times in the evaluation, and more often the shorter the windows are. Without it, the tokens that can be
  masked are those of the session, each in one window, whatever the window length.
"""

import numpy as np

from traceformers.tokenization.rrweb.rrweb_vocabulary import CLASSES

SPECIAL, GAP = CLASSES.index("special"), CLASSES.index("gap")


class Masking:
    """Chooses and replaces tokens of a window; a function of the window and of a random generator.

    Args:
        token_classes (`uint8 (V,)`): index into `CLASSES` of each id.
        mask_id (`int`): id of [MASK].
        body_id (`int`): id of [body]; what stands before its first occurrence is the header.
        unused_ids (sequence of `int`): ids that never occur in a body, so never replace a token either.
        probability (`float`): share of the maskable tokens that is chosen.
        whole_events (`bool`): choose whole events, from the gap before one to the gap before the next. Events larger
            than the share of the window that is to be masked are passed over.

    Example:
        >>> masking = Masking(np.array([0, 0, 0, 0, 0, 1, 6, 6], dtype=np.uint8), mask_id=4, body_id=5)
        >>> ids = np.array([2, 5, 6, 7, 6, 3], dtype=np.uint16)
        >>> masked, positions = masking(ids, np.random.default_rng(0))
        >>> len(masked), len(positions), bool(positions[0] in (2, 3, 4))
        (6, 1, True)
    """

    def __init__(self, token_classes, mask_id, body_id, unused_ids=(), probability=0.15, whole_events=False):
        if not 0 < probability <= 1:
            raise ValueError(f"Expected a masking probability in (0, 1], got {probability}. BERT's is 0.15.")
        self.token_classes = np.asarray(token_classes, dtype=np.uint8)
        self.mask_id, self.body_id = mask_id, body_id
        self.probability, self.whole_events = probability, whole_events
        usable = np.ones(len(self.token_classes), dtype=bool)
        usable[[body_id, *unused_ids]] = False
        # Ids that may replace a token, sorted by class: those of class c are _ids[_first[c] : _first[c + 1]].
        by_class = [np.flatnonzero(usable & (self.token_classes == c)) for c in range(len(CLASSES))]
        by_class[SPECIAL] = by_class[SPECIAL][:0]
        self.class_sizes = np.array([len(ids) for ids in by_class])
        self._ids = np.concatenate(by_class).astype(np.uint16)
        self._first = np.concatenate([[0], np.cumsum(self.class_sizes)])
        self.replaceable = np.zeros(len(self.token_classes), dtype=bool)
        self.replaceable[self._ids] = True

    @classmethod
    def from_tokenizer(cls, tokenizer, **options):
        """Returns the masking for an `RRWebTokenizer`."""
        unused = [i for token, i in tokenizer.get_vocab().items() if token.startswith("[reserved:")]
        body_id = tokenizer.convert_tokens_to_ids("[body]")
        return cls(tokenizer.token_classes, tokenizer.mask_token_id, body_id, unused, **options)

    def maskable(self, ids):
        """Returns the positions that may be chosen, as `int64`: body tokens that are not special."""
        body = int(np.argmax(ids == self.body_id)) + 1 if (ids == self.body_id).any() else 0
        return body + np.flatnonzero(self.token_classes[ids[body:]] != SPECIAL)

    def __call__(self, ids, rng):
        """Returns `(masked ids uint16 (W,), chosen positions int64 (n,), sorted)`; n is 0 only if nothing is maskable.

        Args:
            ids (`uint16 (W,)`): a window.
            rng (`numpy.random.Generator`).
        """
        candidates = self.maskable(ids)
        if not len(candidates):
            return ids.copy(), candidates
        # Rounded up or down at random, so that the share is exact in expectation.
        n_chosen = max(1, int(self.probability * len(candidates) + rng.random()))
        positions = self._choose_events(ids, candidates, n_chosen, rng) if self.whole_events else None
        if positions is None:
            keys = rng.random(len(candidates))
            positions = candidates[np.sort(np.argpartition(keys, n_chosen - 1)[:n_chosen])]
        return self._replace(ids, positions, rng), positions

    def _choose_events(self, ids, candidates, n_chosen, rng):
        """Returns positions of whole events, at most `n_chosen` of them, or None if no event is that small."""
        # an event begins with the gap since the one before, and has no other gap
        group = np.cumsum(self.token_classes[ids] == GAP)[candidates]
        sizes = np.bincount(group)
        order = rng.permutation(np.flatnonzero((sizes > 0) & (sizes <= n_chosen)))
        kept = order[np.cumsum(sizes[order]) <= n_chosen]
        return candidates[np.isin(group, kept)] if len(kept) else None

    def _replace(self, ids, positions, rng):
        masked = ids.copy()
        fate = rng.random(len(positions))
        masked[positions[fate < 0.8]] = self.mask_id
        swapped = positions[(fate >= 0.8) & (fate < 0.9)]
        classes = self.token_classes[ids[swapped]]
        swapped = swapped[self.class_sizes[classes] > 0]
        classes = self.token_classes[ids[swapped]]
        masked[swapped] = self._ids[self._first[classes] + rng.integers(0, self.class_sizes[classes])]
        return masked
