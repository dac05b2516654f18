import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import (
    add,
    attribute_change,
    click,
    element,
    event,
    event_names,
    incremental,
    interaction,
    meta,
    moved,
    mutation,
    page,
    remove,
    snapshot,
    text,
    text_change,
    tiny_tokenizer,
    typed,
)

from traceformers.tokenization.rrweb.rrweb_actions import LARGEST_NUMBER, number
from traceformers.tokenization.rrweb.rrweb_vocabulary import INTERACTIONS, MEDIA_INTERACTIONS, SOURCES

PAGE = (
    element(10, "button", "Pay"),
    element(11, "input", type="email", placeholder="Mail"),
    element(12, "video", title="Trailer"),
    element(13, "canvas", aria_label="Chart"),
    element(14, "p", "Some words"),
    element(15, "ul", element(16, "li", "One"), element(17, "li", "Two")),
    element(18, "input", type="checkbox", name="terms"),
)
GAP = "[gap:7]"  # 64 to 127 ms: actions of these tests come 90 ms after the page


def told(*actions):
    """Returns the tokens of the last action after a page, without its gap."""
    found = event_names([*page(*PAGE), *actions])
    assert found[0].startswith("[gap:")
    return found[1:]


BUTTON = ["[tag:button]", '"Pay"']
MAIL = ["[tag:input]", "[type:email]", '"Mail"']

ONE_OF_EVERY_SOURCE = {
    "Mutation": (mutation(removes=[remove(3, 14)]), ["[change:remove]", "[count:1]", "[tag:p]", '"Some words"']),
    "MouseMove": (moved([(0, 0, 14), (1279, 799, 10)]), ["[count:2]", "[x:0]", "[y:0]", "[x:31]", "[y:31]", *BUTTON]),
    "MouseInteraction": (click(10, pointerType=2), ["[do:Click]", "[pointer:touch]", *BUTTON, "[x:16]", "[y:16]"]),
    "Scroll": (incremental(3, id=1, x=0, y=600), ["[tag:#document]", "[scroll:down-4]"]),
    "ViewportResize": (incremental(4, width=500, height=700), ["[width:2]", "[height:2]"]),
    "Input": (typed(11, "abcd"), [*MAIL, "[input:typed]", "[length:3]"]),
    "TouchMove": (moved([(640, 400, 10)], source=6), ["[count:1]", "[x:16]", "[y:16]", *BUTTON]),
    "MediaInteraction": (
        incremental(7, type=0, id=12, currentTime=3.5, muted=True),
        ["[media:Play]", "[tag:video]", '"Trailer"', "[count:3]", "[hidden]"],
    ),
    "StyleSheetRule": (
        incremental(8, id=2, adds=[{"rule": "p{}", "index": 0}], removes=[{"index": 1}, {"index": 2}]),
        ["[change:add]", "[count:1]", "[change:remove]", "[count:2]"],
    ),
    "CanvasMutation": (
        incremental(9, id=13, type=1, commands=[{"property": "fill", "args": []}] * 3),
        ["[canvas:webgl]", "[tag:canvas]", '"Chart"', "[count:3]"],
    ),
    "Font": (incremental(10, family="Inter", fontSource="x", buffer=False), ['"Inter"']),
    "Log": (incremental(11, level="warn"), ["[attr:data]", '"level"', "[attr:value]", '"warn"']),
    "Drag": (moved([(640, 400, 10)], source=12), ["[count:1]", "[x:16]", "[y:16]", *BUTTON]),
    "StyleDeclaration": (
        incremental(13, id=2, index=[0], set={"property": "color", "value": "red"}),
        ["[change:replace]", '"color"'],
    ),
    "Selection": (
        incremental(14, ranges=[{"start": 1014, "startOffset": 0, "end": 1014, "endOffset": 4}]),
        ["[count:1]", "[tag:p]", '"Some words"'],
    ),
    "AdoptedStyleSheet": (incremental(15, id=1, styleIds=[1, 2]), ["[tag:#document]", "[count:2]"]),
    "CustomElement": (incremental(16, define={"name": "x-card"}), ['"x-card"']),
}


def test_all_sources_are_in_the_table():
    assert list(ONE_OF_EVERY_SOURCE) == SOURCES


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_says_what_was_done_to_what_and_where(source):
    action, expected = ONE_OF_EVERY_SOURCE[source]
    assert told(action) == [f"[source:{source}]", *expected]


