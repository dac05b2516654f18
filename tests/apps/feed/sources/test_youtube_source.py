"""Likes, dislikes, subscriptions and new videos by the YouTube Data API, within its quota."""

import logging

import pytest
from loopback_youtube import API_KEY, LoopbackYouTube, channel_id, video_id

from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.feed_clock import next_quota_day, quota_day
from traceformers.apps.feed.sources.privacy_filter import PrivacyFilter
from traceformers.apps.feed.sources.source_list import collect_all
from traceformers.apps.feed.sources.video_details import VideoDetails
from traceformers.apps.feed.sources.youtube_access import youtube_sources
from traceformers.apps.feed.sources.youtube_client import ApiKey, YouTubeClient
from traceformers.apps.feed.sources.youtube_oauth import OAuthProject, SignedIn, Token, TokenFile
from traceformers.apps.feed.sources.youtube_source import YouTubeSource
from traceformers.datasets_scripts.feed.feed_records import Feedback, Subscription, Video, Watch

NOW = 1_793_620_800_000  # 2026-11-02 12:00 UTC, 04:00 in California
HOUR, DAY = 3_600_000, 86_400_000
FIRST, SECOND = channel_id("first"), channel_id("second")
VIDEOS, PLAYLISTS = "/youtube/v3/videos", "/youtube/v3/playlistItems"


@pytest.fixture
def youtube():
    with LoopbackYouTube() as server:
        yield server


@pytest.fixture
def db(tmp_path):
    with FeedDatabase(f"sqlite:///{tmp_path}/feed.sqlite") as database:
        yield database


@pytest.fixture
def person(youtube, tmp_path):
    """A credential that is signed in."""
    tokens = TokenFile(tmp_path / "token.json")
    access, refresh = youtube.token()
    tokens.save(Token(access, refresh, NOW + HOUR))
    project = OAuthProject("client-id", "client-secret", youtube.auth_url, youtube.token_url, youtube.revoke_url)
    return SignedIn(project, tokens, clock=lambda: NOW / 1000, backoff=0)


def client(youtube, credential=None, **options):
    credential = credential or ApiKey(API_KEY)
    return YouTubeClient(credential, youtube.url, **{"backoff": 0, "sleep": lambda _: None, **options})


def source(youtube, credential=None, daily_units=10_000, **options):
    return YouTubeSource(client(youtube, credential, daily_units=daily_units), **options)


def many(youtube, count, first=0, **more):
    return [youtube.video(video_id(first + number), f"Video {first + number}", **more) for number in range(count)]


def labels(db):
    return {row["video_id"]: row["interest"] for row in db.labels().to_pylist() if row["interest"] is not None}


# --- likes and dislikes -----------------------------------------------------------------------------------------


def test_all_pages_of_likes_and_dislikes_become_labels_of_their_own_videos(youtube, db, person):
    """The seed joined labels to answers by position: a deleted video shifted every label after it."""
    youtube.add_videos(many(youtube, 130))
    youtube.ratings["like"] = [video_id(number) for number in range(120)]
    youtube.ratings["dislike"] = [video_id(number) for number in range(120, 130)]
    youtube.gone = {video_id(3), video_id(70), video_id(125)}
    report = source(youtube, person).collect(db, NOW)
    assert report.ok, report
    expected = {video_id(number): float(number < 120) for number in range(130)}
    assert labels(db) == {key: value for key, value in expected.items() if key not in youtube.gone}
    assert db.video(video_id(60)).title == "Video 60"
    assert db.video(video_id(60)).duration == 600.0
    assert {query.get("maxResults") for query in youtube.asked(VIDEOS)} == {"50"}


def test_ratings_that_did_not_change_are_said_once(youtube, db, person):
    youtube.add_videos(many(youtube, 60))
    youtube.ratings["like"] = [video_id(number) for number in range(60)]
    source(youtube, person).collect(db, NOW)
    again = source(youtube, person).collect(db, NOW + DAY)
    assert (again.ok, again.added, again.updated) == (True, 0, 0)
    assert db.feedback_table().num_rows == 60


def test_pages_of_known_ratings_are_asked_for_once_a_day(youtube, db, person):
    youtube.add_videos(many(youtube, 200))
    youtube.ratings["like"] = [video_id(number) for number in range(150)]
    asked = []
    for now in (NOW, NOW + HOUR, NOW + DAY):
        youtube.requests.clear()
        youtube.ratings["like"].insert(0, video_id(150 + len(asked)))
        source(youtube, person, parts=["ratings"]).collect(db, now)
        asked.append(len(youtube.requests))
        assert len(labels(db)) == len(youtube.ratings["like"])
    assert asked == [4 + 1, 2 + 1, 4 + 1]


