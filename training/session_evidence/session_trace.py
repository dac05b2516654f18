"""The events of one session as arrays, read once, with the tokenizer's words for what each action touched.

Everything in this folder starts from a `SessionTrace`; every function also takes a session in any form that the
tokenizer reads, and makes one.

Axes: E events, P points of the pointer's way.
"""

import tempfile
from array import array
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import islice, takewhile
from pathlib import Path

import numpy as np

import traceformers.tokenization.rrweb as rrweb
from traceformers.tokenization.rrweb.rrweb_address import page_key, site_of
from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer, empty_bpe

# rrweb's numbers: event types, incremental sources, mouse interactions
PARSED, LOADED, FULL_SNAPSHOT, INCREMENTAL, META = 0, 1, 2, 3, 4
MUTATION, MOUSE_MOVE, MOUSE, SCROLL, RESIZE, INPUT, TOUCH_MOVE, MEDIA = range(8)
STYLE_RULE, CANVAS, DRAG, STYLE_DECLARATION, SELECTION, ADOPTED_STYLE = 8, 9, 12, 13, 14, 15
MOUSE_DOWN, CLICK, CONTEXT_MENU, DOUBLE_CLICK, FOCUS, TOUCH_START = 1, 2, 3, 4, 5, 7
# What a page does when it answers: it changes, moves, plays, or another page comes.
RESPONSES = (MUTATION, SCROLL, RESIZE, INPUT, MEDIA, STYLE_RULE, CANVAS, STYLE_DECLARATION, ADOPTED_STYLE)
# What a person does, without the pointer's way and without what a click consists of or brings along.
DONE_SOURCES = (SCROLL, RESIZE, INPUT, MEDIA, DRAG)
DONE_KINDS = (CLICK, CONTEXT_MENU, DOUBLE_CLICK)
FIELDS = ("input", "textarea", "select", "label", "option", "video", "audio")
TARGET_KINDS = ("type", "role", "text", "private")
ADDRESS_KINDS = ("page", "text", "private", "is", "length")
LARGEST = 1e9  # of a coordinate or length: more is no page


@dataclass
class SessionTrace:
    """One session as arrays, events in time order.

    Attributes:
        session (`Session`): what was read.
        seconds (`float64 (E,)`): time since the first event.
        types, sources, kinds (`int16 (E,)`): rrweb's event type, incremental source and mouse interaction; -1 for none.
        nodes (`int64 (E,)`): id of the node touched, -1 for none.
        x, y (`float32 (E,)`): place in the viewport in pixels, of a scroll the position reached; NaN for none.
        windows (`int32 (E,)`): browser window.
        amounts (`int32 (E,)`): characters in the field of an input, changes of a mutation, points of a way, else 0.
        touches (`bool (E,)`): by a finger.
        new_page (`bool (E,)`): from here the window shows another address.
        hrefs (`list[str]`): the address at each new page.
        path (`float64 (P, 4)`): seconds, x, y and window of the pointer's points.
    """

    session: object
    tokenizer: object
    seconds: np.ndarray
    types: np.ndarray
    sources: np.ndarray
    kinds: np.ndarray
    nodes: np.ndarray
    x: np.ndarray
    y: np.ndarray
    windows: np.ndarray
    amounts: np.ndarray
    touches: np.ndarray
    new_page: np.ndarray
    hrefs: list = field(default_factory=list)
    path: np.ndarray = None

    def __len__(self):
        return len(self.types)

    @property
    def duration_s(self):
        """Seconds from the first event to the last."""
        return float(self.seconds[-1]) if len(self) else 0.0

    @property
    def started_at_ms(self):
        """Unix time of the first event in milliseconds."""
        return float(next(iter(self.session.events))["timestamp"])

    @property
    def site(self):
        """Host of the first page, "" if no page has an address."""
        return next((site_of(href) for href in self.hrefs if href), "")

    @cached_property
    def tokens(self):
        """The `TokenizedSession`; its event i is event i here."""
        # Not tokenize_session: a tokenizer from the Hub has a Session class of its own, and would not know this one.
        return self._reader.linearizer.run(self.session)

    @cached_property
    def clicks(self):
        """Events that are clicks, `int64 (n,)`."""
        return np.flatnonzero((self.sources == MOUSE) & (self.kinds == CLICK))

    @cached_property
    def actions(self):
        """Events that a person meant: clicks, inputs, scrolls, resizes, media, drags, new pages, `int64 (n,)`."""
        done = np.isin(self.sources, DONE_SOURCES) | ((self.sources == MOUSE) & np.isin(self.kinds, DONE_KINDS))
        return np.flatnonzero(done | self.new_page)

    @cached_property
    def _responses(self):
        """Sorted `seconds (n,)` of the page's answers in each window."""
        answers = np.isin(self.sources, RESPONSES) | self.new_page | np.isin(self.types, (PARSED, LOADED))
        answers |= (self.sources == SELECTION) & (self.amounts > 0)
        return {window: self.seconds[answers & (self.windows == window)] for window in np.unique(self.windows)}

    def seconds_to_response(self, seconds, windows):
        """Returns how long after each moment the page of that window answered, infinite where it never did.

        Args:
            seconds (`float64 (n,)`): moments.
            windows (`int32 (n,)`): browser window of each.
        """
        waits = np.full(len(seconds), np.inf)
        for window, answers in self._responses.items():
            rows = np.flatnonzero(windows == window)
            nearest = np.searchsorted(answers, seconds[rows], side="left")
            found = nearest < len(answers)
            waits[rows[found]] = answers[nearest[found]] - seconds[rows[found]]
        return waits

    def words(self, event):
        """Returns what happened in one event, as its line in the log without the gap before it."""
        return self._reader.log_writer.log(self._ids(event)).split("\n", 1)[0].strip()

    def target(self, event):
        """Returns the words for what one event touched, such as `button "Save"`; "" where nothing is named."""
        kept = []
        for i, kind in self._kinds(event):
            if kind in ("tag", "gone") and kept:
                break
            if kind in ("tag", "gone") or (kept and kind in TARGET_KINDS):
                kept.append(i)
            elif kept:
                break
        return self._reader.log_writer.log(kept).strip()

    def address(self, event):
        """Returns host and path of a page event as the log shows them: percent signs decoded, typed text left out."""
        kinds = takewhile(lambda pair: pair[1] in ADDRESS_KINDS, islice(self._kinds(event), 1, None))
        return self._reader.log_writer.log([i for i, _ in kinds]).removeprefix("page").strip(' "')

    @property
    def _reader(self):
        return self.tokenizer or log_tokenizer()

    def _kinds(self, event):
        """Yields each token of one event after its gap, with the part of its name before the colon or `text`."""
        names = self._reader.vocabulary.tokens
        for i in self._ids(event):
            yield i, names[i][1:-1].partition(":")[0] if i < len(names) else "text"

    def _ids(self, event):
        """Returns the tokens of one event, without the gap before it."""
        first, last = self.tokens.event_offsets[event : event + 2].tolist()
        return self.tokens.ids[first + 1 : last].tolist()


