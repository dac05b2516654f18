"""Sessions as questions: a window that ends right before an action, and which action it was.

examples = ActionExamples(store, tokenizer)
names = examples.names()                          # of the training part: kinds and targets
windows = ActionWindows(examples, names, tokenizer.window_tokens, max_length=256)
windows[0]["ids"], windows[0]["labels"]
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from traceformers.modeling.rrweb_bert.modeling_rrweb_next_action import ACTION_KINDS, window_before
from traceformers.training.next_action.action_sequence import ActionReader

#: First numbers of every seed of swapped words and of orders, so that no other stream of random numbers meets them.
SWAP_STREAM, ORDER_STREAM = 11, 12
OTHER = "other"


@dataclass(frozen=True)
class ActionNames:
    """Names of kinds and targets that a model tells apart; a target that is not among them is the first, `other`."""

    kinds: tuple
    targets: tuple

    def numbers(self, actions):
        """Returns the labels `int64 (n, 2)` of actions, -100 for a kind that has no name."""
        kinds = {name: i for i, name in enumerate(self.kinds)}
        targets = {name: i for i, name in enumerate(self.targets)}
        pairs = [(kinds.get(a.kind, -100), targets.get(a.target, targets[OTHER])) for a in actions]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)


class ActionExamples:
    """The actions of many sessions.

    Args:
        sessions (`SessionStore`, or any sequence of `TokenizedSession`).
        tokenizer (`RRWebTokenizer`).

    Attributes:
        events: the list of `Event`s of each session. of_session: the list of `Action`s of each.
        session (`int64 (n,)`), place (`int64 (n,)`): session of each example, and which of its actions it asks for.
    """

    def __init__(self, sessions, tokenizer):
        self.sessions, reader = sessions, ActionReader(tokenizer)
        self.of_session = [reader(sessions[i]) for i in range(len(sessions))]
        self.events = [reader.events(sessions[i]) for i in range(len(sessions))]
        counts = [len(actions) for actions in self.of_session]
        self.session = np.repeat(np.arange(len(counts)), counts)
        self.place = np.concatenate([*(np.arange(n) for n in counts), np.zeros(0, np.int64)]).astype(np.int64)

    def __len__(self):
        return len(self.session)

    def action(self, i):
        """Returns the `Action` that example i asks for."""
        return self.of_session[self.session[i]][self.place[i]]

    @property
    def actions(self):
        """The `Action` of every example, a list."""
        return [action for actions in self.of_session for action in actions]

    def names(self, least=5, most=64):
        """Returns the `ActionNames` of these examples: every kind there is, and targets met `least` times.

        Args:
            least (`int`), most (`int`): actions on a target that has a name of its own, and how many such targets.

        Raises:
            ValueError: the sessions hold no action.
        """
        if not len(self):
            raise ValueError(
                f"Expected sessions with actions (clicks, typing, scrolls), found none in {len(self.sessions)} "
                "sessions. Record somebody who does something."
            )
        names, counts = np.unique([action.target for action in self.actions], return_counts=True)
        frequent = [str(names[i]) for i in np.argsort(-counts, kind="stable") if counts[i] >= least]
        targets = [name for name in frequent if name != OTHER][:most]
        return ActionNames(ACTION_KINDS, (OTHER, *targets, *([] if targets else ["none"])))


class EpochOrder:
    """The order of `n` examples in an epoch, a function of (seed, epoch), which workers see through shared memory."""

    def __init__(self, n, seed=0):
        self.n, self.seed, self._known = n, seed, (None, None)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def epoch(self):
        return int(self._epoch)

    def set_epoch(self, epoch):
        """Shuffles for another epoch; the same epoch is the same order."""
        self._epoch.fill_(int(epoch))

    def __getitem__(self, number):
        """Returns which example is read at a place of this epoch, `int`."""
        epoch = self.epoch
        if self._known[0] != epoch:
            self._known = epoch, np.random.default_rng((ORDER_STREAM, self.seed, epoch)).permutation(self.n)
        return int(self._known[1][number])


class ActionWindows(Dataset):
    """The windows of examples with their labels, in another order each epoch if they are shuffled.

    An item is `{"ids": uint16 (W,), "labels": int64 (2,)}`, a function of (seed, epoch, number): read in order, by any
    number of ranks and after a resume, an epoch is the same.

    Args:
        examples (`ActionExamples`).
        names (`ActionNames`).
        tokens (`WindowTokens`).
        max_length (`int`): longest window, in tokens.
        shuffled (`bool`): for training.
        swap (`TextSwap`, *optional*): words to swap in some windows.
        seed (`int`): of order and words.

    Attributes:
        labels (`int64 (n, 2)`): of the examples, not shuffled.
    """

    def __init__(self, examples, names, tokens, max_length, shuffled=False, swap=None, seed=0):
        self.examples, self.names, self.tokens, self.max_length = examples, names, tokens, max_length
        self.swap, self.seed = swap, seed
        self.labels = names.numbers(examples.actions)
        self.order = EpochOrder(len(examples), seed) if shuffled else None

    def set_epoch(self, epoch):
        """Shuffles, and swaps words, for another epoch."""
        if self.order is not None:
            self.order.set_epoch(epoch)

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, number):
        if not 0 <= number < len(self):
            raise IndexError(f"Expected an example number below {len(self)}, got {number}.")
        i = int(number) if self.order is None else self.order[number]
        sessions, of_session = self.examples.sessions, int(self.examples.session[i])
        ids = window_before(sessions[of_session], self.examples.action(i).event, self.max_length, self.tokens)
        if self.swap is not None:
            epoch = 0 if self.order is None else self.order.epoch
            rng = np.random.default_rng((SWAP_STREAM, self.seed, epoch, i))
            ids = self.swap(ids, sessions[int(rng.integers(len(sessions)))].ids, rng)
        return {"ids": ids, "labels": self.labels[i]}


class ActionCollator:
    """Puts windows one after the other in a single row, and their labels under one another.

    Args:
        structural_vocab_size (`int`): ids from here on are text (token type 1).
    """

    def __init__(self, structural_vocab_size):
        self.structural_vocab_size = structural_vocab_size

    def __call__(self, items):
        """Returns what a packed row needs (see `PackingCollator`), and `labels` (n, 2)."""
        return packed_row([item["ids"] for item in items], self.structural_vocab_size) | {
            "labels": torch.from_numpy(np.stack([item["labels"] for item in items]))
        }


def packed_row(windows, structural_vocab_size):
    """Returns windows (list of `uint16 (W,)`) as the inputs of one packed row, without padding."""
    lengths = np.array([len(ids) for ids in windows])
    borders = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.concatenate(windows).astype(np.int64)
    cu_seq_lens, longest = torch.from_numpy(borders.astype(np.int32)), int(lengths.max())
    return {
        "input_ids": torch.from_numpy(flat)[None],
        "token_type_ids": torch.from_numpy((flat >= structural_vocab_size).astype(np.int64))[None],
        "position_ids": torch.from_numpy(np.arange(len(flat)) - np.repeat(borders[:-1], lengths))[None],
        "cu_seq_lens_q": cu_seq_lens,
        "cu_seq_lens_k": cu_seq_lens,
        "max_length_q": longest,
        "max_length_k": longest,
    }
