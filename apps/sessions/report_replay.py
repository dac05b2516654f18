"""A recording as a replay that can be shown: what people typed is masked, nothing in it asks for anything elsewhere.

Both are done before a browser sees it. The page forbids network and scripts once more, but a report is a file that is
passed on, and what is in a file can be read without a browser.
"""

import base64
import gzip
import json
import math
import re

from traceformers.apps.sessions.report_addresses import clean_css, clean_style, safe_attributes
from traceformers.tokenization.rrweb.rrweb_echoes import TypedEchoes
from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.tokenization.rrweb.rrweb_privacy import personal_spans

DOCUMENT, ELEMENT, TEXT, COMMENT = 0, 2, 3, 5
FULL_SNAPSHOT, INCREMENTAL, META = 2, 3, 4
MUTATION, INPUT = 0, 5
STYLE_SOURCES = frozenset((8, 13, 15))  # rules, declarations, adopted sheets
#: All other kinds change nothing that is drawn, but may hold text: custom and plugin events, assets.
DRAWN_EVENTS = frozenset((0, 1, 2, 3, 4))
DROPPED_SOURCES = frozenset((7, 9, 10, 11))  # media, whose files are not there; canvas, fonts, logs
#: `value` of these is a name on a button or behind a tick, which nobody typed.
UNTYPED = frozenset(("button", "submit", "reset", "image", "checkbox", "radio"))
#: These refuse stars: the browser warns, and shows nothing.
FORMATTED = frozenset(("date", "datetime-local", "month", "week", "time", "number", "range", "color"))
#: Attributes that hold names and geometry, but no text of a page.
TEXTLESS = frozenset(
    "class id style _csstext rr_dataurl d points viewbox transform width height fill stroke xmlns type role for "
    "rel rr_width rr_height rr_scrollleft rr_scrolltop rr_mediastate colspan rowspan tabindex media charset lang "
    "dir".split()
)
EDITABLE = frozenset(("", "true", "plaintext-only"))
LEVEL = 5  # of gzip: 6 takes half as long again for 4 % less


class NoReplayError(ValueError):
    """Why a recording cannot be replayed."""


def packed_replay(files, keep_typed_text=False, keep_personal_text=False):
    """Returns the replay of a recording as base64 of gzipped JSON, which the page unpacks.

    Args:
        files: paths or contents of the parts of one session, as `read_session` takes them.
        keep_typed_text (`bool`): show what was typed, other than passwords.
        keep_personal_text (`bool`): show e-mail addresses, long numbers and secrets in page text.

    Raises:
        NoReplayError: there is no page snapshot, or the page is nested too deeply.
        SessionFormatError, OSError: as `read_session`.
    """
    replay = clean_replay(read_session(*files), keep_typed_text, keep_personal_text)
    try:
        try:
            text = json.dumps(replay, separators=(",", ":"), allow_nan=False)
        except ValueError:  # NaN and infinities, which JSON.parse refuses
            text = json.dumps(_finite(replay), separators=(",", ":"))
    except RecursionError:
        raise NoReplayError(
            "Expected a page that a browser can rebuild, got one nested deeper than Python's recursion limit."
        ) from None
    return base64.b64encode(gzip.compress(text.encode(), LEVEL, mtime=0)).decode()


def clean_replay(session, keep_typed_text=False, keep_personal_text=False):
    """Returns `{"start": ms, "windows": [events, ...]}` of a `Session`, whose events are changed.

    `start` is the time of the first event; windows that hold no page snapshot are left out.

    Raises:
        NoReplayError: no window holds one.
    """
    events = list(session.events)
    typed = set() if keep_typed_text else set(session.typed_values())
    cleaner = _Cleaner(typed, keep_typed_text, keep_personal_text)
    windows = {}
    for i, event in enumerate(events):
        number = session.window_of[i] if session.window_of else 0
        kept = cleaner.event(event, number)
        if kept:
            windows.setdefault(number, []).append(kept)
    cleaner.mask_texts()
    shown = [
        window
        for _, window in sorted(windows.items())
        if len(window) > 1 and any(event["type"] == FULL_SNAPSHOT for event in window)
    ]
    if not shown:
        raise NoReplayError(
            f"Expected a page snapshot and what happened after it, got {len(events)} events without one. "
            "Nothing can be shown; start recordings at the beginning of a page."
        )
    return {"start": events[0]["timestamp"], "windows": shown}


