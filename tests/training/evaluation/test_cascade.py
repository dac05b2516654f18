import numpy as np
import pytest

from traceformers.training.evaluation.cascade import (
    cascade_curve,
    fit_uncertainty,
    routed,
    threshold_for_share,
    uncertainty_signals,
)
from traceformers.training.evaluation.ranked_evaluation import Ranking

DRAW = np.random.default_rng(5)
STUDENT, TEACHER = DRAW.random(200), DRAW.random(200) + 0.3


def test_shares_zero_and_one_are_student_and_teacher():
    first, last = cascade_curve(STUDENT, TEACHER, DRAW.random(200), (0.0, 1.0))
    assert (first["value"], first["random"]) == pytest.approx((STUDENT.mean(), STUDENT.mean()))
    assert (last["value"], last["random"]) == pytest.approx((TEACHER.mean(), TEACHER.mean()))
    assert first["recovered"] == 0 and last["recovered"] == pytest.approx(1) and last["retention"] == pytest.approx(1)
    assert first["random_deviation"] == last["random_deviation"] == 0


def test_the_random_control_is_what_drawing_gives():
    (row,) = cascade_curve(STUDENT, TEACHER, STUDENT, (0.2,))
    drawn = []
    for _ in range(4_000):
        sent = routed(DRAW.random(200), 0.2)
        drawn.append(np.where(sent, TEACHER, STUDENT).mean())
    assert np.mean(drawn) == pytest.approx(row["random"], abs=4 * row["random_deviation"] / np.sqrt(4_000))
    assert np.std(drawn) == pytest.approx(row["random_deviation"], rel=0.06)


def test_knowing_the_losses_recovers_the_most():
    shares = (0.1, 0.2, 0.4)
    best = [row["recovered"] for row in cascade_curve(STUDENT, TEACHER, TEACHER - STUDENT, shares)]
    other = [row["recovered"] for row in cascade_curve(STUDENT, TEACHER, DRAW.random(200), shares)]
    assert all(a > b for a, b in zip(best, other, strict=True)) and best[1] > 0.4


def test_the_least_certain_are_routed_in_whole_queries():
    assert routed(np.array([0.1, 0.9, 0.5, 0.9]), 0.5).tolist() == [False, True, False, True]
    assert routed(np.array([0.5, 0.5, 0.5]), 1 / 3).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="Expected a share of 0 to 1, got 2"):
        routed(np.zeros(3), 2)


def test_a_threshold_routes_the_share_it_was_set_for():
    sample = DRAW.random(1_000)
    for share in (0.0, 0.2, 1.0):
        assert (sample > threshold_for_share(sample, share)).mean() == pytest.approx(share, abs=0.002)


def test_signals_rise_where_the_student_knows_less():
    scores = np.array([[0.9, 0.3, 0.2], [0.4, 0.39, 0.38], [0.5, -np.inf, -np.inf]], dtype=np.float32)
    mine = Ranking(scores, np.array([[1, 2, 3], [4, 5, 6], [7, -1, -1]]))
    theirs = Ranking(scores, np.array([[3, 2, 1], [7, 8, 9], [-1, -1, -1]]))
    signals = uncertainty_signals(mine, [0.0, 0.5, 0.1], theirs, doubt=[0.1, 0.3, 0.2])
    assert set(signals) == {"margin", "entropy", "top_score", "unknown", "disagreement", "doubt"}
    for name in signals:
        assert signals[name][1] > signals[name][0] and np.isfinite(signals[name]).all()
    assert set(uncertainty_signals(mine)) == {"margin", "entropy", "top_score"}


def test_a_ranking_of_one_document_has_signals():
    signals = uncertainty_signals(Ranking(np.ones((2, 1), np.float32), np.zeros((2, 1), np.int64)))
    assert all(np.isfinite(values).all() for values in signals.values())


def test_a_learned_mixture_finds_the_signal_that_tells_losses():
    good, noise = DRAW.random(300), DRAW.random(300)
    losses = np.where(np.arange(300) % 50 == 0, np.nan, 2 * good + 0.1 * DRAW.random(300))
    learned = fit_uncertainty({"good": good, "noise": noise, "constant": np.ones(300)}, losses)
    weights = {name: row[2] for name, row in learned.to_dict().items()}
    assert weights["good"] > 10 * abs(weights["noise"]) and weights["constant"] == 0
    values = learned({"good": np.array([0.1, 0.9]), "noise": np.zeros(2), "constant": np.ones(2)})
    assert values[1] > values[0]
    with pytest.raises(ValueError, match="at least two dev queries"):
        fit_uncertainty({"good": good[:3]}, [np.nan, 1.0, np.nan])
