import numpy as np
import pytest

from traceformers.training.evaluation.cascade import as_quantiles, mean_recovered, recovered_error, routed, signal_score
from traceformers.training.evaluation.cascade_evaluation import LEARNED, CascadeQueries, evaluate_cascade

DRAW = np.random.default_rng(8)


def queries(n=200, noise=0.05):
    teacher = DRAW.random(n)
    lost = np.where(DRAW.random(n) < 0.3, 0.5, 0.0)
    signals = {
        "telling": lost + noise * DRAW.random(n),
        "silent": DRAW.random(n),
        "constant": np.ones(n),
    }
    return CascadeQueries(signals, teacher - lost, teacher, np.arange(n) % 4 == 0)


def test_the_signal_that_tells_is_chosen_and_recovers_more_than_random():
    report = evaluate_cascade({"a": queries(), "b": queries()})
    assert report["signal"] in ("telling", "mean", LEARNED)
    assert report["dev_scores"]["telling"] > 2 * report["dev_scores"]["silent"]
    assert report["recovered"] - 3 * report["recovered_error"] > 2 * report["share"]
    first, last = report["curve"][0], report["curve"][-1]
    assert first["share"] == 0 and last["share"] == 1 and last["retention"] == pytest.approx(1)
    assert set(report["sets"]) == {"a", "b"}


def test_test_queries_have_no_say_in_the_choice():
    one = queries()
    first = evaluate_cascade({"a": one})
    spoiled = np.where(one.dev, one.student, one.teacher)  # on test queries nothing is lost
    second = evaluate_cascade({"a": CascadeQueries(one.signals, spoiled, one.teacher, one.dev)})
    assert first["signal"] == second["signal"] and first["dev_scores"] == second["dev_scores"]
    assert first["learned"] == second["learned"] and first["curve"] != second["curve"]


def test_one_set_alone_has_no_learned_signal_but_the_mean_of_all():
    assert set(evaluate_cascade({"a": queries()})["dev_scores"]) == {"telling", "silent", "constant", "mean"}


def test_queries_without_a_figure_are_left_out():
    one = queries()
    holes = np.where(np.arange(200) % 7 == 0, np.nan, one.student)
    report = evaluate_cascade({"a": CascadeQueries(one.signals, holes, one.teacher, one.dev)})
    assert np.isfinite([row["value"] for row in report["curve"]]).all()


def test_too_few_queries_are_an_error():
    few = CascadeQueries({"x": np.zeros(3)}, np.zeros(3), np.ones(3), np.array([True, False, False]))
    with pytest.raises(ValueError, match="two dev and two test queries"):
        evaluate_cascade({"a": few})


def test_recovery_is_of_the_mean_over_sets():
    small = (np.array([1.0, 0.0]), np.array([0.0, 0.5]), np.array([1.0, 0.5]))
    large = (np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.0, 0.0, 0.0, 0.5]), np.array([1.0, 1.0, 1.0, 0.5]))
    assert mean_recovered([small], 0.5) == 1.0
    assert mean_recovered([small, large], 0.5) == pytest.approx((0.5 + 0.25) / (0.5 + 0.75))
    assert mean_recovered([(np.zeros(2), np.ones(2), np.ones(2))], 0.5) == 0.0
    assert signal_score([small], (0.5, 1.0)) == 1.0 and signal_score([(-small[0], *small[1:])], (0.5, 1.0)) == 0.5


def test_the_error_of_recovery_is_that_of_drawing_queries():
    one = queries(400)
    sets = [(one.signals["telling"], one.student, one.teacher)]
    sent, gains = routed(one.signals["telling"], 0.2), one.teacher - one.student
    drawn = DRAW.integers(0, 400, (2_000, 400))
    ratios = (gains * sent)[drawn].sum(axis=1) / gains[drawn].sum(axis=1)
    assert recovered_error(sets, 0.2) == pytest.approx(ratios.std(), rel=0.15)


def test_quantiles_are_places_and_equal_values_share_one():
    assert as_quantiles([3.0, 1.0, 2.0]).tolist() == [1.0, 0.0, 0.5]
    assert as_quantiles([5.0, 5.0, 9.0]).tolist() == [0.25, 0.25, 1.0]
    assert as_quantiles([4.0]).tolist() == [0.0]
