"""Serialized DOM nodes to tokens: the summary of a page, or of what a mutation added to it.

An element gives its tag and the attributes that say what it is; a text gives its BPE ids after the tag that
holds it. Left out, with the reason:

- style sheets, scripts, SVG paths, comments, white space: most of the bytes, no meaning;
- containers without words or attributes of their own (most `div` and `span`): layout;
- `class`, `id`, `style`, `data-*`, `href`, `src` of page nodes: layout and addresses. A change of a class or
  style by a mutation is told, and a frame's address is kept;
- `rr_dataURL` (pixels), `rr_scrollLeft` and `rr_scrollTop`, the size of a blocked element, and where a medium stood
  and how loud: the state of one moment; what a person does to it later is told.
"""

from .rrweb_mirror import is_editor, is_password

SILENT = frozenset("script style noscript link meta base svg template math object embed".split())
SPOKEN = frozenset(  # elements that are told even where they are empty
    "a button input select textarea img video audio canvas iframe form dialog details nav main header footer table "
    "svg frame".split()
)
TEXT_ATTRIBUTES = frozenset("aria-label placeholder alt title label aria-description aria-valuetext".split())
FLAGS = frozenset("checked selected disabled readonly required hidden open multiple".split())
STATES = frozenset(
    "aria-expanded aria-selected aria-checked aria-pressed aria-hidden aria-disabled aria-invalid aria-current "
    "aria-busy aria-modal".split()
)
FORM_FIELDS = frozenset("input select textarea button form iframe fieldset".split())
FRAME_ADDRESSES = ("rr_src", "src")
SPOKEN_ATTRIBUTES = (
    TEXT_ATTRIBUTES | FLAGS | STATES | {"role", "contenteditable", "rr_width", "rr_mediaState", "rr_open_mode"}
)
TOLD_ATTRIBUTES = SPOKEN_ATTRIBUTES | {"name", "value", *FRAME_ADDRESSES}
LABEL_CHARACTERS = 60
LONGEST_FIELD = 2000


