"""Figures on cases worked by hand, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, log_loss, ndcg_score

from traceformers.training.productive_feed.feed_evaluation import (
    average_precision,
    calibration_curve,
    calibration_error,
    feed_figures,
    head_figures,
    ndcg,
    weighted_f1,
)

rows = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60).filter(
    lambda pairs: {label for label, _ in pairs} == {True, False}
)


def test_a_case_worked_by_hand():
    labels, p = [1, 0, 1, 0, 0], [0.9, 0.8, 0.6, 0.4, 0.1]
    figures = head_figures(labels, p, base_rate=0.5)
    assert figures["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert figures["brier"] == pytest.approx((0.01 + 0.64 + 0.16 + 0.16 + 0.01) / 5)
    assert figures["brier_of_base_rate"] == pytest.approx(0.25)
    assert figures["ndcg@21"] == pytest.approx((1 + 1 / 2) / (1 + 1 / np.log2(3)))
    assert figures["precision"] == pytest.approx(2 / 3) and figures["recall"] == 1
    # yes: 2 * 2 / (2 + 3) = 0.8, no: 2 * 2 / (3 + 2) = 0.8
    assert figures["f1"] == pytest.approx(0.8) and figures["base_rate"] == pytest.approx(0.4)


@given(rows)
def test_figures_are_those_of_scikit_learn_also_with_ties(pairs):
    labels = np.array([label for label, _ in pairs], dtype=float)
    p = np.array([score / 6 for _, score in pairs])
    assert average_precision(labels, p) == pytest.approx(average_precision_score(labels, p))
    assert ndcg(labels, p, k=21) == pytest.approx(ndcg_score(labels[None], p[None], k=21))
    assert ndcg(labels, p, k=3) == pytest.approx(ndcg_score(labels[None], p[None], k=3))
    assert weighted_f1(labels, p) == pytest.approx(f1_score(labels, p >= 0.5, average="weighted", zero_division=0))
    figures = head_figures(labels, p)
    assert figures["brier"] == pytest.approx(brier_score_loss(labels, p))
    assert figures["log_loss"] == pytest.approx(log_loss(labels, np.clip(p, 1e-7, 1 - 1e-7)))


def test_equal_scores_are_worth_what_chance_is_worth():
    labels = [1, 0, 0, 0]
    assert average_precision(labels, [0.5] * 4) == 0.25
    assert average_precision(labels[::-1], [0.5] * 4) == 0.25
    assert ndcg(labels, [0.5] * 4) == ndcg(labels[::-1], [0.5] * 4)


def test_a_figure_that_is_not_defined_is_none_and_json():
    figures = head_figures([0, 0], [0.1, 0.2])
    assert figures["average_precision"] is None and figures["ndcg@21"] is None and figures["brier"] > 0
    assert feed_figures(np.full((3, 2), np.nan), np.zeros((3, 2)))["interest"] == {"n": 0}


def test_missing_labels_do_not_count():
    labels = np.array([[1, np.nan], [0, 1], [np.nan, 0]])
    p = np.array([[0.9, 0.123], [0.1, 0.8], [0.456, 0.3]])
    figures = feed_figures(labels, p)
    assert figures == feed_figures(labels, np.where(np.isnan(labels), 0.99, p))
    assert figures["interest"]["n"] == 2 and figures["productive"]["brier"] == pytest.approx((0.04 + 0.09) / 2)


def test_a_calibrated_forecast_has_a_small_error_and_a_shifted_one_its_shift():
    random = np.random.default_rng(0)
    p = random.uniform(0.2, 0.6, 40_000)
    labels = random.random(40_000) < p
    assert calibration_error(labels, p) < 0.02
    assert calibration_error(labels, p + 0.3) == pytest.approx(0.3, abs=0.02)
    told, came, counts = calibration_curve(labels, p)
    assert counts.sum() == 40_000 and (np.diff(told) > 0).all() and np.abs(told - came).max() < 0.03
