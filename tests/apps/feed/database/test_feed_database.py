import numpy as np
import pytest
from feed_states import state_of

from traceformers.apps.feed.database.database_engine import FeedDatabaseError
from traceformers.apps.feed.database.record_merging import Counts
from traceformers.datasets_scripts.feed.feed_folder import SCHEMAS
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback, FeedRow, Subscription, Video, Watch

pytest_plugins = ("feed_databases",)


def said(feedback_id, video_id, head, value, said_at, source="feed"):
    return Feedback(feedback_id, video_id, head, value, said_at, source)


def test_a_video_is_given_back_as_it_was_given(database):
    video = Video("v", "A <b>title</b>", "Ch", "UC1", "About", 5, 61.5, "Music", ("a", "b,c"), False, True, "rss")
    assert database.add_videos([video, Video("w")]) == Counts(2, 0, 0)
    assert database.video("v") == video
    assert database.video("w") == Video("w")
    assert database.video("x") is None
    assert database.videos(["w", "x", "v"]) == {"w": Video("w"), "v": video}
    assert list(database.videos(["w", "v"])) == ["w", "v"]


def test_what_is_not_known_never_replaces_what_is(database):
    known = Video("v", "Title", "Ch", "UC1", "About", 5, 61.5, "Music", ("a",), False, False, "rss")
    database.add_videos([known])
    assert database.add_videos([Video("v"), Video("v", source="takeout")]) == Counts(0, 0, 2)
    assert database.video("v") == known
    assert database.add_videos([Video("v", title="New title")]) == Counts(0, 1, 0)
    assert database.video("v").title == "New title"
    assert database.video("v").description == "About"


def test_zero_and_false_are_known_values(database):
    database.add_videos([Video("v", duration=9.0, is_short=True, is_live=True, published_at=7)])
    database.add_videos([Video("v", duration=0.0, is_short=False, is_live=False, published_at=0)])
    assert database.video("v") == Video("v", duration=0.0, is_short=False, is_live=False, published_at=0)


def test_an_event_grows_and_never_shrinks(database):
    event = ActivityEvent("window", 1_000, 5.0, "code", "a.py", None, "Work")
    longer = ActivityEvent("window", 1_000, 9.0, "code", "a.py", None, "Work")
    assert database.add_events([event, longer, event]) == Counts(1, 1, 1)
    assert database.add_events(iter([event])) == Counts(0, 0, 1)
    assert database.event_table().column("duration").to_pylist() == [9.0]


def test_every_part_of_its_key_tells_an_event_from_another(database):
    events = [
        ActivityEvent("a", 1, 1.0, "x", "y", "z"),
        ActivityEvent("b", 1, 1.0, "x", "y", "z"),
        ActivityEvent("a", 2, 1.0, "x", "y", "z"),
        ActivityEvent("a", 1, 1.0, "xy", "", "z"),
        ActivityEvent("a", 1, 1.0, "", "xy", "z"),
        ActivityEvent("a", 1, 1.0, "x", "yz", None),
    ]
    assert database.add_events(events) == Counts(6, 0, 0)


def test_a_category_replaces_none_and_not_the_other_way(database):
    bare = ActivityEvent("a", 1, 1.0, "x")
    named = ActivityEvent("a", 1, 1.0, "x", category="Work > Code")
    database.add_events([bare, named, bare])
    assert database.event_table().column("category").to_pylist() == ["Work > Code"]


def test_a_window_of_events_begins_where_asked_and_ends_before(database):
    database.add_events(ActivityEvent("a", at, 1.0) for at in (40, 10, 30, 20))
    assert database.event_table().column("started_at").to_pylist() == [10, 20, 30, 40]
    assert database.event_table(20, 40).column("started_at").to_pylist() == [20, 30]
    assert database.event_table(start=50).num_rows == 0


def test_tables_have_the_columns_and_types_of_a_feed_folder(database):
    database.add_videos([Video("v", tags=("a",))])
    database.add_events([ActivityEvent("a", 1, 1.0)])
    database.add_watches([Watch("v", 1)])
    database.add_feedback([said("1", "v", "interest", 1.0, 1)])
    given = {"videos": database.video_table(), "events": database.event_table(), "watches": database.watch_table()}
    for name, table in (given | {"feedback": database.feedback_table()} | database.tables()).items():
        assert table.schema == SCHEMAS[name], name
    assert {table.num_rows for table in given.values()} == {1}


