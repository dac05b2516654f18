"""The same session as another recorder would have written it: masked, packed, with checkouts, in two files.

What a user did is the same in all of them, so an encoder of sessions should hardly tell them apart. Masking and
checkouts follow rrweb's recorder: `maskAllInputs`, `maskTextSelector` and `checkoutEveryNth`.
"""

import json
import zlib

from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.tokenization.rrweb.rrweb_mirror import DomMirror

META, FULL_SNAPSHOT, INCREMENTAL = 4, 2, 3
MUTATION, INPUT = 0, 5
FIELDS = frozenset(("input", "textarea", "select"))
UNMASKED_TYPES = frozenset("button submit reset checkbox radio hidden file image".split())
# `td, .user, .name, .card-title`: what the recorder of the published set masks
MASKED_TAGS, MASKED_CLASSES = frozenset(("td",)), frozenset(("user", "name", "card-title"))


def session_variants(session):
    """Returns `{"masked": ..., "packed": ..., "checkouts": ..., "split": ...}`, sessions in forms that are read as any.

    Args:
        session: a session in any form that `read_session` takes.
    """
    session = read_session(session)
    return {
        "masked": masked(session),
        "packed": packed(session),
        "checkouts": with_checkouts(session),
        "split": in_two_files(session),
    }


def masked(session, tags=MASKED_TAGS, classes=MASKED_CLASSES):
    """Returns the events as recorded with all inputs masked, and with the text in some elements masked.

    A value becomes as many `*`; every character of a text but white space becomes one.

    Args:
        session: a session in any form.
        tags, classes (sets of `str`): elements whose text is masked, with all below; `tags={"body"}` masks all text.
    """
    session = read_session(session)
    mirrors, events = Mirrors(session), []
    for number, event in enumerate(session.events):
        mirror = mirrors.of(number)
        mask = _Mask(mirror, tags, classes)
        data = event["data"]
        if event["type"] == FULL_SNAPSHOT and isinstance(data.get("node"), dict):
            mirror.show(event)
            data = {**data, "node": mask.node(data["node"], None)}
        elif event["type"] == INCREMENTAL and data.get("source") == MUTATION:
            mirror.show(event)
            data = mask.mutation(data)
        elif event["type"] == INCREMENTAL and data.get("source") == INPUT and mask.is_field(data.get("id")):
            data = {**data, "text": "*" * len(data["text"])} if isinstance(data.get("text"), str) else data
        events.append({**event, "data": data})
    return events


def packed(session):
    """Returns the events as rrweb's packer sends them, each a string of compressed JSON."""
    texts = (json.dumps({**event, "v": "v1"}, separators=(",", ":")) for event in read_session(session).events)
    return [zlib.compress(text.encode()).decode("latin-1") for text in texts]


