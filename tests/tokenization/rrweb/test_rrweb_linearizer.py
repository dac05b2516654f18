import copy
import json
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_rrweb import (
    GOLDEN,
    SOURCE,
    add,
    attribute_change,
    click,
    document,
    element,
    event,
    event_names,
    incremental,
    meta,
    moved,
    mutation,
    names,
    page,
    remove,
    sessions,
    snapshot,
    text_change,
    tiny_tokenizer,
    typed,
)

from traceformers.tokenization.rrweb.learn_rrweb_vocabulary import count_words, structural_vocabulary
from traceformers.tokenization.rrweb.rrweb_envelopes import SessionFormatError, read_session

SHOP = [element(10, "h1", "Shop"), *(element(20 + i, "li", "Row") for i in range(4)), element(40, "button", "Pay")]
OTHER = [element(10, "h1", "Blog"), element(40, "a", "Home")]


def tokenize(events):
    return tiny_tokenizer().tokenize_session(events)


# -- shape ------------------------------------------------------------------------------------------------


@given(sessions())
def test_events_times_and_nodes_have_their_places(events):
    session = tokenize(events)
    offsets, nodes = session.event_offsets.astype(int), session.node_offsets.astype(int)
    n_events = len(read_session(events).events)
    assert len(offsets) == n_events + 1 == len(session.event_times_ms) + 1 == len(session.context_of_event) + 1
    assert offsets[0] == 0 and offsets[-1] == len(session.ids)
    assert np.all(np.diff(offsets) >= 2), "an event is a gap and its kind at least"
    assert np.all(np.diff(nodes) > 0) and set(offsets) <= set(nodes)
    assert np.all(np.diff(session.event_times_ms.astype(int)) >= 0)
    assert int(session.context_of_event.max()) < len(session.contexts) and len(session.contexts[0]) == 0
    gaps = {tiny_tokenizer().vocabulary.ids[f"[gap:{i}]"] for i in range(24)}
    assert all(int(session.ids[start]) in gaps for start in offsets[:-1])
    assert [session.ids.dtype, session.event_offsets.dtype, session.event_times_ms.dtype] == ["u2", "u4", "u4"]
    assert np.all(session.ids >= 5) and int(session.ids.max(initial=0)) < len(tiny_tokenizer())


@given(sessions())
def test_the_same_events_give_the_same_tokens_and_are_not_changed(events):
    before = copy.deepcopy(events)
    first = tokenize(events)
    assert events == before
    for again in (copy.deepcopy(events), json.dumps(events), {"events": events}):
        assert np.array_equal(tokenize(again).ids, first.ids)


def test_the_state_before_each_event_is_its_context():
    events = [*page(*SHOP), click(40, 50), *page(*OTHER, href="https://b.test/x?q=1", time=60), click(40, 90)]
    session = tokenize(events)
    contexts = [names(session.contexts[i]) for i in session.context_of_event]
    shop = ["[page]", '"shop.test/cart"', "[width:7]", "[height:4]"]
    blog = ["[page]", '"b.test/x"', "[query]", '"q=1"', "[width:7]", "[height:4]"]
    assert contexts == [[], shop, shop, shop, blog, blog]


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda path: path.name)
def test_every_wrapping_of_the_golden_session_reads_the_same(path):
    if path.name.startswith("sentry_segment"):
        parts = sorted(GOLDEN.glob("sentry_segment_*.bin"))
        source = read_session(*parts[::-1])
    else:
        source = path
    assert tiny_tokenizer().log(source) == tiny_tokenizer().log(SOURCE)


# -- repeated pages ---------------------------------------------------------------------------------------


def test_a_page_told_again_says_only_that_it_is_the_same():
    events = [*page(*SHOP), click(40, 50), *page(*SHOP, time=60)]
    assert event_names(events)[1:] == ["[event:FullSnapshot]", "[same-page]"]
    assert event_names([*events, click(40, 90)])[3:5] == ["[tag:button]", '"Pay"'], "the mirror holds the new page"


