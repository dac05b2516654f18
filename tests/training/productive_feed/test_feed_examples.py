"""Labels joined to videos by id, the newest of each head, at the moment it was said."""

import numpy as np
import pytest
from invented_feed import HOUR, START, invented_tables, write_invented_feed

from traceformers.datasets_scripts.feed.feed_folder import table_of
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback, Video
from traceformers.training.productive_feed.feed_examples import build_examples, read_examples

VIDEOS = [Video("bbb", "B", "c"), Video("aaa", "A", "c"), Video("ccc", "C", "c")]
EVENTS = [ActivityEvent("w", START, 60.0, title="work")]


def examples_of(*said, videos=VIDEOS, events=EVENTS):
    """Returns the examples of (video id, head, value, ms after START) each."""
    rows = [Feedback(f"f{i}", id, head, value, START + ms, "feed") for i, (id, head, value, ms) in enumerate(said)]
    tables = table_of("videos", videos), table_of("events", events), table_of("feedback", rows)
    return build_examples(*tables, "UTC")


def told(examples):
    """Returns [(video id, moment after START, labels)], NaN as None."""
    labels = [[None if np.isnan(value) else value for value in row] for row in examples.labels.tolist()]
    return list(zip(examples.video_ids, (examples.moments - START).tolist(), labels, strict=True))


def test_labels_are_joined_by_id_whatever_the_order_and_the_gaps():
    said = [("ccc", "interest", 1.0, 3), ("gone", "interest", 0.0, 1), ("aaa", "interest", 0.0, 2)]
    expected = [("aaa", 2, [0.0, None]), ("ccc", 3, [1.0, None])]
    assert told(examples_of(*said)) == expected
    assert told(examples_of(*said, videos=VIDEOS[::-1])) == expected  # the API may drop, double or turn rows
    assert examples_of(*said).about["labels_without_video"] == 1


def test_the_newest_of_each_head_counts_and_one_taken_back_is_no_label():
    said = [
        ("aaa", "interest", 1.0, 1),
        ("aaa", "interest", 0.0, 2),
        ("bbb", "interest", 1.0, 1),
        ("bbb", "interest", None, 5),
    ]
    examples = examples_of(*said, ("aaa", "productive", 1.0, 1))
    assert told(examples) == [("aaa", 1, [None, 1.0]), ("aaa", 2, [0.0, None])]
    assert examples.about["overwritten"] == 2 and examples.about["taken_back"] == 1


def test_interest_clicked_with_productive_is_kept_beside_it():
    assert told(examples_of(("aaa", "interest", 0.0, 7), ("aaa", "productive", 1.0, 7))) == [("aaa", 7, [0.0, 1.0])]


def test_each_example_has_the_activity_before_its_own_moment():
    examples = examples_of(
        ("aaa", "productive", 1.0, -1), ("bbb", "productive", 0.0, 1000), ("ccc", "productive", 0.0, 7 * HOUR)
    )
    assert examples.window.mask.any(axis=1).tolist() == [False, True, False]


def test_no_feedback_gives_no_examples():
    assert len(examples_of()) == 0


def test_a_folder_is_read_with_what_it_holds(tmp_path):
    examples = read_examples(write_invented_feed(tmp_path / "feed", videos=30))
    tables = invented_tables(videos=30)
    assert len(examples) == 30 and examples.about["feedback"] == tables["feedback"].num_rows
    counts = examples.about["labels"]
    assert sum(counts["interest"].values()) == 30 and sum(counts["productive"].values()) == 15
    assert examples.time_zone == "Europe/Berlin" and examples.window.mask.sum(axis=1).min() >= 5
    assert (np.diff(examples.moments) > 0).all()


def test_a_folder_that_was_cut_short_is_refused(tmp_path):
    folder = write_invented_feed(tmp_path / "feed", videos=5)
    path = folder / "feedback.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"Expected .*feedback\.parquet as it was written"):
        read_examples(folder)
