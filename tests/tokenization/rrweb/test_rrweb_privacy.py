import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import (
    add,
    attribute_change,
    click,
    document,
    element,
    event,
    event_names,
    incremental,
    meta,
    mutation,
    names,
    page,
    remove,
    snapshot,
    text,
    text_change,
    tiny_tokenizer,
    typed,
)

from traceformers.tokenization.rrweb.rrweb_echoes import TypedEchoes
from traceformers.tokenization.rrweb.rrweb_privacy import personal_spans
from traceformers.tokenization.rrweb.rrweb_text import clean_text

SECRET = "zanzibar quokka"


def said(events, **options):
    """Returns every text token of a session, and its log, in lower case."""
    tok = tiny_tokenizer(**options)
    session = tok.tokenize_session(events)
    ids = [*session.ids.tolist(), *(int(i) for context in session.contexts for i in context)]
    return (" ".join(names(ids, tok)) + tok.log(events)).lower()


# -- personal text ----------------------------------------------------------------------------------------

PERSONAL = {
    "ada@example.org": "email",
    "Ada.Lovelace+shop@mail.example.co.uk": "email",
    "用户@例子.公司": "email",
    "+1 (555) 123-4567": "number",
    "4111 1111 1111 1111": "number",
    "123456": "number",
    "078-05-1120 ": "number",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln": "token",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc": "token",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a": "token",
    "3f2b8c1e-9d4a-4f6b-8e2d-7a1c5b9e0d3f": "token",
    "a8f5f167f44f4964e6c998dee827110c": "token",
    "Zm9vYmFy-QUJDREVGR_HSUpLTE1OT1BRUlNUVVZXWFlaMTIz": "token",
    "*****": "masked",
    "** *** *": "masked",
}


@pytest.mark.parametrize("value, kind", PERSONAL.items())
def test_personal_text_is_found_whole(value, kind):
    sentence = f"see {value} now"
    (found,) = personal_spans(sentence)
    assert sentence[found[0] : found[1]] == value.strip() and found[2] == kind


@pytest.mark.parametrize(
    "plain",
    [
        "Released 2024-01-15, 3 items",
        "2024-01-15 10:30",
        "12,345 people",
        "v1.2.3",
        "* one",
        "5 * 3",
        "10:30",
        "",
        "@ada",
        "/blog/2024/01/15/how-to-build-a-rocket-in-ten-days",
        "How-To-Build-A-Rocket-In-Ten-Days-2024-Edition",
        "2023-24_UEFA_Champions_League_knockout_phase",
    ],
)
def test_plain_text_is_left_alone(plain):
    assert personal_spans(plain) == []


@pytest.mark.parametrize("start", ["***", "x=", "q:", "("])
def test_an_address_is_found_right_after_anything(start):
    spans = personal_spans(f"{start}ada@example.org")
    assert any(kind == "email" for _, _, kind in spans)