def test_a_like_of_takeout_is_not_said_again(youtube, db, person):
    youtube.add_videos(many(youtube, 1))
    youtube.ratings["like"] = [video_id(0)]
    db.add_feedback([Feedback("takeout:1", video_id(0), "interest", 1.0, NOW - DAY, "like")])
    source(youtube, person).collect(db, NOW)
    assert db.feedback_table().num_rows == 1


def test_a_changed_mind_counts_and_its_history_stays(youtube, db, person):
    youtube.add_videos(many(youtube, 2))
    told = []
    for day, liked in enumerate([True, False, True]):
        rating = {"like": [video_id(0)], "dislike": []} if liked else {"like": [], "dislike": [video_id(0)]}
        youtube.ratings = rating
        source(youtube, person).collect(db, NOW + day * HOUR)
        told.append(labels(db)[video_id(0)])
    assert told == [1.0, 0.0, 1.0]
    assert db.feedback_table().num_rows == 3


def test_a_rating_taken_back_counts_no_more_but_that_of_a_deleted_video_stays(youtube, db, person):
    youtube.add_videos(many(youtube, 3))
    youtube.ratings["like"] = [video_id(0), video_id(1), video_id(2)]
    db.add_feedback([Feedback("takeout:9", "takeoutlike", "interest", 1.0, NOW - DAY, "like")])
    source(youtube, person).collect(db, NOW)
    youtube.ratings["like"] = [video_id(2)]
    youtube.gone = {video_id(1)}
    source(youtube, person).collect(db, NOW + HOUR)
    assert labels(db) == {video_id(1): 1.0, video_id(2): 1.0, "takeoutlike": 1.0}


def test_a_click_on_the_site_after_a_like_is_not_overruled_by_it(youtube, db, person):
    youtube.add_videos(many(youtube, 1))
    youtube.ratings["like"] = [video_id(0)]
    source(youtube, person).collect(db, NOW)
    db.add_feedback([Feedback("click", video_id(0), "interest", 0.0, NOW + 1, "feed")])
    source(youtube, person).collect(db, NOW + HOUR)
    assert labels(db) == {video_id(0): 0.0}


def test_a_key_alone_is_not_asked_for_ratings(youtube, db):
    report = source(youtube).collect(db, NOW)
    assert report.ok and youtube.requests == []


# --- subscriptions ----------------------------------------------------------------------------------------------


def test_subscriptions_are_read_by_pages_of_fifty(youtube, db, person):
    """The seed asked for 100,000 at once; the API gives 50 and no more."""
    channels = [channel_id(f"c{number:03}") for number in range(120)]
    for channel in channels:
        youtube.add_channel(channel, f"Title of {channel}")
    youtube.subscriptions = channels
    assert source(youtube, person, parts=["subscriptions"]).collect(db, NOW).ok
    assert db.subscriptions() == [Subscription(channel, f"Title of {channel}") for channel in sorted(channels)]
    assert [query["maxResults"] for query in youtube.asked("/youtube/v3/subscriptions")] == ["50"] * 3


def test_subscriptions_that_could_not_be_listed_to_the_end_are_not_forgotten(youtube, db, person):
    channels = [channel_id(f"c{number:03}") for number in range(120)]
    for channel in channels:
        youtube.add_channel(channel, "A channel")
    youtube.subscriptions = channels
    source(youtube, person, parts=["subscriptions"]).collect(db, NOW)
    youtube.subscriptions = channels[1:]
    youtube.fail("/youtube/v3/subscriptions", times=50, after=1)
    assert "503" in source(youtube, person, parts=["subscriptions"]).collect(db, NOW + DAY).error
    assert len(db.subscriptions()) == 120
    youtube.faults.clear()
    source(youtube, person, parts=["subscriptions"]).collect(db, NOW + 2 * DAY)
    assert len(db.subscriptions()) == 119


# --- uploads and details ----------------------------------------------------------------------------------------


