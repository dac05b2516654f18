"""Sessions as windows: some drawn for each step of a training, all of them, or evenly spaced ones, to judge.

Axes: S sessions of a batch, W windows of all of them.
"""

import numpy as np
import torch
from torch.utils.data import Dataset

from traceformers.modeling.rrweb_bert.modeling_rrweb_next_action import window_before
from traceformers.tokenization.rrweb.rrweb_windows import cut_windows, draw_window
from traceformers.training.next_action.action_examples import EpochOrder, packed_row

#: First number of every seed of windows, so that no other stream of random numbers meets it.
WINDOW_STREAM = 21
DONE_BY_PEOPLE = (
    "MouseMove MouseInteraction Scroll ViewportResize Input TouchMove MediaInteraction Drag Selection"
).split()


def action_ids(tokenizer):
    """Returns the ids of the tokens that say that a person did something, `int64`."""
    return np.array([tokenizer.vocabulary.ids[f"[source:{name}]"] for name in DONE_BY_PEOPLE])


def events_with_actions(session, done):
    """Returns the numbers `int64` of the events of a `TokenizedSession` that hold one of the ids `done`."""
    places = np.flatnonzero(np.isin(np.asarray(session.ids), done))
    return np.unique(np.searchsorted(session.event_offsets, places, side="right") - 1)


def windows_to_judge(session, tokenizer, max_length, kind="actions", most=64):
    """Returns the windows of a `TokenizedSession`, list of `uint16 (W,)`; never an empty one.

    Args:
        kind (`str`): `actions` for those with an action of a person, `all`; all where no window has one.
        most (`int`): as many are kept, evenly spaced.
    """
    windows, _ = cut_windows(session, max_length, tokenizer.window_tokens)
    if kind == "actions":
        done = action_ids(tokenizer)
        windows = [ids for ids in windows if np.isin(ids, done).any()] or windows
    return windows if len(windows) <= most else [windows[i * len(windows) // most] for i in range(most)]


class DrawnWindows(Dataset):
    """Sessions to train on, in another order each epoch: an item is some windows of one, drawn anew.

    An item is `{"windows": list of uint16 (W,), "label": int}`, a function of (seed, epoch, number): read in order, by
    any number of ranks and after a resume, an epoch is the same.

    Args:
        sessions (list of `TokenizedSession`), numbers (`int (n,)`): class of each.
        tokenizer (`RRWebTokenizer`).
        arguments (`ClassificationDataArguments`): length, kind and number of windows.
        seed (`int`), swap (`TextSwap`, *optional*).
    """

    def __init__(self, sessions, numbers, tokenizer, arguments, seed=0, swap=None):
        self.sessions, self.numbers, self.tokens = sessions, np.asarray(numbers), tokenizer.window_tokens
        self.arguments, self.seed, self.swap = arguments, seed, swap
        self.done = [events_with_actions(session, action_ids(tokenizer)) for session in sessions]
        self.order = EpochOrder(len(sessions), seed)

    def set_epoch(self, epoch):
        """Has other windows drawn, and the sessions in another order."""
        self.order.set_epoch(epoch)

    def __len__(self):
        return len(self.sessions)

    def __getitem__(self, number):
        if not 0 <= number < len(self):
            raise IndexError(f"Expected a session number below {len(self)}, got {number}.")
        i = self.order[number]
        rng = np.random.default_rng((WINDOW_STREAM, self.seed, self.order.epoch, i))
        a, session = self.arguments, self.sessions[i]
        # a session that fits into fewer windows is not read several times over
        enough = -(-len(session.ids) // max(a.max_length // 2, 1))
        windows = [self._draw(session, self.done[i], rng) for _ in range(min(a.windows_per_session, enough))]
        if self.swap is not None:
            pool = self.sessions[int(rng.integers(len(self)))].ids
            windows = [self.swap(ids, pool, rng) for ids in windows]
        return {"windows": windows, "label": int(self.numbers[i])}

    def _draw(self, session, done, rng):
        a = self.arguments
        if a.windows == "all" or not len(done):
            return draw_window(session, a.max_length, self.tokens, rng)
        # an event with an action, and so many after it that the window still begins before it
        event, offsets = int(rng.choice(done)), np.asarray(session.event_offsets, dtype=np.int64)
        last = int(np.searchsorted(offsets, offsets[event] + a.max_length // 2, side="right")) - 1
        stop = int(rng.integers(event + 1, max(last, event + 1) + 1))
        return window_before(session, stop, a.max_length, self.tokens)


class JudgedWindows(Dataset):
    """Sessions to judge: an item is the windows of one that are read for that, cut once.

    Args:
        sessions, numbers, tokenizer, arguments: as for `DrawnWindows`; numbers may be None.
    """

    def __init__(self, sessions, numbers, tokenizer, arguments):
        a = arguments
        self.numbers = np.zeros(len(sessions), np.int64) if numbers is None else np.asarray(numbers)
        self.windows = [
            windows_to_judge(session, tokenizer, a.max_length, a.windows, a.max_eval_windows) for session in sessions
        ]

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, i):
        return {"windows": self.windows[i], "label": int(self.numbers[i])}


class SessionCollator:
    """Puts the windows of S sessions into one packed row.

    Args:
        structural_vocab_size (`int`): ids from here on are text (token type 1).
    """

    def __init__(self, structural_vocab_size):
        self.structural_vocab_size = structural_vocab_size

    def __call__(self, items):
        """Returns what a packed row needs, `session_of_window` `int64 (W,)` and `labels` `int64 (S,)`."""
        windows = [ids for item in items for ids in item["windows"]]
        of_session = np.repeat(np.arange(len(items)), [len(item["windows"]) for item in items])
        return packed_row(windows, self.structural_vocab_size) | {
            "session_of_window": torch.from_numpy(of_session),
            "labels": torch.tensor([item["label"] for item in items]),
        }


def mean_over_windows(logits, of_session, n_sessions):
    """Returns the mean logits `(S, K)` of the windows of each session.

    The classifier is linear, so this is the classifier of the mean of the windows' vectors.

    Args:
        logits (`(W, K)`), of_session (`int64 (W,)`): session of each window, n_sessions (`int`): S.
    """
    belongs = (of_session == torch.arange(n_sessions, device=logits.device)[:, None]).to(logits.dtype)  # (S, W)
    return belongs @ logits / belongs.sum(1, keepdim=True).clamp(min=1)