@pytest.mark.parametrize("unit", ["a", "1a", "*", "* ", "a@", "a.", "1 ", "eyJ", "sk_", "-a1", "%"])
def test_looking_for_personal_text_takes_time_in_proportion(unit):
    text_of_200_kb = "1" + unit * (200_000 // len(unit))
    begin = time.perf_counter()
    personal_spans(text_of_200_kb)
    assert time.perf_counter() - begin < 5  # one quadratic pattern takes minutes


@pytest.mark.parametrize("value", [v for v, kind in PERSONAL.items() if kind != "masked"])
def test_personal_text_becomes_a_placeholder_wherever_it_stands(value):
    events = [
        meta(f"https://shop.test/u/{value}?mail={value}#{value}"),
        snapshot(
            element(10, "p", f"Hello {value}"),
            element(11, "button", "Go", aria_label=value, title=value),
            element(12, "input", placeholder=value, name=value),
            element(13, "iframe", rr_src=f"https://f.test/?m={value}"),
        ),
        mutation(20, texts=[text_change(1010, f"Bye {value}")], attributes=[attribute_change(11, title=value)]),
        click(11, 30),
        click(12, 40),
        event(5, {"tag": value, "payload": {"user": {"mail": value}, value: 1}}, 50),
        event(6, {"plugin": value, "payload": [value]}, 60),
        event(7, {"url": f"https://cdn.test/{value}"}, 70),
    ]
    kept = said(events, keep_personal_text=True)
    assert value.strip().lower() in kept
    assert value.strip().lower() not in said(events)
    assert f"[private:{PERSONAL[value]}]" in said(events)


def test_percent_escapes_hide_nothing():
    events = [*page(element(10, "iframe", src="https://f.test/?m=ada%40example.org")), *page()]
    assert "ada" not in said(events) and "[private:email]" in said(events)


def test_plain_text_gets_placeholders_too_and_keeps_them_off_with_the_switch():
    line = "mail ada@example.org"
    assert "ada" not in tiny_tokenizer().decode(tiny_tokenizer()(line).input_ids)
    kept = tiny_tokenizer(keep_personal_text=True)
    assert kept.decode(kept(line).input_ids, skip_special_tokens=True) == line


def test_masked_text_is_one_token_with_its_length_and_stays_so_with_every_switch():
    for options in ({}, {"keep_personal_text": True}, {"keep_typed_text": True}):
        tok = tiny_tokenizer(**options)
        found = event_names([meta(), snapshot(element(10, "p", "Name: **** *******"))], tok=tok)
        assert found[-4:] == ["[tag:p]", '"Name: "', "[is:masked]", "[length:4]"]


# -- typed text -------------------------------------------------------------------------------------------


def everywhere(secret=SECRET):
    """Returns a session in which a typed secret comes back, before and after, in every place there is."""
    quoted, plus = secret.replace(" ", "%20"), secret.replace(" ", "+")
    nodes = [
        element(10, "input", type="text", value=secret, placeholder="Search"),
        element(11, "p", f"Results for {secret}"),
        element(12, "title", f"{secret} - shop"),
        element(13, "button", secret.upper(), aria_label=secret, title=f"Find {secret}!"),
        element(14, "div", secret, contenteditable="true"),
        element(15, "div", element(16, "div", secret), class_=" editor ace_editor ace-tm"),
        element(17, "textarea", secret),
        element(18, "div", element(19, "div", secret, role="textbox")),
        element(20, "iframe", rr_src=f"https://f.test/?q={quoted}", src=f"https://f.test/{plus}"),
        element(21, "img", alt=secret),
        element(22, "span", f"more_{secret}_here", data_value=secret),
        element(23, "select", element(24, "option", secret), value=secret),
        element(25, "input", type="password", value=secret),
        element(26, "div", secret, class_="wide cm-content"),
        element(27, "a", "read", href=f"/s?q={plus}", aria_description=secret),
    ]
    url = f"https://shop.test/{quoted}/list?q={plus}#{secret}"
    return [
        meta(url),
        snapshot(*nodes),
        *(click(node_id, 20 + node_id) for node_id in range(10, 28)),
        *(typed(10, secret[:n], 100 + n) for n in range(1, len(secret) + 1)),
        typed(17, secret, 150),
        typed(25, secret, 151),
        mutation(200, adds=[add(3, element(40, "p", f'You said "{secret}".'))], removes=[remove(3, 27)]),
        mutation(201, adds=[add(14, text(41, secret)), add(16, text(42, secret))]),
        mutation(202, texts=[text_change(1011, secret), text_change(41, secret), text_change(1017, secret)]),
        mutation(
            203, attributes=[attribute_change(10, value=secret), attribute_change(13, title=secret, class_=secret)]
        ),
        mutation(204, attributes=[attribute_change(21, alt=secret, style={"content": secret}, data_x=secret)]),
        mutation(205, attributes=[attribute_change(25, value=secret, type="text"), attribute_change(17, value=secret)]),
        *(click(node_id, 206 + node_id) for node_id in range(10, 28)),
        event(5, {"tag": secret, "payload": {"query": secret, "deep": [{"to": f"/s?q={quoted}"}], secret: 1}}, 300),
        event(5, {"tag": "log", "payload": json.dumps({"q": secret})}, 301),
        event(6, {"plugin": "rrweb/console@1", "payload": {"payload": [f'"{secret}"', secret]}}, 302),
        event(7, {"url": f"https://cdn.test/{quoted}.png"}, 303),
        incremental(10, 304, family=secret),
        incremental(11, 305, payload=[secret], level=secret),
        incremental(13, 306, set={"property": "content", "value": secret}, index=[0]),
        incremental(14, 307, ranges=[{"start": 1011, "startOffset": 0, "end": 1011, "endOffset": 3}]),
        incremental(16, 308, define={"name": secret}),
        meta(url, 400),
        snapshot(*nodes, time=401),
    ]


@pytest.mark.parametrize("secret", [SECRET, "zanzibarquokka", "東京の天気", "Ünïcödezan quokka", 'zanzibar "quokka"'])
def test_a_typed_secret_is_said_nowhere(secret):
    found = said(everywhere(secret))
    parts = list(secret.lower().replace('"', "").split()) if secret.isascii() else [secret.lower()]
    for part in parts:
        assert part not in found, found[max(0, found.index(part) - 200) : found.index(part) + 50]
    assert "[input:typed]" in found


def test_the_switch_keeps_typed_text_but_never_a_password():
    events = [
        *page(
            element(10, "input", type="text", value="quokka"),
            element(11, "input", type="password", value="hunter2"),
            element(12, "div", "koala notes", contenteditable=""),
        ),
        typed(10, "zanzibar", 20),
        typed(11, "hunter2", 30),
        mutation(40, attributes=[attribute_change(11, value="hunter2")]),
    ]
    found = said(events, keep_typed_text=True)
    assert all(word in found for word in ("zanzibar", "quokka", "koala"))
    assert "hunter" not in found and "hunter" not in said(events)
    assert not any(word in said(events) for word in ("zanzibar", "quokka", "koala"))


@pytest.mark.parametrize(
    "attributes", [{"type": "password"}, {"type": "PASSWORD"}, {"type": "text", "data_rr_is_password": "true"}]
)
@pytest.mark.parametrize("value", ["hunter2", "*******", "x" * 3000])
def test_of_a_password_not_even_the_length_is_told(attributes, value):
    events = [*page(element(10, "input", value=value, **attributes)), typed(10, value, 20)]
    for found in (event_names(events, 1), event_names(events)):
        assert "[is:password]" in found and not any(t.startswith("[length:") for t in found)


def test_a_password_that_is_shown_stays_a_password():
    shown = mutation(20, attributes=[attribute_change(10, type="text")])
    for options in ({}, {"keep_typed_text": True}):
        tok = tiny_tokenizer(**options)
        events = [*page(element(10, "input", type="password")), shown, typed(10, "hunter2", 30)]
        assert event_names(events, tok=tok)[-1] == "[is:password]"


def test_an_application_that_echoes_every_key_says_nothing():
    value = "walrus tusk"
    echoes = [mutation(50 + n, texts=[text_change(1010, f"No match for {value[:n]}")]) for n in range(3, 12)]
    events = [*page(element(10, "p", "No match"), element(11, "input")), *echoes]
    events += [typed(11, value[:n], 100 + n) for n in range(1, 12)]
    assert not any(value[:n] in said(events) for n in range(4, 12))


@pytest.mark.parametrize(
    "value, shown, left",
    [
        ("Buy milk", "buy+milk, Buy_Milk and BUY MILK", ", and"),
        ("Buy milk", "buying milk", "buying milk"),
        ("milk", "almond milkshake", "almond milkshake"),
        ("ab", "ab", ""),
        ("ab", "cab or ab or lab", "cab or ab or lab"),
        ("ab", "q=ab id=7", "q= id=7"),
        ("ab", "shop.test/ab/c", "shop.test//c"),
        ("first line\nsecond line", "second line. first line", ". "),
        ("東京", "東京の天気", "の天気"),
        ("서울", "서울에서", "에서"),
        ("secret", "id_secret_1 my-secret", "id__1 my-"),
        ('say "hi" now', '{"q":"say \\"hi\\" now"}', '{"q":""}'),
        ("STRASSE 1", "strasse 1", ""),
        ("word " * 40, "word " * 30 + "end", " end"),
        ("*****", "*****", "*****"),
        ("", "anything", "anything"),
        ("a\x00bcd", "a bcd", ""),
        ("(x) [y]*", "f(x) [y]* (", "f ("),
    ],
)
def test_echoes(value, shown, left):
    spans = TypedEchoes([value]).spans(shown)
    rest, at = "", 0
    for start, end in spans:
        assert at <= start < end
        rest += shown[at:start]
        at = end
    assert " ".join((rest + shown[at:]).split()) == " ".join(left.split())


@given(st.lists(st.text(st.characters(), max_size=30), max_size=6), st.text(st.characters(), max_size=60))
def test_echo_spans_are_in_order_inside_the_text(values, shown):
    at = 0
    for start, end in TypedEchoes(values).spans(shown):
        assert at <= start < end <= len(shown)
        at = end


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=3, max_size=60))
def test_a_typed_value_is_found_where_it_stands_alone(value):
    cleaned = clean_text(value)
    if len(" ".join(re.split(r"[\s+_-]+", cleaned)).strip()) >= 3 and cleaned.strip("* +_-"):
        shown = f"You typed: {cleaned} ."
        covered = {i for start, end in TypedEchoes([value]).spans(shown) for i in range(start, end)}
        letters = {11 + i for i, char in enumerate(cleaned) if char.isalnum()}
        assert letters <= covered


def test_thousands_of_typed_values_do_not_slow_a_page_down():
    echoes = TypedEchoes(f"value {i} typed here {i}" for i in range(5_000))
    begin = time.perf_counter()
    echoes.spans("lorem ipsum value dolor sit amet " * 3_000)
    assert time.perf_counter() - begin < 5


def test_a_checkout_in_the_middle_keeps_what_was_typed_out():
    nodes = [element(10, "input", type="text", value=SECRET), element(11, "p", SECRET)]
    events = [event(2, {"node": document(*nodes)}, 0), typed(10, SECRET, 10), event(2, {"node": document(*nodes)}, 20)]
    assert "quokka" not in said(events)
