import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.training.evaluation.ranking_metrics import mrr_at_k, ndcg_at_k, recall_at_k
from traceformers.training.evaluation.ranking_report import coverage, novelty, ranking_report, user_figures
from traceformers.training.evaluation.ranking_slices import history_length_slices, popularity_slices

DEPTH = 30


@given(
    ranked=st.lists(st.lists(st.integers(1, DEPTH), unique=True, max_size=6), min_size=1, max_size=6),
    k=st.integers(1, DEPTH),
)
def test_figures_equal_those_of_graded_rankings(ranked, k):
    offsets = np.cumsum([0, *map(len, ranked)])
    grades = np.zeros((len(ranked), DEPTH), dtype=int)
    for user, ranks in enumerate(ranked):
        grades[user, [rank - 1 for rank in ranks]] = 1
    found = user_figures([rank for ranks in ranked for rank in ranks], offsets, (k,))
    np.testing.assert_allclose(found[f"ndcg@{k}"], ndcg_at_k(grades, grades, k))
    np.testing.assert_allclose(found[f"mrr@{k}"], mrr_at_k(grades, grades, k))
    np.testing.assert_allclose(found[f"recall@{k}"], recall_at_k(grades, grades, k))
    np.testing.assert_allclose(found["mrr"], mrr_at_k(grades, grades, DEPTH))
    hits = [float(any(rank <= k for rank in ranks)) if ranks else np.nan for ranks in ranked]
    np.testing.assert_array_equal(found[f"hr@{k}"], hits)


def test_one_target_a_user_gives_the_figures_of_leave_last_out():
    report = ranking_report([1, 3, 11], ks=(10,))
    assert report.figures == pytest.approx(
        {"hr@10": 2 / 3, "ndcg@10": 1.5 / 3, "mrr@10": (1 + 1 / 3) / 3, "recall@10": 2 / 3, "mrr": (4 / 3 + 1 / 11) / 3}
    )
    assert (report.users, report.targets) == (3, 3)
    assert report.errors["hr@10"] == pytest.approx(np.std([1, 1, 0], ddof=1) / math.sqrt(3))


def test_a_target_that_cannot_be_found_counts_as_a_miss():
    assert ranking_report([0, 1], ks=(5,)).figures["ndcg@5"] == 0.5
    assert ranking_report([0], ks=(5,)).figures["mrr"] == 0


def test_a_user_without_a_target_is_in_no_mean():
    report = ranking_report([1], ks=(5,), target_offsets=[0, 0, 1])
    assert np.isnan(report.per_user["hr@5"][0])
    assert (report.figures["hr@5"], report.users) == (1.0, 1)


def test_coverage_and_novelty_are_of_the_recommended_items_up_to_the_cut():
    counts = np.array([0, 0, 0, 4, 2, 2, 0])
    top = np.array([[3, 4], [3, 6]])
    report = ranking_report([1, 1], ks=(1, 2, 5), top_items=top, item_counts=counts)
    assert report.figures["coverage@1"] == 1 / 4
    assert report.figures["coverage@2"] == 3 / 4
    assert report.per_user["novelty@2"].tolist() == [(1 + 2) / 2, (1 + 3) / 2]  # never in training: as if once
    assert report.figures["novelty@1"] == 1
    assert "coverage@5" not in report.figures  # the lists are shorter


def test_nothing_recommended_has_no_novelty_and_covers_nothing():
    assert np.isnan(novelty([[0, 0]], [0, 0, 0, 1])).all()
    assert coverage([[0, 0]], 3) == 0


def test_slices_of_history_length_hold_each_user_once():
    lengths = np.array([0, 9, 10, 60, 200, 5000])
    slices = history_length_slices(lengths)
    assert list(slices) == ["0-9", "10-19", "50-99", "200+"]
    assert np.sum(list(slices.values()), axis=0).tolist() == [1] * 6
    report = ranking_report([1, 9, 1, 1, 9, 9], ks=(5,), history_lengths=lengths)
    assert report.slices["history_length"]["0-9"]["hr@5"] == 0.5
    assert report.slices["history_length"]["200+"]["users"] == 2


@given(st.lists(st.integers(0, 40), min_size=1, max_size=40))
def test_quarters_of_popularity_hold_each_target_once_and_never_part_equals(counts):
    counts = np.array(counts)
    slices = popularity_slices(counts)
    quarters = [chosen for name, chosen in slices.items() if name.startswith("quarter")]
    assert np.sum(quarters, axis=0).tolist() == [1] * len(counts)
    for count in set(counts.tolist()):
        assert sum(bool(chosen[counts == count].any()) for chosen in quarters) == 1
    assert slices.get("under 10", counts < 10).tolist() == (counts < 10).tolist()


def test_a_slice_by_popularity_counts_only_its_own_targets():
    counts = np.array([0, 0, 0, 2, 100])
    report = ranking_report(
        [1, 50, 2], ks=(5,), target_offsets=[0, 2, 3], targets=[3, 4, 4], item_counts=counts
    )  # user 0: a cold hit and a popular miss; user 1: a popular hit
    cold = report.slices["target_popularity"]["under 10"]
    assert (cold["users"], cold["targets"], cold["hr@5"], cold["from"], cold["to"]) == (1, 1, 1.0, 2, 2)
    popular = report.slices["target_popularity"]["quarter 2"]
    assert (popular["users"], popular["hr@5"], popular["from"]) == (2, 0.5, 100)


def test_a_report_is_json_without_the_users_own_values():
    report = ranking_report([1], ks=(5,), history_lengths=[3], targets=[3], item_counts=[0, 0, 0, 1])
    text = json.dumps(report.to_json(), allow_nan=False)
    assert "per_user" not in text and json.loads(text)["figures"]["hr@5"] == 1


def test_no_users_give_a_report_of_nothing():
    assert ranking_report([], ks=(5,)).figures["hr@5"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ranks": [-1]}, "whole numbers from 0.*pass what next_item_ranks returns"),
        ({"ranks": [1.5]}, "flat array"),
        ({"ranks": [1], "ks": ()}, "cuts of whole numbers.*pass some"),
        ({"ranks": [1], "ks": (0,)}, "cuts of whole numbers"),
        ({"ranks": [1], "target_offsets": [0, 2]}, "target_offsets that rise"),
        ({"ranks": [1], "top_items": [3]}, "top_items.*pass those that rank_targets"),
        ({"ranks": [1], "history_lengths": [3, 4]}, "history_lengths of 1 users.*pass one a user"),
        (
            {"ranks": [1], "targets": [3, 4], "item_counts": [0, 0, 0, 1, 1]},
            "targets of 1 ranks.*pass those",
        ),
        (
            {"ranks": [1], "ks": (1,), "top_items": [[7]], "item_counts": [0, 0, 0, 1]},
            "counts of all.*count by",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        ranking_report(**arguments)
