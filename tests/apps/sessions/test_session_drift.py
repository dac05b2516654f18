"""Drift: nothing where there is none, and each shift in its own line."""

from types import SimpleNamespace

import numpy as np
import pytest

from traceformers.apps.sessions.session_drift import MEASURES, discrepancy, measure_drift, stability


class Sessions:
    """Random sessions as an index has them."""

    def __init__(self, count, seed, shift=0.0, **moved):
        rng = np.random.default_rng(seed)
        self.about = {"fingerprint": "f", "model": "m"}
        self.columns = {name: (rng.gamma(2.0, size=count) + moved.get(name, 0.0)).tolist() for name in MEASURES}
        vectors = rng.normal(size=(count, 8)) + shift
        self.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def __len__(self):
        return len(self.vectors)


def verdicts(before, now):
    return {line.measure: line.verdict for line in measure_drift(before, now, permutations=199)}


def test_two_halves_of_the_same_do_not_differ():
    chances = [line.p_value for line in measure_drift(Sessions(150, 0), Sessions(150, 1), permutations=199)]
    assert min(chances) > 0.01


def test_a_shift_is_found_where_it_is_and_nowhere_else():
    found = verdicts(Sessions(150, 0), Sessions(150, 1, surprise_mean=2.0))
    moved = MEASURES["surprise_mean"]
    assert found.pop(moved) == "great shift" and set(found.values()) == {"same"}
    found = verdicts(Sessions(150, 0), Sessions(150, 1, shift=0.4))
    assert found.pop("vectors") != "same" and set(found.values()) == {"same"}


def test_chances_are_even_where_nothing_differs():
    rng = np.random.default_rng(0)
    chances = [stability(rng.normal(size=40), rng.normal(size=40), 99, seed)[1] for seed in range(200)]
    assert np.mean(np.array(chances) <= 0.1) == pytest.approx(0.1, abs=0.06)
    chances = [discrepancy(rng.normal(size=(30, 4)), rng.normal(size=(30, 4)), 99, seed)[1] for seed in range(100)]
    assert np.mean(np.array(chances) <= 0.1) == pytest.approx(0.1, abs=0.09)


def test_the_discrepancy_is_the_unbiased_estimate():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(7, 3)) + 0.5
    both = np.concatenate([x, y])
    apart = ((both[:, None] - both[None]) ** 2).sum(-1)
    kernel = np.exp(-apart / np.median(apart[~np.eye(13, dtype=bool)]))
    within = [k[~np.eye(len(k), dtype=bool)].mean() for k in (kernel[:6, :6], kernel[6:, 6:])]
    expected = sum(within) - 2 * kernel[:6, 6:].mean()
    assert discrepancy(x, y, 99)[0] == pytest.approx(expected, abs=1e-9)


def test_constant_figures_and_missing_ones_are_no_shift():
    assert stability(np.zeros(20), np.zeros(20), 99) == (pytest.approx(0.0, abs=1e-9), 1.0)
    before, now = Sessions(20, 0), Sessions(20, 1)
    now.columns["surprise_mean"] = [float("nan")] * 20
    assert MEASURES["surprise_mean"] not in verdicts(before, now)


def test_other_models_and_single_sessions_are_refused():
    other = SimpleNamespace(about={"fingerprint": "g", "model": "n"})
    with pytest.raises(ValueError, match="two indexes of one model"):
        measure_drift(Sessions(5, 0), other)
    with pytest.raises(ValueError, match="2 or more sessions"):
        measure_drift(Sessions(5, 0), Sessions(1, 0))