def test_new_videos_of_channels_get_their_details_by_id(youtube, db):
    youtube.add_channel(FIRST, "First", many(youtube, 60))
    shorts = [youtube.video(video_id(100), "A clip #shorts", "PT1M30S"), youtube.video(video_id(101), "x", "PT45S")]
    live = youtube.video(video_id(102), "Live", "P0D", live="live")
    youtube.add_channel(SECOND, "Second", [*shorts, live])
    youtube.gone = {video_id(5), video_id(17)}
    db.set_subscriptions([Subscription(FIRST), Subscription(SECOND)], "takeout")
    report = source(youtube).collect(db, NOW)
    assert (report.ok, report.dropped) == (True, {"video deleted or private": 2})
    assert report.added == 48 + 3
    video = db.video(video_id(30))
    assert (video.title, video.channel, video.channel_id) == ("Video 30", "First", FIRST)
    assert (video.duration, video.category, video.tags) == (600.0, "Education", ("a",))
    assert video.description == "About Video 30"
    assert (video.is_short, video.is_live) == (False, False)
    assert [db.video(video_id(number)).is_short for number in (100, 101)] == [True, True]
    assert (db.video(video_id(102)).is_live, db.video(video_id(102)).duration) == (True, None)
    assert [query["playlistId"] for query in youtube.asked(PLAYLISTS)] == ["UU" + one[2:] for one in (FIRST, SECOND)]
    assert all(len(query["id"].split(",")) <= 50 for query in youtube.asked(VIDEOS))


def test_a_clock_that_was_ahead_keeps_no_channel_away(youtube, db):
    youtube.add_channel(FIRST, "First", many(youtube, 2))
    db.set_subscriptions([Subscription(FIRST)], "takeout")
    source(youtube).collect(db, NOW + 365 * 24 * HOUR)
    youtube.add_channel(FIRST, "First", many(youtube, 3))
    assert source(youtube).collect(db, NOW).added == 1


