"""The mirror against a browser: a tree that is really changed, and a small recorder that writes rrweb's mutations."""

import copy
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import (
    add,
    attribute_change,
    click,
    document,
    element,
    event_names,
    incremental,
    mirror_tree,
    mutation,
    page,
    remove,
    snapshot,
    text,
    text_change,
    tiny_tokenizer,
)

from traceformers.tokenization.rrweb.rrweb_linearizer import BrowserWindow


def follow(events):
    """Returns the mirror after a session."""
    tok = tiny_tokenizer()
    window = BrowserWindow(tok.linearizer, Counter(), tok.encoder.encode)
    for one in events:
        tok.linearizer._event(one, window, [], [])
    return window.mirror


class Browser:
    """A DOM that is changed in place; `record` writes the difference to the last recording as rrweb does.

    Every node is `[id, parent id, [children ids], text or None, attributes]`; a removed node comes back with its
    own id if it is put in again before the recorder looks, else with a new one.
    """

    def __init__(self, rng):
        self.rng, self.next_id = rng, 10
        self.nodes = {3: {"parent": None, "children": [], "attributes": {}}}
        self.recorded = copy.deepcopy(self.nodes)

    def attached(self):
        found, pending = [], [3]
        while pending:
            node_id = pending.pop()
            found.append(node_id)
            pending += self.nodes[node_id]["children"]
        return found

    def change(self):
        rng, attached = self.rng, self.attached()
        elements = [i for i in attached if "text" not in self.nodes[i]]
        kind, node_id = rng.randrange(5), rng.choice(attached)
        if kind == 0 or len(attached) < 4:
            new, parent = self.next_id, rng.choice(elements)
            self.next_id += 1
            node = {"parent": parent, "children": [], "attributes": {}}
            if rng.random() < 0.4:
                node["text"] = f"text {new}"
            self.nodes[new] = node
            self._put(new, parent)
        elif kind == 1 and node_id != 3:
            self._take(node_id)
        elif kind == 2 and node_id != 3:
            outside = [i for i in elements if not self._is_below(i, node_id)]
            self._take(node_id)
            self._put(node_id, rng.choice(outside))
        elif kind == 3 and "text" in self.nodes[node_id]:
            self.nodes[node_id]["text"] = f"changed {rng.randrange(99)}"
        elif "text" not in self.nodes[node_id]:
            value = rng.choice(["a", "b", None])
            self.nodes[node_id]["attributes"].pop("title", None)
            if value:
                self.nodes[node_id]["attributes"]["title"] = value

    def _is_below(self, node_id, top):
        while node_id is not None:
            if node_id == top:
                return True
            node_id = self.nodes[node_id]["parent"]
        return False

    def _take(self, node_id):
        self.nodes[self.nodes[node_id]["parent"]]["children"].remove(node_id)
        self.nodes[node_id]["parent"] = None

    def _put(self, node_id, parent):
        children = self.nodes[parent]["children"]
        children.insert(self.rng.randint(0, len(children)), node_id)
        self.nodes[node_id]["parent"] = parent

    def tree(self, node_id=3):
        """Returns `(id, text, attributes, [children ...])`, as `state_of` gives it of a mirror."""
        node = self.nodes[node_id]
        return node_id, node.get("text"), node["attributes"], [self.tree(i) for i in node["children"]]

    def serialized(self, node_id, whole=False):
        node = self.nodes[node_id]
        if "text" in node:
            return text(node_id, node["text"])
        children = [self.serialized(i, True) for i in node["children"]] if whole else []
        return element(node_id, "div", *children, **node["attributes"])

    def record(self, time):
        """Returns the mutation event since the last recording: moved nodes are removed and added with all below."""
        old, now = self.recorded, {i: self.nodes[i] for i in self.attached()}
        added = set(now) - set(old)
        for node_id in set(now) & set(old) - {3}:
            if now[node_id]["parent"] != old[node_id]["parent"] or self._order_changed(node_id, old, now):
                added.add(node_id)
        grown = True
        while grown:  # what hangs below an added node is added too
            below = {i for i in now if now[i]["parent"] in added} - added
            added |= below
            grown = bool(below)
        removed = [i for i in old if i != 3 and (i not in now or i in added)]
        removed = [i for i in removed if old[i]["parent"] not in removed]
        removes = [remove(old[i]["parent"], i) for i in removed]
        adds = []
        for node_id in added:
            siblings = now[now[node_id]["parent"]]["children"]
            at = siblings.index(node_id) + 1
            adds.append(
                add(now[node_id]["parent"], self.serialized(node_id), siblings[at] if at < len(siblings) else None)
            )
        self.rng.shuffle(adds)
        self.rng.shuffle(removes)
        texts, attributes = [], []
        for i in set(now) & set(old) - added:
            if now[i].get("text") != old[i].get("text"):
                texts.append(text_change(i, now[i]["text"]))
            if now[i]["attributes"] != old[i]["attributes"]:
                attributes.append(attribute_change(i, title=now[i]["attributes"].get("title")))
        self.nodes = {i: self.nodes[i] for i in now}
        self.recorded = copy.deepcopy(self.nodes)
        return mutation(time, adds=adds, removes=removes, texts=texts, attributes=attributes)

    @staticmethod
    def _order_changed(node_id, old, now):
        """Whether a node that stayed with its parent must move so that the others keep their order."""
        before = [i for i in old[old[node_id]["parent"]]["children"] if i in now]
        after = [i for i in now[now[node_id]["parent"]]["children"] if i in old]
        common = [i for i in before if i in after]
        return common != [i for i in after if i in before]


