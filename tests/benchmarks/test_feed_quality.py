"""What peers and ours are judged by: one test part, the true probabilities of the same answers, paired figures."""

import argparse
import importlib

import numpy as np
import pytest
from test_house import ROOT


@pytest.fixture(scope="module")
def feed_quality():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("feed_quality")


@pytest.fixture(scope="module")
def data(feed_quality, tmp_path_factory):
    settings = {"days": 12, "feedbacks": 240, "setfit_iterations": 1, "setfit_tokens": 16}
    args = argparse.Namespace(scratch=str(tmp_path_factory.mktemp("scratch")), **settings)
    return feed_quality.feed_data("default", 0, args)


def test_the_truth_is_of_the_examples_that_have_a_label(data):
    assert np.array_equal(np.isnan(data.truth), np.isnan(data.examples.labels))
    said = ~np.isnan(data.truth)
    assert (data.truth[said] >= 0.05).all() and (data.truth[said] <= 0.95).all()
    assert data.truth[said][data.examples.labels[said] == 1].mean() > data.truth[said].mean()


def test_the_newest_examples_are_the_test(data):
    assert data.examples.moments[data.split.train].max() < data.examples.moments[data.split.test].min()


def test_the_truth_is_better_than_the_base_rate_and_peers_see_no_label_of_the_test(feed_quality, data):
    peers = importlib.import_module("peers.feed_peers")
    rate = peers.peer_probabilities("base rate", data, 0)
    lines = [feed_quality.line_of(name, 0, [data], [p], [rate]) for name, p in (("oracle", data.truth), ("rate", rate))]
    assert lines[0]["average_precision"] > lines[1]["average_precision"]
    assert lines[0]["brier_less_reference"]["mean"] < 0 == lines[1]["brier_less_reference"]["mean"]
    before = peers.peer_probabilities("tf-idf + logistic, extras", data, 0)
    labels, held = data.examples.labels, data.examples.labels[data.split.test].copy()
    labels[data.split.test] = 1 - held
    after = peers.peer_probabilities("tf-idf + logistic, extras", data, 0)
    labels[data.split.test] = held
    assert np.array_equal(before, after)


def test_a_difference_is_paired(feed_quality):
    labels = np.array([1.0, 0.0, 1.0, 0.0])
    right, wrong = np.array([0.9, 0.2, 0.8, 0.1]), np.array([0.1, 0.8, 0.2, 0.9])
    pairs = [[(labels, p)] * 3 for p in (right, wrong)]
    found = feed_quality.difference(*pairs, "average_precision")
    # all right is 1; the other order is no, no, yes, yes: (1/3 + 2/4) / 2
    assert found["mean"] == pytest.approx(1 - 5 / 12, abs=1e-4)
    assert found["error_seeds"] == 0
    brier = feed_quality.difference(*pairs, "brier")
    assert brier["mean"] == pytest.approx((0.01 + 0.04 + 0.04 + 0.01) / 4 - (0.81 + 0.64 + 0.64 + 0.81) / 4, abs=1e-4)
    assert feed_quality.difference(pairs[0], pairs[0], "brier") == {
        "mean": 0.0,
        "error_seeds": 0.0,
        "error_examples": 0.0,
    }
