"""Rage clicks, dead clicks, thrashing and retyping, each against sessions made by hand."""

import numpy as np
import pytest
from tiny_rrweb import click, element, incremental, meta, moved, mutation, page, text_change, typed

from traceformers.training.session_evidence.dead_clicks import dead_clicks, is_named
from traceformers.training.session_evidence.rage_clicks import rage_clicks
from traceformers.training.session_evidence.retyping import retyping
from traceformers.training.session_evidence.thrashing import page_returns, pointer_thrashing, scroll_thrashing

SHOP = page(element(5, "button", "Save"), element(6, "input", type="text", name="city"), element(7, "p", "Words"))
END = mutation(60_000)


def clicks(*times, x=100, node=5):
    return [click(node, time, x=x, y=100) for time in times]


def changed(time):
    return mutation(time, texts=[text_change(1007, "Other words")])


def scrolled(y, time):
    return incremental(3, time, id=1, x=0, y=y)


# -- rage clicks ----------------------------------------------------------------------------------------------


def test_three_clicks_in_a_second_are_rage_and_name_the_target():
    (rage,) = rage_clicks([*SHOP, *clicks(1000, 1400, 1900)])
    assert rage[:4] == (1.0, 100.0, 100.0, 'button "Save"')
    assert (rage.clicks, rage.lasted_s, rage.answered) == (3, 0.9, False)


@pytest.mark.parametrize(
    "events",
    [
        clicks(1000, 1400),
        clicks(1000, 1600, 2200),
        [*clicks(1000, 1200), *clicks(1400, x=200)],
        [*clicks(1000, 1200), typed(6, "a", 1300)],
    ],
    ids=["two", "slow", "apart", "two and a key"],
)
def test_fewer_slower_or_farther_clicks_are_none(events):
    assert rage_clicks([*SHOP, *events]) == []


def test_a_long_burst_is_one_and_a_later_one_another():
    found = rage_clicks([*SHOP, *clicks(*range(1000, 3000, 200)), *clicks(9000, 9100, 9200)])
    assert [(rage.clicks, rage.seconds) for rage in found] == [(10, 1.0), (3, 9.0)]


def test_clicks_in_two_windows_do_not_add_up():
    events = [
        {**event, "windowId": "b" if i % 2 else "a"} for i, event in enumerate([*SHOP, *clicks(1000, 1200, 1400)])
    ]
    assert rage_clicks(events) == []


def test_a_burst_that_the_page_answered_says_so():
    (rage,) = rage_clicks([*SHOP, *clicks(1000, 1200, 1400), changed(1500)])
    assert rage.answered


def test_the_rule_equals_a_loop_over_all_triples():
    rng = np.random.default_rng(0)
    times = np.sort(rng.integers(1000, 20_000, 60)).tolist()
    events = [click(5, time, x=int(rng.integers(80, 140)), y=100) for time in times]
    members = {
        i
        for i in range(len(events))
        for later in [[e for e in events[i + 1 :] if e["timestamp"] - events[i]["timestamp"] <= 1000]]
        if sum(abs(e["data"]["x"] - events[i]["data"]["x"]) <= 30 for e in later) >= 2
    }
    found = rage_clicks([*SHOP, *events])
    covered = {i for i in range(len(events)) for r in found if r.seconds <= times[i] / 1000 <= r.seconds + r.lasted_s}
    assert found and members <= covered
    assert all(any(abs(times[i] / 1000 - rage.seconds) < 1e-6 for i in members) for rage in found)


def test_a_rule_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="at least 2 clicks"):
        rage_clicks(SHOP, clicks=1)


# -- dead clicks ----------------------------------------------------------------------------------------------


def test_a_click_that_nothing_follows_is_dead():
    (dead,) = dead_clicks([*SHOP, *clicks(1000), END])
    assert (dead.seconds, dead.target) == (1.0, 'button "Save"')


@pytest.mark.parametrize(
    "after",
    [changed(1500), meta("https://shop.test/pay", time=1200), scrolled(300, 1100), typed(6, "", 1100, checked=True)],
    ids=["page changed", "new page", "scrolled", "ticked"],
)
def test_a_click_with_an_answer_is_alive(after):
    assert dead_clicks([*SHOP, *clicks(1000), after, END]) == []


def test_an_answer_that_comes_too_late_is_none():
    assert len(dead_clicks([*SHOP, *clicks(1000), changed(9000)])) == 1


def test_a_click_into_a_field_only_sets_the_caret():
    assert dead_clicks([*SHOP, *clicks(1000, node=6), END]) == []


def test_at_the_end_of_a_recording_nobody_knows():
    assert dead_clicks([*SHOP, *clicks(1000)]) == []


def test_names_tell_what_should_answer():
    assert is_named('a "Home"') and is_named('p "Words"') and not is_named("div") and not is_named('body "Words"')


# -- to and fro -----------------------------------------------------------------------------------------------


def way(*xs, start=1000, step=100):
    return [moved([(x, 50, 5)], time=start + step * i) for i, x in enumerate(xs)]


def test_a_shaken_pointer_is_found_with_its_turns():
    (found,) = pointer_thrashing([*SHOP, *way(0, 200, 0, 200, 0, 200)])
    assert found.turns == 4 and found.lasted_s == pytest.approx(0.3)


@pytest.mark.parametrize(
    "events", [way(0, 200, 400, 600, 800, 1000), way(0, 5, 0, 5, 0, 5), way(0, 200, 0, 200, 0, 200, step=3000)],
    ids=["straight", "trembling", "slow"],
)  # fmt: skip
def test_a_pointer_that_goes_somewhere_is_not_shaken(events):
    assert pointer_thrashing([*SHOP, *events]) == []


def test_scrolling_up_and_down_is_found_and_reading_is_not():
    wild = [scrolled(y, 1000 + 200 * i) for i, y in enumerate([500, 0, 500, 0, 500])]
    calm = [scrolled(300 * i, 1000 + 200 * i) for i in range(8)]
    assert [found.turns for found in scroll_thrashing([*SHOP, *wild])] == [3]
    assert scroll_thrashing([*SHOP, *calm]) == []


def test_going_back_at_once_is_a_return_and_later_is_not():
    there, back = meta("https://shop.test/pay", time=2000), meta(time=3500)
    (found,) = page_returns([*SHOP, there, back])
    assert (found.seconds, found.away_s, found.page) == (3.5, 1.5, "shop.test/cart")
    assert page_returns([*SHOP, there, meta(time=30_000)]) == []


# -- retyping -------------------------------------------------------------------------------------------------


def spelled(lengths, start=1000):
    return [typed(6, "x" * length, start + 50 * i) for i, length in enumerate(lengths)]


def test_a_field_emptied_twice_is_one_finding():
    (found,) = retyping([*SHOP, *spelled([1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 0])])
    assert (found.target, found.times) == ('input type=text "city"', 2)


def test_a_slip_is_no_retyping():
    assert retyping([*SHOP, *spelled([1, 2, 3, 4, 5, 4, 5, 6])]) == []
    assert retyping([*SHOP, *spelled([1, 2, 1, 0])]) == []


def test_masked_recordings_give_the_same():
    plain = [*SHOP, *(typed(6, word, 1000 + 90 * i) for i, word in enumerate(["berlin", "", "rome"]))]
    masked = [*SHOP, *(typed(6, "*" * n, 1000 + 90 * i) for i, n in enumerate([6, 0, 4]))]
    assert retyping(plain) == retyping(masked) != []
