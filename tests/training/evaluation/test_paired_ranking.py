import json

import numpy as np
import pytest

from traceformers.training.evaluation.paired_ranking import compare_runs
from traceformers.training.evaluation.ranking_report import ranking_report


def test_the_difference_is_the_mean_over_users_and_seeds_with_both_errors():
    ours = [[1.0, 0.0, 0.5], [0.5, 0.5, 0.5], [1.0, 0.5, 0.6]]
    theirs = [[0.5, 0.0, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    found = compare_runs(ours, theirs)
    differences = np.array(ours) - np.array(theirs)
    assert found.difference == pytest.approx(differences.mean())
    assert found.error_users == pytest.approx(differences.mean(axis=0).std(ddof=1) / np.sqrt(3))
    assert found.error_seeds == pytest.approx(differences.mean(axis=1).std(ddof=1) / np.sqrt(3))
    assert found.error == pytest.approx(np.hypot(found.error_users, found.error_seeds))
    assert [seed[0] for seed in found.by_seed] == pytest.approx(differences.mean(axis=1).tolist())


def test_swapping_the_sides_swaps_the_sign_alone():
    draw = np.random.default_rng(0)
    ours, theirs = draw.random((3, 50)), draw.random((3, 50))
    there, back = compare_runs(ours, theirs), compare_runs(theirs, ours)
    assert (there.difference, there.error) == pytest.approx((-back.difference, back.error))


def test_noise_is_significant_about_as_rarely_as_two_standard_errors_say():
    draw = np.random.default_rng(1)
    found = [compare_runs(draw.random((3, 400)), draw.random((3, 400))).significant for _ in range(300)]
    assert np.mean(found) < 0.08


def test_a_clear_difference_is_significant_from_three_seeds_on():
    draw = np.random.default_rng(2)
    theirs = draw.random((3, 400))
    ours = theirs + 0.05 + 0.01 * draw.standard_normal((3, 400))
    assert compare_runs(ours, theirs).significant is True
    assert compare_runs(ours[:2], theirs[:2]).significant is None
    assert compare_runs(ours[:1], theirs[:1], seeded=False).significant is True


def test_a_better_mean_that_one_seed_carries_is_not_significant():
    theirs = np.zeros((3, 1000))
    ours = np.array([0.09, 0.0, 0.0])[:, None] + np.random.default_rng(3).normal(0, 0.001, (3, 1000))
    found = compare_runs(ours, theirs)
    assert found.difference > 20 * found.error_users
    assert found.significant is False


def test_a_model_without_a_seed_meets_every_seed_of_the_other():
    found = compare_runs([[0.5, 0.5]], [[0.1, 0.2], [0.3, 0.4], [0.2, 0.3]])
    assert (found.seeds, found.difference) == (3, pytest.approx(0.25))


def test_users_without_a_figure_are_left_out_on_both_sides():
    found = compare_runs([[1.0, np.nan, 0.5]], [[0.5, 0.5, np.nan]])
    assert (found.users, found.difference, found.error) == (1, 0.5, None)


def test_reports_are_compared_by_the_figure_named():
    found = compare_runs([ranking_report([1, 4])], [ranking_report([4, 8])], "hr@5")
    assert found.difference == 0.5
    assert json.loads(json.dumps(found.to_json()))["users"] == 2


@pytest.mark.parametrize(
    ("ours", "theirs", "figure", "message"),
    [
        ([[1.0]], [[1.0, 2.0]], "ndcg@10", "same users.*evaluate both on one split"),
        ([[1.0]] * 2, [[1.0]] * 3, "ndcg@10", "as many seeds.*train the seeds"),
        ([], [[1.0]], "ndcg@10", "flat arrays of figures.*pass a list"),
        ([[1.0], [1.0, 2.0]], [[1.0]], "ndcg@10", "flat arrays of figures"),
        ([[np.nan]], [[1.0]], "ndcg@10", "nothing to compare; evaluate both"),
        ([ranking_report([1])], [ranking_report([1])], "ndcg@7", "a figure of the report.*name one of these"),
    ],
)
def test_runs_that_cannot_be_compared_are_an_error(ours, theirs, figure, message):
    with pytest.raises(ValueError, match=message):
        compare_runs(ours, theirs, figure)