def test_a_table_of_videos_since_a_time_has_none_of_before_or_unknown(database):
    database.add_videos([Video("old", published_at=1), Video("new", published_at=9), Video("unknown")])
    assert database.video_table(since=9).column("video_id").to_pylist() == ["new"]


def test_opinions_of_one_head_never_touch_the_other(database):
    database.add_feedback([said("1", "v", "interest", 1.0, 10, "like"), said("2", "v", "productive", 0.0, 20)])
    database.add_feedback([said("3", "v", "interest", 0.0, 30), said("4", "v", "interest", None, 40)])
    assert database.labels().to_pylist() == [
        {
            "video_id": "v",
            "interest": None,
            "productive": 0.0,
            "interest_said_at": None,
            "productive_said_at": 20,
            "interest_source": None,
            "productive_source": "feed",
        }
    ]
    assert database.feedback_table().num_rows == 4
    assert database.label_counts() == {("feed", "productive", 0.0): 1}


def test_the_newest_opinion_counts_by_time_and_then_by_id(database):
    database.add_feedback([said("b", "v", "interest", 0.0, 10), said("a", "v", "interest", 1.0, 10)])
    assert database.labels().column("interest").to_pylist() == [0.0]
    database.add_feedback([said("c", "v", "interest", 1.0, 5)])  # arrives late, was said early
    assert database.labels().column("interest").to_pylist() == [0.0]
    assert database.add_feedback([said("b", "v", "interest", 0.0, 10)]) == Counts(0, 0, 1)


def test_ids_compare_byte_by_byte_in_both_databases(database):
    # English sorting puts "a" before "B"; bytes do not.
    database.add_feedback([said("a", "v", "interest", 1.0, 10), said("B", "v", "interest", 0.0, 10)])
    assert database.labels().column("interest").to_pylist() == [1.0]
    database.add_videos([Video("a"), Video("B"), Video("ä")])
    assert database.video_table().column("video_id").to_pylist() == ["B", "a", "ä"]


def test_an_opinion_may_come_before_its_video(database):
    database.add_feedback([said("1", "later", "interest", 1.0, 1)])
    database.add_watches([Watch("seen", 1)])
    assert database.unknown_video_ids() == ["later", "seen"]
    database.add_videos([Video("later", title="Here", duration=1.0), Video("seen", title="No duration")])
    assert database.unknown_video_ids() == ["seen"]
    assert database.labels().column("video_id").to_pylist() == ["later"]


@pytest.mark.parametrize(
    ("feedback", "message"),
    [
        (said("1", "v", "funny", 1.0, 1), "interest, productive"),
        (said("1", "v", "interest", 2.0, 1), "from 0 to 1"),
        (said("1", "v", "interest", float("nan"), 1), "from 0 to 1"),
        (said("1", "v", "interest", 1.0, 1, "rumour"), "like, dislike"),
        (said("1", "v", "interest", 1.0, None), "milliseconds"),
        (said("1", "v", "interest", 1.0, 1.5), "milliseconds"),
        (said("1", "v", "interest", 1.0, 2**63), "milliseconds"),
        (said("", "v", "interest", 1.0, 1), "feedback_id"),
        (said("1", "", "interest", 1.0, 1), "video_id"),
    ],
)
def test_an_opinion_that_makes_no_sense_is_refused_before_anything_is_written(database, feedback, message):
    with pytest.raises(ValueError, match=message):
        database.add_feedback([said("0", "v", "interest", 1.0, 1), feedback])
    assert database.feedback_table().num_rows == 0


@pytest.mark.parametrize("duration", [float("nan"), float("inf"), -1.0, None])
def test_an_event_without_a_duration_is_refused(database, duration):
    with pytest.raises(ValueError, match="duration"):
        database.add_events([ActivityEvent("a", 1, duration)])


