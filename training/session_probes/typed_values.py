"""Can what people typed be read back from the vectors? The same sessions with other words typed, and a probe for them.

In each session what was typed into text fields is replaced by one of `WORDS`, all of one length, growing letter by
letter as before; and the page tells it again: in a text on the page and in the address of the next page. Vectors in
which nothing typed is left are equal for all words, so that no probe does better than chance.

Axes: n sessions, W words, D numbers of a vector.
"""

import re

import numpy as np

from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.training.session_probes.probe import DenseRows, linear_scores
from traceformers.training.session_probes.session_variants import FULL_SNAPSHOT, INCREMENTAL, META, MUTATION, Mirrors

WORDS = ("harbour", "lantern", "orchard", "pilgrim", "saffron", "thunder", "voyager", "whisper")
INPUT = 5
TOGGLES = frozenset("checkbox radio range color file button submit reset image hidden password".split())
N_FOLDS = 5
PENALTY = 0.03  # C of the probe
ROUNDING = 1e-5  # of the size of the vectors


def typed_fields(session) -> list:
    """Returns the numbers of the events that type text into a field which is no password, of a `Session`."""
    mirrors, found = Mirrors(session), []
    for number, event in enumerate(session.events):
        mirror, data = mirrors.of(number), event["data"]
        if event["type"] == INCREMENTAL and data.get("source") == INPUT and isinstance(data.get("text"), str):
            node = data.get("id")
            known = node in mirror.nodes.nodes
            kind = str(mirror.nodes.attributes(node).get("type") or "text").lower() if known else "hidden"
            if kind not in TOGGLES and data["text"].strip("*"):
                found.append(number)
        mirror.show(event)
    return found


def with_typed_word(session, word):
    """Returns the events of a session in which `word` was typed, or None where nothing as long is typed.

    Args:
        session: a session in any form.
        word (`str`): stands in for the beginning of every text that was typed, and in two echoes after the last.
    """
    session = read_session(session)
    typed = typed_fields(session)
    told = {session.events[number]["data"]["text"] for number in typed}
    if max(map(len, told), default=0) < len(word):
        return None  # the page would tell more than was typed
    longest = sorted((text for text in told if len(text) > 3), key=len, reverse=True)
    # Whole words only: "writ" on its way to "write" is no echo in "written by".
    shown = [(text, re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")) for text in longest]

    def said(text):
        return (word * (len(text) // len(word) + 1))[: len(text)]

    chosen, events = set(typed), []
    for number, event in enumerate(session.events):
        if number in chosen:
            data = event["data"]
            event = {**event, "data": {**data, "text": said(data["text"])}}
        else:
            event = {**event, "data": _replaced(event["data"], shown, said)}
        events.append(event)
    told = _echoes(session, typed[-1], said(longest[0]))
    echoes = [{**event, "data": _replaced(event["data"], shown, said)} for event in told]
    return [*events[: typed[-1] + 1], *echoes, *events[typed[-1] + 1 :]]


def _replaced(data, shown, said):
    """Returns JSON data without the typed texts, which a page may show again; `shown` are they with their patterns."""
    if isinstance(data, str):
        for text, pattern in shown:
            if text in data:
                data = pattern.sub(said(text), data)
        return data
    if isinstance(data, dict):
        return {key: _replaced(value, shown, said) for key, value in data.items()}
    return [_replaced(value, shown, said) for value in data] if isinstance(data, list) else data


def _echoes(session, number, word):
    """Returns events in which the page shows the word: a text is changed, then a page with it in its address comes."""
    mirrors = Mirrors(session)
    for i, event in enumerate(session.events[: number + 1]):
        mirrors.of(i).show(event)
    mirror, time = mirrors.of(number), session.events[number]["timestamp"]
    texts = [
        i for i, node in mirror.nodes.nodes.items() if node.get("type") == 3 and str(node.get("textContent")).strip()
    ]
    if mirror.meta is None or mirror.root is None or not texts:
        return []
    texts = [{"id": texts[0], "value": f"Results for {word}"}]
    change = {"source": MUTATION, "texts": texts, "attributes": [], "removes": [], "adds": []}
    changed = {"type": INCREMENTAL, "data": change, "timestamp": time}
    mirror.show(changed)
    meta = mirror.meta["data"]
    address = f"{str(meta.get('href')).partition('?')[0]}?q={word}"
    page = {"node": mirror.serialized(), "initialOffset": {"left": 0, "top": 0}}
    return [
        changed,
        {"type": META, "data": {**meta, "href": address}, "timestamp": time},
        {"type": FULL_SNAPSHOT, "data": page, "timestamp": time},
    ]


def word_accuracy(vectors, seed=0) -> float:
    """Returns how often a linear probe names the typed word, on sessions it was not fitted on; chance is 1 / W.

    Args:
        vectors (`float (n, W, D)`): of n sessions, each with every word.
        seed (`int`): which sessions are left out together.
    """
    n_sessions, n_words, _ = vectors.shape
    # what differs between the words of a session, not between sessions; rounding is no difference
    differences = vectors - vectors.mean(1, keepdims=True, dtype=np.float64)
    differences[np.abs(differences) < ROUNDING * np.sqrt(np.mean(vectors.astype(np.float64) ** 2))] = 0
    rows = DenseRows(differences.reshape(n_sessions * n_words, -1))
    numbers = np.tile(np.arange(n_words), n_sessions)
    part = np.random.default_rng(seed).permutation(n_sessions) % min(N_FOLDS, n_sessions)
    part = np.repeat(part, n_words)
    right = []
    for fold in range(min(N_FOLDS, n_sessions)):
        train, test = np.flatnonzero(part != fold), np.flatnonzero(part == fold)
        scores = linear_scores(*rows.split(train, test), numbers[train], n_words, PENALTY)
        best = scores >= scores.max(1, keepdims=True) - 1e-9  # equal scores are a guess among them
        right.append(best[np.arange(len(test)), numbers[test]] / best.sum(1))
    return float(np.concatenate(right).mean())


__all__ = ["WORDS", "typed_fields", "with_typed_word", "word_accuracy"]
