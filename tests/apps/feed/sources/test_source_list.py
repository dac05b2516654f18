"""All sources one after the other, and imports that can be done again."""

import json

import pytest

from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.feed_collecting import sources_of
from traceformers.apps.feed.feed_home import FeedHome
from traceformers.apps.feed.feed_secrets import FeedSecrets
from traceformers.apps.feed.feed_settings import FeedSettings
from traceformers.apps.feed.open_feed import OpenFeed
from traceformers.apps.feed.sources.aw_export_source import AwExportSource
from traceformers.apps.feed.sources.privacy_filter import PrivacyFilter
from traceformers.apps.feed.sources.source_list import collect_all
from traceformers.apps.feed.sources.source_report import SourceError, SourceReport
from traceformers.apps.feed.sources.takeout_source import TakeoutSource
from traceformers.datasets_scripts.feed.feed_records import Subscription

NOW = 1_793_600_000_000
CHANNEL = "UC" + "a" * 22


@pytest.fixture
def db(tmp_path):
    with FeedDatabase(f"sqlite:///{tmp_path}/feed.sqlite") as database:
        yield database


class Stub:
    """A source that answers or raises what it is given, and counts how often it is asked."""

    def __init__(self, name, answer):
        self.name, self.answer, self.asked = name, answer, 0

    def collect(self, db, now):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (SourceError("It is away.\nCome again."), "It is away. Come again."),
        (RuntimeError("a fault of ours"), "RuntimeError: a fault of ours"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_a_dead_source_never_stops_the_others(db, fault, said):
    sources = [Stub("dead", fault), Stub("good", SourceReport("good", added=2))]
    dead, good = collect_all(sources, db, NOW)
    assert (dead.name, dead.error, dead.ok) == ("dead", said, False)
    assert good == SourceReport("good", added=2)


def test_a_source_that_asked_to_be_left_alone_is_left_alone_until_then_also_after_a_restart(db):
    source = Stub("slow", SourceError("Too many questions.", retry_after=NOW + 1000))
    assert collect_all([source], db, NOW)[0].retry_after == NOW + 1000
    again = Stub("slow", SourceReport("slow", added=1))
    waiting = collect_all([again], db, NOW + 999)[0]
    assert (again.asked, waiting.retry_after, waiting.ok) == (0, NOW + 1000, False)
    assert collect_all([again], db, NOW + 999, force=True)[0].added == 1
    assert collect_all([again], db, NOW + 1001)[0].added == 1
    assert again.asked == 2


def test_a_wait_noted_by_a_clock_that_was_ahead_is_not_kept(db):
    ahead = NOW + 365 * 86_400_000
    collect_all([Stub("slow", SourceError("Too many.", retry_after=ahead + 1000))], db, ahead)
    again = Stub("slow", SourceReport("slow", added=1))
    assert collect_all([again], db, NOW)[0].added == 1


def test_ctrl_c_ends_the_collection(db):
    class Pressed:
        name = "pressed"

        def collect(self, db, now):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect_all([Pressed()], db, NOW)


def test_a_report_reads_as_one_line_and_as_json(db):
    report = SourceReport("rss", added=3, dropped={"channel gone": 2})
    report.fail(SourceError("It is away."))
    assert str(report) == "rss: 3 added; 0 updated; dropped: 2 channel gone; It is away."
    assert json.loads(json.dumps(report.as_dict()))["dropped"] == {"channel gone": 2}


@pytest.fixture
def takeout(tmp_path):
    folder = tmp_path / "Takeout"
    (folder / "history").mkdir(parents=True)

    def watched(number, **more):
        return {
            "header": "YouTube",
            "title": f"Watched Video {number}",
            "titleUrl": f"https://www.youtube.com/watch?v=video{number:06}",
            "subtitles": [{"name": "A channel", "url": f"https://www.youtube.com/channel/{CHANNEL}"}],
            "time": f"2026-10-{number + 1:02}T10:00:00.000Z",
            "products": ["YouTube"],
            "activityControls": ["YouTube watch history"],
            **more,
        }

    history = [watched(number) for number in range(5)]
    history.append(watched(9, details=[{"name": "From Google Ads"}]))
    (folder / "history" / "watch-history.json").write_text(json.dumps(history))
    likes = "Video ID,Playlist Video Creation Timestamp\nvideo000001,2026-10-05T10:00:00+00:00\n"
    (folder / "Liked videos-videos.csv").write_text(likes)
    rows = f"Channel Id,Channel Url,Channel Title\n{CHANNEL},http://www.youtube.com/channel/{CHANNEL},A channel\n"
    (folder / "subscriptions.csv").write_text(rows)
    return folder


def test_a_takeout_is_imported_once_however_often_it_is_read(takeout, db):
    report = TakeoutSource(takeout).collect(db, NOW)
    assert report.ok, report
    assert db.watch_table().num_rows == 5 and db.video("video000003").title == "Video 3"
    assert db.subscriptions() == [Subscription(CHANNEL, "A channel")]
    assert [row["video_id"] for row in db.labels().to_pylist()] == ["video000001"]
    assert sum(report.dropped.values()) >= 1
    before = [db.video_table(), db.watch_table(), db.feedback_table()]
    again = TakeoutSource(takeout, again=True).collect(db, NOW + 1)
    assert (again.ok, again.added, again.updated) == (True, 0, 0)
    assert [db.video_table(), db.watch_table(), db.feedback_table()] == before


def test_a_takeout_that_has_not_changed_is_not_read_again(takeout, db, monkeypatch):
    from traceformers.datasets_scripts.youtube import takeout as reader

    read, calls = reader.read_takeout, []
    monkeypatch.setattr(reader, "read_takeout", lambda *args, **options: calls.append(args) or read(*args, **options))
    for _ in range(2):
        assert TakeoutSource(takeout).collect(db, NOW).ok
    assert len(calls) == 1
    assert TakeoutSource(takeout, music=True).collect(db, NOW).ok and len(calls) == 2  # read in another way
    (takeout / "new.csv").write_text("Channel Id,Channel Url,Channel Title\n")
    TakeoutSource(takeout).collect(db, NOW)
    assert len(calls) == 3


def test_subscriptions_of_all_takeouts_count_and_a_newer_export_replaces_its_own(takeout, db, tmp_path):
    second = tmp_path / "other account" / "Takeout"
    second.mkdir(parents=True)
    other, third = "UC" + "o" * 22, "UC" + "t" * 22

    def subscribe(*channels):
        rows = [f"{channel},http://www.youtube.com/channel/{channel},{channel[2]}" for channel in channels]
        (second / "subscriptions.csv").write_text("\n".join(["Channel Id,Channel Url,Channel Title", *rows]) + "\n")
        assert TakeoutSource(second).collect(db, NOW).ok
        return {each.channel_id for each in db.subscriptions()}

    TakeoutSource(takeout).collect(db, NOW)
    assert subscribe(other, third) == {CHANNEL, other, third}
    assert subscribe(third) == {CHANNEL, third}


def test_the_table_of_the_likes_can_be_named_in_the_settings(takeout, db, tmp_path):
    (takeout / "Liked videos-videos.csv").rename(takeout / "Tetszik.csv")
    secrets, home = FeedSecrets(), FeedHome(tmp_path)
    for liked, likes in (("", 0), ("tetszik", 1)):
        settings = FeedSettings().changed("takeout", paths=[str(takeout)], liked=liked)
        (source,) = sources_of(OpenFeed(home, settings, secrets, db, None), only=["takeout"])
        assert bool(source.collect(db, NOW).warnings) != bool(likes) and db.feedback_table().num_rows == likes


def test_private_videos_of_a_takeout_leave_no_watch_and_no_like(takeout, db):
    privacy = PrivacyFilter([{"field": "title", "pattern": "Video [13]$"}])
    report = TakeoutSource(takeout, privacy).collect(db, NOW)
    assert report.dropped["private"] == 2
    assert {row["video_id"] for row in db.watch_table().to_pylist()} == {"video000000", "video000002", "video000004"}
    assert db.feedback_table().num_rows == 0


@pytest.mark.parametrize("name", ["nothing", "other.txt"])
def test_what_is_no_takeout_is_told_and_changes_nothing(tmp_path, db, name):
    (tmp_path / "other.txt").write_text("hello")
    report = TakeoutSource(tmp_path / name).collect(db, NOW)
    assert not report.ok and name in report.error and report.added == 0


def test_a_cut_export_of_activitywatch_gives_what_is_whole_and_says_so(tmp_path, db):
    events = [
        {
            "timestamp": f"2026-10-01T10:{minute:02}:00+00:00",
            "duration": 60,
            "data": {"app": "Code", "title": f"{minute}"},
        }
        for minute in range(30)
    ]
    bucket = {"id": "w", "type": "currentwindow", "hostname": "desk", "client": "c", "events": events}
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"buckets": {"aw-watcher-window_desk": bucket}})[:-500])
    report = AwExportSource(path).collect(db, NOW)
    assert 20 <= report.added < 30 and report.warnings
    assert AwExportSource(path).collect(db, NOW).added == 0


def test_what_is_no_export_of_activitywatch_is_told(tmp_path, db):
    path = tmp_path / "export.json"
    path.write_text("[1, 2]")
    assert "Expected" in AwExportSource(path).collect(db, NOW).error
