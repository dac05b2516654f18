"""Videos from the Data API and from RSS feeds, in recorded shapes."""

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.datasets_scripts.activitywatch.aw_events import event_time
from traceformers.datasets_scripts.youtube.video_records import (
    duration_seconds,
    short_by_rule,
    video_from_api,
    video_from_feed,
)

ID, CHANNEL = "dQw4w9WgXc-", "UC" + "c" * 22


def item(**changes):
    """Returns an item as videos.list gives it, with some fields of `snippet` and `contentDetails` changed."""
    snippet = {
        "publishedAt": "2025-01-02T03:04:05Z",
        "channelId": CHANNEL,
        "title": "Tom & Jerry",
        "description": "Two friends",
        "channelTitle": "Cartoons",
        "tags": ["cat", "mouse"],
        "categoryId": "27",
        "liveBroadcastContent": "none",
    }
    details = {"duration": changes.pop("duration", "PT1H2M3S")}
    extra = changes.pop("extra", {})
    return {"kind": "youtube#video", "id": ID, "snippet": {**snippet, **changes}, "contentDetails": details, **extra}


def test_an_item_becomes_a_video_with_all_that_is_known():
    video = video_from_api(item())
    assert video.video_id == ID
    assert (video.title, video.channel, video.channel_id) == ("Tom & Jerry", "Cartoons", CHANNEL)
    assert video.published_at == event_time("2025-01-02T03:04:05Z")
    assert (video.duration, video.category, video.tags) == (3723, "Education", ("cat", "mouse"))
    assert (video.is_short, video.is_live, video.source) == (False, False, "youtube")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT45S", 45),
        ("PT1H2M3S", 3723),
        ("P1DT2H", 93_600),
        ("P1W", 604_800),
        ("PT1.5S", 1.5),
        ("P0D", None),  # a live stream
        ("PT0S", None),
        ("", None),
        ("P", None),
        ("1:02:03", None),
        (None, None),
    ],
)
def test_durations(text, seconds):
    assert duration_seconds(text) == seconds


@given(st.integers(0, 30), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_that_was_written_is_read_back(days, hours, minutes, seconds):
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert duration_seconds(f"P{days}DT{hours}H{minutes}M{seconds}S") == (total or None)


def test_a_live_stream_has_no_duration_and_one_that_ended_is_a_video():
    live = video_from_api(item(liveBroadcastContent="live", duration="P0D"))
    assert (live.is_live, live.duration, live.is_short) == (True, None, False)
    assert video_from_api(item(liveBroadcastContent="upcoming")).is_live is True
    ended = video_from_api(
        item(liveBroadcastContent=None, extra={"liveStreamingDetails": {"actualEndTime": "2025-01-02T05:00:00Z"}})
    )
    assert ended.is_live is False


@pytest.mark.parametrize(
    ("duration", "title", "tags", "short"),
    [
        ("PT3M1S", "x #shorts", [], False),
        ("PT3M", "x #Shorts", [], True),
        ("PT30S", "x", ["shorts"], True),
        ("PT30S", "shorts for summer", [], None),
        (None, "#shorts", [], None),
    ],
)
def test_the_rule_for_shorts(duration, title, tags, short):
    assert video_from_api(item(duration=duration, title=title, tags=tags)).is_short is short


def test_the_rule_does_not_call_a_stream_a_short():
    assert short_by_rule(20.0, ["#shorts"], is_live=True) is False


def test_an_item_of_a_playlist_names_the_video_and_its_owner():
    found = video_from_api(
        {
            "kind": "youtube#playlistItem",
            "id": "UExxx",
            "snippet": {
                "publishedAt": "2025-02-01T00:00:00Z",  # when it was put into the list
                "channelTitle": "Owner of the list",
                "title": "A",
                "resourceId": {"kind": "youtube#video", "videoId": ID},
                "videoOwnerChannelTitle": "Owner",
                "videoOwnerChannelId": CHANNEL,
            },
            "contentDetails": {"videoId": ID, "videoPublishedAt": "2025-01-01T00:00:00Z"},
        }
    )
    assert (found.video_id, found.channel, found.published_at) == (ID, "Owner", event_time("2025-01-01T00:00:00Z"))


def test_a_deleted_video_of_a_playlist_is_none():
    deleted = {"snippet": {"title": "Deleted video", "resourceId": {"videoId": ID}}, "contentDetails": {"videoId": ID}}
    assert video_from_api({"kind": "youtube#playlistItem", **deleted}) is None


def test_only_a_search_answers_with_escaped_texts():
    found = video_from_api({**item(title="Tom &amp; Jerry"), "kind": "youtube#searchResult", "id": {"videoId": ID}})
    assert found.title == "Tom & Jerry"
    assert video_from_api(item(title="Tom &amp; Jerry")).title == "Tom &amp; Jerry"


@pytest.mark.parametrize("wrong", [None, [], {}, {"id": 5}, {"id": "short"}, {"id": {"channelId": CHANNEL}}])
def test_an_item_that_names_no_video_is_none(wrong):
    assert video_from_api(wrong) is None


anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(item()["snippet"])), anything), anything, anything)
def test_odd_fields_count_as_unknown(snippet, details, kind):
    video = video_from_api({"id": ID, "snippet": snippet, "contentDetails": details, "kind": kind})
    assert video is None or video.video_id == ID


FEED = f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns:media="http://search.yahoo.com/mrss/"
 xmlns="http://www.w3.org/2005/Atom">
 <title>Cartoons</title><yt:channelId>{CHANNEL[2:]}</yt:channelId>
 <entry><id>yt:video:{ID}</id><yt:videoId>{ID}</yt:videoId><yt:channelId>{CHANNEL}</yt:channelId>
  <title>Tom &amp; Jerry</title><link rel="alternate" href="https://www.youtube.com/watch?v={ID}"/>
  <author><name>Cartoons</name></author><published>2025-01-02T03:04:05+00:00</published>
  <media:group><media:title>Tom</media:title><media:description>Two friends</media:description></media:group></entry>
 <entry><id>yt:video:short000000</id><yt:videoId>short000000</yt:videoId><title>S</title>
  <link rel="alternate" href="https://www.youtube.com/shorts/short000000"/></entry>
 <entry><title>No video</title></entry>
</feed>"""


def test_entries_of_a_feed_become_videos():
    entries = feedparser.parse(FEED).entries
    video, short, nothing = map(video_from_feed, entries)
    assert (video.video_id, video.title, video.channel, video.channel_id) == (ID, "Tom & Jerry", "Cartoons", CHANNEL)
    assert (video.description, video.published_at) == ("Two friends", event_time("2025-01-02T03:04:05Z"))
    assert (video.duration, video.is_short, video.source) == (None, None, "rss")
    assert short.is_short is True
    assert nothing is None


def test_a_channel_id_without_its_beginning_is_completed():
    assert video_from_feed({"yt_videoid": ID, "yt_channelid": CHANNEL[2:]}).channel_id == CHANNEL