def with_checkouts(session, every_nth=None):
    """Returns the events with the page told again, address and full snapshot, after every so many events.

    Args:
        session: a session in any form.
        every_nth (`int`): incremental events between two snapshots; a third of them, so two checkouts, if not given.
    """
    session = read_session(session)
    incremental = sum(event["type"] == INCREMENTAL for event in session.events)
    every_nth = every_nth or max(incremental // 3, 1)
    mirrors, events, since = Mirrors(session), [], 0
    for number, event in enumerate(session.events):
        mirror = mirrors.of(number)
        mirror.show(event)
        events.append(event)
        since = since + 1 if event["type"] == INCREMENTAL else 0 if event["type"] == FULL_SNAPSHOT else since
        if since >= every_nth and mirror.meta is not None and mirror.root is not None:
            told = {"type": FULL_SNAPSHOT, "data": {"node": mirror.serialized(), "initialOffset": mirror.offset}}
            named = {key: value for key, value in event.items() if key in ("windowId", "window_id")}
            events += [{**part, **named, "timestamp": event["timestamp"]} for part in (mirror.meta, told)]
            since = 0
    return events


def in_two_files(session, share=0.5):
    """Returns the `Session` read from two parts, the later one first.

    Args:
        session: a session in any form.
        share (`float`): of the events that the first part holds.
    """
    events = list(read_session(session).events)
    cut = min(max(round(len(events) * share), 1), max(len(events) - 1, 1))
    return read_session(*(part for part in (events[cut:], events[:cut]) if part))


def stars(text):
    """Returns `text` with every character that is no white space as `*`."""
    return "".join(character if character.isspace() else "*" for character in text)


class Mirrors:
    """The page of each browser window of a session, brought up to date event by event."""

    def __init__(self, session):
        self.window_of, self.mirrors = session.window_of, {}

    def of(self, number):
        """Returns the `Mirror` of the window of event `number`."""
        return self.mirrors.setdefault(self.window_of[number] if self.window_of else 0, Mirror())


class Mirror:
    """One browser window: its address, its nodes, and what stands in its fields."""

    def __init__(self):
        self.meta, self.root, self.offset = None, None, {"left": 0, "top": 0}
        self.nodes = DomMirror()

    def show(self, event):
        """Applies one event; what it does not know it passes over, as a player does."""
        data, dom = event["data"], self.nodes
        if event["type"] == META:
            self.meta = {"type": META, "data": data}
        elif event["type"] == FULL_SNAPSHOT and isinstance(data.get("node"), dict):
            self.nodes, self.root = DomMirror(), data["node"]["id"]
            self.offset = data.get("initialOffset") or self.offset
            _enter(self.nodes, data["node"], None)
        elif event["type"] == INCREMENTAL and data.get("source") == MUTATION:
            dom.forget(dom.remove(data.get("removes") or ()))
            for entry in data.get("adds") or ():
                _enter(dom, entry["node"], entry["parentId"])
            dom.insert(data.get("adds") or ())
            dom.changed_texts |= {
                e["id"]: e.get("value") or "" for e in data.get("texts") or () if e["id"] in dom.nodes
            }
            for entry in data.get("attributes") or ():
                if entry["id"] in dom.nodes:
                    dom.set_attributes(entry["id"], _whole_style(dom.attributes(entry["id"]), entry["attributes"]))
        elif event["type"] == INCREMENTAL and data.get("source") == INPUT and data.get("id") in dom.nodes:
            ticked = dom.attributes(data["id"]).get("type") in ("checkbox", "radio")
            state = {"checked": data.get("isChecked") or None} if ticked else {"value": data.get("text")}
            dom.set_attributes(data["id"], state)

    def serialized(self):
        """Returns the document as a full snapshot would tell it now."""
        dom = self.nodes
        root, pending = dict(dom.nodes[self.root]), []
        pending.append(root)
        while pending:
            node = pending.pop()
            if node["type"] == 2:
                node["attributes"] = dom.attributes(node["id"])
            elif node["type"] == 3:
                node["textContent"] = dom.text(node["id"])
            if "childNodes" in node or dom.children(node["id"]):
                node["childNodes"] = [dict(child) for child in dom.children(node["id"])]
                pending += node["childNodes"]
        return root


class _Mask:
    """What rrweb's masking does to snapshots and mutations of one page."""

    def __init__(self, mirror, tags, classes):
        self.dom, self.tags, self.classes = mirror.nodes, tags, classes
        self.mirror = mirror

    def is_masked(self, node_id):
        """Returns whether the element, or one that holds it, is among those whose text is masked."""
        dom = self.dom
        while node_id in dom.nodes:
            if self._chosen(dom.nodes[node_id], dom.attributes(node_id)):
                return True
            node_id = dom.parents.get(node_id)
        return False

    def _chosen(self, node, attributes):
        names = attributes.get("class")
        return node.get("tagName") in self.tags or (
            isinstance(names, str) and not self.classes.isdisjoint(names.split())
        )

    def is_field(self, node_id):
        """Returns whether a node is a field whose value is masked."""
        node = self.dom.nodes.get(node_id)
        return node is not None and _is_field(node.get("tagName"), self.dom.attributes(node_id))

    def node(self, node, parent_id):
        """Returns a copy of a node and all below it, masked."""
        dom = self.dom = self.mirror.nodes
        top = []
        pending = [(node, top, self.is_masked(parent_id))]
        while pending:
            old, siblings, hidden = pending.pop()
            new = dict(old)
            siblings.append(new)
            if old.get("type") == 2:
                attributes = old.get("attributes") or {}
                hidden = hidden or self._chosen(old, attributes)
                if old.get("tagName") == "textarea":
                    hidden = True
                new["attributes"] = _masked_value(old.get("tagName"), attributes)
            elif old.get("type") == 3 and hidden and not _holds_code(dom, old["id"]):
                new["textContent"] = stars(old.get("textContent") or "")
            if old.get("childNodes"):
                new["childNodes"] = []
                pending += [(child, new["childNodes"], hidden) for child in reversed(old["childNodes"])]
        return top[0]

    def mutation(self, data):
        """Returns the data of a mutation that the page has already gone through, masked."""
        dom = self.dom
        adds = [{**entry, "node": self.node(entry["node"], entry["parentId"])} for entry in data.get("adds") or ()]
        texts = [
            {**entry, "value": stars(entry.get("value") or "")}
            if self.is_masked(entry["id"]) and not _holds_code(dom, entry["id"])
            else entry
            for entry in data.get("texts") or ()
        ]
        attributes = [
            {**entry, "attributes": _masked_value(dom.nodes[entry["id"]].get("tagName"), entry["attributes"])}
            if self.is_field(entry["id"])
            else entry
            for entry in data.get("attributes") or ()
        ]
        return {**data, "adds": adds, "texts": texts, "attributes": attributes}


def _is_field(tag, attributes):
    kind = attributes.get("type")
    return tag in FIELDS and not (isinstance(kind, str) and kind.lower() in UNMASKED_TYPES)


def _masked_value(tag, attributes):
    value = attributes.get("value")
    if not _is_field(tag, attributes) or not isinstance(value, str) or not value:
        return attributes
    return {**attributes, "value": "*" * len(value)}


def _holds_code(dom, node_id):
    parent = dom.nodes.get(dom.parents.get(node_id))
    return parent is not None and parent.get("tagName") in ("style", "script")


def _enter(dom, node, parent_id):
    """Enters a node and all below it into the tables of a `DomMirror`."""
    pending = [(node, parent_id)]
    while pending:
        node, parent_id = pending.pop()
        dom.nodes[node["id"]], dom.parents[node["id"]] = node, parent_id
        dom.forget_changes(node["id"])
        pending += [(child, node["id"]) for child in node.get("childNodes") or ()]


def _whole_style(before, changes):
    """Returns changes of attributes in which a style told by its properties is the whole declaration again."""
    style = changes.get("style")
    if not isinstance(style, dict):
        return changes
    declared = [part.partition(":")[::2] for part in str(before.get("style") or "").split(";") if ":" in part]
    properties = {name.strip(): value.strip() for name, value in declared}
    for name, value in style.items():
        if value is False:
            properties.pop(name, None)
        else:
            properties[name] = f"{value[0]} !{value[1]}" if isinstance(value, list) else str(value)
    return {**changes, "style": ";".join(f"{name}: {value}" for name, value in properties.items())}