def state_of(mirror, node_id=3):
    node = mirror.nodes[node_id]
    content = mirror.text(node_id) if node["type"] == 3 else None
    return node_id, content, mirror.attributes(node_id), [state_of(mirror, c["id"]) for c in mirror.children(node_id)]


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 12))
def test_the_mirror_holds_what_the_browser_holds(seed, n_events, n_changes):
    browser = Browser(random.Random(seed))
    for _ in range(n_changes):
        browser.change()
    browser.nodes = {i: browser.nodes[i] for i in browser.attached()}
    browser.recorded = copy.deepcopy(browser.nodes)
    events = page(*browser.serialized(3, whole=True)["childNodes"])
    events[1]["data"]["node"]["childNodes"][1]["childNodes"][0]["attributes"] = dict(browser.nodes[3]["attributes"])
    for i in range(n_events):
        for _ in range(n_changes):
            browser.change()
        events.append(browser.record(100 + i))
    before = copy.deepcopy(events)
    mirror = follow(events)
    assert state_of(mirror) == browser.tree()
    assert set(mirror.nodes) - {1, 2, 900} == set(browser.attached()), "nodes that are gone are forgotten"
    assert {i: mirror.parents[i] for i in browser.attached() if i != 3} == {
        i: node["parent"] for i, node in browser.nodes.items() if i != 3
    }
    assert events == before, "the caller's events are not changed"


def test_adds_in_any_order_stand_where_their_next_node_says():
    nodes = [element(i, "div") for i in (20, 21, 22, 23)]
    adds = [
        add(3, nodes[1], 22),
        add(22, text(30, "inner")),
        add(3, nodes[0], 21),
        add(3, nodes[3]),
        add(3, nodes[2], 10),
    ]
    for seed in range(20):
        random.Random(seed).shuffle(adds)
        mirror = follow([*page(element(10, "p")), mutation(adds=adds)])
        children = [(20, []), (21, []), (22, [(30, [])]), (10, []), (23, [])]
        assert mirror_tree(mirror, 3) == (3, children)


def test_a_frame_gets_its_document_and_a_new_one_when_it_loads_again():
    frame = element(10, "iframe", src="https://f.test/")
    first, second = (
        document(element(51, "button", "Pay"), node_id=50),
        document(element(61, "button", "Paid"), node_id=60),
    )
    for number, node in ((40, first), (45, second)):  # ids of html and body are unique in rrweb
        node["childNodes"][1]["id"], node["childNodes"][1]["childNodes"][0]["id"] = number, number + 1
        node["childNodes"][0]["id"] = number + 2
    attach = [mutation(20, adds=[add(10, first)], isAttachIframe=True)]
    events = [*page(frame), *attach, click(51, 30)]
    assert event_names(events)[3:5] == ["[tag:button]", '"Pay"']
    events += [mutation(40, adds=[add(10, second)], isAttachIframe=True), click(61, 50), click(51, 60)]
    assert event_names(events, -2)[3:5] == ["[tag:button]", '"Paid"']
    assert "[gone]" in event_names(events)
    mirror = follow(events)
    assert [c["id"] for c in mirror.children(10)] == [60] and 50 not in mirror.nodes


def test_a_shadow_root_is_told_and_its_nodes_are_targets():
    inner = element(11, "button", "Inside") | {"isShadow": True}
    host = element(10, "my-widget", inner) | {"isShadowHost": True}
    events = [*page(host), mutation(20, adds=[add(10, element(12, "button", "Later") | {"isShadow": True})])]
    assert "[tag:#shadow-root]" in event_names(events, 1)
    for node_id, label in ((11, '"Inside"'), (12, '"Later"')):
        assert label in event_names([*events, click(node_id)])


def test_ids_start_again_on_another_page():
    events = [*page(element(10, "button", "Old")), *page(element(10, "a", "New"), href="https://b.test/", time=50)]
    assert '"New"' in event_names([*events, click(10)]) and '"Old"' not in event_names([*events, click(10)])