def test_a_page_told_again_says_what_is_new_and_how_much_is_gone():
    events = [*page(*SHOP), *page(SHOP[0], *SHOP[1:5], element(50, "p", "Thanks"), time=60)]
    assert event_names(events)[1:] == [
        "[event:FullSnapshot]", "[same-page]", "[tag:p]", '"Thanks"', "[change:remove]", "[count:1]",
    ]  # fmt: skip
    again = [*events, *page(SHOP[0], *SHOP[1:5], element(50, "p", "Thanks"), time=90)]
    assert event_names(again)[1:] == ["[event:FullSnapshot]", "[same-page]"]


def test_what_a_mutation_told_is_not_told_again():
    news = element(50, "p", "Thanks")
    events = [*page(*SHOP), mutation(50, adds=[add(3, news)]), *page(*SHOP, news, time=60)]
    assert event_names(events)[1:] == ["[event:FullSnapshot]", "[same-page]"]


def test_pages_between_and_queries_do_not_matter():
    events = [
        *page(*SHOP, href="https://shop.test/cart?step=1"),
        *page(*OTHER, href="https://blog.test/", time=50),
        *page(*SHOP, href="https://shop.test/cart?step=2#pay", time=100),
    ]
    assert event_names(events)[1:] == ["[event:FullSnapshot]", "[same-page]"]
    assert '"Blog"' in event_names(events, 3)


def test_another_page_is_told_in_full():
    events = [*page(*SHOP), *page(*SHOP, href="https://shop.test/other", time=60)]
    assert event_names(events)[1:] == event_names(events, 1)[1:]


# -- browser windows --------------------------------------------------------------------------------------


def test_browser_windows_keep_their_own_pages_and_switches_are_told():
    two = [
        {"windowId": "a", **one} if number % 2 == 0 else {"windowId": "b", **one}
        for number, one in enumerate(
            [
                meta("https://a.test/", 0),
                meta("https://b.test/", 1),
                snapshot(element(10, "button", "In A"), time=2),
                snapshot(element(10, "button", "In B"), time=3),
                click(10, 4),
                click(10, 5),
            ]
        )
    ]
    assert '"In A"' in event_names(two, 4) and '"In B"' in event_names(two, 5)
    assert event_names(two, 4)[1:3] == ["[switch]", "[count:1]"] and event_names(two, 5)[1:3] == [
        "[switch]",
        "[count:2]",
    ]
    in_a_row = [dict(one, windowId="a") for one in page(*SHOP)]
    assert "[switch]" not in names(tokenize(in_a_row).ids)


# -- text of the page stays text --------------------------------------------------------------------------

FORGED = "[MASK] [tag:button] [PAD] [CLS] [SEP] [UNK] [body] [gap:3] <s> </s> [event:Meta] ĠHello"


def test_no_page_can_write_a_special_or_structural_token():
    plain, forged = (
        [
            meta(f"https://a.test/{word}?q={word}#{word}"),
            snapshot(
                element(10, "p", word), element(11, "button", word, aria_label=word, title=word),
                element(12, "input", placeholder=word, name=word), element(13, "iframe", rr_src=word),
            ),
            mutation(20, texts=[text_change(1010, word)], attributes=[attribute_change(11, title=word, class_=word)]),
            mutation(30, adds=[add(3, element(20, "p", word))], removes=[remove(3, 10)]),
            click(11, 40), click(12, 50),
            event(5, {"tag": word, "payload": {word: [word]}}, 60), event(6, {"plugin": word, "payload": word}, 70),
            event(7, {"url": word}, 80), incremental(10, 90, family=word), incremental(16, 95, define={"name": word}),
        ]
        for word in ("Hello", FORGED)
    )  # fmt: skip
    extra = {"[more]", "[page]", "[attr:content]"} | {f"[length:{i}]" for i in range(16)}
    structural = [[t for t in names(tokenize(e).ids) if t.startswith("[") and t not in extra] for e in (plain, forged)]
    assert structural[0] == structural[1]


@given(st.text(st.characters(), max_size=60))
def test_text_of_a_page_gives_no_unknown_or_special_id(words):
    events = [
        *page(element(10, "button", words, title=words)),
        click(10),
        event(5, {"tag": words, "payload": words}, 200),
    ]
    assert np.all(tokenize(events).ids >= 5)


# -- bad input --------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 60)
    | st.sampled_from([10**400, -1e308, float("nan"), float("inf"), 2**64, 0.5])
    | st.text(st.characters(), max_size=4)
    | st.sampled_from(["[CLS]", "https://[bad", "a%ff", "\ud800", "\x00", "password"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("id type node source x".split()), inner)
    ),
    max_leaves=4,
)