class TreeWriter:
    """Writes nodes as tokens and enters them into a mirror on the way.

    Args:
        vocabulary (`StructuralVocabulary`).
        encoder (`TextEncoder`): for lengths and typed values.
        keep_typed_text (`bool`): write what was typed instead of its length; never a password.
    """

    def __init__(self, vocabulary, encoder, keep_typed_text=False):
        self.keep_typed_text = keep_typed_text
        self.passwords, self.fields = set(), set()  # what was met in clear, since the linearizer emptied them
        ids = vocabulary.ids
        self.encoder = encoder
        self.tags = {t[5:-1]: i for t, i in ids.items() if t.startswith("[tag:")}
        self.attributes = {t[6:-1]: i for t, i in ids.items() if t.startswith("[attr:")}
        self.roles = {t[6:-1]: i for t, i in ids.items() if t.startswith("[role:")}
        self.types = {t[6:-1]: i for t, i in ids.items() if t.startswith("[type:")}
        self.states = {t[4:-1]: i for t, i in ids.items() if t.startswith("[is:")}
        self.media = {"played": ids["[media:Play]"], "paused": ids["[media:Pause]"]}
        self.shadow, self.content = self.tags["#shadow-root"], self.attributes["content"]
        self.n_structural = len(vocabulary)

    def tag(self, name):
        """Returns the id of a tag name in any case; custom elements and unknown names have one id each."""
        tag_id = self.tags.get(name)
        if tag_id is None:
            lower = name.lower()
            tag_id = self.tags.get(lower) or self.tags["custom" if "-" in lower else "other"]
        return tag_id

    def write(self, nodes, parent_id, mirror, encode, out, borders, parent_tag=None, silent=False, typed=False):
        """Appends the tokens of `nodes` and all below them to `out`, in document order.

        Args:
            nodes (list of serialized nodes): siblings below `parent_id`, all of them new to the mirror.
            parent_id: id of their parent, None for a document.
            mirror (`DomMirror`): gets every node and its parent.
            encode (`str -> tuple of int`): page text to ids.
            out (list of `int`), borders (list of `int`): tokens, and where each node starts in them.
            parent_tag (`int`): tag to write before text that stands directly in `nodes`; None in a document.
            silent (`bool`): only enter the nodes into the mirror.
            typed (`bool`): texts were typed, write their length.

        Raises:
            KeyError, TypeError, AttributeError, ValueError: for a malformed node; see `well_formed`.
        """
        all_nodes, parents, changed = mirror.nodes, mirror.parents, mirror.changed_children
        tags = self.tags
        spoken, silent_tags, spoken_attributes = SPOKEN, SILENT, SPOKEN_ATTRIBUTES
        stack, siblings = [], iter(nodes)
        visited, told_of, text_ids = set(), None, self.n_structural  # the element that was told of last
        # One iterator a level on an explicit stack: a page may be nested deeper than Python may recurse.
        while True:
            for node in siblings:
                node_id = node["id"]
                if changed:  # in a mutation a malformed node may hang below itself, or take the id of an older one
                    if node_id in visited:
                        continue
                    visited.add(node_id)
                    if all_nodes.get(node_id) is not node:
                        mirror.forget_changes(node_id)
                all_nodes[node_id] = node
                parents[node_id] = parent_id
                node_type = node["type"]
                if node_type == 3:
                    if silent:
                        continue
                    text = node["textContent"]
                    # Typed text never reaches `encode`: learning a vocabulary counts what does.
                    ids = encode(text) if not typed else self.typed_text(text) if text.strip() else ()
                    if ids:
                        if told_of != parent_id or parent_id is None:
                            borders.append(len(out))
                            if parent_tag is not None:
                                out.append(parent_tag)
                            told_of = parent_id
                        elif out[-1] >= text_ids:  # after a label, or another text of the same element
                            out.append(self.content)
                        out += ids
                    continue
                below = changed.get(node_id) if changed else None
                if below is None:
                    below = node.get("childNodes")
                below_tag, below_silent, below_typed = parent_tag, silent, typed
                if node_type == 2:
                    tag, attributes = node["tagName"], node["attributes"]
                    below_tag = tags.get(tag) or self.tag(tag)
                    below_silent = silent or tag in silent_tags
                    if not silent:
                        if (tag in spoken or not spoken_attributes.isdisjoint(attributes)) and (
                            tag not in silent_tags or tag == "svg"
                        ):
                            borders.append(len(out))
                            out.append(below_tag)
                            told_of = node_id
                            if attributes or tag == "input":  # without a type it is one for text
                                self.write_attributes(tag, attributes, encode, out)
                        if tag == "textarea" or (attributes and not typed and is_editor(attributes)):
                            below_typed = True
                        if len(node) > 5 and node.get("isShadowHost"):
                            borders.append(len(out))
                            out.append(self.shadow)
                            told_of = None
                if below:
                    stack.append((siblings, parent_id, parent_tag, silent, typed))
                    siblings, parent_id = iter(below), node_id
                    parent_tag, silent, typed = below_tag, below_silent, below_typed
                    break
            else:
                if not stack:
                    return
                siblings, parent_id, parent_tag, silent, typed = stack.pop()

    def write_attributes(self, tag, attributes, encode, out):
        """Appends the tokens of what an element's attributes say about it."""
        self.write_type(tag, attributes, out)
        for name, value in attributes.items():
            if name in TOLD_ATTRIBUTES:
                self.write_attribute(tag, name, value, attributes, encode, out)

    def write_type(self, tag, attributes, out):
        """Appends the type of a field or button; a field without one is for text."""
        kind = attributes.get("type")
        if tag == "input" or (tag == "button" and kind is not None):
            kind = kind.lower() if isinstance(kind, str) else "text" if kind is None else "other"
            out.append(self.types.get(kind) or self.types["other"])

    def write_attribute(self, tag, name, value, attributes, encode, out):
        """Appends the tokens of one attribute of an element, none if a summary leaves it out."""
        ids = self.attributes
        if name in TEXT_ATTRIBUTES:
            if isinstance(value, str) and value:
                text_ids = encode(value, LABEL_CHARACTERS)
                if text_ids:
                    out.append(ids[name])
                    out += text_ids
        elif name == "role":
            out.append(self.roles.get(value) or self.roles["other"])
        elif name in FLAGS:
            if value is not False and value != "false":
                out.append(ids[name])
        elif name in STATES:
            out += (ids[name], self.states["false" if value in ("false", False) else "true"])
        elif name == "value":
            self._write_value(tag, attributes, value, encode, out)
        elif name == "name":
            if tag in FORM_FIELDS and isinstance(value, str) and value:
                out.append(ids["name"])
                out += encode(value, LABEL_CHARACTERS)
        elif name in FRAME_ADDRESSES:
            if tag in ("iframe", "frame") and isinstance(value, str) and value:
                out.append(ids["src"])
                out += encode(value, 2 * LABEL_CHARACTERS)
        elif name == "contenteditable":
            if is_editor(attributes):
                out.append(ids["contenteditable"])
        elif name == "rr_width":
            out.append(self.states["blocked"])
        elif name == "rr_mediaState":
            out += (ids["rr_media"], self.media.get(value, ids["other"]))
        elif name == "rr_open_mode":
            out.append(ids["rr_open_mode"])

    def _write_value(self, tag, attributes, value, encode, out):
        """Appends the value of a field: words on a button, else its length, and nothing of a password."""
        kind = attributes.get("type")
        if tag == "button" or kind in ("submit", "button", "reset"):
            if isinstance(value, str) and value:
                out.append(self.attributes["value"])
                out += encode(value, LABEL_CHARACTERS)
        elif tag in ("input", "textarea") and kind not in ("checkbox", "radio", "hidden"):
            out.append(self.attributes["value"])
            out += self.value(attributes, value)

    def value(self, attributes, value):
        """Returns the ids that stand for what a field holds: password, masked or typed, with its length."""
        if is_password(attributes):
            if isinstance(value, str) and value.strip("* "):  # not masked by the recorder: the page may show it again
                self.passwords.add(value)
            return (self.states["password"],)
        return self.typed_text(value if isinstance(value, str) else "" if value is None else str(value))

    def typed_text(self, text):
        """Returns the ids that stand for a text that was typed: its length, or the text if that is kept."""
        if text and not text.strip("* "):
            return self.encoder.masked_value(len(text))
        if len(text) < LONGEST_FIELD:
            self.fields.add(text)
        if self.keep_typed_text:
            return (self.encoder.typed, *self.encoder.encode(text))
        return self.encoder.typed_value(len(text))


