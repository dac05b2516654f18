"""Count models of masked tokens: what a masked language model must beat to have learned more than bigrams.

They get what the model gets: the masked window, the token type of each masked position (`[MASK]` keeps it), and the
rule by which tokens were replaced. For a position with left neighbour l, right neighbour r and token type t:

    unigram(x)  = (c(x) + a) / (c + a |t|)                            over the ids of type t
    left(x)     = (c(l, x) + k unigram(x)) / (c(l) + k)               right(x) likewise
    sides(x)    = w left(x) + (1 - w) right(x)                        one side alone where the other is [MASK]
    both(x)     = (c(l, x, r) + b sides(x)) / (c(l, r) + b)

Counts are of unmasked training windows, and only of ids of type t. a, k, w and b are chosen on validation windows.

A chosen position that does not show [MASK] shows its true token or, as often, a random one of the same class C. With
the visible token v, by Bayes' rule, p(x | v) is proportional to p(x) ([x = v] + [x in C] / |C|).

Axes: n masked positions, S ids of one token type.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from traceformers.training.masked_lm.masked_metrics import masked_report, masked_sums
from traceformers.training.masked_lm.packing import mask_items
from traceformers.training.masked_lm.window_dataset import FixedWindows

CHUNK = 256  # positions scored at once: a chunk's rows of probabilities fit in the cache of one core
VALIDATION_POSITIONS = 1_024


@dataclass(frozen=True)
class Smoothing:
    """The weights a, k, w, b of the formulas above."""

    unigram: float = 0.1
    side: float = 4.0
    left_share: float = 0.5
    both: float = 4.0


GRID = {
    "unigram": (0.01, 0.1, 1.0),
    "side": (1.0, 4.0, 16.0),
    "left_share": (0.3, 0.5, 0.7),
    "both": (1.0, 4.0, 16.0, 64.0),
}


class ContextCounts:
    """How often each id followed (or stood in) each context; rows of counts for contexts, as a sparse table.

    Args:
        contexts (`int64 (m,)`): context of each counted token.
        columns (`int64 (m,)`): its id, as a column below `n_columns`.
        n_columns (`int`): S.
    """

    def __init__(self, contexts, columns, n_columns):
        pairs, self.counts = np.unique(contexts * n_columns + columns, return_counts=True)
        self.columns = pairs % n_columns
        self.contexts, first = np.unique(pairs // n_columns, return_index=True)
        self.first = np.append(first, len(pairs))
        self.n_columns = n_columns

    def rows(self, contexts):
        """Returns counts `float64 (n, S)` of some contexts; zeros for contexts never seen."""
        dense = np.zeros((len(contexts), self.n_columns))
        if not len(self.contexts):
            return dense
        place = np.minimum(np.searchsorted(self.contexts, contexts), len(self.contexts) - 1)
        seen = self.contexts[place] == contexts
        lengths = np.where(seen, self.first[place + 1] - self.first[place], 0)
        starts = np.repeat(self.first[place] - np.cumsum(lengths) + lengths, lengths)
        entries = starts + np.arange(lengths.sum())
        dense[np.repeat(np.arange(len(contexts)), lengths), self.columns[entries]] = self.counts[entries]
        return dense


@dataclass
class MaskedPositions:
    """n masked positions: true and visible ids, and the visible ids beside them; all `int64 (n,)`."""

    true: np.ndarray
    visible: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def from_windows(cls, dataset, masking):
        """Returns the positions masked in all windows of a `FixedWindows`: those the model is evaluated on."""
        true, masked, positions = mask_items([dataset[i] for i in range(len(dataset))], masking)
        return cls(*_beside(true, masked, positions))

    def __len__(self):
        return len(self.true)

    def take(self, rows):
        return MaskedPositions(self.true[rows], self.visible[rows], self.left[rows], self.right[rows])


class CountBaselines:
    """The unigram and the bidirectional count model.

    Args:
        masking (`Masking`): as used for the model.
        structural_vocab_size (`int`): ids from here on are text, token type 1.
        windows (list of `uint16` arrays): unmasked training windows to count.
        smoothing (`Smoothing`, *optional*).
    """

    def __init__(self, masking, structural_vocab_size, windows, smoothing=None):
        self.masking, self.smoothing = masking, smoothing or Smoothing()
        vocab_size = len(masking.token_classes)
        self.borders = (0, structural_vocab_size, vocab_size)
        maskable = [masking.maskable(ids) for ids in windows]
        true, _, left, right = _beside(windows, windows, maskable)
        self.tables = []
        for low, high in zip(self.borders, self.borders[1:], strict=False):
            rows = np.flatnonzero((true >= low) & (true < high))
            columns, l, r = true[rows] - low, left[rows], right[rows]  # noqa: E741 - l and r as in the formulas
            self.tables.append(
                {
                    "unigram": np.bincount(columns, minlength=high - low).astype(np.float64),
                    "left": ContextCounts(l, columns, high - low),
                    "right": ContextCounts(r, columns, high - low),
                    "both": ContextCounts(l << 16 | r, columns, high - low),
                }
            )

    def probabilities(self, positions, model="bidirectional"):
        """Yields `(rows, low, probabilities)`, chunk by chunk, each of one token type.

        `rows` are numbers of at most `CHUNK` positions, `low` is the first id of their type, and `probabilities`,
        `float64 (n, S)`, are those of all ids of the type. Each row sums to 1.

        Args:
            positions (`MaskedPositions`).
            model (`str`): "unigram" or "bidirectional".
        """
        for token_type, (low, high) in enumerate(zip(self.borders, self.borders[1:], strict=False)):
            of_type = np.flatnonzero((positions.true >= low) & (positions.true < high))
            for start in range(0, len(of_type), CHUNK):
                rows = of_type[start : start + CHUNK]
                here = positions.take(rows)
                p = self._prior(self.tables[token_type], here, low, high, model)
                yield rows, low, self._given_visible(p, here.visible, low, high)

    def _prior(self, tables, here, low, high, model):
        weights, mask_id = self.smoothing, self.masking.mask_id
        allowed = self.masking.token_classes[low:high] != 0  # special ids are never masked
        unigram = (tables["unigram"] + weights.unigram) * allowed
        unigram /= unigram.sum()
        if model == "unigram":
            return np.repeat(unigram[None], len(here), axis=0)
        left = _smooth(tables["left"].rows(here.left), unigram, weights.side)
        right = _smooth(tables["right"].rows(here.right), unigram, weights.side)
        share = np.full(len(here), weights.left_share)
        share[(here.left == mask_id) & (here.right != mask_id)] = 0.0
        share[(here.left != mask_id) & (here.right == mask_id)] = 1.0
        left *= share[:, None]
        right *= 1 - share[:, None]
        left += right
        return _smooth(tables["both"].rows(here.left << 16 | here.right), left, weights.both)

    def _given_visible(self, p, visible, low, high):
        shown = np.flatnonzero(visible != self.masking.mask_id)
        if not len(shown):
            return p
        tokens = visible[shown]
        classes = self.masking.token_classes[tokens]
        by_chance = self.masking.class_sizes[classes] * self.masking.replaceable[tokens]
        chance = np.divide(1.0, by_chance, out=np.zeros(len(shown)), where=by_chance > 0)
        same_class = self.masking.token_classes[low:high][None] == classes[:, None]
        likelihood = same_class * chance[:, None]
        likelihood[np.arange(len(shown)), tokens - low] += 1.0
        joint = p[shown] * likelihood
        p[shown] = joint / joint.sum(1, keepdims=True)
        return p

    def report(self, positions, model="bidirectional"):
        """Returns the figures of `masked_report` of one of the models on some positions."""
        nll, correct = np.empty(len(positions)), np.empty(len(positions), dtype=bool)
        for rows, low, p in self.probabilities(positions, model):
            columns = positions.true[rows] - low
            nll[rows] = -np.log(p[np.arange(len(rows)), columns])
            correct[rows] = p.argmax(1) == columns
        classes = self.masking.token_classes[positions.true]
        return masked_report(masked_sums(*(torch.from_numpy(array) for array in (nll, correct, classes))))

    def choose_smoothing(self, positions):
        """Returns self with the weights of `GRID` that give the lowest loss on some validation positions.

        One weight after the other, each with the best of those before: 13 evaluations of at most
        `VALIDATION_POSITIONS` positions, evenly spaced.
        """
        n = min(len(positions), VALIDATION_POSITIONS)
        sample = positions.take(np.arange(n) * len(positions) // n)
        for name, values in GRID.items():
            losses = {}
            for value in values:
                self.smoothing = replace(self.smoothing, **{name: value})
                losses[value] = self.report(sample)["loss"]
            self.smoothing = replace(self.smoothing, **{name: min(losses, key=losses.get)})
        return self


def fit_baselines(train_store, validation, tokens, masking, structural_vocab_size, max_length, max_tokens):
    """Returns `CountBaselines` counted on training sessions and smoothed on a validation data set.

    Args:
        train_store (`SessionStore`): counted up to about `max_tokens` tokens, sessions evenly spaced.
        validation (`FixedWindows`).
        tokens (`WindowTokens`), masking (`Masking`): as for the model.
        structural_vocab_size (`int`), max_length (`int`): likewise.
        max_tokens (`int`).
    """
    n = len(train_store)
    kept = max(1, min(n, int(n * max_tokens / max(1, int(train_store.token_counts.sum())))))
    sessions = [train_store[int(i)] for i in np.arange(kept) * n // kept]
    windows = FixedWindows(sessions, tokens, max_length).windows
    baselines = CountBaselines(masking, structural_vocab_size, windows)
    return baselines.choose_smoothing(MaskedPositions.from_windows(validation, masking))


def baseline_reports(baselines, dataset):
    """Returns `{"unigram": report, "bidirectional": report}` on the masks the model is evaluated on."""
    positions = MaskedPositions.from_windows(dataset, baselines.masking)
    return {model: baselines.report(positions, model) for model in ("unigram", "bidirectional")}


def _smooth(counts, lower, weight):
    """Returns (counts + weight * lower) / (sum of counts + weight), row by row, in place of `counts`."""
    total = counts.sum(1, keepdims=True) + weight
    counts += weight * lower
    counts /= total
    return counts


def _beside(true, visible, positions):
    """Returns true ids, visible ids, and visible left and right neighbours at the positions, each `int64 (n,)`."""
    lengths = [len(ids) for ids in true]
    starts = np.cumsum([0, *lengths])[:-1]
    places = np.concatenate([p + start for p, start in zip(positions, starts, strict=True)] or [[]]).astype(np.int64)
    flat_true = np.concatenate([*true, []]).astype(np.int64)
    # [PAD] at both ends, so that a position at the end of the data has neighbours too
    flat = np.concatenate([[0], *visible, [0]]).astype(np.int64)
    return flat_true[places], flat[places + 1], flat[places], flat[places + 2]
