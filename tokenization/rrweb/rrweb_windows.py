"""A tokenized session and the windows cut from it.

A window can be read alone: `[CLS] header [body] ids [SEP]`, where the header says how long the session had
been running, on which page and in what viewport. The window that starts the session has an empty header.
Windows begin and end on event borders; an event too large for one window is cut on node borders, and the
header of what follows ends with `[continued]` and the kind of the event.

Axes: N tokens of the session, E events, W tokens of one window.
"""

from dataclasses import dataclass, field

import numpy as np

SHORTEST_WINDOW = 16


@dataclass
class TokenizedSession:
    """The token ids of one session with everything needed to cut windows from it.

    Attributes:
        ids (`uint16 (N,)`): body of the session, without [CLS] and [SEP].
        event_offsets (`uint32 (E + 1,)`): event i is `ids[event_offsets[i]:event_offsets[i + 1]]`.
        event_times_ms (`uint32 (E,)`): time since the session's first event.
        node_offsets (`uint32`): where an event may be cut, sorted, event borders included.
        contexts (list of `uint16` arrays): page and viewport, as ids.
        context_of_event (`uint16 (E,)`): index into `contexts` of the state before each event.
        notes (`dict[str, int]`): what was skipped or repaired while reading, by reason.
    """

    ids: np.ndarray
    event_offsets: np.ndarray
    event_times_ms: np.ndarray
    node_offsets: np.ndarray
    contexts: list
    context_of_event: np.ndarray
    notes: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.ids)


@dataclass(frozen=True)
class WindowTokens:
    """Ids of the structural tokens that frame a window."""

    cls: int
    sep: int
    body: int
    continued: int
    elapsed: int
    first_gap: int
    n_gaps: int
    switch: int

    @classmethod
    def from_vocabulary(cls, vocabulary):
        """Returns the ids of a `StructuralVocabulary`."""
        ids = vocabulary.ids
        gaps = sum(token.startswith("[gap:") for token in vocabulary.tokens)
        names = ("[CLS]", "[SEP]", "[body]", "[continued]", "[elapsed]", "[gap:0]")
        return cls(*(ids[name] for name in names), gaps, ids["[switch]"])


def window_header(session, start, max_length, tokens):
    """Returns `[CLS] header [body]` for a window whose body starts at token `start`, as `uint16` ids.

    Args:
        session (`TokenizedSession`).
        start (`int`): position in `session.ids`, on an event or node border.
        max_length (`int`): window length W; the page may take a quarter of it.
        tokens (`WindowTokens`).
    """
    header = [tokens.cls]
    if start > 0:
        event = int(np.searchsorted(session.event_offsets, start, side="right")) - 1
        elapsed_ms = int(session.event_times_ms[event])
        context = session.contexts[int(session.context_of_event[event])]
        gap = min(elapsed_ms.bit_length(), tokens.n_gaps - 1)
        header += [tokens.elapsed, tokens.first_gap + gap, *context[: max_length // 4].tolist()]
        event_start = int(session.event_offsets[event])
        if event_start != start:  # after the gap stands the event's kind, or the browser window and then the kind
            kind = session.ids[event_start + 1 : event_start + 4].tolist()
            header += [tokens.continued, *(kind if kind[0] == tokens.switch else kind[:1])]
    return np.array([*header, tokens.body], dtype=np.uint16)


def window_stop(session, start, capacity):
    """Returns where the body that starts at `start` ends: at most `capacity` tokens on, on a border.

    Whole events are taken while they fit. The event after them is cut on a node border only where it would
    not fit a window of its own, so that a small event is never divided.
    """
    limit = start + capacity
    if limit >= len(session.ids):
        return len(session.ids)
    event = int(np.searchsorted(session.event_offsets, limit, side="right")) - 1
    stop = int(session.event_offsets[event])
    next_length = int(session.event_offsets[event + 1]) - max(stop, start)
    if stop > start and next_length <= capacity:
        return stop
    node = int(session.node_offsets[np.searchsorted(session.node_offsets, limit, side="right") - 1])
    return node if node > start else limit  # a single node longer than a window is cut where it must be


def _window(session, start, max_length, tokens):
    """Returns (ids of the window, length of its header, end of its body in the session)."""
    header = window_header(session, start, max_length, tokens)
    stop = window_stop(session, start, max_length - len(header) - 1)
    ids = np.concatenate([header, session.ids[start:stop], [tokens.sep]]).astype(np.uint16)
    return ids, len(header), stop


def cut_windows(session, max_length, tokens):
    """Returns `(windows, header_lengths)`: every token of the session, in order, in windows of at most W tokens.

    Without headers and [SEP] the windows concatenate to `session.ids`.

    Args:
        session (`TokenizedSession`).
        max_length (`int`): W, at least `SHORTEST_WINDOW`.
        tokens (`WindowTokens`).

    Raises:
        ValueError: if `max_length` is too small for a header and one token.
    """
    _check_length(max_length)
    windows, header_lengths, start = [], [], 0
    while start < len(session.ids) or not windows:
        ids, header_length, start = _window(session, start, max_length, tokens)
        windows.append(ids)
        header_lengths.append(header_length)
    return windows, header_lengths


def draw_window(session, max_length, tokens, rng):
    """Returns one random window as `uint16` ids of at most W tokens.

    The start is uniform over the tokens up to where the last window begins that reaches the session's end. It is
    moved back to the border of its event, or of its node where the event does not fit the window, and stays inside
    a node that does not fit either: every token of a session can be drawn, and windows are full.

    Args:
        session (`TokenizedSession`).
        max_length (`int`): W, at least `SHORTEST_WINDOW`.
        tokens (`WindowTokens`).
        rng (`numpy.random.Generator`).
    """
    _check_length(max_length)
    start = int(rng.integers(0, _last_start(session, max_length, tokens) + 1))
    for borders in (session.event_offsets, session.node_offsets):
        place = int(np.searchsorted(borders, start, side="right")) - 1
        first, end = (int(i) for i in borders[place : place + 2])
        if end - first <= _room(session, first, max_length, tokens):
            start = first
            break
    return _window(session, start, max_length, tokens)[0]


def _last_start(session, max_length, tokens):
    """Returns the first event border, else node border, from which a window reaches the end of the session."""
    length = len(session.ids)
    for borders in (session.event_offsets, session.node_offsets):
        for border in borders[np.searchsorted(borders, max(length - max_length, 0)) : -1].tolist():
            if length - border <= _room(session, border, max_length, tokens):
                return border
    return max(length - max_length // 2, 0)


def _room(session, start, max_length, tokens):
    """Returns how many tokens of the session a window that starts at `start` can hold."""
    return max_length - len(window_header(session, start, max_length, tokens)) - 1


def _check_length(max_length):
    if max_length < SHORTEST_WINDOW:
        raise ValueError(
            f"Expected max_length >= {SHORTEST_WINDOW}, got {max_length}: a window needs room for its header."
        )
