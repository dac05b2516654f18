"""A new model takes over only if it is better on the newest labels, on the same rows, that neither was trained on."""

import shutil

import numpy as np
import pytest
from invented_feed import write_invented_feed
from tiny_encoder_folder import encoder_folder

from traceformers.modeling.productive_feed.modeling_productive_feed import ProductiveFeedModel
from traceformers.training.productive_feed.feed_evaluation import average_precision
from traceformers.training.productive_feed.feed_promotion import compare, is_better
from traceformers.training.productive_feed.feed_run import train_feed

SETTINGS = {"model": "linear", "encoder": str(encoder_folder()), "use_cpu": True, "disable_tqdm": True}


def labels_and_scores(n=200, seed=0):
    """Returns labels (n, 2), the second only where the row is even, and scores that know them a little."""
    random = np.random.default_rng(seed)
    labels = (random.random((n, 2)) < 0.4).astype(float)
    labels[1::2, 1] = np.nan
    return labels, np.clip(np.nan_to_num(labels) * 0.4 + random.random((n, 2)) * 0.6, 0, 1)


def test_what_knows_more_is_better_and_the_other_way_is_not():
    labels, knows = labels_and_scores()
    guesses = np.random.default_rng(9).random(labels.shape)
    verdict = compare(labels, knows, guesses)
    assert verdict.better and verdict.why.endswith("better.") and "could be chance" not in verdict.why
    said = ~np.isnan(labels[:, 1])
    assert verdict.figures["productive"]["n"] == 100
    assert verdict.figures["productive"]["candidate"] == average_precision(labels[said, 1], knows[said, 1])
    assert not compare(labels, guesses, knows).better


def test_an_equal_model_is_not_better():
    labels, scores = labels_and_scores()
    verdict = compare(labels, scores, scores.copy())
    assert not verdict.better and verdict.figures["gain"] == 0 and "could be chance" in verdict.why


def test_productive_weighs_more_than_interest():
    labels, knows = labels_and_scores()
    guesses = np.random.default_rng(9).random(labels.shape)
    of_productive = np.stack([guesses[:, 0], knows[:, 1]], axis=1)
    of_interest = np.stack([knows[:, 0], guesses[:, 1]], axis=1)
    assert compare(labels, of_productive, of_interest).better


def test_a_head_with_one_answer_does_not_count_and_none_is_no_promotion():
    labels, knows = labels_and_scores()
    labels[:, 1] = np.nan
    verdict = compare(labels, knows, knows[::-1])
    assert verdict.better and "productive" not in verdict.figures
    labels[:, 0] = 1
    verdict = compare(labels, knows, knows[::-1])
    assert not verdict.better and verdict.why.startswith("Expected 10 newest labels")


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    return write_invented_feed(tmp_path_factory.mktemp("feed") / "export", videos=160)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, feed):
    return train_feed(feed, tmp_path_factory.mktemp("runs") / "good", **SETTINGS).path


def test_the_first_model_is_taken(trained, feed, tmp_path):
    assert is_better(trained, None, feed).better
    assert is_better(trained, tmp_path / "nothing", feed).better


def test_a_model_that_was_spoilt_is_kept_out_and_a_good_one_let_in(trained, feed, tmp_path):
    spoilt = tmp_path / "spoilt"
    shutil.copytree(trained, spoilt)
    model = ProductiveFeedModel.from_pretrained(spoilt)
    for head in (model.interest_head, model.productive_head):
        head.weight.data.mul_(-1)
    model.save_pretrained(spoilt)
    assert is_better(trained, spoilt, feed).better
    verdict = is_better(spoilt, trained, feed)
    assert not verdict.better and verdict.why.endswith("not better.")
    assert verdict.figures["interest"]["n"] == 32  # the newest fifth of 160


def test_labels_that_a_model_was_trained_on_decide_nothing(trained, feed, tmp_path):
    newer = tmp_path / "newer"
    shutil.copytree(trained, newer)
    model = ProductiveFeedModel.from_pretrained(newer)
    model.config.trained_until = 9_999_999_999_999
    model.save_pretrained(newer)
    verdict = is_better(newer, trained, feed)
    assert not verdict.better and "got none" in verdict.why
