"""What counts as one action, where it begins, and what is no action at all."""

import pytest
from tiny_rrweb import click, element, incremental, interaction, mutation, page, snapshot, tiny_tokenizer, typed

from traceformers.training.next_action.action_sequence import ActionReader

FIELD = element(6, "input", type="text", placeholder="Name")
PAGE = page(
    element(5, "button", "Pay"), FIELD, element(7, "a", "Home", role="button"), element(8, "input", type="checkbox")
)


def actions(*events):
    tokenizer = tiny_tokenizer()
    return ActionReader(tokenizer)(tokenizer.tokenize_session([*PAGE, *events]))


def told(*events):
    return [(action.event, action.kind, action.target) for action in actions(*events)]


def scroll(y, time, node_id=1):
    return incremental(3, time, id=node_id, x=0, y=y)


def test_a_click_begins_with_its_press():
    press, focus, release = interaction(1, 5, 1000), interaction(5, 5, 1001), interaction(0, 5, 1100)
    assert told(press, focus, release, click(5, 1101)) == [(2, "click", "button")]
    assert told(click(7, 900)) == [(2, "click", "a role=button")]  # a program clicks without a press


def test_a_press_without_a_click_is_nothing():
    assert told(interaction(1, 5, 1000), interaction(0, 5, 1100)) == []


def test_keys_into_one_field_are_one_typing():
    keys = [typed(6, "abc"[:n], 1000 + 100 * n) for n in (1, 2, 3)]
    assert told(*keys) == [(2, "type", "input:text")]
    assert told(*keys, click(5, 5000), typed(6, "abcd", 6000)) == [
        (2, "type", "input:text"), (5, "click", "button"), (6, "type", "input:text"),
    ]  # fmt: skip


def test_what_a_click_or_a_script_does_to_a_field_is_no_typing():
    assert told(click(8, 900), typed(8, "on", 905, checked=True)) == [(2, "click", "input:checkbox")]
    assert told(typed(6, "filled in", 900, userTriggered=False)) == []


def test_scroll_events_one_way_are_one_scroll():
    down = [scroll(y, 1000 + y) for y in (100, 200, 300)]
    assert told(*down) == [(2, "scroll down", "#document")]
    assert told(*down, scroll(150, 1500)) == [(2, "scroll down", "#document"), (5, "scroll up", "#document")]
    assert told(scroll(100, 1000), scroll(200, 3000)) == [
        (2, "scroll down", "#document"),
        (3, "scroll down", "#document"),
    ]


def test_a_scroll_right_after_a_click_is_the_pages_own():
    assert told(click(5, 1000), scroll(500, 1050)) == [(2, "click", "button")]


def test_a_scroll_by_touch_begins_with_the_touch():
    assert told(interaction(7, 5, 1000), scroll(100, 1200)) == [(2, "scroll down", "#document")]


def test_focus_selection_double_click_and_the_page_itself_are_no_actions():
    focus, twice = interaction(5, 6, 1000), interaction(4, 5, 1100)
    assert told(focus, twice, mutation(1200), incremental(14, 1300, ranges=[]), snapshot(time=1400)) == []


@pytest.mark.parametrize(
    ("event", "kind"), [(interaction(3, 5, 900), "menu"), (incremental(4, 900, width=9, height=9), "resize")]
)
def test_other_kinds_have_names(event, kind):
    assert [action.kind for action in actions(event)] == [kind]


def test_a_session_of_several_windows_is_read_as_well():
    tokenizer = tiny_tokenizer()
    one = [{**event, "windowId": "a"} for event in [*PAGE, click(5, 900)]]
    two = [{**event, "windowId": "b", "timestamp": event["timestamp"] + 5000} for event in [*PAGE, click(7, 900)]]
    found = ActionReader(tokenizer)(tokenizer.tokenize_session([*one, *two]))
    assert [(action.kind, action.target) for action in found] == [("click", "button"), ("click", "a role=button")]


def test_unknown_events_and_targets_do_not_stop_it():
    gone, strange = click(99, 900), {"type": 3, "timestamp": PAGE[0]["timestamp"] + 950, "data": {"source": 77}}
    assert told(gone, strange) == [(2, "click", "none")]
