import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.training.evaluation.ranking_metrics import mrr_at_k, ndcg_at_k, paired_difference, recall_at_k


def test_ndcg_is_the_one_of_scikit_learn():
    from sklearn.metrics import ndcg_score

    draw = np.random.default_rng(0)
    grades = draw.integers(0, 4, (40, 30)) * (draw.random((40, 30)) < 0.3)
    grades[:, 0] = np.maximum(grades[:, 0], 1)
    scores = draw.random((40, 30))
    ranked = np.take_along_axis(grades, np.argsort(-scores, axis=1), axis=1)
    for k in (1, 5, 10, 30):
        expected = [ndcg_score(grades[i : i + 1], scores[i : i + 1], k=k) for i in range(40)]
        np.testing.assert_allclose(ndcg_at_k(ranked, grades, k), expected, atol=1e-12)


def test_a_ranking_worked_out_by_hand():
    ranked, judged = [[0, 2, 1, 0]], [[1, 3, 2, 0, 0]]
    gained = 2 / np.log2(3) + 1 / np.log2(4)
    best = 3 / np.log2(2) + 2 / np.log2(3) + 1 / np.log2(4)
    assert ndcg_at_k(ranked, judged, 10)[0] == pytest.approx(gained / best)
    assert mrr_at_k(ranked, judged, 10)[0] == 1 / 2
    assert recall_at_k(ranked, judged, 100)[0] == pytest.approx(2 / 3)
    assert mrr_at_k(ranked, judged, 10, minimum_grade=3)[0] == 0
    assert recall_at_k(ranked, judged, 100, minimum_grade=2)[0] == 1 / 2


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 12), st.randoms())
def test_loops_in_plain_python_agree(grades, k, random):
    ranked = random.sample(grades, len(grades))
    relevant = sum(grade > 0 for grade in grades)
    ours = [figure([ranked], [grades], k)[0] for figure in (ndcg_at_k, mrr_at_k, recall_at_k)]
    if not relevant:
        assert np.isnan(ours).all()
        return
    gain = sum(grade / np.log2(rank + 1) for rank, grade in enumerate(ranked[:k], 1))
    ideal = sum(grade / np.log2(rank + 1) for rank, grade in enumerate(sorted(grades, reverse=True)[:k], 1))
    first = next((1 / rank for rank, grade in enumerate(ranked[:k], 1) if grade), 0)
    found = sum(grade > 0 for grade in ranked[:k]) / relevant
    np.testing.assert_allclose(ours, [gain / ideal, first, found], atol=1e-12)


def test_a_query_that_asks_for_nothing_has_no_figure():
    ranked, judged = np.array([[0, 0], [1, 0]]), np.array([[0, 0], [1, 0]])
    for figure in (ndcg_at_k, mrr_at_k, recall_at_k):
        assert np.isnan(figure(ranked, judged)).tolist() == [True, False]
    assert np.isnan(mrr_at_k(ranked, judged, minimum_grade=2)).all()


def test_ranks_below_k_do_not_count():
    ranked, judged = [[0] * 10 + [1]], [[1]]
    assert (
        ndcg_at_k(ranked, judged, 10)[0] == mrr_at_k(ranked, judged, 10)[0] == recall_at_k(ranked, judged, 10)[0] == 0
    )
    assert ndcg_at_k(ranked, judged, 11)[0] > 0


def test_a_negative_grade_gains_nothing():
    np.testing.assert_array_equal(ndcg_at_k([[-2, 1]], [[-2, 1]]), ndcg_at_k([[0, 1]], [[0, 1]]))


def test_a_paired_difference_is_the_mean_with_its_standard_error():
    ours, theirs = np.array([0.5, 0.7, np.nan, 0.1, 0.9]), np.array([0.4, 0.2, 0.3, 0.2, np.nan])
    differences = np.array([0.1, 0.5, -0.1])
    mean, error = paired_difference(ours, theirs)
    assert mean == pytest.approx(differences.mean())
    assert error == pytest.approx(differences.std(ddof=1) / np.sqrt(3))
    assert np.isnan(paired_difference([0.5], [0.2])[1])


def test_other_shapes_are_an_error():
    with pytest.raises(ValueError, match=r"shapes \(1, 2\) and \(2, 1\)"):
        ndcg_at_k([[1, 0]], [[1], [0]])
    with pytest.raises(ValueError, match="k of at least 1, got 0"):
        mrr_at_k([[1]], [[1]], 0)
