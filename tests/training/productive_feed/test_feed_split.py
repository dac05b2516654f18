"""Parts in the order of time, with a gap, a video on one side; folds; and what too few labels are."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.training.productive_feed.feed_split import folds, split_by_time
from traceformers.training.productive_feed.label_needs import advice, refuse_too_few, trainable_heads

HOUR = 3_600_000


@given(
    hours=st.lists(st.integers(0, 500), min_size=20, max_size=80).map(sorted),
    videos=st.integers(3, 60),
    seed=st.integers(0, 9),
)
def test_parts_follow_each_other_with_a_gap_and_share_no_video(hours, videos, seed):
    moments = np.array(hours, dtype=np.int64) * HOUR
    video = np.random.default_rng(seed).integers(0, videos, len(moments))
    try:
        split = split_by_time(moments, video)
    except ValueError as error:
        assert "got none in" in str(error)
        return
    parts = split.train, split.validation, split.test
    for before, after in pairwise(parts):
        assert moments[before].max() < moments[after].min() - 6 * HOUR
        assert not set(video[before]) & set(video[after])
    assert sum(map(len, parts)) + split.about["in_gaps"] + split.about["of_videos_in_a_later_part"] == len(moments)


def test_the_test_part_is_the_newest_fifth_and_is_whole():
    moments = np.arange(100, dtype=np.int64) * 10 * HOUR
    split = split_by_time(moments, np.arange(100))
    assert split.test.tolist() == list(range(80, 100))
    assert split.validation.tolist() == list(range(65, 80)) and split.train.tolist() == list(range(65))


def test_a_part_without_examples_is_refused():
    with pytest.raises(ValueError, match=r"got none in train of 10: they span 0\.0 hours"):
        split_by_time(np.zeros(10, dtype=np.int64), np.arange(10))
    with pytest.raises(ValueError, match="shares above 0 that sum to less than 1"):
        split_by_time(np.arange(10), np.arange(10), 0.5, 0.5)
    with pytest.raises(ValueError, match="Sort the examples by time"):
        split_by_time(np.array([2, 1]), np.arange(2))


def test_folds_are_shuffled_for_interest_and_in_time_for_productive():
    n = 120
    moments, videos = np.arange(n, dtype=np.int64) * HOUR, np.arange(n) % 100
    labels = np.full((n, 2), np.nan)
    labels[:, 0] = 1
    labels[::2] = [np.nan, 1]
    pairs = folds(moments, videos, labels, 4, gap_hours=2)
    is_timed = ~np.isnan(labels[:, 1])
    for train, judged in pairs:
        assert not set(videos[train]) & set(videos[judged])
        timed = judged[is_timed[judged]]
        assert moments[train[is_timed[train]]].max() < moments[timed].min() - 2 * HOUR
        assert moments[train[~is_timed[train]]].max() > moments[timed].min()  # interest of any day
    judged = np.concatenate([judged for _, judged in pairs])
    assert len(judged) == len(set(judged.tolist()))
    assert set(np.flatnonzero(~is_timed)) <= set(judged.tolist())
    again = folds(moments, videos, labels, 4, gap_hours=2)
    assert all((a[1] == b[1]).all() for a, b in zip(pairs, again, strict=True))


def test_more_folds_than_examples_are_refused():
    with pytest.raises(ValueError, match="Expected 2 folds or more"):
        folds(np.arange(3), np.arange(3), np.full((3, 2), 1.0), 5)


def counts(interest, productive):
    return {
        "interest": dict(zip(("yes", "no"), interest, strict=True)),
        "productive": dict(zip(("yes", "no"), productive, strict=True)),
    }


def test_too_few_labels_are_refused_with_what_is_missing():
    few = counts((12, 4), (0, 0))
    with pytest.raises(
        ValueError,
        match="Label 6 interest no and 18 of interest or 10 productive yes and 10 productive no and 20 of productive",
    ):
        refuse_too_few(few)
    assert trainable_heads(few) == []


def test_one_head_with_enough_labels_is_enough():
    enough = counts((30, 10), (5, 5))
    refuse_too_few(enough)
    assert trainable_heads(enough) == ["interest"]
    assert trainable_heads(counts((39, 1), (20, 20))) == ["productive"]


def test_advice_ends_with_500_labels_and_100_in_the_smallest():
    assert advice(counts((150, 150), (100, 100))) == []
    told = advice(counts((150, 150), (90, 100)))
    assert len(told) == 2 and "Label 10 more" in told[0] and "productive yes" in told[1]