def test_a_node_that_was_removed_is_gone_with_all_below_and_may_return():
    form = element(10, "form", element(11, "button", "Pay"))
    events = [*page(form), mutation(20, removes=[remove(3, 10)])]
    assert "[gone]" in event_names([*events, click(11)])
    events.append(mutation(30, adds=[add(3, element(10, "form")), add(10, element(11, "button", "Pay again"))]))
    assert '"Pay again"' in event_names([*events, click(11)])


def test_the_same_object_may_be_removed_and_added():
    item = element(10, "li", "One")
    events = [*page(element(9, "ul", item, element(12, "li", "Two")))]
    events.append(mutation(20, removes=[remove(9, 10)], adds=[add(9, item)]))
    assert mirror_tree(follow(events), 9) == (9, [(12, [(1012, [])]), (10, [(1010, [])])])


@pytest.mark.parametrize(
    "adds",
    [
        [add(7777, element(50, "p"))],
        [add(50, element(50, "p"))],
        [add(51, element(50, "p")), add(50, element(51, "p"))],
        [add(10, element(50, "p")), add(50, element(50, "p"))],
        [add(10, element(50, "p")), add(50, element(51, "p")), add(51, element(50, "p"))],
        [add(10, element(50, "p", element(10, "p")))],
        [add(10, element(50, "p", element(3, "p", element(1, "p"))))],
        [add(10, element(3, "p"))],
        [add(10, element(50, "p"), 51), add(10, element(51, "p"), 50)],
        [add(10, element(50, "p"), 50)],
        [add(10, element(50, "p"))] * 3,
    ],
)
def test_impossible_trees_come_to_an_end(adds):
    events = [*page(element(10, "div", "x")), mutation(20, adds=adds), mutation(30, adds=adds)]
    events += [click(i, 40 + i) for i in (1, 3, 10, 50, 51)]
    events += [mutation(200, removes=[remove(3, i) for i in (3, 10, 50, 51)]), click(50, 300)]
    assert tiny_tokenizer().log(events)


# -- targets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "node, node_id, expected",
    [
        (element(10, "button", "Pay"), 10, ["[tag:button]", '"Pay"']),
        (element(10, "button", element(11, "span", text(12, "Pay"))), 12, ["[tag:button]", '"Pay"']),
        (element(10, "a", element(11, "svg", element(12, "path"))), 12, ["[tag:a]"]),
        (element(10, "button", aria_label="Close"), 10, ["[tag:button]", '"Close"']),
        (element(10, "button", "x", aria_label="Close"), 10, ["[tag:button]", '"x"']),
        (element(10, "input", placeholder="Name"), 10, ["[tag:input]", "[type:text]", '"Name"']),
        (element(10, "input", type="EMAIL", name="mail"), 10, ["[tag:input]", "[type:email]", '"mail"']),
        (element(10, "input", type="submit", value="Send"), 10, ["[tag:input]", "[type:submit]", '"Send"']),
        (element(10, "img", alt="A cat"), 10, ["[tag:img]", '"A cat"']),
        (element(10, "select", element(11, "option", "Red"), name="colour"), 10, ["[tag:select]", '"colour"']),
        (element(10, "div", "Menu", role="menuitem"), 10, ["[tag:div]", "[role:menuitem]", '"Menu"']),
        (element(10, "my-card", "Hi"), 10, ["[tag:custom]", '"Hi"']),
        (element(10, "blink", "Hi"), 10, ["[tag:other]", '"Hi"']),
        (element(10, "DIV", "Hi"), 10, ["[tag:div]", '"Hi"']),
        (element(10, "div", *[element(20 + i, "p", f"{i}") for i in range(30)]), 10, ["[tag:div]"]),
        (element(10, "div"), 1, ["[tag:#document]"]),
        (element(10, "div"), 4711, ["[gone]"]),
    ],
)
def test_an_action_names_its_target(node, node_id, expected):
    found = event_names([*page(node), click(node_id)])
    assert found[3:-2] == expected


def test_a_label_follows_what_mutations_changed():
    events = [*page(element(10, "button", "Buy"), element(12, "input", placeholder="Old"))]
    events.append(mutation(20, texts=[text_change(1010, "Sold")], attributes=[attribute_change(12, placeholder="New")]))
    assert '"Sold"' in event_names([*events, click(10)]) and '"New"' in event_names([*events, click(12)])
    events.append(mutation(30, attributes=[attribute_change(12, placeholder=None)]))
    assert not any(t.startswith('"') for t in event_names([*events, click(12)]))


def test_a_checkout_replaces_the_whole_tree():
    events = [
        *page(element(10, "p", "a")),
        mutation(20, adds=[add(3, element(50, "p"))]),
        snapshot(element(10, "p"), time=30),
    ]
    assert mirror_tree(follow(events), 1) == (1, [(900, []), (2, [(3, [(10, [])])])])
    assert "[gone]" in event_names([*events, incremental(3, 40, id=50, x=0, y=1)])
