"""Categories of ActivityWatch: the deepest class wins, and what a server without classes answers means the defaults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.datasets_scripts.activitywatch.aw_categories import DEFAULT_CLASSES, UNCATEGORIZED, Categorizer

OWN = [
    {"name": ["Study"], "rule": {"type": "regex", "regex": "lecture", "ignore_case": True}},
    {"name": ["Study", "Mathematics"], "rule": {"type": "regex", "regex": "algebra"}},
    {"name": ["Rest"], "rule": {"type": "none"}},
    {"name": ["Rest", "Games"], "rule": {"type": "regex", "regex": "Go"}},
]


@pytest.mark.parametrize(
    ("texts", "category"),
    [
        (("Code", "main.py - vim"), "Work > Programming"),
        (("Terminal", "AW-server"), "Work > Programming > ActivityWatch"),  # this class does not count capitals
        (("Terminal", "github"), UNCATEGORIZED),  # that of programming does
        (("Firefox", "Cats - YouTube"), "Media > Video"),
        (("Spotify", ""), "Media > Music"),
        (("Editor", ""), UNCATEGORIZED),
    ],
)
def test_the_default_classes_give_what_activitywatch_gives(texts, category):
    assert Categorizer().category(*texts) == category


def test_there_are_thirteen_default_classes():
    assert len(DEFAULT_CLASSES) == 13
    assert len(Categorizer().names) == 14
    assert Categorizer().names[-1] == UNCATEGORIZED


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"classes": None}, "", 404, {"message": "404"}, [None], [{"name": []}]]
)
def test_no_classes_mean_the_default_classes(answer):
    categorizer = Categorizer(answer)
    assert categorizer.is_default
    assert categorizer.category("vim") == "Work > Programming"


@pytest.mark.parametrize(
    "given", [OWN, {"categories": OWN}, {"classes": OWN}, [(one["name"], one["rule"]) for one in OWN]]
)
def test_the_classes_of_the_user_are_read_in_every_shape(given):
    categorizer = Categorizer(given)
    assert not categorizer.is_default
    assert categorizer.category("Player", "Lecture 3: algebra") == "Study > Mathematics"
    assert categorizer.category("Player", "Lecture 3") == "Study"
    assert categorizer.category("vim") == UNCATEGORIZED


def test_of_two_classes_as_deep_the_later_one_wins_and_a_priority_stands_for_depth():
    both = [(["A"], {"regex": "x"}), (["B"], {"regex": "x"})]
    assert Categorizer(both).category("x") == "B"
    assert Categorizer([(["A"], {"regex": "x", "priority": 15}), (["B"], {"regex": "x"})]).category("x") == "A"


def test_the_address_and_the_title_of_a_tab_count_and_keys_can_be_chosen():
    assert Categorizer().category("Firefox", "Home", "https://example.org", "GitHub") == "Work > Programming"
    only = Categorizer([(["App"], {"regex": "vim", "select_keys": ["app"]})])
    assert only.category("x", "vim") == UNCATEGORIZED
    assert only.category("vim", "x") == "App"


def test_a_faulty_class_is_left_out_and_named():
    categorizer = Categorizer([*OWN, {"name": ["Broken"], "rule": {"type": "regex", "regex": "("}}, 7])
    assert [fault.partition(":")[0] for fault in categorizer.faults] == ["Broken", "a class without a name"]
    assert categorizer.category("lecture") == "Study"


def test_an_empty_expression_matches_nothing():
    assert (
        Categorizer([(["All"], {"type": "regex", "regex": ""}), *[(["X"], {"regex": "x"})]]).category("y")
        == UNCATEGORIZED
    )


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "rule", "regex", "type"]), inner)
    ),
    max_leaves=12,
)


@given(anything, st.text())
def test_whatever_a_server_answers_every_text_gets_one_of_the_names(answer, title):
    categorizer = Categorizer(answer)
    assert categorizer.category("vim", title) in categorizer.names
