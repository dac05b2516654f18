"""A session's events to token ids, with the DOM followed as rrweb's replayer follows it.

One event is one group of tokens: the gap since the event before, what happened, to what, where. See
`rrweb_actions.py` for incremental events and `rrweb_tree.py` for page content.
"""

from collections import Counter
from functools import partial
from itertools import pairwise

import numpy as np

from .rrweb_actions import ActionWriter, node_id, number, rows
from .rrweb_address import address_parts, page_key
from .rrweb_echoes import TypedEchoes
from .rrweb_mirror import DomMirror
from .rrweb_text import clean_text
from .rrweb_tree import TreeWriter, well_formed
from .rrweb_vocabulary import EVENT_TYPES, HEIGHTS, N_GAPS, WIDTHS, count_bucket, log2_bucket, size_bucket
from .rrweb_windows import TokenizedSession

ADDRESS_CHARACTERS = 80
LONGEST_TIME_MS = 2**32 - 1
MOST_CONTEXTS = 65_536
MALFORMED = (KeyError, TypeError, AttributeError, ValueError)


class BrowserWindow:
    """What is known of one browser window: its DOM, page, viewport, scroll positions and typed lengths."""

    def __init__(self, writer, notes, encode):
        self.writer, self.notes, self.encode = writer, notes, encode
        self.mirror = DomMirror()
        self.width, self.height = 1024.0, 768.0
        self.page, self.page_ids = None, ()
        self.scrolls, self.typed_lengths = {}, {}
        self.told = {}  # page -> the groups of its last snapshot, and all groups told of it since the first

    def resize(self, width, height):
        width, height = number(width), number(height)
        if width and width > 0 and height and height > 0:
            self.width, self.height = width, height

    def viewport_ids(self):
        return (
            self.writer.first_width + size_bucket(self.width, WIDTHS),
            self.writer.first_height + size_bucket(self.height, HEIGHTS),
        )

    def context(self):
        """Returns the ids that say which page this window shows, and its viewport."""
        return (*self.page_ids, *self.viewport_ids()) if self.page_ids else ()

    def well_formed_adds(self, adds):
        """Returns the usable entries of a mutation's adds; the malformed ones are counted."""
        usable = []
        for entry in rows(adds):
            node, repairs = well_formed(entry.get("node"))
            parent_id = node_id(entry.get("parentId"))
            if repairs or parent_id is None:
                self.notes["malformed node"] += max(repairs, 1)
            if node is not None and parent_id is not None:
                usable.append({"parentId": parent_id, "nextId": node_id(entry.get("nextId")), "node": node})
        return usable


