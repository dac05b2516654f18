"""Peers see what the model sees beside the text, are fitted on training alone, and are calibrated on validation."""

from dataclasses import replace

import numpy as np
import pytest
from invented_feed import invented_tables

from traceformers.training.productive_feed.feed_baselines import NAMES, activity_counts, extra_features, run_baseline
from traceformers.training.productive_feed.feed_examples import build_examples
from traceformers.training.productive_feed.feed_split import split_by_time


@pytest.fixture(scope="module")
def examples():
    tables = invented_tables(videos=150, noise=0.05)
    return build_examples(tables["videos"], tables["events"], tables["feedback"], "UTC")


@pytest.fixture(scope="module")
def split(examples):
    return split_by_time(examples.moments, examples.video_row)


@pytest.mark.parametrize("name", ["tfidf_logistic", "tfidf_svm", "random_forest"])
def test_a_peer_learns_what_is_in_the_text(name, examples, split):
    row = run_baseline(name, examples, split)
    figures = row["test"]["interest"]
    assert row["name"] == NAMES[name] and figures["average_precision"] > 0.9
    assert figures["brier"] < figures["brier_of_base_rate"]


def test_labels_of_the_test_change_no_probability(examples, split):
    labels = examples.labels.copy()
    labels[split.test] = 1 - labels[split.test]
    other = run_baseline("tfidf_logistic", replace(examples, labels=labels), split)
    row = run_baseline("tfidf_logistic", examples, split)
    assert other["validation"] == row["validation"]
    assert other["test"]["interest"]["mean_probability"] == row["test"]["interest"]["mean_probability"]


def test_extra_features_hold_hour_category_and_counts_of_activity(examples, split):
    features = extra_features(examples, split.train)
    counts = activity_counts(examples, split.train)
    assert features.shape[1] > counts.shape[1] + 12 and np.isfinite(features).all()
    names = examples.events.distinct["category"]
    newest_is_code = [names[i].startswith("Work") for i in examples.window.event_index[:, 0]]
    flags = [column for column in counts.T if set(column) <= {0.0, 1.0}]
    assert any((column == newest_is_code).all() for column in flags)


def test_a_head_with_one_answer_says_its_base_rate(examples, split):
    labels = examples.labels.copy()
    labels[:, 1] = np.where(np.isnan(labels[:, 1]), np.nan, 1)
    row = run_baseline("tfidf_logistic", replace(examples, labels=labels), split)
    assert row["test"]["productive"]["average_precision"] == 1 and row["test"]["productive"]["brier"] < 0.01
