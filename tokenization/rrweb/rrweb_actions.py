"""Incremental events to tokens: what was done, to which element, where; what changed on the page.

Every writer gets the data of one event and the state of its browser window, and appends to `out`. The gap
before the event is already there. Left out, with the reason: rules of style sheets and single style
declarations beyond their property (layout), drawing commands of a canvas beyond their number (no words),
font data (bytes), the way of the pointer between the first and the last point of a batch (its number of
points and its ends say how it moved).
"""

from .rrweb_vocabulary import (
    CANVAS_CONTEXTS,
    CHANGES,
    INPUT_STATES,
    INTERACTIONS,
    MEDIA_INTERACTIONS,
    N_COORDINATES,
    POINTERS,
    SOURCES,
    count_bucket,
    scroll_name,
)

LARGEST_NUMBER = 1e12
TARGET_CHARACTERS = 32
CHANGED_CHARACTERS = 120
PAYLOAD_LEAVES = 12
CHANGED_ATTRIBUTES = 8


def number(value):
    """Returns `value` if it is a number that a page can mean, else None."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER:
        return value
    return None


def rows(value):
    """Returns the dicts of a list; an empty list for anything else."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def node_id(value):
    """Returns `value` if it can be a node id, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class ActionWriter:
    """Writes the data of incremental events as tokens.

    Args:
        vocabulary (`StructuralVocabulary`).
        encoder (`TextEncoder`).
        tree (`TreeWriter`).
    """

    def __init__(self, vocabulary, encoder, tree):
        self.encoder, self.tree = encoder, tree
        ids = vocabulary.ids
        self.sources = [ids[f"[source:{name}]"] for name in SOURCES]
        self.interactions = [ids[f"[do:{name}]"] for name in INTERACTIONS]
        self.media = [ids[f"[media:{name}]"] for name in MEDIA_INTERACTIONS]
        self.pointers = [ids[f"[pointer:{name}]"] for name in POINTERS]
        self.canvases = [ids[f"[canvas:{name}]"] for name in CANVAS_CONTEXTS]
        self.change = vocabulary.table("change:", CHANGES)
        self.input = vocabulary.table("input:", INPUT_STATES)
        self.scroll = {t[8:-1]: i for t, i in ids.items() if t.startswith("[scroll:")}
        self.x, self.y = vocabulary.first("x:"), vocabulary.first("y:")
        self.count0 = vocabulary.first("count:")
        self.gone, self.unknown = ids["[gone]"], ids["[unknown]"]
        self.shown, self.hidden = ids["[shown]"], ids["[hidden]"]
        self.writers = (
            self.mutation, self.pointer_path, self.mouse_interaction, self.scrolled, self.resized, self.typed,
            self.pointer_path, self.played, self.style_sheet_rule, self.canvas, self.font, self.log,
            self.pointer_path, self.style_declaration, self.selection, self.adopted_style_sheet, self.custom_element,
        )  # fmt: skip

    def write(self, data, window, out, borders):
        """Appends the tokens of one incremental event; an unknown source gives `[unknown]`."""
        source = node_id(data.get("source"))
        if source is None or not 0 <= source < len(self.writers):
            out.append(self.unknown)
            return
        out.append(self.sources[source])
        self.writers[source](data, window, out, borders)

    def count(self, n):
        return self.count0 + count_bucket(n)

    def place(self, x, y, window, out):
        """Appends the position as the bucket of its share of the viewport, x then y."""
        x, y = number(x), number(y)
        if x is not None and y is not None:
            out.append(self.x + min(max(int(N_COORDINATES * x / window.width), 0), N_COORDINATES - 1))
            out.append(self.y + min(max(int(N_COORDINATES * y / window.height), 0), N_COORDINATES - 1))

    def target(self, value, window, out, words=True):
        """Appends what an action is about: tag, type and role, and a short label. Returns the node or None."""
        mirror = window.mirror
        node = mirror.target(node_id(value))
        if node is None:
            out.append(self.gone)
            return None
        tag = node.get("tagName")
        if not isinstance(tag, str):
            out.append(self.tree.tag("#document"))
            return node
        out.append(self.tree.tag(tag))
        attributes = mirror.attributes(node["id"])
        self.tree.write_type(tag, attributes, out)
        role = attributes.get("role")
        if role is not None:
            out.append(self.tree.roles.get(role) or self.tree.roles["other"])
        if words:
            label = mirror.label(node)
            if label:
                out += window.encode(label, TARGET_CHARACTERS)
        return node

    # -- what a person does -------------------------------------------------------------------------------

    def pointer_path(self, data, window, out, borders):
        positions = rows(data.get("positions"))
        out.append(self.count(len(positions)))
        if positions:
            first, last = positions[0], positions[-1]
            if len(positions) > 1:
                self.place(first.get("x"), first.get("y"), window, out)
            self.place(last.get("x"), last.get("y"), window, out)
            self.target(last.get("id"), window, out)

    def mouse_interaction(self, data, window, out, borders):
        kind = node_id(data.get("type"))
        known = kind is not None and 0 <= kind < len(self.interactions)
        out.append(self.interactions[kind] if known else self.unknown)
        pointer = node_id(data.get("pointerType"))
        if pointer is not None and 0 <= pointer < len(self.pointers):
            out.append(self.pointers[pointer])
        self.target(data.get("id"), window, out)
        self.place(data.get("x"), data.get("y"), window, out)

    def scrolled(self, data, window, out, borders):
        self.target(data.get("id"), window, out, words=False)
        x, y = number(data.get("x")) or 0, number(data.get("y")) or 0
        key = node_id(data.get("id"))
        x0, y0 = window.scrolls.get(key, (0, 0))
        window.scrolls[key] = (x, y)
        out.append(self.scroll[scroll_name(x - x0, y - y0, y)])

    def resized(self, data, window, out, borders):
        window.resize(data.get("width"), data.get("height"))
        out += window.viewport_ids()

    def typed(self, data, window, out, borders):
        node = self.target(data.get("id"), window, out)
        text = data.get("text")
        text = text if isinstance(text, str) else ""
        if node is None:  # it may have been a field for a password: not even the length is told
            out.append(self.input["typed"])
            return
        attributes = window.mirror.attributes(node["id"])
        if attributes.get("type") in ("checkbox", "radio"):
            out.append(self.input["checked" if data.get("isChecked") else "unchecked"])
            return
        if data.get("userTriggered") is False:
            out.append(self.input["script"])
        key = node_id(data.get("id"))
        if len(text) < window.typed_lengths.get(key, 0):
            out.append(self.input["erased"])
        window.typed_lengths[key] = len(text)
        out += self.tree.value(attributes, text)

    def selection(self, data, window, out, borders):
        ranges = rows(data.get("ranges"))
        out.append(self.count(len(ranges)))
        if ranges:
            self.target(ranges[0].get("start"), window, out)

    def played(self, data, window, out, borders):
        kind = node_id(data.get("type"))
        out.append(self.media[kind] if kind is not None and 0 <= kind < len(self.media) else self.unknown)
        self.target(data.get("id"), window, out)
        seconds = number(data.get("currentTime"))
        if seconds is not None:
            out.append(self.count(seconds))
        if data.get("muted"):
            out.append(self.hidden)

    # -- what the page does -------------------------------------------------------------------------------

    def mutation(self, data, window, out, borders):
        mirror = window.mirror
        removes = [r for r in rows(data.get("removes")) if node_id(r.get("id")) is not None]
        removed = mirror.remove(removes) if removes else []
        if removed:
            elements = [node for node in removed if node.get("type") == 2]
            borders.append(len(out))
            out += (self.change["remove"], self.count(len(removed)))
            if elements:
                self.target(elements[0]["id"], window, out)
            mirror.forget(removed)
        adds = window.well_formed_adds(data.get("adds"))
        if adds:
            self._added(adds, window, out, borders)
        for change in rows(data.get("texts")):
            self._text_changed(change, window, out, borders)
        for change in rows(data.get("attributes")):
            self._attributes_changed(change, window, out, borders)

    def _added(self, adds, window, out, borders):
        mirror = window.mirror
        tops, unknown = mirror.insert(adds)
        if unknown:
            window.notes["added below an unknown node"] += unknown
        for parent_id, nodes in tops.items():
            borders.append(len(out))
            out.append(self.change["add"])
            parent = mirror.nodes[parent_id]
            tag = parent.get("tagName")
            parent_tag = self.tree.tag(tag) if isinstance(tag, str) else None
            start = len(out)
            self.tree.write(
                nodes, parent_id, mirror, window.encode, out, borders, parent_tag,
                silent=tag in ("style", "script"), typed=mirror.is_typed(parent_id),
            )  # fmt: skip
            if len(out) == start:  # nothing a summary tells: only how many nodes came
                out.append(self.count(len(nodes)))

    def _text_changed(self, change, window, out, borders):
        mirror, key, value = window.mirror, node_id(change.get("id")), change.get("value")
        value = value if isinstance(value, str) else ""
        borders.append(len(out))
        out.append(self.change["text"])
        if key not in mirror.nodes:
            out.append(self.gone)
            return
        mirror.changed_texts[key] = value
        parent = mirror.nodes.get(mirror.parents.get(key))
        tag = parent.get("tagName") if parent else None
        if isinstance(tag, str):
            out.append(self.tree.tag(tag))
        if tag in ("style", "script"):
            return
        if mirror.is_typed(key):
            out += self.tree.typed_text(value)
        else:
            out += window.encode(value, CHANGED_CHARACTERS)

    def _attributes_changed(self, change, window, out, borders):
        mirror, key = window.mirror, node_id(change.get("id"))
        changes = change.get("attributes")
        changes = {k: v for k, v in changes.items() if isinstance(k, str)} if isinstance(changes, dict) else {}
        borders.append(len(out))
        out.append(self.change["attributes"])
        if key not in mirror.nodes:
            out.append(self.gone)
            return
        before = mirror.set_attributes(key, changes)
        if "value" in changes and mirror.nodes[key].get("tagName") == "input":
            window.typed_lengths[key] = len(str(changes["value"] or ""))
        node = self.target(key, window, out)
        tag = node.get("tagName") if node else None
        for name, value in list(changes.items())[:CHANGED_ATTRIBUTES]:
            self._attribute_changed(tag, name, value, before, mirror.attributes(key), window, out)

    def _attribute_changed(self, tag, name, value, before, after, window, out):
        if name == "class":
            old = set(str(before.get("class") or "").split())
            new = [word for word in str(value or "").split() if word not in old]
            out.append(self.tree.attributes["class"])
            out += window.encode(" ".join(new[:3]), TARGET_CHARACTERS)
        elif name == "style":
            out.append(self.tree.attributes["style"])
            text = _style_text(value)
            if "display:none" in text or "visibility:hidden" in text:
                out.append(self.hidden)
            elif "display:" in text or "visibility:" in text:
                out.append(self.shown)
        elif value is None or value is False:
            out += (self.tree.attributes.get(name) or self.tree.attributes["other"], self.change["remove"])
        elif name in self.tree.attributes:
            start = len(out)
            if name == "type":
                self.tree.write_type(tag, after, out)
            else:
                self.tree.write_attribute(tag, name, value, after, window.encode, out)
            if len(out) == start:  # an attribute that a page summary leaves out: its change is told, its value is not
                out.append(self.tree.attributes[name])
        else:
            out.append(self.tree.attributes["other"])

    def style_sheet_rule(self, data, window, out, borders):
        for kind, entries in (("add", data.get("adds")), ("remove", data.get("removes"))):
            if isinstance(entries, list) and entries:
                out += (self.change[kind], self.count(len(entries)))
        if isinstance(data.get("replace"), str) or isinstance(data.get("replaceSync"), str):
            out.append(self.change["replace"])

    def style_declaration(self, data, window, out, borders):
        for kind, key in (("replace", "set"), ("remove", "remove")):
            entry = data.get(key)
            if isinstance(entry, dict):
                out.append(self.change[kind])
                if isinstance(entry.get("property"), str):
                    out += window.encode(entry["property"], TARGET_CHARACTERS)

    def adopted_style_sheet(self, data, window, out, borders):
        self.target(data.get("id"), window, out, words=False)
        styles = data.get("styleIds")
        out.append(self.count(len(styles) if isinstance(styles, list) else 0))

    def canvas(self, data, window, out, borders):
        kind = node_id(data.get("type"))
        if kind is not None and 0 <= kind < len(self.canvases):
            out.append(self.canvases[kind])
        self.target(data.get("id"), window, out)
        commands = data.get("commands")
        out.append(self.count(len(commands) if isinstance(commands, list) else 1))

    def font(self, data, window, out, borders):
        if isinstance(data.get("family"), str):
            out += window.encode(data["family"], TARGET_CHARACTERS)

    def log(self, data, window, out, borders):
        self.payload({k: v for k, v in data.items() if k != "source"}, window, out)

    def custom_element(self, data, window, out, borders):
        define = data.get("define")
        if isinstance(define, dict) and isinstance(define.get("name"), str):
            out += window.encode(define["name"], TARGET_CHARACTERS)

    def payload(self, value, window, out):
        """Appends the leaves of any JSON value, each as key and value, at most PAYLOAD_LEAVES of them."""
        leaf, of_key, leaves, pending = self.tree.attributes["data"], self.tree.attributes["value"], 0, [("", value)]
        while pending:
            key, current = pending.pop()
            if isinstance(current, dict):
                pending += [(str(k), v) for k, v in reversed(current.items())]
            elif isinstance(current, list):
                pending += [(key, v) for v in reversed(current)]
            elif leaves == PAYLOAD_LEAVES:
                out.append(self.encoder.more)
                return
            elif current is not None and current != "":
                leaves += 1
                out.append(leaf)
                if key:  # apart from its value, so that a value is recognised as what somebody typed
                    out += window.encode(key, TARGET_CHARACTERS)
                    out.append(of_key)
                out += window.encode(str(current), 2 * TARGET_CHARACTERS)


def _style_text(value):
    """Returns a style change as `property:value;` without spaces, from a declaration or a dict of properties."""
    if isinstance(value, dict):
        value = ";".join(f"{k}:{v[0] if isinstance(v, list) and v else v}" for k, v in value.items())
    return "".join(str(value or "").split()).lower()
