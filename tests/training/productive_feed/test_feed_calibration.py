"""Temperature and shift, the moving average, and the balanced order of an epoch."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.training.productive_feed.balanced_sampler import balanced_order
from traceformers.training.productive_feed.calibration import Calibration, fit_calibration, sigmoid
from traceformers.training.productive_feed.weighted_f1_ema import combined_f1, ema, next_ema


@pytest.mark.parametrize(("temperature", "shift"), [(3.0, -1.0), (0.5, 0.7), (1.0, 0.0)])
def test_what_bent_the_logits_is_found_again(temperature, shift):
    random = np.random.default_rng(1)
    z = random.normal(0, 2, 20_000)
    labels = (random.random(20_000) < sigmoid(z)).astype(float)
    found = fit_calibration((z - shift) * temperature, labels)
    assert found.temperature == pytest.approx(temperature, rel=0.1) and found.shift == pytest.approx(shift, abs=0.1)
    np.testing.assert_allclose(found.probabilities((z - shift) * temperature), sigmoid(z), atol=0.03)


def test_calibration_makes_labels_no_less_likely_and_keeps_the_order():
    random = np.random.default_rng(2)
    z = random.normal(0, 5, 60)
    labels = (random.random(60) < 0.2).astype(float)
    found = fit_calibration(z, labels)

    def loss(p):
        return -np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p))

    assert loss(found.probabilities(z)) < loss(sigmoid(z))
    assert (np.argsort(found.probabilities(z)) == np.argsort(z)).all()


def test_few_labels_bend_little_and_none_not_at_all():
    assert fit_calibration([1.0, 2.0], [np.nan, np.nan]) == Calibration()
    one = fit_calibration([1.0, np.nan], [0.0, np.nan])
    assert abs(math.log(one.temperature)) < 1 and abs(one.shift) < 2


def test_the_moving_average_smooths():
    values = [0.2, 0.9, 0.1, 0.8]
    smoothed = ema(values, alpha=0.6)
    assert smoothed == pytest.approx([0.2, 0.62, 0.308, 0.6032])
    assert smoothed != values and np.ptp(smoothed[1:]) < np.ptp(values[1:])
    assert ema(values, alpha=1.0) == values
    before = None
    for value, expected in zip(values, smoothed, strict=True):
        before = next_ema(value, before, 0.6)
        assert before == pytest.approx(expected)


def test_a_lucky_evaluation_is_not_the_best_for_the_average():
    values = [0.5, 0.9, 0.5, 0.88, 0.89]
    assert int(np.argmax(values)) == 1 and int(np.argmax(ema(values))) == 4


def test_productive_weighs_065_and_a_head_without_labels_nothing():
    assert combined_f1(0.4, 0.8) == pytest.approx(0.35 * 0.4 + 0.65 * 0.8)
    assert combined_f1(float("nan"), 0.8) == 0.8 and combined_f1(0.4, None) == pytest.approx(0.4)
    assert math.isnan(combined_f1(None, None))


@given(
    interest=st.integers(0, 40),
    productive=st.integers(0, 40),
    ratio=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    epoch=st.integers(0, 3),
)
def test_an_epoch_has_the_shares_that_were_asked_for(interest, productive, ratio, epoch):
    labels = np.full((interest + productive, 2), np.nan)
    labels[:, 0] = 1
    labels[interest:, 1] = 0
    order = balanced_order(labels, ratio, seed=3, epoch=epoch)
    assert len(order) == len(labels)
    if interest and productive:
        drawn = int((order < interest).sum())
        assert drawn == round(len(labels) * ratio)
        for group, count in ((order[order < interest], interest), (order[order >= interest], productive)):
            times = np.bincount(group - group.min(initial=0), minlength=1) if len(group) else np.zeros(1, int)
            assert times.max() <= -(-len(group) // count)  # no example again before all came
    else:
        assert sorted(order) == list(range(len(labels)))


def test_the_order_follows_from_seed_and_epoch():
    labels = np.array([[1, np.nan]] * 30 + [[np.nan, 1]] * 10)
    same, again = balanced_order(labels, seed=1, epoch=2), balanced_order(labels, seed=1, epoch=2)
    np.testing.assert_array_equal(same, again)
    assert (same != balanced_order(labels, seed=1, epoch=3)).any()
    assert (same != balanced_order(labels, seed=2, epoch=2)).any()
