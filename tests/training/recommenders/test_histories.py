import numpy as np
import pyarrow as pa
import pytest

from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.training.recommenders.histories import Histories, from_interactions


def table(users, items, times=None):
    columns = {"user": users, "item": items} | ({} if times is None else {"time": times})
    return read_interactions(pa.table(columns))


def test_items_of_a_user_are_sorted_by_time_and_ties_stay_in_the_order_of_the_file():
    interactions = table(["b", "a", "b", "b", "a"], ["x", "y", "z", "w", "x"], [5.0, 2.0, 1.0, 5.0, 1.0])
    histories, tokenizer = from_interactions(interactions)
    assert histories.user_ids == ["b", "a"]
    named = [[tokenizer.items[i - 3] for i in histories.of(user)] for user in range(2)]
    assert named == [["z", "x", "w"], ["x", "y"]]
    assert histories.times.tolist() == [1, 5, 5, 1, 2]


def test_without_times_the_order_of_the_file_counts():
    histories, tokenizer = from_interactions(table(["u", "v", "u"], ["3", "2", "1"]))
    assert tokenizer.items == ["3", "2", "1"] and histories.items.tolist() == [3, 5, 4]


def test_what_is_known_of_items_goes_to_the_tokenizer(tmp_path):
    (tmp_path / "rows.csv").write_text("user,item\na,1\na,2\n")
    (tmp_path / "items.csv").write_text("item,title,genres\n2,Two,War|Drama\n")
    _, tokenizer = from_interactions(read_interactions(tmp_path / "rows.csv", items_path=tmp_path / "items.csv"))
    assert tokenizer.titles == [None, "Two"] and tokenizer.genres == [[], ["War", "Drama"]]
    assert tokenizer.directors is None


def test_rows_hold_the_newest_items_and_are_padded_on_the_right():
    histories = Histories.from_lists([[3, 4, 5, 6], [], [7]])
    ids, mask = histories.padded(np.array([0, 2, 1]), max_length=3)
    assert ids.tolist() == [[4, 5, 6], [7, 0, 0], [0, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert ids.dtype == mask.dtype == np.int64


def test_rows_of_no_items_are_one_padded_position():
    ids, mask = Histories.from_lists([[], []]).padded([0, 1])
    assert ids.tolist() == mask.tolist() == [[0], [0]]


def test_a_cut_keeps_the_oldest_items_and_the_names():
    histories = Histories.from_lists([[3, 4, 5], [6, 7]])
    histories.user_ids = ["a", "b"]
    cut = histories.cut([1, 0], [1, 2])
    assert [cut.of(0).tolist(), cut.of(1).tolist()] == [[6], [3, 4]] and cut.user_ids == ["b", "a"]


def test_offsets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Expected offsets from 0 to the 2 items"):
        Histories(np.array([3, 4]), np.array([0, 1]))


def test_no_interactions_are_refused():
    empty = table(["a"], ["x"]).select(np.array([False]))
    with pytest.raises(ValueError, match="Expected interactions, got none"):
        from_interactions(empty)