def test_a_channel_is_asked_again_for_what_is_new_only(youtube, db):
    youtube.add_channel(FIRST, "First", many(youtube, 60))
    db.set_subscriptions([Subscription(FIRST)], "takeout")
    source(youtube, pages_a_channel=5).collect(db, NOW)
    assert len(youtube.asked(PLAYLISTS)) == 2
    youtube.requests.clear()
    source(youtube, pages_a_channel=5).collect(db, NOW + HOUR // 2)
    assert youtube.requests == []
    youtube.add_channel(FIRST, "First", [*many(youtube, 1, first=500), *many(youtube, 60)])
    report = source(youtube, pages_a_channel=5).collect(db, NOW + 2 * HOUR)
    assert (report.added, report.updated) == (1, 1)
    assert [query.get("id") for query in youtube.asked(VIDEOS)] == [video_id(500)]
    assert len(youtube.asked(PLAYLISTS)) == 1


def test_a_channel_that_is_gone_is_counted_and_the_others_come(youtube, db):
    youtube.add_channel(SECOND, "Second", many(youtube, 3))
    db.set_subscriptions([Subscription(FIRST), Subscription(SECOND)], "takeout")
    report = source(youtube).collect(db, NOW)
    assert (report.ok, report.added, report.dropped) == (True, 3, {"channel gone": 1})


def test_videos_that_match_a_private_pattern_are_not_stored(youtube, db):
    youtube.add_channel(FIRST, "First", many(youtube, 3))
    report = source(youtube, channels=[FIRST], privacy=PrivacyFilter([{"pattern": "Video 1$"}])).collect(db, NOW)
    assert db.video(video_id(1)) is None and report.added == 2


# --- quota ------------------------------------------------------------------------------------------------------


def test_every_page_costs_a_unit_and_so_does_every_attempt(youtube, db, person):
    youtube.add_videos(many(youtube, 120))
    youtube.ratings["like"] = [video_id(number) for number in range(120)]
    youtube.fail(VIDEOS, status=503, times=1)
    source(youtube, person).collect(db, NOW)
    assert db.quota("youtube", "2026-11-02") == len(youtube.requests) == 1 + 3 + 1 + 1


def test_the_day_of_the_quota_begins_at_midnight_in_california_also_when_clocks_change():
    # On 2026-11-01 daylight saving ends there: that day has 25 hours.
    assert quota_day(1_793_516_400_000 - 1) == "2026-10-31"
    assert quota_day(1_793_516_400_000) == "2026-11-01"
    assert next_quota_day(1_793_516_400_000) == 1_793_516_400_000 + 25 * HOUR


def test_at_the_limit_it_stops_and_the_next_day_goes_on_where_it_stopped(youtube, db):
    channels = sorted(channel_id(f"c{number:02}") for number in range(20))
    for number, channel in enumerate(channels):
        youtube.add_channel(channel, "A channel", many(youtube, 5, first=10 * number))
    db.set_subscriptions([Subscription(channel) for channel in channels], "takeout")
    reports = []
    for now in (NOW, NOW + HOUR, next_quota_day(NOW), next_quota_day(NOW) + DAY, next_quota_day(NOW) + 2 * DAY):
        reports += collect_all([source(youtube, daily_units=9, channel_interval_hours=240)], db, now)
    first, waiting, *_ = reports
    assert "9 units" in first.error and first.retry_after == next_quota_day(NOW) and first.added > 0
    assert waiting.added == 0 and "waits" in waiting.error
    assert db.quota("youtube", "2026-11-02") == 9
    asked = [query["playlistId"] for query in youtube.asked(PLAYLISTS)]
    assert {"UU" + channel[2:] for channel in channels} == set(asked)
    assert len(asked) == 20  # nothing is asked twice
    durations = [video.duration for video in db.videos(list(youtube.videos)).values()]
    assert durations == [600.0] * 100


def test_a_spent_quota_told_by_youtube_keeps_what_came_and_waits_for_the_next_day(youtube, db, person):
    youtube.add_videos(many(youtube, 130))
    youtube.ratings["like"] = [video_id(number) for number in range(130)]
    youtube.fail(VIDEOS, status=403, reason="quotaExceeded", after=2, times=99)
    report = source(youtube, person).collect(db, NOW)
    assert "quota" in report.error and report.retry_after == next_quota_day(NOW)
    assert len(labels(db)) == 100
    count = len(youtube.requests)
    again = source(youtube, person).collect(db, NOW + 1)
    assert again.retry_after and len(youtube.requests) == count  # nothing is asked for the rest of that day
    youtube.faults.clear()
    source(youtube, person).collect(db, next_quota_day(NOW))
    assert len(labels(db)) == 130


def test_too_many_questions_a_minute_are_asked_again(youtube, db):
    youtube.add_channel(FIRST, "First", many(youtube, 2))
    youtube.fail(PLAYLISTS, status=403, reason="rateLimitExceeded", times=2)
    assert source(youtube, channels=[FIRST]).collect(db, NOW).added == 2


# --- what goes wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["answer", "cut"])
def test_passing_faults_are_got_over(youtube, db, how):
    youtube.add_channel(FIRST, "First", many(youtube, 2))
    youtube.fail(PLAYLISTS, how=how, times=2)
    youtube.fail(VIDEOS, how=how, times=2)
    report = source(youtube, channels=[FIRST]).collect(db, NOW)
    assert report.ok and db.video(video_id(1)).duration == 600


def test_a_server_that_breaks_keeps_what_came_and_says_so(youtube, db):
    youtube.add_channel(FIRST, "First", many(youtube, 2))
    youtube.fail(VIDEOS, how="cut", times=99)
    report = source(youtube, channels=[FIRST]).collect(db, NOW)
    assert report.added == 2 and "YouTube is out of reach" in report.error
    youtube.faults.clear()
    source(youtube, channels=[FIRST]).collect(db, NOW)
    assert db.video(video_id(1)).duration == 600


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (400, "keyInvalid", "youtube_api_key"),
        (403, "accessNotConfigured", "Switch it on"),
        (403, "forbidden", "403 forbidden"),
    ],
)
def test_refusals_are_told_in_words_and_nobody_tries_again(youtube, db, status, reason, said):
    youtube.fail(PLAYLISTS, status=status, reason=reason, times=99)
    report = source(youtube, channels=[FIRST]).collect(db, NOW)
    assert said in report.error and len(youtube.requests) == 1


def test_no_ratings_do_not_keep_the_new_videos_away(youtube, db, person):
    youtube.add_channel(FIRST, "First", many(youtube, 2))
    youtube.fail(VIDEOS, status=403, reason="forbidden", where="myRating")
    report = source(youtube, person, channels=[FIRST]).collect(db, NOW)
    assert "403 forbidden" in report.error and report.added == 2


def test_an_answer_that_is_no_json_is_told(youtube, db):
    youtube.fail(PLAYLISTS, how="text", times=9)
    assert "Expected JSON" in source(youtube, channels=[FIRST]).collect(db, NOW).error


# --- tokens -----------------------------------------------------------------------------------------------------


def test_a_token_that_runs_out_is_renewed_and_kept(youtube, db, person):
    youtube.access_tokens.clear()
    report = source(youtube, person).collect(db, NOW)
    assert report.ok, report
    assert person.tokens.load().access_token in youtube.access_tokens
    assert len(youtube.asked("/token")) == 1