def test_texts_of_every_kind_are_kept_alike_in_both(database):
    texts = [
        "plain",
        "a\0b",
        "half \ud83d pair",
        "🦀 crab",
        "שלום עולם",
        "'; DROP TABLE videos; --",
        "%_\\/",
        "x" * 2**20,
    ]
    kept = ["plain", "a\ufffdb", "half \ufffd pair", *texts[3:]]
    database.add_videos(Video(f"v{n}", text, text, text, text, tags=(text,)) for n, text in enumerate(texts))
    found = database.videos([f"v{n}" for n in range(len(texts))]).values()
    assert [video.title for video in found] == kept
    assert [video.description for video in found] == kept
    assert [video.tags for video in found] == [(text,) for text in kept]
    database.add_events(ActivityEvent(text, 1, 1.0, text, text, text) for text in texts)
    assert sorted(database.event_table().column("url").to_pylist()) == sorted(kept)
    database.add_feedback([said("a\0", "v\0", "interest", 1.0, 1)])
    database.set_state("s\0", "k\ud800", {"text": "a\0b"})
    assert database.state("s\0", "k\ud800") == {"text": "a\0b"}


def test_labelling_asks_what_no_opinion_is_about(database):
    database.add_videos(
        Video(name, title=name, published_at=at) for name, at in (("a", 1), ("b", 2), ("c", 3), ("d", 4))
    )
    database.add_videos(
        [Video("short", "s", is_short=True), Video("untitled"), Video("hid", "h"), Video("ch", "h", "Bad")]
    )
    database.hide_video("hid")
    database.hide_channel("Bad")
    database.add_watches([Watch("b", 50), Watch("a", 10), Watch("b", 5), Watch("c", 20)])
    ids = lambda **given: [video.video_id for video in database.to_label(**given)]  # noqa: E731
    assert ids() == ["b", "c", "a", "d"]
    assert ids(limit=2) == ["b", "c"]
    assert ids(after="c") == ["a", "d"]
    assert ids(order="newest") == ["d", "c", "b", "a"]
    assert sorted(ids(order="random")) == ["a", "b", "c", "d"]
    assert ids(order="random", limit=2) + ids(order="random", after=ids(order="random")[1]) == ids(order="random")
    database.add_feedback([said("1", "c", "interest", 1.0, 1), said("2", "b", "productive", 1.0, 1)])
    assert ids() == ["b", "a", "d"]
    assert ids(after="c") == ["a", "d"]  # labelled since, still a place to go on from
    database.add_feedback([said("3", "c", "interest", None, 2)])
    assert ids() == ["b", "c", "a", "d"]
    rows = [FeedRow("a", 1, 1, 0.1, 0.5), FeedRow("d", 2, 1, 0.52, 0.5), FeedRow("c", 3, 1, 0.4, 0.5)]
    database.save_feed(rows, None, "m", {})
    assert ids(order="uncertain") == ["d", "c", "a", "b"]
    with pytest.raises(ValueError, match="newest_watch"):
        database.to_label(order="best")


def test_the_latest_labelled_are_those_that_count(database):
    database.add_feedback([said("1", "a", "interest", 1.0, 1, "labelling"), said("2", "b", "interest", 0.0, 2, "like")])
    database.add_feedback([said("3", "c", "interest", 0.0, 3, "labelling"), said("4", "c", "interest", None, 4)])
    assert [each.feedback_id for each in database.latest_labelled(5)] == ["2", "1"]
    assert [each.feedback_id for each in database.latest_labelled(5, source="labelling")] == ["1"]


def test_subscriptions_of_a_source_are_replaced_and_of_others_kept(database):
    database.set_subscriptions([Subscription("UC1", "One"), Subscription("UC2"), Subscription("UC1", "One")], "takeout")
    database.set_subscriptions([Subscription("UC2", "Two")], "youtube")
    assert database.subscriptions() == [Subscription("UC1", "One"), Subscription("UC2", "Two")]
    database.set_subscriptions([], "takeout")
    assert database.subscriptions() == [Subscription("UC2", "Two")]