def well_formed(node):
    """Returns `(copy, repairs)`: the node with every malformed part left out, and how many there were.

    A child that is not a node, an attribute that is not a plain value, a missing list: each costs that part only.
    Returns `(None, 1)` if the node itself cannot be used.
    """
    if _plain(node):
        return node, 0
    repairs = 0
    holder = []
    pending = [(node, holder)]
    while pending:
        raw, siblings = pending.pop()
        if not isinstance(raw, dict) or not _is_id(raw.get("id")) or raw.get("type") not in (0, 1, 2, 3, 4, 5):
            repairs += 1
            continue
        clean = {"type": int(raw["type"]), "id": raw["id"]}
        if clean["type"] == 3:
            text = raw.get("textContent")
            clean["textContent"] = text if isinstance(text, str) else ""
            repairs += not isinstance(text, str)
        elif clean["type"] == 2:
            tag, attributes = raw.get("tagName"), raw.get("attributes")
            clean["tagName"] = tag if isinstance(tag, str) else "other"
            given = attributes if isinstance(attributes, dict) else {}
            clean["attributes"] = {k: v for k, v in given.items() if isinstance(v, str | int | float | None)}
            repairs += not isinstance(tag, str)
            repairs += not isinstance(attributes, dict) or len(given) != len(clean["attributes"])
            for flag in ("isSVG", "isShadowHost", "isShadow"):
                if raw.get(flag):
                    clean[flag] = True
        children = raw.get("childNodes")
        if isinstance(children, list):
            clean["childNodes"] = []
            pending += [(child, clean["childNodes"]) for child in reversed(children)]
        elif children is not None:
            repairs += 1
        siblings.append(clean)
    return (holder[0] if holder else None), repairs


def _plain(node):
    """Returns whether a node without children, as mutations carry them, needs no repair."""
    try:
        if type(node["id"]) is not int or node.get("childNodes"):
            return False
        if node["type"] == 3:
            return type(node["textContent"]) is str
        if node["type"] != 2 or type(node["tagName"]) is not str:
            return False
        return set(map(type, node["attributes"].values())) <= _VALUES
    except (KeyError, TypeError, AttributeError):
        return False


_VALUES = {str, int, float, bool, type(None)}


def _is_id(value):
    return isinstance(value, int) and not isinstance(value, bool)