class SessionLinearizer:
    """Turns sessions into `TokenizedSession`s.

    Args:
        vocabulary (`StructuralVocabulary`).
        encoder (`TextEncoder`).
        keep_typed_text (`bool`): keep the value of inputs instead of their length, and do not look for echoes.
    """

    def __init__(self, vocabulary, encoder, keep_typed_text=False):
        self.encoder, self.keep_typed_text = encoder, keep_typed_text
        self.tree = TreeWriter(vocabulary, encoder, keep_typed_text)
        self.actions = ActionWriter(vocabulary, encoder, self.tree)
        ids = vocabulary.ids
        self.event_types = [ids[f"[event:{name}]"] for name in EVENT_TYPES]
        self.markers = {kind: ids[f"[{kind}]"] for kind in ("page", "query", "fragment")}
        self.unknown, self.switch, self.failed = ids["[unknown]"], ids["[switch]"], ids["[failed]"]
        self.same_page, self.repeat = ids["[same-page]"], ids["[repeat]"]
        self.removed = ids["[change:remove]"]
        self.first_gap, self.count0 = vocabulary.first("gap:"), vocabulary.first("count:")
        self.first_width, self.first_height = vocabulary.first("width:"), vocabulary.first("height:")
        self.data_writers = (
            None, None, self._snapshot, self.actions.write, self._meta, self._custom, self._plugin, self._asset,
        )  # fmt: skip

    def run(self, session):
        """Returns the `TokenizedSession` of a `Session` (see `rrweb_envelopes.read_session`).

        What stands in fields and editors, and which of them are for passwords, is known when they are met. If the page
        shows some of it, before or after, all is written a second time.
        """
        typed = () if self.keep_typed_text else set(session.typed_values())
        self.tree.passwords, self.tree.fields = set(), set()
        tokenized, texts = self._run(session, TypedEchoes(typed), None)
        passwords = TypedEchoes(self.tree.passwords)
        fields = () if self.keep_typed_text else self.tree.fields - typed
        met = [echoes for echoes in (passwords, TypedEchoes((), fields)) if echoes]
        if met and any(echoes.spans(clean_text(text)) for text in texts for echoes in met):
            tokenized, _ = self._run(session, TypedEchoes(typed, fields), passwords)
        return tokenized

    def _run(self, session, echoes, secrets):
        """Returns the `TokenizedSession`, and all texts of the session."""
        self.encoder.begin_pass()
        notes = Counter(session.skipped)
        encode = self.encoder.encode
        if echoes or secrets:
            encode = partial(self.encoder.encode_without, echoes=echoes, secrets=secrets)
        encode, memory = _remembering(encode)
        windows, window = {}, None
        out, borders, offsets, times = [], [], [], []
        contexts, context_index, context_of_event = [()], {(): 0}, []
        first_time = last_time = None
        n_windows = len(set(session.window_of)) if session.window_of else 1
        current, number_of_window = None, 0
        for i, event in enumerate(session.events):
            time = event["timestamp"]
            if first_time is None:
                first_time = last_time = time
            if n_windows > 1:
                number_of_window = session.window_of[i]
            window = windows.get(number_of_window)
            if window is None:
                window = windows[number_of_window] = BrowserWindow(self, notes, encode)
            context = window.context()
            if n_windows > 1:
                context = (self.switch, self.count0 + count_bucket(number_of_window + 1), *context)
            index = context_index.get(context)
            if index is None:
                index = context_index[context] = min(len(contexts), MOST_CONTEXTS - 1)
                if len(contexts) < MOST_CONTEXTS:
                    contexts.append(context)
                else:  # their windows get the header of another page
                    notes["page beyond the most that are kept"] += 1
            context_of_event.append(index)
            offsets.append(len(out))
            times.append(min(int(time - first_time), LONGEST_TIME_MS))
            out.append(self.first_gap + log2_bucket(time - last_time, N_GAPS))
            last_time = time
            if n_windows > 1 and number_of_window != current:
                out += (self.switch, self.count0 + count_bucket(number_of_window + 1))
                current = number_of_window
            self._event(event, window, out, borders)
        tokenized = TokenizedSession(
            ids=np.array(out, dtype=np.uint16),
            event_offsets=np.array([*offsets, len(out)], dtype=np.uint32),
            event_times_ms=np.array(times, dtype=np.uint32),
            node_offsets=np.union1d(offsets, [*borders, len(out)]).astype(np.uint32),
            contexts=[np.array(c, dtype=np.uint16) for c in contexts],
            context_of_event=np.array(context_of_event, dtype=np.uint16),
            notes=dict(notes),
        )
        return tokenized, [key if isinstance(key, str) else key[0] for key in memory]

    def _event(self, event, window, out, borders):
        event_type, data = event["type"], event["data"]
        if not 0 <= event_type < len(self.event_types):
            out.append(self.unknown)
            return
        if event_type != 3:
            out.append(self.event_types[event_type])
        writer = self.data_writers[event_type]
        if writer is None:
            return
        start, first_border = len(out), len(borders)
        try:
            writer(data, window, out, borders)
        except MALFORMED:
            # Fields of a known event with values of a wrong type: the event is told as unknown, and counted.
            window.notes["malformed event"] += 1
            del borders[first_border:]
            del out[start:]
            out.append(self.unknown)
        if event_type == 3 and len(borders) > first_border and window.page in window.told:
            window.told[window.page][1].update(_groups(out, borders, first_border))
        if len(borders) - first_border > 1:
            self._collapse_repeats(out, borders, first_border)

    def _snapshot(self, data, window, out, borders):
        start, first_border = len(out), len(borders)
        node = data.get("node")
        try:
            self._page(node, window, out, borders)
        except MALFORMED:
            del borders[first_border:]
            del out[start:]
            node, repairs = well_formed(node)
            window.notes["malformed node"] += repairs
            if node is None:
                out.append(self.unknown)
                return
            self._page(node, window, out, borders)
        groups = _groups(out, borders, first_border)
        known = window.told.get(window.page)
        if known is not None:
            del out[start:], borders[first_border:]
            self._changed_groups(groups, *known, out, borders)
        now = set(groups)
        window.told[window.page] = (now, now | known[1] if known else set(groups))
        offset = data.get("initialOffset")
        if isinstance(offset, dict) and (number(offset.get("top")) or 0) > 0:
            window.scrolls[node["id"]] = (number(offset.get("left")) or 0, offset["top"])

    def _page(self, node, window, out, borders):
        window.mirror = DomMirror()
        window.scrolls, window.typed_lengths = {}, {}
        self.tree.write([node], None, window.mirror, window.encode, out, borders)

    def _changed_groups(self, groups, last, told, out, borders):
        """Writes of a page that was told before the nodes that were not, and how many of the last are now gone."""
        out.append(self.same_page)
        for group in dict.fromkeys(groups):
            if group not in told:
                borders.append(len(out))
                out += group
        gone = len(last.difference(groups))
        if gone:
            borders.append(len(out))
            out += (self.removed, self.count0 + count_bucket(gone))

    def _collapse_repeats(self, out, borders, first_border):
        """Writes a run of equal nodes once, followed by how often it stood there."""
        groups = _groups(out, borders, first_border)
        if not any(a == b for a, b in pairwise(groups)):
            return
        del out[borders[first_border] :], borders[first_border:]
        i = 0
        while i < len(groups):
            run = 1
            while i + run < len(groups) and groups[i + run] == groups[i]:
                run += 1
            borders.append(len(out))
            out += groups[i]
            if run > 1:
                out += (self.repeat, self.count0 + count_bucket(run))
            i += run

    def _meta(self, data, window, out, borders):
        href = data.get("href")
        href = href if isinstance(href, str) else ""
        window.resize(data.get("width"), data.get("height"))
        window.page = page_key(href)
        window.page_ids = tuple(self._address(href, window.encode))
        out += window.page_ids
        out += window.viewport_ids()

    def _address(self, href, encode):
        ids = []
        for kind, text in address_parts(href):
            ids.append(self.markers[kind])
            ids += encode(text, ADDRESS_CHARACTERS)
        return ids or [self.markers["page"]]

    def _custom(self, data, window, out, borders):
        if isinstance(data.get("tag"), str):
            out += window.encode(data["tag"], ADDRESS_CHARACTERS)
        self.actions.payload(data.get("payload"), window, out)

    def _plugin(self, data, window, out, borders):
        if isinstance(data.get("plugin"), str):
            out += window.encode(data["plugin"], ADDRESS_CHARACTERS)
        self.actions.payload(data.get("payload"), window, out)

    def _asset(self, data, window, out, borders):
        if isinstance(data.get("url"), str):
            out += self._address(data["url"], window.encode)
        if data.get("failed"):
            out.append(self.failed)


def _groups(out, borders, first_border):
    """Returns the tokens of each node from a border on, as tuples."""
    return [tuple(out[a:b]) for a, b in pairwise([*borders[first_border:], len(out)])]


def _remembering(encode):
    """Returns `encode(text, limit=200)` with a memory, and the memory: pages of one session repeat their texts."""
    memory = {}

    def remembered(text, limit=200):
        key = text if limit == 200 else (text, limit)
        ids = memory.get(key)
        if ids is None:
            ids = memory[key] = encode(text, limit=limit)
        return ids

    return remembered, memory