def test_hiding_can_be_done_twice_and_taken_back(database):
    for _ in range(2):
        database.hide_channel("UC1")
        database.hide_video("v")
    assert database.hidden_channels() == ["UC1"]
    database.hide_channel("UC1", hidden=False)
    database.hide_video("v", hidden=False)
    assert database.hidden_channels() == []
    assert state_of(database)["videos_hidden"] == []


def test_events_are_deleted_by_title_in_any_case_and_script(database):
    titles = ("Bank login", "my BANKING", "River", "ÜBERWEISUNG", "100% sure", "1000 sure")
    database.add_events(ActivityEvent("a", at, 1.0, title=title) for at, title in enumerate(titles))
    assert database.delete_events(title_contains="bank") == 2
    assert database.delete_events(title_contains="überweisung") == 1
    assert database.delete_events(title_contains="100%") == 1
    assert database.delete_events(before=5) == 1
    assert database.event_table().column("title").to_pylist() == ["1000 sure"]
    with pytest.raises(ValueError, match="reset"):
        database.delete_events()


def test_text_vectors_are_found_while_the_text_is_the_same(database):
    matrix = np.arange(6, dtype="float32").reshape(2, 3)
    found, none = database.text_vectors("encoder", ["a", "b"], ["1", "2"])
    assert not found.any()
    assert none.shape == (2, 0)
    database.save_text_vectors("encoder", ["a", "b"], ["1", "2"], matrix)
    found, read = database.text_vectors("encoder", ["b", "c", "a"], ["2", "3", "changed"])
    assert found.tolist() == [True, False, False]
    assert read.dtype == np.float32
    assert read[0].tolist() == [3, 4, 5]
    database.save_text_vectors("encoder", ["a"], ["changed"], matrix[:1] * 2)
    assert database.text_vectors("encoder", ["a"], ["changed"])[1].tolist() == [[0, 2, 4]]
    assert not database.text_vectors("encoder", ["a"], ["1"])[0].any()
    assert not database.text_vectors("other", ["a"], ["1"])[0].any()


def test_a_reset_takes_its_part_and_leaves_the_rest(database):
    def fill():
        database.add_videos([Video("v", "t")])
        database.add_events([ActivityEvent("a", 1, 1.0)])
        database.add_feedback([said("1", "v", "interest", 1.0, 1)])
        feed_id = database.save_feed([FeedRow("v", 1, 1.0, 0.5, 0.5)], None, "m", {})
        database.log_impressions(feed_id, [("v", 0, 1.0)], 5)
        return {name for name, rows in state_of(database).items() if rows}

    filled = fill()
    gone = {"feedback": {"feedback"}, "events": {"events"}, "feed": {"feeds", "feed_rows", "impressions"}}
    for what, tables in (gone | {"everything": filled}).items():
        fill()
        database.reset(what)
        assert {name for name, rows in state_of(database).items() if rows} == filled - tables
    with pytest.raises(ValueError, match="everything"):
        database.reset("all")
    fill()


def test_what_was_deleted_is_not_left_in_the_file(tmp_path):
    from traceformers.apps.feed.database.feed_database import FeedDatabase

    secret = "a title that nobody may find"
    with FeedDatabase(f"sqlite:///{tmp_path}/feed.sqlite") as database:
        database.add_events([ActivityEvent("a", 1, 1.0, title=secret)])
        database.reset("events")
        written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.encode() not in written


def test_a_database_may_be_closed_and_opened_again(database_url):
    from traceformers.apps.feed.database.feed_database import FeedDatabase

    for expected in (Counts(1, 0, 0), Counts(0, 0, 1)):
        with FeedDatabase(database_url) as database:
            assert database.add_videos([Video("v", "t")]) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("feed.sqlite", "sqlite:///feed.sqlite"),
        ("mysql://host/feed", "mysql|postgresql"),
        ("sqlite://", "Name a file"),
        ("sqlite:///:memory:", "Name a file"),
        ("postgresql://feed:secret@127.0.0.1:1/feed", "server cannot be reached"),
    ],
)
def test_a_url_that_will_not_do_is_refused_by_a_message_without_the_password(url, message):
    from traceformers.apps.feed.database.feed_database import FeedDatabase

    with pytest.raises(FeedDatabaseError, match=message) as caught:
        FeedDatabase(url)
    assert "secret" not in str(caught.value)
