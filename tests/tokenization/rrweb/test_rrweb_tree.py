import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import element, event, event_names, meta, names, page, snapshot, text, tiny_tokenizer

from traceformers.tokenization.rrweb.rrweb_tree import well_formed


def told(*nodes):
    """Returns the tokens of a page with these nodes, the event's own first two left out."""
    return event_names(page(*nodes))[2:]


@pytest.mark.parametrize(
    "node, expected",
    [
        (element(10, "p", "Hello"), ["[tag:p]", '"Hello"']),
        (element(10, "div", element(11, "div", element(12, "p", "Hi"))), ["[tag:p]", '"Hi"']),
        (element(10, "div"), []),
        (element(10, "button"), ["[tag:button]"]),
        (element(10, "button", "Go", type="submit"), ["[tag:button]", "[type:submit]", '"Go"']),
        (element(10, "input"), ["[tag:input]", "[type:text]"]),
        (element(10, "input", type="colour"), ["[tag:input]", "[type:other]"]),
        (
            element(10, "input", type="checkbox", checked=True, required=True),
            ["[tag:input]", "[type:checkbox]", "[attr:checked]", "[attr:required]"],
        ),
        (
            element(10, "div", "Menu", aria_expanded="false", role="menu"),
            ["[tag:div]", "[attr:aria-expanded]", "[is:false]", "[role:menu]", '"Menu"'],
        ),
        (element(10, "div", role="wizard"), ["[tag:div]", "[role:other]"]),
        (element(10, "img", alt="A cat"), ["[tag:img]", "[attr:alt]", '"A cat"']),
        (element(10, "a", "read", href="/x", class_="big", style="color:red", data_id="7"), ["[tag:a]", '"read"']),
        (element(10, "iframe", src="https://f.test/a"), ["[tag:iframe]", "[attr:src]", '"https://f.test/a"']),
        (element(10, "video", rr_mediaState="played"), ["[tag:video]"]),
        (element(10, "x-y", "hi"), ["[tag:custom]", '"hi"']),
        (element(10, "H1", "hi"), ["[tag:h1]", '"hi"']),
        (element(10, "div", contenteditable=True), ["[tag:div]", "[attr:contenteditable]"]),
        (element(10, "div", contenteditable="false"), ["[tag:div]"]),
        (element(10, "p", "  \n\t "), []),
        (element(10, "script", "alert(1)"), []),
        (element(10, "style", "p{color:red}"), []),
        (element(10, "noscript", "Enable JavaScript"), []),
        (element(10, "svg", element(11, "path", d="M0 0"), element(12, "text", "Axis")), ["[tag:svg]"]),
        ({"type": 5, "id": 10, "textContent": "a comment"}, []),
        ({"type": 4, "id": 10, "textContent": ""}, []),
        (text(10, "bare"), ["[tag:body]", '"bare"']),
        (element(10, "input", type="hidden", value="csrf"), ["[tag:input]", "[type:hidden]"]),
    ],
)
def test_what_a_page_says_of_a_node(node, expected):
    assert told(node) == expected


def test_attributes_of_rrweb_are_told():
    blocked = element(10, "div", class_="rr-block") | {}
    blocked["attributes"] |= {"rr_width": "100px", "rr_height": "50px"}
    video = element(11, "video")
    video["attributes"] |= {"rr_mediaState": "paused", "rr_mediaCurrentTime": 3}
    dialog = element(12, "dialog", open="")
    dialog["attributes"] |= {"rr_open_mode": "modal"}
    assert told(blocked, video, dialog) == [
        "[tag:div]", "[is:blocked]", "[tag:video]", "[attr:rr_media]", "[media:Pause]",
        "[tag:dialog]", "[attr:open]", "[attr:rr_open_mode]",
    ]  # fmt: skip


def test_equal_nodes_in_a_row_are_told_once_with_their_number():
    rows = [element(10 + i, "li", "Row") for i in range(5)]
    assert told(*rows, element(20, "p", "End")) == ["[tag:li]", '"Row"', "[repeat]", "[count:5]", "[tag:p]", '"End"']


def test_a_page_nested_5000_deep_is_told():
    node = text(9_999_999, "bottom")
    for i in range(5_000):
        node = {"type": 2, "id": 10 + i, "tagName": "div", "attributes": {}, "childNodes": [node]}
    assert told(node) == ["[tag:div]", '"bottom"']
    assert told(node | {"attributes": [], "tagName": 7})[-2:] == ["[tag:div]", '"bottom"']


# -- malformed nodes --------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "damage, kept",
    [
        (lambda n: n["childNodes"].append(7), ["A", "B"]),
        (lambda n: n["childNodes"].append({"type": 3, "id": 99}), ["A", "B"]),
        (lambda n: n["childNodes"][0].update(tagName=None), ["A", "B"]),
        (lambda n: n["childNodes"][0].update(attributes="none"), ["A", "B"]),
        (lambda n: n["childNodes"][0].update(attributes={"role": ["x"], "title": {"a": 1}}), ["A", "B"]),
        (lambda n: n["childNodes"][0].update(id=[]), ["B"]),
        (lambda n: n["childNodes"][0].update(childNodes={"0": "x"}), ["B"]),
        (lambda n: n["childNodes"][0]["childNodes"][0].update(textContent=5), ["B"]),
    ],
)
def test_a_malformed_part_costs_that_part_only(damage, kept):
    node = element(9, "div", element(10, "p", "A"), element(11, "p", "B"))
    damage(node)
    before = copy.deepcopy(node)
    events = page(node)
    assert [t.strip('"') for t in event_names(events) if t.startswith('"')] == kept
    assert node == before
    assert tiny_tokenizer().tokenize_session(events).notes.get("malformed node", 0) >= 1


@given(ANYTHING)
def test_well_formed_accepts_anything_and_is_stable(value):
    node, repairs = well_formed(value)
    if node is None:
        assert repairs
    else:
        assert well_formed(node) == (node, 0)


@given(ANYTHING)
def test_a_snapshot_of_anything_gives_tokens(value):
    for data in ({"node": value}, value, {"node": element(1, "div", element(2, "p", "x")) | {"childNodes": value}}):
        assert len(tiny_tokenizer().tokenize_session([meta(), event(2, data)]).ids) >= 2


def test_a_sound_node_is_not_copied():
    node = element(10, "p")
    assert well_formed(node)[0] is node


def test_a_session_that_was_not_understood_says_so():
    session = tiny_tokenizer().tokenize_session([event(2, {"node": None}), snapshot()])
    assert names(session.ids)[2] == "[unknown]" and session.notes == {"malformed node": 1}
