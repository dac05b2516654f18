"""Two disjoint parts of one session as windows: what a session encoder learns to bring together.

A session is cut in two at an action, and from each side come a few windows, cut as the tokenizer cuts them: on event
borders, with a header of page and viewport. Windows with actions come first: most windows of a recording are page
content, equal in all sessions of a page, and nothing can be learned from telling those apart.

Axes: N tokens of a session, T tokens of a window.
"""

import numpy as np

from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import ACTION, PAGE
from traceformers.tokenization.rrweb.rrweb_windows import window_header, window_stop


class SessionViews:
    """Draws two lists of windows `(ids, parts)` from a session, as `SessionEncoder.pack` takes them.

    Args:
        tokens (`WindowTokens`).
        max_length (`int`): longest window, in tokens.
        encoder (`SessionEncoder`): says what each token belongs to.
        windows_per_view (`int`): most windows with actions in a view; how many is drawn.
        page_windows_per_view (`int`): windows of page content beside them.
        mask (`MaskedText`, *optional*): masks text in some views.
    """

    def __init__(self, tokens, max_length, encoder, windows_per_view=2, page_windows_per_view=0, mask=None):
        self.tokens, self.max_length, self.encoder, self.mask = tokens, max_length, encoder, mask
        self.windows_per_view, self.page_windows_per_view = windows_per_view, page_windows_per_view

    def draw(self, session, rng):
        """Returns two random views of a session.

        Args:
            session (`TokenizedSession`).
            rng (`numpy.random.Generator`).
        """
        parts = self.encoder.parts(session)
        cut = _random_cut(session, parts, rng)
        return [self._some(session, parts, start, stop, rng) for start, stop in ((0, cut), (cut, len(parts)))]

    def halves(self, session, limit=None):
        """Returns the two sides of the action in the middle, each as all of its windows.

        Args:
            session (`TokenizedSession`).
            limit (`int`, *optional*): keep so many windows of a side, those with actions first, evenly spaced.
        """
        parts = self.encoder.parts(session)
        actions = _action_starts(session, parts)
        cut = int(actions[len(actions) // 2]) if len(actions) > 1 else _middle(session)
        sides = [self._windows(session, parts, *side) for side in ((0, cut), (cut, len(parts)))]
        return [_first(side, limit) for side in sides]

    def can_draw(self, session):
        """Returns whether a session is long enough to be cut in two."""
        return len(session.event_offsets) > 2 and 0 < _middle(session) < len(session.ids)

    def _some(self, session, parts, start, stop, rng):
        """Returns a few random windows of the tokens from `start` to `stop`."""
        windows = self._windows(session, parts, start, stop, rng)
        has_action = np.array([(of == ACTION).any() for _, of in windows])
        acting, showing = np.flatnonzero(has_action), np.flatnonzero(~has_action)
        n_acting = min(int(rng.integers(1, self.windows_per_view + 1)), len(acting))
        n_showing = min(max(self.page_windows_per_view, 0 if n_acting else 1), len(showing))
        chosen = [*rng.permutation(acting)[:n_acting], *rng.permutation(showing)[:n_showing]]
        view = [windows[i] for i in sorted(chosen)]
        return self.mask(view, rng) if self.mask is not None else view

    def _windows(self, session, parts, start, stop, rng=None):
        """Returns all windows of the tokens from `start` to `stop`; with `rng` the first has a random length."""
        windows = []
        while start < stop:
            header = window_header(session, start, self.max_length, self.tokens)
            room = self.max_length - len(header) - 1
            if rng is not None and not windows:
                room = int(rng.integers(min(room, 1 + self.max_length // 4), room + 1))
            end = min(window_stop(session, start, room), stop)
            ids = np.concatenate([header, session.ids[start:end], [self.tokens.sep]])
            windows.append((ids, self.encoder.window_parts(ids, len(header), parts[start:end])))
            start = end
        return windows


class MaskedText:
    """Replaces text in some views by what the tokenizer writes where a recorder masked it.

    Args:
        masked_id, first_length_id (`int`): ids of `[is:masked]` and `[length:0]`.
        structural_vocab_size (`int`): ids from here on are text.
        share (`float`): of the views that are masked; in each, a random share of its texts.
    """

    def __init__(self, masked_id, first_length_id, structural_vocab_size, share=0.25):
        self.masked_id, self.first_length_id = masked_id, first_length_id
        self.structural_vocab_size, self.share = structural_vocab_size, share

    def __call__(self, view, rng):
        return self.copy(view, rng) if rng.random() < self.share else view

    def copy(self, view, rng):
        """Returns the windows of a view with a random share of their texts masked."""
        texts_masked = rng.random()
        return [self._masked(ids, of, texts_masked, rng) for ids, of in view]

    def _masked(self, ids, of, texts_masked, rng):
        """Returns a window in which runs of text became `[is:masked] [length]`, each at random."""
        text = (ids >= self.structural_vocab_size) & np.isin(of, (ACTION, PAGE))
        starts = np.flatnonzero(text & ~np.append(False, text[:-1]))
        stops = np.flatnonzero(text & ~np.append(text[1:], False)) + 1
        keep, ids = np.ones(len(ids), bool), ids.copy()
        for start, stop in zip(starts, stops, strict=True):
            if stop - start > 1 and rng.random() < texts_masked:  # two ids take the place of two or more
                characters = 3 * (int(stop) - int(start))
                ids[start : start + 2] = self.masked_id, self.first_length_id + characters.bit_length()
                keep[start + 2 : stop] = False
        return ids[keep], of[keep]


def _action_starts(session, parts):
    """Returns where in the tokens of a session each action starts, but for the first, int64 (n,)."""
    starts = session.event_offsets[:-1].astype(np.int64)
    starts = starts[starts < len(parts)]
    return starts[(parts[starts] == ACTION) & (starts > 0)]


def _random_cut(session, parts, rng):
    """Returns the start of an action between a quarter and three quarters of all of them."""
    actions = _action_starts(session, parts)
    if len(actions) < 2:
        return _middle(session)
    return int(actions[rng.integers(len(actions) // 4, max(3 * len(actions) // 4, len(actions) // 4 + 1))])


def _middle(session):
    """Returns the border of an event that is next to the middle of a session's tokens."""
    borders = session.event_offsets[1:-1].astype(np.int64)
    return int(borders[np.abs(borders - len(session.ids) // 2).argmin()]) if len(borders) else 0


def _first(windows, limit):
    """Returns at most `limit` windows in order: with actions while there are any, evenly spaced."""
    if limit is None or len(windows) <= limit:
        return windows
    has_action = np.array([(of == ACTION).any() for _, of in windows])
    ranked = [np.flatnonzero(has_action), np.flatnonzero(~has_action)]
    chosen = []
    for group in ranked:
        room = limit - len(chosen)
        chosen += group.tolist() if len(group) <= room else group[np.arange(room) * len(group) // room].tolist()
    return [windows[i] for i in sorted(chosen)]
