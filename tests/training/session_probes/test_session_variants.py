"""Variants of a session: what rrweb's recorder would have written otherwise, and what stays the same."""

import gzip
import json

from hypothesis import given, settings
from tiny_rrweb import (
    SOURCE,
    add,
    attribute_change,
    click,
    element,
    event_names,
    meta,
    mutation,
    names,
    page,
    sessions,
    snapshot,
    text_change,
    tiny_tokenizer,
    typed,
)

from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.training.session_probes.session_variants import (
    Mirrors,
    in_two_files,
    masked,
    packed,
    session_variants,
    stars,
    with_checkouts,
)


def recorded():
    return json.loads(gzip.decompress(SOURCE.read_bytes()))


def cart():
    """A page with a table, a name and a form, on which somebody types and a row appears."""
    fields = [element(20, "input", value="ada"), element(21, "input", type="submit", value="Buy")]
    nodes = [element(10, "table", element(11, "td", "Milk")), element(12, "p", "Total", class_="name big"), *fields]
    return [
        *page(*nodes),
        typed(20, "ada l", time=50),
        mutation(60, adds=[add(10, element(30, "td"), None), add(30, element(31, "b", "Bread"))]),
        mutation(70, texts=[text_change(1011, "Cheese")]),
        mutation(80, attributes=[attribute_change(20, value="ada lo"), attribute_change(12, style={"color": "red"})]),
        click(21, time=90),
    ]


def ids(session):
    return tiny_tokenizer().tokenize_session(session).ids.tolist()


def test_packed_and_split_sessions_read_as_the_session_itself():
    events = recorded()
    assert read_session(packed(events)).events == events
    assert all(isinstance(string, str) for string in packed(events))
    assert in_two_files(events).events == events and in_two_files(events, share=0).events == events


def test_masking_hides_values_and_the_text_of_chosen_elements():
    events = masked(cart())
    nodes = events[1]["data"]["node"]["childNodes"][1]["childNodes"][0]["childNodes"]
    assert nodes[0]["childNodes"][0]["childNodes"][0]["textContent"] == "****"
    assert nodes[1]["childNodes"][0]["textContent"] == "*****"
    assert nodes[2]["attributes"]["value"] == "***" and nodes[3]["attributes"]["value"] == "Buy"
    assert events[2]["data"]["text"] == "*****"
    assert events[3]["data"]["adds"][1]["node"]["childNodes"][0]["textContent"] == "*****"  # below a td that is new
    assert events[4]["data"]["texts"] == [text_change(1011, "******")]
    assert events[5]["data"]["attributes"][0]["attributes"] == {"value": "******"}
    assert len(events) == len(cart()) and cart() == cart()


def test_all_text_can_be_masked():
    assert "Total" in json.dumps(cart()) and "Total" not in json.dumps(masked(cart(), tags={"body"}))
    assert stars("a b\n") == "* *\n"


def test_masking_leaves_what_was_passed_as_it_was():
    events = cart()
    masked(events)
    assert events == cart()


def test_a_checkout_tells_the_page_as_it_stands():
    events = with_checkouts(cart(), every_nth=5)
    assert [event["type"] for event in events] == [4, 2, 3, 3, 3, 3, 3, 4, 2]
    nodes = events[-1]["data"]["node"]["childNodes"][1]["childNodes"][0]["childNodes"]
    assert nodes[0]["childNodes"][0]["childNodes"][0]["textContent"] == "Cheese"
    assert nodes[0]["childNodes"][1]["childNodes"][0]["childNodes"][0]["textContent"] == "Bread"
    assert nodes[1]["attributes"]["style"] == "color: red" and nodes[2]["attributes"]["value"] == "ada lo"
    assert events[-2]["data"] == meta()["data"]


def test_a_checkout_of_a_page_that_did_not_change_says_so():
    events = [*page(element(10, "button", "Buy")), click(10, time=30), click(10, time=40)]
    assert event_names(with_checkouts(events, every_nth=2), -1)[1:] == ["[event:FullSnapshot]", "[same-page]"]


def test_a_checkout_holds_the_nodes_that_the_tokenizer_follows():
    events = recorded()
    mirrors = Mirrors(read_session(events))
    for event in events:
        mirrors.of(0).show(event)
    told = names(ids([meta(), {**snapshot(), "data": {"node": mirrors.of(0).serialized()}}]))
    assert len(told) > 50 and mirrors.of(0).meta["data"]["href"]


@settings(max_examples=25, deadline=None)
@given(sessions())
def test_any_session_has_all_variants(events):
    variants = session_variants(events)
    assert sorted(variants) == ["checkouts", "masked", "packed", "split"]
    plain = ids(events)
    assert ids(variants["packed"]) == plain and ids(variants["split"]) == plain
    assert len(ids(variants["masked"])) > 0 and len(ids(variants["checkouts"])) >= len(plain)