class _Cleaner:
    """Cleans events one by one and notes where page text stands; `mask_texts` then hides in it what was typed."""

    def __init__(self, typed, keep_typed_text, keep_personal_text):
        self.typed, self.keep_typed, self.keep_personal = typed, keep_typed_text, keep_personal_text
        self.passwords, self.texts, self.fields = set(), [], set()  # (container, key) of every text of a page
        self.kinds, self.editable, self.styles, self.silent = {}, set(), set(), set()  # of (window, node id)

    def event(self, event, window):
        """Returns a clean event, None for one that is not drawn."""
        kind, data = event["type"], event["data"]
        if kind not in DRAWN_EVENTS:
            return None
        if kind == META:
            data = {"href": "", "width": data.get("width"), "height": data.get("height")}
        elif kind == FULL_SNAPSHOT:
            if not isinstance(data.get("node"), dict):
                return None
            self.tree(data["node"], window)
        elif kind == INCREMENTAL:
            source = _plain(data.get("source"))
            if source in DROPPED_SOURCES:
                return None
            if source == MUTATION:
                self.mutation(data, window)
            elif source == INPUT:
                self.typed_in(data, window)
            elif source in STYLE_SOURCES:
                self.rules(data)
        else:
            data = {}
        return {"type": kind, "data": data, "timestamp": event["timestamp"]}

    def tree(self, node, window, editable=False, parent=None):
        """Cleans a node and all below it."""
        stack = [(node, editable, parent)]
        while stack:
            node, editable, parent = stack.pop()
            if not isinstance(node, dict):
                continue
            kind, key = node.get("type"), (window, _plain(node.get("id")))
            if kind == TEXT:
                self.text(node, "textContent", key, editable, parent)
                continue
            if kind == COMMENT:
                node["textContent"] = ""
                continue
            tag = None
            if kind == ELEMENT:
                tag = str(node.get("tagName", "div")).lower()
                if tag.rpartition(":")[2] == "script":
                    tag = node["tagName"] = "noscript"
                given = node.get("attributes")
                node["attributes"] = self.attributes(tag, given if isinstance(given, dict) else {}, key)
                editable = editable or key in self.editable
                if tag == "style":
                    self.styles.add(key)
                elif tag == "noscript":
                    self.silent.add(key)
            children = node.get("childNodes")
            if isinstance(children, list):
                stack.extend((child, editable, tag) for child in children)

    def text(self, node, name, key, editable, parent):
        """Cleans the text of a text node; `parent` is the tag around it."""
        text = node.get(name)
        if not isinstance(text, str):
            return
        if parent == "style" or node.get("isStyle"):
            self.styles.add(key)
            node[name] = clean_css(text)
        elif parent == "noscript":
            self.silent.add(key)
            node[name] = ""
        elif editable or parent == "textarea":
            self.editable.add(key)
            if not self.keep_typed:
                self.fields.add(text)
                node[name] = stars(text)
        elif text and not text.isspace():
            self.texts.append((node, name))

    def attributes(self, tag, attributes, key):
        """Returns the attributes of an element that are safe to show, and notes what kind of field it is."""
        attributes = safe_attributes(tag, attributes)
        if tag in ("input", "textarea", "select"):
            kind = str(attributes.get("type", tag)).lower()
            if kind == "password" or "data-rr-is-password" in attributes:
                kind = "password"
            self.kinds[key] = kind
        editing = attributes.get("contenteditable")
        if (isinstance(editing, str) and editing.lower() in EDITABLE) or attributes.get("role") == "textbox":
            self.editable.add(key)
        if "value" in attributes:
            attributes["value"] = self.value(attributes["value"], key)
        self.note(attributes)
        return attributes

    def note(self, attributes):
        """Notes the attributes that may hold page text."""
        for name, value in attributes.items():
            text = value.__class__ is str and value and not value.startswith("data:image/")
            if text and name.lower() not in TEXTLESS:
                self.texts.append((attributes, name))

    def value(self, value, key):
        """Returns what is shown of the value of a field; what is not typed comes back as it is."""
        kind = self.kinds.get(key)
        if not isinstance(value, str) or kind is None or kind in UNTYPED:
            return value
        if kind == "password":
            self.passwords.add(value)
        elif self.keep_typed:
            return value
        self.fields.add(value)
        return "" if kind in FORMATTED else stars(value)

    def mutation(self, data, window):
        """Cleans what a mutation adds and changes."""
        for added in _dicts(data, "adds"):
            node, parent = added.get("node"), (window, _plain(added.get("parentId")))
            if not isinstance(node, dict):
                continue
            around = "style" if parent in self.styles else "noscript" if parent in self.silent else None
            around = "textarea" if self.kinds.get(parent) == "textarea" else around
            self.tree(node, window, parent in self.editable, around)
        for changed in _dicts(data, "texts"):
            key = (window, _plain(changed.get("id")))
            around = "style" if key in self.styles else "noscript" if key in self.silent else None
            self.text(changed, "value", key, key in self.editable, around)
        for changed in _dicts(data, "attributes"):
            given = changed.get("attributes")
            key = (window, _plain(changed.get("id")))
            if isinstance(given, dict):
                kept = safe_attributes(None, given)
                if "value" in kept:
                    kept["value"] = self.value(kept["value"], key)
                if isinstance(kept.get("style"), dict):
                    kept["style"] = clean_style(kept["style"])
                self.note(kept)
                changed["attributes"] = kept

    def typed_in(self, data, window):
        """Masks the text of an Input event."""
        text, kind = data.get("text"), self.kinds.get((window, _plain(data.get("id"))))
        if not isinstance(text, str) or data.get("isChecked") is True or kind in ("checkbox", "radio"):
            return
        if kind == "password":
            self.passwords.add(text)
        elif self.keep_typed:
            return
        data["text"] = "" if kind in FORMATTED else stars(text)

    def rules(self, data):
        """Takes addresses out of style rules, in every form in which rrweb records them."""
        adopted = [rule for sheet in _dicts(data, "styles") for rule in _dicts(sheet, "rules")]
        for rule in (*_dicts(data, "adds"), *adopted):
            if isinstance(rule.get("rule"), str):
                rule["rule"] = clean_css(rule["rule"])
        for name in ("replace", "replaceSync"):
            if isinstance(data.get(name), str):
                data[name] = clean_css(data[name])
        if isinstance(data.get("set"), dict) and isinstance(data["set"].get("value"), str):
            data["set"]["value"] = clean_css(data["set"]["value"])

    def mask_texts(self):
        """Hides in all page text that was noted what was typed, and what identifies people."""
        secrets = TypedEchoes(self.passwords)
        echoes = TypedEchoes(self.typed, () if self.keep_typed else self.fields - self.typed)
        masked = {}
        for container, name in self.texts:
            text = container[name]
            if text not in masked:
                spans = [span for found in (secrets, echoes) if found for span in found.spans(text)]
                if not self.keep_personal:
                    spans += [span[:2] for span in personal_spans(text) if span[2] != "masked"]
                masked[text] = hide(text, spans)
            container[name] = masked[text]


def stars(text):
    """Returns a star for each character that is no white space.

    >>> stars("buy milk")
    '*** ****'
    """
    return re.sub(r"\S", "*", text)


def hide(text, spans):
    """Returns a text with stars in spans `(start, end)`, which may overlap.

    >>> hide("You searched for buy milk.", [(17, 25)])
    'You searched for *** ****.'
    """
    for start, end in spans:
        text = text[:start] + stars(text[start:end]) + text[end:]
    return text


def _plain(value):
    """Returns a value that may be the key of a dict, None for one that may not."""
    return value if isinstance(value, int | float | str) else None


def _dicts(data, name):
    values = data.get(name)
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _finite(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value
