from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_interactions import seed_folder, table_text, write

from traceformers.datasets_scripts.interactions.interaction_filters import (
    drop_duplicates,
    filter_interactions,
    filter_values,
    k_core,
)
from traceformers.datasets_scripts.interactions.interaction_table import Interactions
from traceformers.datasets_scripts.interactions.read_interactions import read_interactions

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=40)


def interactions_of(rows):
    """Returns the `Interactions` of [(user, item, time)] of whole numbers."""
    user_ids, item_ids = (list(dict.fromkeys(str(row[k]) for row in rows)) for k in (0, 1))
    return Interactions(
        np.array([user_ids.index(str(u)) for u, _, _ in rows]),
        np.array([item_ids.index(str(i)) for _, i, _ in rows]),
        user_ids,
        item_ids,
        np.array([t for _, _, t in rows], dtype=np.float64),
    )


def rows_of(read):
    return [
        (int(read.user_ids[u]), int(read.item_ids[i]), int(t))
        for u, i, t in zip(read.users, read.items, read.times, strict=True)
    ]


@given(PAIRS, st.integers(1, 3), st.integers(1, 3))
def test_the_core_is_what_dropping_one_at_a_time_leaves(rows, least_user, least_item):
    left = list(rows)
    while True:
        users, items = Counter(u for u, _, _ in left), Counter(i for _, i, _ in left)
        wrong = next((r for r in left if users[r[0]] < least_user or items[r[1]] < least_item), None)
        if wrong is None:
            break
        left.remove(wrong)
    assert rows_of(k_core(interactions_of(rows), least_user, least_item)) == left


@given(PAIRS)
def test_doubles_leave_the_first_or_the_last_in_time(rows):
    first, last = {}, {}
    for row in sorted(rows, key=lambda row: row[2]):  # stable: ties go by the order of the rows
        first.setdefault(row[:2], row[2])
        last[row[:2]] = row[2]
    for keep, expected in (("first", first), ("last", last)):
        kept = rows_of(drop_duplicates(interactions_of(rows), keep))
        assert sorted(kept) == sorted((*pair, time) for pair, time in expected.items())


def test_a_selection_keeps_metadata_beside_its_items(tmp_path):
    read = read_interactions(seed_folder(tmp_path))
    kept = read.select(read.items == read.item_ids.index("30"))
    assert kept.counts() == {"users": 2, "items": 1, "interactions": 2} and kept.user_ids == ["u1", "u3"]
    assert kept.items_table.column("item").to_pylist() == ["30"]
    assert sorted(kept.untouched_items.column("item").to_pylist()) == ["10", "20", "40", "50"]


def test_each_filter_says_what_it_dropped(tmp_path):
    path = write(tmp_path / "x.csv", "user,item,value\na,1,5\na,2,4\na,3,1\na,1,5\nb,1,5\nb,2,\nc,9,5\n")
    kept = filter_interactions(read_interactions(path, duplicates="all"), 4, 1, 2)
    assert kept.about["dropped"] == {
        "value below 4 or missing": 2,
        "the same user and item again (kept: first)": 1,
        "users below 1 or items below 2 rows": 2,
    }
    assert kept.counts() == {"users": 2, "items": 1, "interactions": 2}


def test_filters_that_leave_nothing_or_lack_values_are_refused(tmp_path):
    read = read_interactions(write(tmp_path / "x.csv", table_text()))
    with pytest.raises(ValueError, match="Expected rows after the filters, got none; dropped"):
        filter_interactions(read, min_user_interactions=50)
    with pytest.raises(ValueError, match="Expected a column of values to compare with min_value, got none"):
        filter_values(read, 3)
