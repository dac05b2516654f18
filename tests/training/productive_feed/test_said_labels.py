"""Which opinions are labels: of interest the newest, of "right now" each at its moment; slips and undone ones never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.datasets_scripts.feed.feed_folder import table_of
from traceformers.datasets_scripts.feed.feed_records import HEADS, Feedback
from traceformers.training.productive_feed.said_labels import CORRECTED_MS, newest_labels, said_labels

HOUR = 3_600_000


def table(*said):
    """Returns the table of (video id, head, value, moment[, feedback id]) each."""
    rows = [
        Feedback(rest[0] if rest else f"f{i}", video, head, value, moment, "feed")
        for i, (video, head, value, moment, *rest) in enumerate(said)
    ]
    return table_of("feedback", rows)


def told(labels):
    """Returns {(video id, head, moment): value}, and the counts."""
    ids, moments, heads, values, about = labels
    rows = zip(ids, moments.tolist(), heads.tolist(), values.tolist(), strict=True)
    found = {(video, HEADS[head], moment): value for video, moment, head, value in rows}
    assert len(found) == len(ids)
    return found, about


def test_right_now_counts_at_each_of_its_moments_and_interest_once():
    both = [(head, value, hours) for head in HEADS for value, hours in ((1.0, 0), (0.0, 5), (1.0, 30))]
    said = table(*(("v", head, value, hours * HOUR) for head, value, hours in both))
    found, about = told(said_labels(said))
    assert found == {
        ("v", "interest", 30 * HOUR): 1.0,
        ("v", "productive", 0): 1.0,
        ("v", "productive", 5 * HOUR): 0.0,
        ("v", "productive", 30 * HOUR): 1.0,
    }
    assert about == {"feedback": 6, "overwritten": 2, "taken_back": 0}
    assert told(newest_labels(said))[0] == {("v", head, 30 * HOUR): 1.0 for head in HEADS}


def test_a_slip_that_is_corrected_soon_is_no_label():
    said = table(("v", "productive", 1.0, 0), ("v", "productive", 0.0, CORRECTED_MS), ("w", "productive", 1.0, 0))
    assert told(said_labels(said))[0] == {("v", "productive", CORRECTED_MS): 0.0, ("w", "productive", 0): 1.0}
    later = table(("v", "productive", 1.0, 0), ("v", "productive", 0.0, CORRECTED_MS + 1))
    assert len(told(said_labels(later))[0]) == 2


def test_none_takes_back_all_that_was_said_before_it():
    said = [("v", "productive", 1.0, 0), ("v", "productive", 0.0, 5 * HOUR), ("v", "productive", None, 9 * HOUR)]
    found, about = told(said_labels(table(*said)))
    assert found == {} and about == {"feedback": 3, "overwritten": 2, "taken_back": 1}
    again = [*said, ("v", "productive", 1.0, 20 * HOUR), ("w", "productive", 0.0, 0)]
    assert told(said_labels(table(*again)))[0] == {("v", "productive", 20 * HOUR): 1.0, ("w", "productive", 0): 0.0}


@pytest.mark.parametrize("before", [None, 1.0])
def test_what_was_undone_was_never_said(before):
    said = [("v", "productive", 1.0, 0, "first")] if before else []
    said += [("v", "productive", 0.0, 9 * HOUR, "slip"), ("v", "productive", before, 9 * HOUR + 5_000, "slip-undo")]
    assert told(said_labels(table(*said)))[0] == ({("v", "productive", 0): 1.0} if before else {})


def test_nothing_said_is_no_label():
    ids, *arrays, about = said_labels(table())
    assert ids == [] and [len(each) for each in arrays] == [0, 0, 0] and about["feedback"] == 0


def plainly(said):
    """Returns what `said_labels` gives, row by row."""
    undone = {each for row in said if row[4].endswith("-undo") for each in (row[4], row[4].removesuffix("-undo"))}
    found = {}
    for video, head in {row[:2] for row in said}:
        rows = sorted((row for row in said if row[:2] == (video, head)), key=lambda row: row[3])
        if head == "interest":
            rows = rows[-1:]
        rows = [row for row in rows if head == "interest" or row[4] not in undone]
        for i, row in enumerate(rows):
            taken = any(each[2] is None for each in rows[i:])
            slip = i + 1 < len(rows) and rows[i + 1][3] - row[3] <= CORRECTED_MS
            if not taken and not slip:
                found[video, head, row[3]] = row[2]
    return found


@given(
    st.lists(
        st.tuples(
            st.sampled_from("vw"),
            st.sampled_from(HEADS),
            st.sampled_from([0.0, 1.0, None]),
            st.integers(0, 12).map(lambda number: number * CORRECTED_MS // 3),
            st.booleans(),
        ),
        max_size=14,
        unique_by=lambda row: (row[0], row[1], row[3]),
    ),
    st.randoms(use_true_random=False),
)
def test_arrays_give_what_going_through_the_rows_gives(rows, random):
    said = []
    for number, (video, head, value, moment, undoes) in enumerate(sorted(rows, key=lambda row: row[3])):
        same = [each for each in said if each[:2] == (video, head) and not each[4].endswith("-undo")]
        name = f"{same[-1][4]}-undo" if undoes and same else f"f{number}"
        said.append((video, head, value, moment, name))
    shuffled = said.copy()
    random.shuffle(shuffled)
    found, about = told(said_labels(table(*shuffled)))
    assert found == plainly(said)
    assert sum(about[name] for name in ("overwritten", "taken_back")) == len(said) - len(found)