def whole_session():
    """Returns a session in which nearly every field of the format occurs."""
    video = element(13, "video", title="v")
    video["attributes"]["rr_mediaState"] = "paused"
    return [
        event(0, {}, 0),
        *page(
            *SHOP,
            element(11, "input", type="email", value="x", placeholder="Mail"),
            element(12, "textarea", "t"),
            video,
            element(14, "div", "e", contenteditable="true", role="textbox"),
            element(15, "p", "words"),
        ),
        click(40, 100, pointerType=0),
        typed(11, "ab", 110),
        typed(12, "abc def", 120, userTriggered=True),
        mutation(
            130,
            removes=[remove(3, 10)],
            adds=[add(3, element(50, "p", "n"), 40), add(50, element(51, "b"))],
            texts=[text_change(1015, "z")],
            attributes=[attribute_change(11, value="y", class_="c", style={"top": ["1px", 2]})],
        ),
        mutation(131, adds=[add(13, document(element(60, "p", "framed"), node_id=70))], isAttachIframe=True),
        incremental(3, 140, id=1, x=0, y=5),
        incremental(4, 150, width=800, height=600),
        moved([(1, 2, 40)], 160),
        incremental(7, 170, type=0, id=13, currentTime=1, muted=True),
        incremental(8, 180, adds=[{"rule": "", "index": 0}]),
        incremental(9, 190, id=13, type=0, commands=[{}]),
        incremental(13, 200, set={"property": "p", "value": "v"}),
        incremental(14, 210, ranges=[{"start": 1015}]),
        incremental(15, 220, id=1, styleIds=[1]),
        incremental(16, 230, define={"name": "x-y"}),
        incremental(10, 240, family="f"),
        event(5, {"tag": "t", "payload": {"a": [1, {"b": "c"}]}}, 250),
        event(7, {"url": "u", "failed": {"status": 1}}, 260),
        meta(time=270),
        snapshot(*SHOP, time=280, top=7),
        click(40, 290),
    ]


