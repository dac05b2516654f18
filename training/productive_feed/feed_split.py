"""Which examples are trained on, which choose, and which only judge: by time, with a gap, a video on one side only.

The newest part is the test and nothing is chosen on it; validation is what came right before. Between two parts lies a
gap as long as the activity window, so no window reaches into the part before. Where a video was judged in more than one
part, its examples in the earlier ones are left out.

Folds: examples with a productive label in the order of time, each fold judged by a model of what came before it; those
with interest alone shuffled, since a taste hardly depends on the day.
"""

from dataclasses import dataclass

import numpy as np

from traceformers.training.productive_feed.local_clock import MS_A_HOUR

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class FeedSplit:
    """Rows of each part, int64 arrays in the order of time, and what was left out (`about`)."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    about: dict


def split_by_time(moments, videos, validation_share=0.15, test_share=0.2, gap_hours=6.0):
    """Returns the `FeedSplit` of examples.

    Args:
        moments (int64 (n,)): ms, in order. videos (int64 (n,)): which video each example judges.
        validation_share, test_share (`float`): of the examples.
        gap_hours (`float`): examples this close before the start of a later part are left out.

    Raises:
        ValueError: shares that leave nothing to train on, moments out of order, or a part without an example.
    """
    moments, videos = np.asarray(moments, dtype=np.int64), np.asarray(videos)
    if not (validation_share > 0 and test_share > 0 and validation_share + test_share < 1):
        raise ValueError(
            f"Expected shares above 0 that sum to less than 1, got validation {validation_share} and test {test_share}."
            " Set --validation_share and --test_share."
        )
    if (np.diff(moments) < 0).any():
        raise ValueError("Expected moments in order, got an earlier one after a later. Sort the examples by time.")
    starts = [quantile_moment(moments, 1 - test_share - validation_share), quantile_moment(moments, 1 - test_share)]
    gap = int(gap_hours * MS_A_HOUR)
    is_test = moments >= starts[1]
    is_validation = (moments >= starts[0]) & (moments < starts[1] - gap)
    is_train = moments < starts[0] - gap
    in_gaps = int(len(moments) - is_test.sum() - is_validation.sum() - is_train.sum())
    later = np.isin(videos, videos[is_test])
    twice = int((is_validation & later).sum())
    is_validation &= ~later
    later |= np.isin(videos, videos[is_validation])
    twice += int((is_train & later).sum())
    is_train &= ~later
    parts = [np.flatnonzero(each) for each in (is_train, is_validation, is_test)]
    for name, rows in zip(PARTS, parts, strict=True):
        if not len(rows):
            raise ValueError(
                f"Expected examples in each of {', '.join(PARTS)}, got none in {name} of {len(moments)}: they span "
                f"{(moments[-1] - moments[0]) / MS_A_HOUR if len(moments) else 0:.1f} hours and the gap is "
                f"{gap_hours:g}. Label on more days, or set a smaller --gap_hours."
            )
    about = {name: len(rows) for name, rows in zip(PARTS, parts, strict=True)}
    about |= {"in_gaps": in_gaps, "of_videos_in_a_later_part": twice, "gap_hours": gap_hours}
    about |= {"validation_from": int(starts[0]), "test_from": int(starts[1])}
    return FeedSplit(*parts, about)


def quantile_moment(moments, share):
    """Returns the moment from which on `1 - share` of sorted moments lie, `int`."""
    return int(moments[min(len(moments) - 1, int(np.floor(share * len(moments) + 1e-9)))]) if len(moments) else 0


def folds(moments, videos, labels, count=5, seed=42, gap_hours=6.0):
    """Returns `count` pairs (train rows, judged rows), int64 arrays; no video is on both sides of a pair.

    Args:
        moments (int64 (n,)): in order. videos (int64 (n,)). labels (float (n, 2)): interest, productive; NaN for none.
        count (`int`): at least 2. seed (`int`): of the shuffle of interest.
        gap_hours (`float`): of the productive folds.

    Raises:
        ValueError: fewer than 2 folds, or more than there are examples for.
    """
    moments, videos = np.asarray(moments, dtype=np.int64), np.asarray(videos)
    timed = np.flatnonzero(~np.isnan(np.asarray(labels)[:, 1]))
    shuffled = np.flatnonzero(np.isnan(np.asarray(labels)[:, 1]))
    if count < 2 or (len(timed) < count + 1 and len(shuffled) < count):
        raise ValueError(
            f"Expected 2 folds or more and examples for each, got {count} folds for {len(timed)} productive and "
            f"{len(shuffled)} interest examples. Set --folds."
        )
    random = np.random.default_rng(seed)
    distinct = random.permutation(np.unique(videos[shuffled]))  # a video is in one fold
    fold_of_video = dict(zip(distinct.tolist(), (np.arange(len(distinct)) % count).tolist(), strict=True))
    fold_of = np.array([fold_of_video[video] for video in videos[shuffled].tolist()], dtype=np.int64)
    edges = np.linspace(0, len(timed), count + 2).astype(np.int64)
    pairs = []
    for fold in range(count):
        judged_timed = timed[edges[fold + 1] : edges[fold + 2]]
        trained_timed = timed[: edges[fold + 1]]
        if len(judged_timed):
            trained_timed = trained_timed[moments[trained_timed] < moments[judged_timed[0]] - gap_hours * MS_A_HOUR]
        judged = np.sort(np.concatenate([judged_timed, shuffled[fold_of == fold]]))
        train = np.sort(np.concatenate([trained_timed, shuffled[fold_of != fold]]))
        pairs.append((train[~np.isin(videos[train], videos[judged])], judged))
    return pairs