@pytest.mark.parametrize("kind, name", list(enumerate(INTERACTIONS)))
def test_every_interaction_has_its_name_target_and_place(kind, name):
    assert told(interaction(kind, 10, x=0, y=799)) == [
        "[source:MouseInteraction]", f"[do:{name}]", *BUTTON, "[x:0]", "[y:31]",
    ]  # fmt: skip


@pytest.mark.parametrize("kind, name", list(enumerate(MEDIA_INTERACTIONS)))
def test_every_media_interaction_has_its_name_and_target(kind, name):
    assert told(incremental(7, type=kind, id=12))[1:4] == [f"[media:{name}]", "[tag:video]", '"Trailer"']


@pytest.mark.parametrize(
    "action",
    [
        incremental(17), incremental(-1), incremental(10**30), incremental(None), incremental("2"), incremental(2.0),
        incremental(True), incremental([]), event(3, {}, 100), event(8, {"x": 1}, 100), event(10**30, {}, 100),
    ],
)  # fmt: skip
def test_unknown_kinds_are_told_as_unknown(action):
    assert told(action) == ["[unknown]"]


@pytest.mark.parametrize("kind", [11, -1, None, "2", [], {}])
def test_unknown_interactions_keep_their_target(kind):
    assert told(interaction(kind, 10))[1:4] == ["[unknown]", *BUTTON]
    assert told(incremental(7, type=kind, id=12))[1:3] == ["[unknown]", "[tag:video]"]


def test_the_gap_before_an_action_is_the_time_since_the_last_event():
    gaps = [event_names([*page(*PAGE), click(10, 10 + wait)])[0] for wait in (0, 1, 2, 1000, 86_400_000, 10**10)]
    assert gaps == ["[gap:0]", "[gap:1]", "[gap:2]", "[gap:10]", "[gap:23]", "[gap:23]"]


@pytest.mark.parametrize(
    "scrolls, expected",
    [
        ([(0, 40)], "[scroll:down-1]"),
        ([(0, 40), (0, 5000)], "[scroll:down-6]"),
        ([(0, 900), (0, 300)], "[scroll:up-4]"),
        ([(0, 900), (0, 0)], "[scroll:top]"),
        ([(0, 900), (0, 900)], "[scroll:none]"),
        ([(300, 0)], "[scroll:right]"),
        ([(300, 0), (0, 0)], "[scroll:left]"),
    ],
)
def test_a_scroll_is_told_from_where_the_last_one_ended(scrolls, expected):
    assert told(*(incremental(3, 100 + i, id=1, x=x, y=y) for i, (x, y) in enumerate(scrolls)))[-1] == expected


def test_the_first_scroll_starts_where_the_snapshot_was():
    events = [meta(), snapshot(*PAGE, top=500), incremental(3, id=1, x=0, y=510)]
    assert event_names(events)[-1] == "[scroll:down-1]"


def test_places_are_shares_of_the_viewport_now():
    assert told(click(10, x=400, y=300))[-2:] == ["[x:10]", "[y:12]"]
    assert told(incremental(4, 95, width=800, height=600), click(10, x=400, y=300))[-2:] == ["[x:16]", "[y:16]"]
    assert told(click(10, x=-50, y=10**9))[-2:] == ["[x:0]", "[y:31]"]


def test_typing_tells_state_and_length_and_when_something_was_erased():
    lengths = [typed(11, "x" * n, 100 + i) for i, n in enumerate((3, 8, 4))]
    assert told(*lengths[:2])[-2:] == ["[input:typed]", "[length:4]"]
    assert told(*lengths)[-3:] == ["[input:erased]", "[input:typed]", "[length:3]"]
    assert told(typed(11, "", userTriggered=False))[-3:] == ["[input:script]", "[input:typed]", "[length:0]"]
    assert told(typed(11, "***"))[-2:] == ["[is:masked]", "[length:2]"]
    box = ["[source:Input]", "[tag:input]", "[type:checkbox]", '"terms"']
    assert told(typed(18, "on", checked=True)) == [*box, "[input:checked]"]
    assert told(typed(18, "on", checked=False)) == [*box, "[input:unchecked]"]