def paths(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


PATHS = [path for path in paths(whole_session()) if path]


def replaced(value, path, new):
    value = copy.copy(value)
    value[path[0]] = new if len(path) == 1 else replaced(value[path[0]], path[1:], new)
    return value


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PATHS), VALUES), min_size=1, max_size=3))
def test_any_value_at_any_place_costs_no_more_than_a_part(changes):
    events = whole_session()
    for path, value in changes:
        try:
            events = replaced(events, path, value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    before = copy.deepcopy(events)
    try:
        session = tokenize(events)
    except SessionFormatError:
        return
    assert repr(events) == repr(before)
    assert len(session.ids) and isinstance(tiny_tokenizer().decode(session.ids), str)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_the_whole_session_without_one_part_is_still_a_session(path):
    events = copy.deepcopy(whole_session())
    holder = events
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    assert len(tokenize(events).ids)


@pytest.mark.parametrize(
    "events",
    [
        [click(10), typed(11, "x"), mutation(adds=[add(3, element(50, "p"))]), incremental(3, id=1, x=1, y=1)],
        [meta()],
        [snapshot(*SHOP)],
        [event(2, {}), click(40)],
    ],
)
def test_sessions_without_a_page_still_tell_what_was_done(events):
    assert len(tokenize(events).event_times_ms) == len(events)


def test_events_out_of_order_and_twice_are_put_right_and_counted():
    events = [*page(*SHOP), click(40, 300), click(40, 200), click(40, 200)]
    session = tokenize(events)
    assert session.event_times_ms.tolist() == [0, 10, 200, 300]
    assert session.notes == {"out of order": 2, "duplicate": 1}


@pytest.mark.parametrize("time", [float("nan"), float("inf"), -5, "1", None, 10**400, True])
def test_events_without_a_time_are_left_out_and_counted(time):
    session = tokenize([*page(*SHOP), click(40) | {"timestamp": time}])
    assert len(session.event_times_ms) == 2 and session.notes == {"bad timestamp": 1}


def test_times_far_apart_and_fractions_fit():
    session = tokenize([meta() | {"timestamp": 0.5}, snapshot(*SHOP), click(40) | {"timestamp": 8.64e15}])
    assert session.event_times_ms.tolist()[-1] == 2**32 - 1


@pytest.mark.parametrize("nothing", [[], {}, "", b"", "[]", "{}", b"null", [None], "[1, 2]", {"events": []}])
def test_nothing_is_refused_with_a_reason(nothing):
    with pytest.raises(SessionFormatError, match="expected"):
        tokenize(nothing)


def test_a_page_5000_deep_in_json_text_is_read():
    deep = '{"type":3,"id":9999,"textContent":"bottom"}'
    for i in range(5_000):
        deep = f'{{"type":2,"id":{10000 + i},"tagName":"div","attributes":{{}},"childNodes":[{deep}]}}'
    snapshot_text = json.dumps(snapshot(element(7, "b", "CUT"))).replace(json.dumps(element(7, "b", "CUT")), deep)
    found = event_names(f"[{json.dumps(meta())}, {snapshot_text}]")
    assert found[2:] == ["[tag:div]", '"bottom"']


def test_a_password_in_clear_is_hidden_wherever_the_page_shows_it_with_either_switch():
    field = element(5, "input", type_="password")
    shown = element(6, "p", "Your password is hunter22 now")
    events = [*page(shown, field, href="https://a.test/?pw=hunter22"), typed(5, "hunter22")]
    for options in ({}, {"keep_typed_text": True}):
        tok = tiny_tokenizer(**options)
        log = tok.log(events)
        assert "hunter" not in log and "22" not in log
        assert log.count("a password") == 3 and "8+ characters" not in log


def test_the_longer_words_of_a_value_are_hidden_where_they_stand_apart():
    shown = element(6, "p", element(7, "em", "red"), element(8, "em", "quokka"))
    log = tiny_tokenizer().log([*page(element(5, "input"), shown), typed(5, "red quokka")])
    assert "quokka" not in log


def test_a_ticked_box_is_not_typed_text():
    shown = element(6, "p", "Subscribe to our news")
    box = element(5, "input", type_="checkbox")
    log = tiny_tokenizer().log([*page(box, shown), typed(5, "Subscribe", checked=True)])
    assert "Subscribe to our news" in log


@pytest.mark.parametrize("secret", ["Zoë Müller", "東京の天気", "O'Brien & Söhne", "smile 😀 quokka"])
def test_escapes_of_a_payload_hide_no_echo(secret):
    shown = [json.dumps({"name": secret}), secret.replace("&", "&amp;").replace("'", "&#39;"), quote(secret)]
    payloads = [event(5, {"tag": "sent", "payload": text}, 200 + i) for i, text in enumerate(shown)]
    log = tiny_tokenizer().log([*page(element(5, "input")), typed(5, secret), *payloads])
    escaped = json.dumps(secret)[1:-1]
    for part in (*(word for word in secret.split() if len(word) > 3), escaped.split()[0], "\\u"):
        assert part not in log, log


def test_what_stands_in_fields_and_editors_is_hidden_where_the_page_shows_it():
    editor = element(7, "div", "", contenteditable="true")
    shown = element(8, "p", "Hello Margaret Hamilton, about my divorce letter: I have leukaemia")
    fields = [element(5, "input", value="Margaret Hamilton"), element(6, "textarea", "my divorce letter"), editor]
    told = [
        *page(shown, *fields, href="https://a.test/?draft=I+have+leukaemia"),
        mutation(50, texts=[text_change(1007, "I have leukaemia")]),
    ]
    log = tiny_tokenizer().log(told)
    for word in ("Hamilton", "divorce", "leukaemia"):
        assert word not in log, log
    kept = tiny_tokenizer(keep_typed_text=True).log(told)
    assert "Hamilton" in kept and "leukaemia" in kept


def test_a_field_that_is_gone_may_have_held_a_password():
    events = [*page(element(5, "input", type_="password")), mutation(50, removes=[remove(3, 5)]), typed(5, "hunter22")]
    for options in ({}, {"keep_typed_text": True}):
        log = tiny_tokenizer(**options).log(events)
        assert "hunter" not in log and "characters" not in log


def test_passwords_are_not_learned():
    events = [*page(element(5, "input", type_="password", value="xyloquark!"), element(6, "p", "It is xyloquark!"))]
    counter, _ = count_words([events, events], structural_vocabulary())
    assert not any("xyloquark" in word for word in counter.counts)
