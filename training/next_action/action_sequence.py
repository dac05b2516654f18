"""The actions of a session, read from its tokens: what a person did, where each begins, and what was known before.

Events that belong to one action are one action, and it begins with the first of them, so that a window which ends
there holds nothing of it: a press is the beginning of its click, a touch that of its scroll; keys typed into one field
in a row are one typing, scroll events one way within a second one scroll. What follows from something else is no
action: focus, selection and double click; a box that is ticked by a click; scrolls and values that a script made.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

#: Milliseconds between scroll events of one scroll.
SAME_SCROLL_MS = 1000
#: Milliseconds after a click, an input or a new page in which a scroll is the page's own.
OWN_SCROLL_MS = 100
NO_TARGET = "none"

PRESSES = ("do:MouseDown", "do:TouchStart")
PATHS = ("source:MouseMove", "source:TouchMove", "source:Drag")
PAGES = ("event:Meta", "event:FullSnapshot", "event:DomContentLoaded", "event:Load")
SINGLE = {"do:ContextMenu": "menu", "source:ViewportResize": "resize", "source:MediaInteraction": "media"}
OF_THE_PAGE = {"input:checked", "input:unchecked", "input:script"}


class Event(NamedTuple):
    """One event as its structural tokens tell it: kind `do:Click`, target `input:text`, names of all its tokens."""

    kind: str
    target: str
    names: frozenset


class Action(NamedTuple):
    """One action. `event` is the number of its first event: what comes before may be known, that one not."""

    event: int
    kind: str
    target: str
    time_ms: int


@dataclass
class Press:
    """A press that has not ended in anything yet."""

    event: int
    target: str
    is_touch: bool


class ActionReader:
    """Reads the actions of tokenized sessions.

    Args:
        tokenizer (`RRWebTokenizer`).
    """

    def __init__(self, tokenizer):
        self.names = [token[1:-1] for token in tokenizer.vocabulary.tokens]

    def events(self, session):
        """Returns the `Event` of each event of a `TokenizedSession`, a list."""
        ids, offsets = np.asarray(session.ids), np.asarray(session.event_offsets).tolist()
        return [self._event(ids[a:b]) for a, b in pairwise(offsets)]

    def _event(self, ids):
        n = len(self.names)
        names = [self.names[i] for i in ids[:64].tolist() if i < n]
        place = 3 if len(names) > 2 and names[1] == "switch" else 1
        rest = names[place:]
        if not rest:
            return Event("unknown", NO_TARGET, frozenset())
        kind = rest[0]
        if kind == "source:MouseInteraction":
            kind = rest[1] if len(rest) > 1 else kind
        if kind == "source:Mutation" or kind.startswith("event:"):
            return Event(kind, NO_TARGET, frozenset())
        return Event(kind, _target(rest), frozenset(rest))

    def __call__(self, session):
        """Returns the `Action`s of a `TokenizedSession` in the order of time, a list."""
        events, times = self.events(session), np.asarray(session.event_times_ms).astype(np.int64).tolist()
        return actions_of(events, times)


def actions_of(events, times_ms):
    """Returns the `Action`s of a list of `Event`s at their times in milliseconds, a list."""
    actions, press = [], None
    last_kind = last_target = None  # of the action that an event may still belong to
    last_scroll = last_cause = -(10**9)
    for number, (event, time) in enumerate(zip(events, times_ms, strict=True)):
        kind, target = event.kind, event.target
        if kind in PRESSES:
            press = Press(number, target, kind == "do:TouchStart")
            last_kind = None
            continue
        found = None
        if kind == "do:Click":
            found = "click"
        elif kind in SINGLE:
            found = SINGLE[kind]
        elif kind == "source:Input" and not event.names & OF_THE_PAGE:
            if (last_kind, last_target) != ("type", target):
                found = "type"
        elif kind == "source:Scroll":
            direction = _direction(event.names)
            going_on = time - last_scroll <= SAME_SCROLL_MS and (last_kind, last_target) == (direction, target)
            if direction and not going_on and time - last_cause > OWN_SCROLL_MS:
                found = direction
            if direction and (going_on or found):
                last_scroll = time
        if kind in ("do:Click", "source:Input") or kind in PAGES:
            last_cause = time
        if found is None:
            continue
        first = number
        if press is not None and (found == "click" or press.is_touch or found == "type"):
            first = press.event
            if found == "click" and press.target != NO_TARGET:
                target = press.target
            press = None
        actions.append(Action(first, found, target, times_ms[first]))
        last_kind, last_target = found, event.target
    return actions


def _target(names):
    """Returns the tag of the target with the type or role told with it, `input:text`; `none` without one."""
    for place, name in enumerate(names):
        if name.startswith("tag:"):
            target = name[4:]
            for more in names[place + 1 :]:
                if more.startswith("type:"):
                    target += f":{more[5:]}"
                elif more.startswith("role:"):
                    target += f" role={more[5:]}"
                else:
                    break
            return target
    return NO_TARGET


def _direction(names):
    if any(name.startswith("scroll:down") for name in names):
        return "scroll down"
    return "scroll up" if any(name.startswith(("scroll:up", "scroll:top")) for name in names) else None
