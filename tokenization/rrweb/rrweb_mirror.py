"""The DOM as rrweb's replayer holds it: node by id, parent of each node, and what mutations changed since.

Serialized nodes are never modified, they may belong to the caller: children, attributes and texts that a
mutation changed are kept in tables of their own beside them.
"""

import re
from functools import lru_cache

ACTIONABLE = frozenset("a button input select textarea label summary option video audio canvas img".split())
ACTIONABLE_ROLES = frozenset(
    "button checkbox combobox link listbox menuitem menuitemcheckbox menuitemradio option radio searchbox slider "
    "spinbutton switch tab textbox treeitem".split()
)
CLIMB = 5
LABEL_NODES = 48
CONTAINER_NODES = 12
LABEL_ATTRIBUTES = ("aria-label", "placeholder", "alt", "title", "name")
EDITOR_CLASSES = re.compile(r"(?<!\S)(?:ace_|cm-|CodeMirror|monaco-|ProseMirror|ql-editor|note-editable|tox-edit)")


def is_editor(attributes):
    """Returns whether an element with these attributes holds text that a person types without an Input event."""
    editable = attributes.get("contenteditable")
    if editable is not None and editable is not False and editable != "false":
        return True
    if attributes.get("role") in ("textbox", "searchbox"):
        return True
    names = attributes.get("class")
    return isinstance(names, str) and _has_editor_class(names)


@lru_cache(maxsize=65_536)  # pages repeat few lists of classes, and every element is asked
def _has_editor_class(names):
    return EDITOR_CLASSES.search(names) is not None


def is_password(attributes):
    """Returns whether an element with these attributes is, or once was, a field for a password."""
    kind, filled = attributes.get("type"), attributes.get("autocomplete")
    return (
        (isinstance(kind, str) and kind.lower() == "password")
        or (isinstance(filled, str) and filled.lower().endswith("-password"))
        or "data-rr-is-password" in attributes
    )


