"""What a person did in a session, an entry an action: a click with its press and release, a field filled, a scroll.

The events of one action name the same target several times over; taken together they can be masked together, so that
none of them tells what the others were.
"""

from dataclasses import dataclass, field

import numpy as np

from traceformers.training.session_evidence.dead_clicks import dead_clicks
from traceformers.training.session_evidence.rage_clicks import rage_clicks
from traceformers.training.session_evidence.retyping import retyping
from traceformers.training.session_evidence.session_trace import (
    CLICK,
    CONTEXT_MENU,
    DONE_SOURCES,
    DOUBLE_CLICK,
    INPUT,
    MOUSE,
    MOUSE_DOWN,
    SCROLL,
    TOUCH_START,
    trace_of,
)
from traceformers.training.session_evidence.thrashing import page_returns, pointer_thrashing, scroll_thrashing

LONGEST_PAUSE_S = {MOUSE: 1.0, INPUT: 3.0, SCROLL: 1.0}  # inside one action
MOST_ACTIONS = 1000
LONGEST_PRESS_S = 1.0  # before the click that ends it
TELLING = (DOUBLE_CLICK, CONTEXT_MENU, CLICK, TOUCH_START, MOUSE_DOWN)  # what a press is called by, the first there is
RAGE, DEAD, RETYPED, RETURNED = "rage click", "dead click", "retyped", "came back"
POINTER_SHAKEN, SCROLLED_TO_AND_FRO = "pointer shaken", "scrolled to and fro"
FLAGS = (RAGE, DEAD, RETYPED, RETURNED, POINTER_SHAKEN, SCROLLED_TO_AND_FRO)


@dataclass
class SessionAction:
    """One action.

    Attributes:
        seconds (`float`): since the session's first event.
        action (`str`): its line of the log.
        target (`str`): what it touched, such as `button "Save"`; "" for the page.
        surprise_bits (`float`): mean bits a token under a masked language model; NaN where none was asked.
        n_tokens (`int`): tokens that were masked together.
        flags (`list[str]`): what the rules say of it, among `FLAGS`.
        events (`list[int]`): its events' numbers in the session.
    """

    seconds: float
    action: str
    target: str
    surprise_bits: float = float("nan")
    n_tokens: int = 0
    flags: list = field(default_factory=list)
    events: list = field(default_factory=list, repr=False)


def session_actions(session, tokenizer=None, most_actions=MOST_ACTIONS):
    """Returns the `SessionAction`s of a session in time order, flags set, surprise not yet known.

    Args:
        session: a session in any form, or its `SessionTrace`.
        tokenizer (`RRWebTokenizer`, *optional*): as for `trace_of`.
        most_actions (`int`): of a longer session so many are given, evenly spaced.
    """
    trace = trace_of(session, tokenizer)
    actions, groups = [], action_groups(trace)
    kept = np.unique(np.linspace(0, len(groups) - 1, min(len(groups), most_actions)).round().astype(int))
    for events in (groups[i] for i in kept.tolist()):
        telling = _telling(trace, events)
        action = SessionAction(
            round(float(trace.seconds[events[0]]), 3), trace.words(telling), trace.target(telling), events=events
        )
        if len(events) > 1 and trace.sources[telling] == INPUT:
            action.action += f" in {len(events)} steps"
        actions.append(action)
    _set_flags(actions, trace)
    return actions


def action_groups(trace):
    """Returns the events of each action as lists of their numbers, in time order.

    A press begins with a button or finger that goes down, or with another click; inputs into one field, and scrolls of
    one element, are one action while no other comes between. Focus alone is none.
    """
    sources, kinds = trace.sources, trace.kinds
    done = np.flatnonzero(np.isin(sources, DONE_SOURCES) | (sources == MOUSE) | trace.new_page)
    if not len(done):
        return []
    code = np.where(np.isin(sources[done], list(LONGEST_PAUSE_S)), sources[done], -1)
    pause = np.array([LONGEST_PAUSE_S.get(c, 0.0) for c in code[1:].tolist()])
    press, kind = code == MOUSE, kinds[done]
    starts = np.ones(len(done), dtype=bool)
    starts[1:] = (
        (code[1:] != code[:-1])
        | (code[1:] == -1)
        | (trace.windows[done][1:] != trace.windows[done][:-1])
        | (np.diff(trace.seconds[done]) > pause)
        | (~press[1:] & (trace.nodes[done][1:] != trace.nodes[done][:-1]))
        | (press[1:] & np.isin(kind[1:], (MOUSE_DOWN, TOUCH_START)))
        | (press[1:] & (kind[1:] == CLICK) & (kind[:-1] == CLICK))
    )
    groups = np.split(done, np.flatnonzero(starts)[1:])
    meant = [not (sources[g] == MOUSE).all() or np.isin(kinds[g], TELLING).any() for g in groups]
    return [g.tolist() for g, yes in zip(groups, meant, strict=True) if yes]


def _telling(trace, events):
    """Returns the event of an action that says most: the click of a press, the last of a row of inputs or scrolls."""
    if trace.sources[events[0]] != MOUSE:
        return events[-1]
    return min(events, key=lambda i: (TELLING.index(trace.kinds[i]) if trace.kinds[i] in TELLING else len(TELLING), i))


def _set_flags(actions, trace):
    """Adds to each action what the rules say of it."""
    times = np.array([action.seconds for action in actions])

    def flag(name, first, last, wanted=""):
        for action in actions[slice(*np.searchsorted(times, (first - LONGEST_PRESS_S, last + 0.01)))]:
            held = trace.seconds[action.events[-1]] >= first  # it was not over when this began
            if held and wanted in action.action and name not in action.flags:
                action.flags.append(name)

    for rage in rage_clicks(trace):
        flag(RAGE, rage.seconds, rage.seconds + rage.lasted_s, "click")
    for dead in dead_clicks(trace):
        flag(DEAD, dead.seconds, dead.seconds, "click")
    for found in retyping(trace):
        row = [a for a in actions if a.target == found.target and a.seconds <= found.seconds]
        if row and RETYPED not in row[-1].flags:
            row[-1].flags.append(RETYPED)
    for found in page_returns(trace):
        flag(RETURNED, found.seconds, found.seconds)
    for found in pointer_thrashing(trace):
        flag(POINTER_SHAKEN, found.seconds, found.seconds + found.lasted_s)
    for found in scroll_thrashing(trace):
        flag(SCROLLED_TO_AND_FRO, found.seconds, found.seconds + found.lasted_s, "scrolled")