def test_a_token_about_to_run_out_is_renewed_before_it_is_shown(youtube, db, person):
    held = person.tokens.load()
    person.tokens.save(Token(held.access_token, held.refresh_token, NOW + 1000))
    assert source(youtube, person).collect(db, NOW).ok
    assert youtube.requests[0][1] == "/token"


def test_a_revoked_sign_in_is_told_and_no_secret_is_in_any_text(youtube, db, person, caplog):
    caplog.set_level(logging.DEBUG)
    held = person.tokens.load()
    youtube.access_tokens.clear()
    youtube.refresh_tokens.clear()
    report = source(youtube, person).collect(db, NOW)
    assert "revoked or has expired" in report.error and "Sign in to YouTube again" in report.error
    key = source(youtube, channels=[FIRST])
    key.collect(db, NOW)
    said = " ".join([caplog.text, str(report), repr(person), repr(held), repr(key.client.credential)])
    for secret in (held.access_token, held.refresh_token, API_KEY, "client-secret"):
        assert secret not in said
    assert caplog.records


# --- videos known by their id alone -------------------------------------------------------------------------------


def test_videos_known_by_id_get_their_details_by_key_joined_by_id(youtube, db):
    youtube.add_videos(many(youtube, 120))
    youtube.gone = {video_id(7), video_id(60)}
    db.add_watches([Watch(video_id(number), NOW - number, "takeout") for number in range(119, -1, -1)])
    report = VideoDetails(client(youtube)).collect(db, NOW)
    assert (report.ok, report.added, report.dropped) == (True, 118, {"video gone": 2})
    assert db.video(video_id(61)).title == "Video 61"
    youtube.requests.clear()
    assert VideoDetails(client(youtube)).collect(db, NOW + HOUR).ok
    assert youtube.requests == []
    VideoDetails(client(youtube)).collect(db, NOW + 31 * DAY)
    assert youtube.asked(VIDEOS)[0]["id"] == f"{video_id(7)},{video_id(60)}"


def test_new_videos_of_feeds_get_their_durations(youtube, db):
    youtube.add_videos(many(youtube, 2))
    db.add_videos([Video(video_id(0), "Video 0", published_at=NOW - DAY, source="rss")])
    db.add_videos([Video(video_id(1), "Video 1", published_at=NOW - 90 * DAY, source="rss")])
    VideoDetails(client(youtube)).collect(db, NOW)
    assert [db.video(video_id(number)).duration for number in (0, 1)] == [600.0, None]
    assert db.video(video_id(0)).source == "rss"


def test_without_a_key_titles_come_from_oembed(youtube, db):
    youtube.add_videos(many(youtube, 3))
    youtube.gone = {video_id(1)}
    db.add_watches([Watch(video_id(number), NOW) for number in range(4)])
    options = {"oembed_url": youtube.oembed_url, "min_interval": 0, "backoff": 0}
    report = VideoDetails(None, **options).collect(db, NOW)
    assert (report.ok, report.added, report.dropped) == (True, 2, {"video gone": 2})
    assert (db.video(video_id(2)).title, db.video(video_id(2)).channel) == ("Video 2", "Others")
    youtube.requests.clear()
    VideoDetails(None, **options).collect(db, NOW + HOUR)
    assert youtube.requests == []


def test_details_that_stop_in_the_middle_keep_what_came(youtube, db):
    youtube.add_videos(many(youtube, 120))
    db.add_watches([Watch(video_id(number), NOW) for number in range(120)])
    report = VideoDetails(client(youtube, daily_units=2)).collect(db, NOW)
    assert report.added == 100 and report.retry_after == next_quota_day(NOW)
    assert VideoDetails(client(youtube, daily_units=2)).collect(db, NOW + DAY).added == 20


# --- what can be asked --------------------------------------------------------------------------------------------


def test_what_the_reader_gave_decides_which_sources_there_are(tmp_path):
    path = tmp_path / "token.json"
    named = [source.name for source in youtube_sources(token_path=path)]
    assert named == ["video details"]
    by_key = youtube_sources(api_key="k", token_path=path)
    assert [source.name for source in by_key] == ["youtube", "video details"]
    assert repr(by_key[0].client.credential) == "ApiKey(...)"
    by_secret = youtube_sources(api_key="k", client_id="i", refresh_token="r", token_path=path)
    assert by_secret[0].client.credential.can_see_ratings
    TokenFile(path).save(Token("a", "b", 1))
    by_file = youtube_sources(api_key="k", client_id="i", token_path=path)
    assert by_file[0].client.credential.tokens.path == path
