"""Probes: what they may see, that they find what is there, and nothing where nothing is."""

import numpy as np
import pytest
from scipy import sparse

from traceformers.training.session_probes.probe import (
    METHODS,
    BagRows,
    DenseRows,
    choose_probe,
    class_metric,
    held_out_scores,
    macro_f1,
    probe_over_seeds,
    probe_scores,
)

SITES = np.array([f"{i % 6}.test" for i in range(120)])


def classes_in_vectors(rng, n_classes=3, noise=0.3):
    numbers = rng.integers(n_classes, size=len(SITES))
    vectors = np.eye(n_classes)[numbers] + noise * rng.normal(size=(len(SITES), n_classes))
    return numbers, np.concatenate([vectors, rng.normal(size=(len(SITES), 4))], axis=1)


@pytest.mark.parametrize("method", METHODS)
def test_classes_that_are_in_the_vectors_are_found_on_other_sites(method):
    numbers, vectors = classes_in_vectors(np.random.default_rng(0))
    found = probe_over_seeds(DenseRows(vectors), numbers, SITES, seeds=(0, 1), n_folds=3, methods=(method,))
    assert found.mean > 0.9
    assert len(found.values) == 2


def test_labels_drawn_by_chance_are_not_found():
    rng = np.random.default_rng(1)
    _, vectors = classes_in_vectors(rng)
    numbers = rng.integers(2, size=len(SITES))
    assert abs(probe_over_seeds(DenseRows(vectors), numbers, SITES, seeds=(0, 1, 2), n_folds=3).mean - 0.5) < 0.15


def test_a_class_that_is_only_the_site_does_not_carry_over():
    numbers = np.array([int(site[0]) % 2 for site in SITES])
    vectors = np.eye(6)[[int(site[0]) for site in SITES]]
    assert probe_over_seeds(DenseRows(vectors), numbers, SITES, seeds=(0,), n_folds=6).mean <= 0.5


def test_scores_do_not_depend_on_what_test_sessions_are_called():
    numbers, vectors = classes_in_vectors(np.random.default_rng(2))
    train, test = np.arange(80), np.arange(80, 120)
    scores = probe_scores(DenseRows(vectors), numbers, SITES, train, test)
    others = np.where(np.isin(np.arange(120), test), (numbers + 1) % 3, numbers)
    assert np.array_equal(scores, probe_scores(DenseRows(vectors), others, SITES, train, test, n_classes=3))


def test_the_encoder_that_never_saw_a_site_scores_it():
    numbers, vectors = classes_in_vectors(np.random.default_rng(3))
    folds = [("left", ["0.test", "1.test", "2.test"]), ("right", ["3.test", "4.test", "5.test"])]
    is_left = np.isin(SITES, folds[0][1])
    noise = np.random.default_rng(4).normal(size=vectors.shape)
    scores = held_out_scores(DenseRows({"left": vectors, "right": noise}), numbers, SITES, 0, 3, folds)
    assert macro_f1(numbers[is_left], scores[is_left]) > 0.9
    assert macro_f1(numbers[~is_left], scores[~is_left]) < 0.6


def test_bags_are_scored_as_their_vectors_would_be():
    rng = np.random.default_rng(5)
    numbers = rng.integers(2, size=len(SITES))
    counts = rng.poisson(1.0 + 4 * np.eye(2)[numbers].repeat(3, axis=1))
    scores = held_out_scores(BagRows([sparse.csr_matrix(counts.astype(float))]), numbers, SITES, 0, 3)
    assert class_metric(numbers, scores) > 0.9
    assert np.allclose(scores.sum(1), 1)


def test_a_method_that_is_none_is_refused():
    with pytest.raises(ValueError, match="linear, trees, both"):
        choose_probe(DenseRows(np.zeros((4, 1))), np.array([0, 1, 0, 1]), SITES[:4], np.arange(4), None, 2, ("magic",))


def test_a_training_part_with_one_class_names_that_class():
    numbers = np.array([1, 1, 0])
    rows = DenseRows(np.zeros((3, 2)))
    assert probe_scores(rows, numbers, SITES[:3], np.array([0, 1]), np.array([2])).tolist() == [[0.0, 1.0]]


def test_two_classes_are_measured_by_order_and_more_by_f1():
    assert class_metric(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])) == 1.0
    assert class_metric(np.array([0, 1, 2]), np.eye(3)) == 1.0
    assert macro_f1(np.array([0, 1]), np.array([[1, 0], [1, 0]])) == pytest.approx(1 / 3)
