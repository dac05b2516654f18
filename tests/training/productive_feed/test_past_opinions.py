"""What was said before is said as it was known then: never what came later, never of another channel."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.datasets_scripts.feed.feed_folder import table_of
from traceformers.datasets_scripts.feed.feed_records import HEADS, Feedback, Video
from traceformers.training.productive_feed.feed_features import number_rows
from traceformers.training.productive_feed.past_opinions import PAST_NAMES, SHRINKAGE, PastOpinions

VIDEOS = [
    Video("a", channel="Ann", category="Music"),
    Video("b", channel="Ann", category=None),
    Video("c", channel="Ben", channel_id="UC1", category="Music"),
    Video("d", channel="Other", channel_id="UC1"),
]
TABLE = table_of("videos", VIDEOS)


def opinions(*said):
    feedback = [Feedback(str(i), video, head, value, at, "feed") for i, (video, head, value, at) in enumerate(said)]
    return PastOpinions.from_tables(table_of("feedback", feedback), TABLE)


def test_a_channel_that_was_liked_is_above_zero_one_that_was_not_below_and_one_not_judged_is_not_known():
    past = opinions(("a", "interest", 1.0, 10), ("c", "interest", 0.0, 20))
    found = past.numbers("channel_interest", TABLE, 30)
    first = 1.0 - 0.5  # a yes, where nothing was known
    second = 0.0 - 2 / 3  # a no, where one of one was a yes
    np.testing.assert_allclose(found, [first / 3, first / 3, second / 3, second / 3])
    np.testing.assert_allclose(past.numbers("category_interest", TABLE, 30)[0], (first + second) / 4)
    assert np.isnan(past.numbers("category_interest", TABLE, 30)[1])  # no category
    assert np.isnan(past.numbers("channel_productive", TABLE, 30)).all()


def test_what_is_said_at_the_moment_or_later_is_not_known():
    past = opinions(("a", "interest", 1.0, 10))
    assert np.isnan(past.numbers("channel_interest", TABLE, 10)).all()
    assert past.numbers("channel_interest", TABLE, 11)[0] > 0
    later = opinions(("a", "interest", 1.0, 10), ("b", "interest", 0.0, 50), ("c", "interest", 0.0, 60))
    for name in PAST_NAMES:
        np.testing.assert_array_equal(past.numbers(name, TABLE, 40), later.numbers(name, TABLE, 40))


def test_what_was_taken_back_counts_nothing():
    assert np.isnan(
        opinions(("a", "interest", 1.0, 10), ("a", "interest", None, 20)).numbers("channel_interest", TABLE, 30)
    ).all()


def test_no_opinions_are_no_numbers():
    rows = number_rows(VIDEOS, 5, "UTC", PAST_NAMES, opinions())
    assert rows.shape == (4, 4) and np.isnan(rows).all()
    assert np.isnan(number_rows(VIDEOS, 5, "UTC", PAST_NAMES)).all()


said = st.tuples(st.sampled_from("abcd"), st.sampled_from(HEADS), st.sampled_from([0.0, 1.0]), st.integers(0, 20))


@given(
    st.lists(said, max_size=25, unique_by=lambda each: each[:2]), st.lists(st.integers(-1, 22), min_size=4, max_size=4)
)
def test_numbers_are_those_of_a_plain_loop(history, moments):
    past = opinions(*history)
    keys = {"channel": ["Ann", "Ann", "UC1", "UC1"], "category": ["Music", None, "Music", None]}
    for kind, of in keys.items():
        key_of = dict(zip("abcd", of, strict=True))
        for head in HEADS:
            expected = []
            for video, moment in zip("abcd", moments, strict=True):
                total, count, yes, seen = 0.0, 0, 0.0, 0
                for other, its_head, value, at in sorted(history, key=lambda each: each[3]):
                    if its_head != head:
                        continue
                    surprise = value - (yes + 1) / (seen + 2)
                    yes, seen = yes + value, seen + 1
                    if at < moment and key_of[video] is not None and key_of[other] == key_of[video]:
                        total, count = total + surprise, count + 1
                expected.append(total / (count + SHRINKAGE) if count else np.nan)
            found = past.numbers(f"{kind}_{head}", TABLE, np.array(moments))
            if len({at for _, its_head, _, at in history if its_head == head}) == sum(
                each[1] == head for each in history
            ):
                np.testing.assert_allclose(found, expected, atol=1e-12)  # of equal times any order is right
            else:
                np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


def test_an_unknown_number_is_refused():
    with pytest.raises(ValueError, match="views"):
        number_rows(TABLE, 5, "UTC", ["views"])


def test_chunks_of_a_table_change_nothing():
    past = opinions(("a", "interest", 1.0, 10), ("c", "productive", 0.0, 20))
    chunked = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    for name in PAST_NAMES:
        np.testing.assert_array_equal(past.numbers(name, TABLE, 30), past.numbers(name, chunked, 30))