class DomMirror:
    """The nodes of one browser window, found by id."""

    def __init__(self):
        self.nodes = {}
        self.parents = {}
        self.changed_children = {}
        self.changed_attributes = {}
        self.changed_texts = {}

    def children(self, node_id):
        """Returns the children of a node now, as serialized nodes."""
        changed = self.changed_children.get(node_id)
        if changed is not None:
            return changed
        return self.nodes[node_id].get("childNodes") or ()

    def attributes(self, node_id):
        """Returns the attributes of a node now; empty for anything but an element."""
        changed = self.changed_attributes.get(node_id)
        if changed is not None:
            return changed
        return self.nodes[node_id].get("attributes") or {}

    def text(self, node_id):
        """Returns the text of a text node now."""
        changed = self.changed_texts.get(node_id)
        return changed if changed is not None else self.nodes[node_id].get("textContent") or ""

    def set_attributes(self, node_id, changes):
        """Applies `{name: value}`; None removes the attribute. Returns the attributes as they were."""
        before = self.attributes(node_id)
        after = dict(before)
        for name, value in changes.items():
            if value is None:
                after.pop(name, None)
            elif name == "style" and isinstance(value, dict):
                after["style"] = ""  # a change of single properties: no token comes from the whole declaration
            else:
                after[name] = value
        if is_password(before) and not is_password(after):  # "show password": it stays one
            after["data-rr-is-password"] = "true"
        self.changed_attributes[node_id] = after
        return before

    def remove(self, removes):
        """Removes `[{parentId, id}]` with all that hangs below. Returns the removed nodes that were known."""
        gone_of_parent, removed = {}, []
        for entry in removes:
            node_id = entry["id"]
            node = self.nodes.get(node_id)
            if node is not None:
                removed.append(node)
                gone_of_parent.setdefault(self.parents.get(node_id), set()).add(node_id)
        for parent_id, gone in gone_of_parent.items():
            if parent_id in self.nodes:  # one pass a parent, however many children go
                children = self.changed_children.get(parent_id)
                if children is None:
                    children = self.nodes[parent_id].get("childNodes") or ()
                self.changed_children[parent_id] = [c for c in children if c["id"] not in gone]
        return removed

    def forget(self, removed):
        """Drops removed nodes and their descendants from the tables, but for descendants that moved elsewhere."""
        pending = [(node["id"], node) for node in removed]
        while pending:
            node_id, node = pending.pop()
            if self.nodes.get(node_id) is not node:
                continue
            pending += [(child["id"], child) for child in self.children(node_id)]
            self.nodes.pop(node_id)
            self.parents.pop(node_id, None)
            self.forget_changes(node_id)

    def forget_changes(self, node_id):
        """Drops what mutations changed of a node."""
        for table in (self.changed_children, self.changed_attributes, self.changed_texts):
            table.pop(node_id, None)

    def insert(self, adds):
        """Inserts `[{parentId, nextId, node}]` in the order the document will have.

        Entries may come in any order, a parent after its child. Returns `(tops, unknown)`: the added nodes by
        parent `{parent_id: [node, ...]}` for parents that were there before, and how many had no known parent.
        """
        waiting = {}
        fresh = {}
        for entry in adds:
            node = entry["node"]
            fresh[node["id"]] = node
            waiting.setdefault(entry["parentId"], []).append(entry)
        tops = {parent_id: [] for parent_id in waiting if parent_id in self.nodes and parent_id not in fresh}
        inserted = 0
        pending = list(tops)
        for parent_id in tops:
            self._insert_below(parent_id, waiting[parent_id])
            nodes = {entry["node"]["id"] for entry in waiting[parent_id]}
            tops[parent_id] = [c for c in self.changed_children[parent_id] if c["id"] in nodes]
        while pending:
            for entry in waiting.pop(pending.pop(), ()):
                node_id = entry["node"]["id"]
                inserted += 1
                if node_id in waiting:
                    if node_id not in tops:
                        self._insert_below(node_id, waiting[node_id])
                    pending.append(node_id)
        return tops, len(adds) - inserted

    def _insert_below(self, parent_id, entries):
        """Rebuilds the children of one parent with its new ones, each before the node its `nextId` names."""
        added, before = {}, {}
        for entry in entries:
            node = entry["node"]
            node_id = node["id"]
            self.nodes[node_id], self.parents[node_id] = node, parent_id
            self.forget_changes(node_id)
            added[node_id] = entry
        old = [c for c in self.children(parent_id) if c["id"] not in added]
        if any(entry["node"].get("type") == 0 for entry in entries):  # a frame that loads again holds one document
            self.forget([c for c in old if c.get("type") == 0])
            old = [c for c in old if c.get("type") != 0]
        known = {c["id"] for c in old}
        for entry in added.values():
            next_id = entry.get("nextId")
            before.setdefault(next_id if next_id in known or next_id in added else None, []).append(entry["node"])
        children, placed = [], set()
        for child in old:
            if child["id"] in before:
                children += _chain(before, child["id"], placed)
            children.append(child)
        children += _chain(before, None, placed)
        # entries whose next nodes form a ring would be lost: they go to the end
        children += [e["node"] for node_id, e in added.items() if node_id not in placed]
        self.changed_children[parent_id] = children

    def target(self, node_id):
        """Returns the node that an action on `node_id` is about: the nearest link, button or field, else itself.

        Text and the inner nodes of a drawing stand for the element that holds them. None for an unknown id.
        """
        node = self.nodes.get(node_id)
        if node is None:
            return None
        element = None
        for _ in range(CLIMB):
            if node.get("type") == 2:
                attributes = self.attributes(node["id"])
                if node.get("tagName") in ACTIONABLE or attributes.get("role") in ACTIONABLE_ROLES:
                    return node
                if element is None and not node.get("isSVG"):
                    element = node
            parent = self.nodes.get(self.parents.get(node["id"]))
            if parent is None:
                break
            node = parent
        return element or self.nodes[node_id]

    def label(self, node):
        """Returns a short text that names an element: its own words, or what its attributes call it."""
        node_id = node["id"]
        attributes = self.attributes(node_id)
        tag = node.get("tagName")
        if tag == "input" and attributes.get("type") in ("submit", "button", "reset"):
            value = attributes.get("value")
            if isinstance(value, str) and value:
                return value
        if tag not in ("input", "select", "textarea"):
            words = self._first_words(node)
            if words:
                return words
        for name in LABEL_ATTRIBUTES:
            value = attributes.get(name)
            if isinstance(value, str) and value.strip():
                return value
        return ""

    def _first_words(self, node):
        """Returns the first texts below `node`; nothing for a container of more than a few nodes.

        The words of a whole page do not name its body.
        """
        if self.is_typed(node["id"]):
            return ""
        named = node.get("tagName") in ACTIONABLE or self.attributes(node["id"]).get("role") in ACTIONABLE_ROLES
        limit = LABEL_NODES if named else CONTAINER_NODES
        words, length, visited = [], 0, 0
        pending = [node]
        while pending and length < 40:
            if visited == limit:
                return " ".join(words) if named else ""
            current = pending.pop()
            visited += 1
            node_type = current.get("type")
            if node_type == 3:
                text = self.text(current["id"])
                if text and not text.isspace():
                    words.append(text)
                    length += len(text)
            elif node_type == 2 and current.get("tagName") not in ("script", "style", "svg", "textarea"):
                if is_editor(self.attributes(current["id"])):
                    continue
                pending.extend(reversed(self.children(current["id"])))
        return " ".join(words)

    def is_typed(self, node_id):
        """Returns whether text in this node was typed there: in a textarea or an editable element."""
        for _ in range(64):
            node = self.nodes.get(node_id)
            if node is None:
                return False
            if node.get("type") == 2 and (node.get("tagName") == "textarea" or is_editor(self.attributes(node_id))):
                return True
            node_id = self.parents.get(node_id)
        return False


def _chain(before, anchor, placed):
    """Returns the added nodes that stand before `anchor`, following nodes before nodes; enters them in `placed`."""
    chain = []
    stack = before.pop(anchor, [])[::-1]
    while stack:
        node = stack[-1]
        earlier = before.pop(node["id"], None)
        if earlier:
            stack += earlier[::-1]
            continue
        stack.pop()
        if node["id"] not in placed:
            placed.add(node["id"])
            chain.append(node)
    return chain
