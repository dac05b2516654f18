"""New videos from the public feeds, without an account."""

import pytest
from loopback_youtube import LoopbackYouTube, channel_id, video_id

from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.sources.privacy_filter import PrivacyFilter
from traceformers.apps.feed.sources.rss_source import NoFeed, RssSource, read_feed
from traceformers.datasets_scripts.feed.feed_records import Subscription

NOW = 1_793_600_000_000
DAY = 86_400_000
FIRST, SECOND, THIRD = channel_id("first"), channel_id("second"), channel_id("third")
HOSTILE = '<script>alert("1")</script> & <b>HTML</b> &amp; "quotes" \u202eRTL 日本'


@pytest.fixture
def youtube():
    with LoopbackYouTube() as server:
        video = server.video
        server.add_channel(
            FIRST,
            "First <channel>",
            [
                video(video_id(1), HOSTILE, description="a < b && c\n<i>x</i>", published="2026-11-02T03:04:05Z"),
                video(video_id(2), "A Short", short=True),
                video(video_id(3), "Long"),
            ],
        )
        server.add_channel(SECOND, "Second", [video(video_id(4), "Only a Short", short=True)])
        yield server


@pytest.fixture
def db(tmp_path):
    with FeedDatabase(f"sqlite:///{tmp_path}/feed.sqlite") as database:
        database.set_subscriptions([Subscription(FIRST, "First"), Subscription(SECOND, "Second")], "takeout")
        yield database


def source(youtube, **options):
    return RssSource(youtube.rss_url, **{"min_interval": 0, "backoff": 0, **options})


def test_the_feeds_of_the_subscriptions_are_stored_with_their_texts_as_they_are(youtube, db):
    report = source(youtube).collect(db, NOW)
    assert (report.ok, report.added, report.dropped) == (True, 3, {})
    video = db.video(video_id(1))
    assert (video.title, video.description) == (HOSTILE, "a < b && c\n<i>x</i>")
    assert (video.channel, video.channel_id, video.source) == ("First <channel>", FIRST, "rss")
    assert video.published_at == 1_793_588_645_000
    assert video.duration is None


def test_shorts_are_kept_out_where_a_channel_has_long_videos_and_told_where_not(youtube, db):
    source(youtube).collect(db, NOW)
    assert db.video(video_id(2)) is None
    assert db.video(video_id(3)).is_short is False
    assert db.video(video_id(4)).is_short is True
    assert {query.get("playlist_id", "")[:4] for query in youtube.asked("/feeds/videos.xml")} == {"UULF", ""}


def test_what_has_not_changed_is_not_sent_again(youtube, db):
    source(youtube).collect(db, NOW)
    youtube.requests.clear()
    report = source(youtube).collect(db, NOW + 1000)
    assert (report.ok, report.added, report.updated) == (True, 0, 0)
    headers = [headers for *_, headers in youtube.requests]
    assert len(headers) == 2 and all("If-None-Match" in one and "If-Modified-Since" in one for one in headers)
    youtube.add_channel(FIRST, "First <channel>", [youtube.video(video_id(9), "New")])
    assert source(youtube).collect(db, NOW + 2000).added == 1


def test_a_channel_that_is_gone_is_counted_and_asked_again_after_a_week(youtube, db):
    del youtube.channels[FIRST]
    report = source(youtube).collect(db, NOW)
    assert (report.ok, report.added, report.dropped) == (True, 1, {"channel gone": 1})
    youtube.requests.clear()
    assert source(youtube).collect(db, NOW + DAY).dropped == {"channel gone": 1}
    assert len(youtube.requests) == 1
    youtube.add_channel(FIRST, "Back", [youtube.video(video_id(5), "Again")])
    assert source(youtube).collect(db, NOW + 8 * DAY).added == 1


def test_a_channel_found_gone_by_a_clock_that_was_ahead_is_asked_again(youtube, db):
    del youtube.channels[FIRST]
    source(youtube).collect(db, NOW + 365 * DAY)
    youtube.add_channel(FIRST, "Back", [youtube.video(video_id(5), "Again")])
    assert source(youtube).collect(db, NOW).added == 1


def test_one_broken_feed_does_not_keep_the_others_away(youtube, db):
    youtube.fail("/feeds/videos.xml", how="text", where=FIRST[2:])
    report = source(youtube).collect(db, NOW)
    assert report.added == 1 and "Expected a feed" in report.error
    assert source(youtube).collect(db, NOW + 1).added == 2


def test_a_host_that_is_away_is_asked_for_three_channels_only(youtube, db):
    channels = [channel_id(f"c{number}") for number in range(20)]
    youtube.fail("/feeds/videos.xml", how="cut", times=10_000)
    report = source(youtube, channels=channels, attempts=2).collect(db, NOW)
    assert "out of reach" in report.error and report.dropped == {"feed out of reach": 3}
    assert len(youtube.requests) == 6


def test_too_many_requests_stop_and_say_when_to_come_back(youtube, db):
    youtube.fail("/feeds/videos.xml", status=429, headers={"Retry-After": "600"})
    report = source(youtube, clock=lambda: NOW / 1000).collect(db, NOW)
    assert (report.added, report.retry_after) == (0, NOW + 600_000)
    assert len(youtube.requests) == 1


def test_a_feed_that_is_too_large_is_refused(youtube, db):
    youtube.videos[video_id(3)]["description"] = "x" * 100_000
    report = source(youtube, max_bytes=20_000).collect(db, NOW)
    assert report.added == 1 and "20,000 bytes" in report.error


def test_channels_can_be_read_without_a_subscription_and_wrong_ids_are_counted(youtube, db):
    db.set_subscriptions([], "takeout")
    report = source(youtube, channels=[FIRST, FIRST, "@handle", "UC/../x"]).collect(db, NOW)
    assert (report.ok, report.added, report.dropped) == (True, 2, {"not a channel id": 2})


def test_private_patterns_count_before_storage(youtube, db):
    report = source(youtube, privacy=PrivacyFilter([{"pattern": "^Long$"}])).collect(db, NOW)
    assert db.video(video_id(3)) is None
    assert (report.added, report.dropped) == (2, {"private": 1})


@pytest.mark.parametrize("body", [b"", b"<html><body>consent</body></html>", b"\x00\xff", b'{"a": 1}', b"<feed"])
def test_what_is_no_feed_is_refused(body):
    with pytest.raises(NoFeed):
        list(read_feed(body, FIRST))


def test_a_channel_without_a_video_is_a_feed_without_entries():
    feed = b'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Empty</title></feed>'
    assert list(read_feed(feed)) == []


def test_without_any_channel_the_report_says_where_channels_come_from(youtube, db):
    db.set_subscriptions([], "takeout")
    report = source(youtube).collect(db, NOW)
    assert report.ok and "no subscriptions are known: collect a Takeout" in str(report)