def trace_of(session, tokenizer=None):
    """Returns the `SessionTrace` of a session in any accepted form; a trace comes back as it is.

    Args:
        session: what `RRWebTokenizer.tokenize_session` takes, or a `SessionTrace`.
        tokenizer (`RRWebTokenizer`, *optional*): whose ids `tokens` are; the words for targets are the same without.

    Raises:
        SessionFormatError: it is no recording; the message says where reading failed.
    """
    if hasattr(session, "new_page"):
        return session
    session = read_session(session)
    n, window_of = len(session.events), session.window_of
    seconds, columns = np.zeros(n), _empty_columns(n)
    types, sources, kinds, nodes, x, y, windows, amounts, touches, new_page = columns
    if window_of:
        windows[:] = window_of
    hrefs, path, pages, first = [], array("d"), {}, None
    for i, event in enumerate(session.events):
        data, time = event["data"], event["timestamp"]
        first = time if first is None else first
        seconds[i] = moment = (time - first) / 1000
        types[i] = kind = _whole(event["type"])
        window = window_of[i] if window_of else 0
        if kind == META:
            href = data.get("href") if isinstance(data.get("href"), str) else ""
            if pages.get(window) != page_key(href):
                pages[window] = page_key(href)
                new_page[i] = True
                hrefs.append(href)
        if kind != INCREMENTAL:
            continue
        sources[i] = source = _whole(data.get("source"))
        nodes[i] = _whole(data.get("id"), 2**62)
        x[i], y[i] = _place(data.get("x")), _place(data.get("y"))
        if source == MOUSE:
            kinds[i], touches[i] = _whole(data.get("type")), data.get("pointerType") == 2
        elif source == INPUT:
            amounts[i] = len(data["text"]) if isinstance(data.get("text"), str) else 0
        elif source in (MOUSE_MOVE, TOUCH_MOVE, DRAG):
            points = [p for p in _list(data.get("positions")) if isinstance(p, dict)]
            amounts[i], touches[i] = len(points), source == TOUCH_MOVE
            for point in points:
                late = _place(point.get("timeOffset", 0)) / 1000
                path.extend((moment + late, _place(point.get("x")), _place(point.get("y")), window))
        elif source == MUTATION:
            amounts[i] = sum(len(_list(data.get(name))) for name in ("adds", "removes", "texts", "attributes"))
        elif source == SELECTION:
            ranges = [r for r in _list(data.get("ranges")) if isinstance(r, dict)]
            ends = [[(r.get(end), r.get(f"{end}Offset")) for end in ("start", "end")] for r in ranges]
            amounts[i] = sum(start != end for start, end in ends)
    path = np.array(path, dtype=np.float64).reshape(-1, 4)
    path = path[np.isfinite(path).all(axis=1)]
    path = path[np.argsort(path[:, 0], kind="stable")]
    return SessionTrace(session, tokenizer, seconds, *columns, hrefs=hrefs, path=path)


def _empty_columns(n):
    """Returns the columns of `SessionTrace` after `seconds`, for n events of which nothing is known."""
    nothing = [np.full(n, -1, dtype=np.int16) for _ in range(3)]
    places = [np.full(n, np.nan, dtype=np.float32) for _ in range(2)]
    counts = [np.zeros(n, dtype=np.int32) for _ in range(2)]
    flags = [np.zeros(n, dtype=bool) for _ in range(2)]
    return [*nothing, np.full(n, -1, dtype=np.int64), *places, *counts, *flags]


def clock(seconds):
    """Returns a moment of a session as minutes and seconds.

    >>> clock(42.3), clock(3725)
    ('0:42', '62:05')
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


@cache
def log_tokenizer():
    """Returns the tokenizer whose text vocabulary is the bytes themselves: for words, not for models."""
    with tempfile.TemporaryDirectory() as folder:
        empty_bpe().save(f"{folder}/text_bpe.json")
        return RRWebTokenizer(Path(rrweb.__file__).parent / "structural_vocab.json", f"{folder}/text_bpe.json")


def _whole(value, most=2**15 - 1):
    """Returns a whole number of at least 0 that fits its column, else -1."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else -1


def _place(value):
    """Returns a coordinate in pixels, NaN for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST:
        return float(value)
    return np.nan


def _list(value):
    return value if isinstance(value, list) else ()