def test_a_mutation_tells_all_four_kinds_of_change():
    found = told(
        mutation(
            removes=[remove(3, 10)],
            adds=[add(3, element(30, "p", "Thanks")), add(15, element(31, "li", "Three"))],
            texts=[text_change(1016, "First")],
            attributes=[
                attribute_change(11, disabled=True, placeholder=None, class_="bad wrong", style={"display": "none"})
            ],
        )
    )
    assert found == [
        "[source:Mutation]",
        "[change:remove]", "[count:1]", *BUTTON,
        "[change:add]", "[tag:p]", '"Thanks"',
        "[change:add]", "[tag:li]", '"Three"',
        "[change:text]", "[tag:li]", '"First"',
        "[change:attributes]", "[tag:input]", "[type:email]",
        "[attr:disabled]", "[attr:placeholder]", "[change:remove]", "[attr:class]", '"bad wrong"',
        "[attr:style]", "[hidden]",
    ]  # fmt: skip


def test_attributes_that_a_page_leaves_out_are_told_by_name_when_they_change():
    change = attribute_change(10, href="/x", data_id="7", aria_busy="true", class_="on")
    found = told(mutation(attributes=[change]))
    assert found[4:] == ["[attr:href]", "[attr:other]", "[attr:aria-busy]", "[is:true]", "[attr:class]", '"on"']


@pytest.mark.parametrize(
    "style, expected",
    [
        ("display: none", ["[hidden]"]),
        ({"display": ["block", "important"]}, ["[shown]"]),
        ({"visibility": "hidden"}, ["[hidden]"]),
        ({"color": "red", "width": False}, []),
        (None, []),
    ],
)
def test_a_style_says_whether_something_shows(style, expected):
    assert told(mutation(attributes=[{"id": 10, "attributes": {"style": style}}]))[4:] == ["[attr:style]", *expected]


def test_style_and_script_texts_are_never_told():
    style = element(30, "style", "p{}")
    actions = [
        mutation(90, adds=[add(2, style)]),
        mutation(adds=[add(30, text(31, "b{}"))], texts=[text_change(1030, "i{}")]),
    ]
    assert not any(t.startswith('"') for t in told(*actions))


@pytest.mark.parametrize("event_type, name", [(0, "DomContentLoaded"), (1, "Load")])
def test_events_without_content(event_type, name):
    assert told(event(event_type, {}, 100)) == [f"[event:{name}]"]


def test_custom_plugin_and_asset_events_are_told():
    value = ["[attr:value]"]
    assert told(event(5, {"tag": "cart", "payload": {"items": [2, "red"]}}, 100)) == [
        "[event:Custom]", '"cart"', "[attr:data]", '"items"', *value, '"2"', "[attr:data]", '"items"', *value, '"red"',
    ]  # fmt: skip
    assert told(event(6, {"plugin": "rrweb/console@1", "payload": "boom"}, 100))[0] == "[event:Plugin]"
    assert told(event(7, {"url": "https://c.test/a.png", "failed": {"status": 404}}, 100)) == [
        "[event:Asset]", "[page]", '"c.test/a.png"', "[failed]",
    ]  # fmt: skip


def test_a_payload_of_any_size_is_cut_and_says_so():
    found = told(event(5, {"tag": "t", "payload": {f"k{i}": i for i in range(10_000)}}, 100))
    assert found.count("[attr:data]") == 12 and found[-1] == "[more]"
    deep = current = {}
    for _ in range(5_000):
        current["k"] = current = {}
    current["k"] = "leaf"
    assert told(event(5, {"tag": "t", "payload": deep}, 100))[-1] == '"leaf"'


@given(
    st.one_of(st.integers(), st.floats(), st.just(10**400), st.just(-(10**400)), st.booleans(), st.none(), st.text())
)
def test_a_number_is_a_number_a_page_can_mean(value):
    found = number(value)
    assert found is None or (abs(found) <= LARGEST_NUMBER and found == value)


@pytest.mark.parametrize("huge", [10**400, -(10**400), 1e308, float("nan"), float("inf"), True, "7", None, []])
def test_numbers_out_of_range_cost_nothing_but_themselves(huge):
    for action in (
        click(10, x=huge, y=huge),
        incremental(3, id=1, x=huge, y=huge),
        incremental(4, width=huge, height=huge),
        incremental(7, type=0, id=12, currentTime=huge),
        moved([(huge, huge, 10)]),
        typed(huge, "x"),
        snapshot(*PAGE, top=huge, time=100),
        meta("https://a.test", 100, width=huge, height=huge),
    ):
        assert "[unknown]" not in told(action)
        assert tiny_tokenizer().tokenize_session([*page(*PAGE), action]).notes == {}
