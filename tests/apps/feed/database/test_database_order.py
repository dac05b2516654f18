"""Records may come in any order, more than once and in pieces: the database ends in the same state."""

import pytest
from feed_states import state_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from traceformers.datasets_scripts.feed.feed_records import HEADS, ActivityEvent, Feedback, Video, Watch

pytest_plugins = ("feed_databases",)

IDS = st.sampled_from(["a", "B", "ä"])
TIMES = st.integers(0, 3)
FEEDBACK = st.builds(
    Feedback,
    st.sampled_from(["a", "B", "ä"]),
    IDS,
    st.sampled_from(HEADS),
    st.sampled_from([None, 0.0, 1.0]),
    TIMES,
    st.sampled_from(["feed", "like"]),
)
EVENTS = st.builds(
    ActivityEvent,
    st.just("window"),
    st.integers(0, 1),
    st.sampled_from([1.0, 2.0, 3.0]),
    st.just("app"),
    st.just("t"),
    st.sampled_from([None, ""]),
    st.sampled_from(["Uncategorized", "Work", "work", "Ärger"]),
)
WATCHES = st.builds(Watch, IDS, TIMES, st.sampled_from(["", "takeout"]))
TRUE_VIDEOS = [
    Video(video_id, "Title " + video_id, "Ch", "UC1", "About", 5, 7.0, "Music", ("x", "y"), True, False, "rss")
    for video_id in ("a", "B", "ä")
]
NOTHING = Video("")


@st.composite
def glimpses(draw):
    """A video of which some is known."""
    video = draw(st.sampled_from(TRUE_VIDEOS))
    known = {
        name: getattr(video, name) for name in draw(st.sets(st.sampled_from(list(Video.__dataclass_fields__)[1:-1])))
    }
    return Video(video.video_id, source="rss", **known)


# Few keys and several records of each kind, so that most examples have records that contradict each other.
RECORDS = st.tuples(*(st.lists(kind, min_size=2, max_size=5) for kind in (FEEDBACK, EVENTS, WATCHES, glimpses()))).map(
    lambda lists: [record for records in lists for record in records]
)


def write(database, records, sizes):
    """Writes records in the given order, in runs of equal kind that are at most so long."""
    adders = {
        Feedback: database.add_feedback,
        ActivityEvent: database.add_events,
        Watch: database.add_watches,
        Video: database.add_videos,
    }
    block = []
    for number, record in enumerate(records):
        if block and (type(record) is not type(block[0]) or len(block) >= sizes[number % len(sizes)]):
            adders[type(block[0])](block)
            block = []
        block.append(record)
    if block:
        adders[type(block[0])](block)


def emptied(database):
    from sqlalchemy import delete

    from traceformers.apps.feed.database.feed_database import RESETS

    with database._writing() as connection:
        for table in RESETS["everything"]:
            connection.execute(delete(table))


def expected_state(records):
    """Returns what has to be there, said a second time without a database."""
    events, feedback, videos = {}, {}, {}
    for record in records:
        if isinstance(record, ActivityEvent):
            key = (record.source, record.started_at, record.app, record.title, record.url or None)
            rank = (record.duration, record.category != "Uncategorized", record.category.encode())
            events[key] = max(rank, events.get(key, rank))
        elif isinstance(record, Feedback):
            value = -1.0 if record.value is None else record.value
            rank = (record.said_at, record.video_id.encode(), record.head, value, record.source)
            feedback[record.feedback_id] = max(rank, feedback.get(record.feedback_id, rank))
        elif isinstance(record, Video):
            known = {name for name in Video.__dataclass_fields__ if getattr(record, name) != getattr(NOTHING, name)}
            videos[record.video_id] = videos.get(record.video_id, set()) | known
    newest = {}
    for feedback_id, (said_at, video_id, head, value, _) in feedback.items():
        said = (said_at, feedback_id.encode(), value)
        newest[video_id.decode(), head] = max(said, newest.get((video_id.decode(), head), said))
    labels = {key: said[2] for key, said in newest.items() if said[2] >= 0}
    return events, feedback.keys(), videos, labels, {record for record in records if isinstance(record, Watch)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=15)
@given(data=st.data(), records=RECORDS)
def test_any_order_repetition_and_cutting_gives_the_same_state(database, data, records):
    emptied(database)
    write(database, records, [100])
    state, labels = state_of(database), database.labels().to_pylist()

    again = data.draw(
        st.permutations(records + data.draw(st.lists(st.sampled_from(records), max_size=6)) if records else [])
    )
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    emptied(database)
    write(database, again, sizes)
    assert state_of(database) == state
    assert database.labels().to_pylist() == labels

    write(database, again, sizes)
    assert state_of(database) == state

    events, feedback_ids, videos, expected_labels, watches = expected_state(records)
    found = {(row["source"], row["started_at"], row["app"], row["title"], row["url"]): row for row in state["events"]}
    assert {key: (row["duration"], row["category"].encode()) for key, row in found.items()} == {
        key: (duration, category) for key, (duration, _, category) in events.items()
    }
    assert {row["feedback_id"] for row in state["feedback"]} == set(feedback_ids)
    assert {Watch(**row) for row in state["watches"]} == watches
    assert {(row["video_id"], head): row[head] for row in labels for head in HEADS if row[head] is not None} == (
        expected_labels
    )
    full = {video.video_id: video for video in TRUE_VIDEOS}
    for video_id, known in videos.items():
        shown = {
            name: getattr(full[video_id] if name in known else NOTHING, name) for name in known | {"tags", "title"}
        }
        assert {name: getattr(database.video(video_id), name) for name in shown} == shown


@pytest.mark.parametrize("order", [1, -1])
def test_two_known_titles_end_in_the_one_that_was_written_last(database, order):
    for title in ("Old", "New")[::order]:
        database.add_videos([Video("v", title, source=title)])
    assert database.video("v").title == ("Old", "New")[::order][-1]
    assert database.video("v").source == ("Old", "New")[::order][0]  # the first that named it
