"""Google Takeout: every language and format, what is a watch and what is not, likes, samples, the report."""

import json
import shutil

import pytest
from tiny_takeout import GOLDEN, LANGUAGES, REASONS, TITLES, WATCHES, contents, export, history, packed, record

from traceformers.datasets_scripts.activitywatch.aw_events import event_time
from traceformers.datasets_scripts.feed.feed_records import Subscription, Video, Watch
from traceformers.datasets_scripts.youtube.takeout import read_takeout

# -- languages and formats ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["json", "html"])
def test_a_history_gives_the_same_watches_in_every_language_and_format(language, kind):
    report = read_takeout(GOLDEN / f"history.{language}.{kind}")
    assert report.watches == WATCHES
    assert report.dropped == REASONS
    assert [video.title for video in report.videos] == TITLES
    assert report.videos[0].channel == "Channel 1 & Co"
    assert report.videos[0].channel_id == "UCchannel-number-0001___"
    assert bool(report.warnings) == (language == "zh" and kind == "html")  # "CST"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_whole_export_is_read_whatever_its_files_are_called_and_reading_twice_gives_the_same(tmp_path, language):
    folder = export(tmp_path, language, "json")
    report = read_takeout(folder)
    assert report.watches == WATCHES
    assert [said.video_id for said in report.feedback] == ["vid00_-abcd", "vid02_-abcd", "vid08_-abcd"]
    assert {(said.head, said.value, said.source) for said in report.feedback} == {("interest", 1.0, "like")}
    assert report.feedback[0].said_at == event_time("2025-01-01T10:00:00Z")
    assert report.subscriptions[0] == Subscription("UCchannel-number-0001___", "Channel 1 & Co")
    assert len(report.subscriptions) == 2
    assert report.dropped == {**REASONS, "video of a playlist that is not the likes": 1}
    assert report.ignored == 2  # the photo and the page about the export
    assert contents(read_takeout(folder)) == contents(report)


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_an_archive_gives_what_its_folder_gives(tmp_path, kind):
    folder = export(tmp_path, "de", "html")
    found, expected = read_takeout(packed(folder, kind)), read_takeout(folder)
    assert found.watches == expected.watches
    assert sorted(found.feedback, key=str) == sorted(expected.feedback, key=str)
    assert found.dropped == expected.dropped
    assert found.ignored == expected.ignored


def test_two_exports_of_one_history_count_once(tmp_path):
    root = tmp_path / "all"
    root.mkdir()
    packed(export(root, "en", "html"), "zip")
    export(root, "ja", "json")
    report = read_takeout(root)
    assert report.watches == WATCHES
    assert report.dropped["the same again"] == 2 * len(WATCHES) + 3 * 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("kind", ["json", "html"])
def test_the_encoding_changes_nothing(tmp_path, encoding, kind):
    path = tmp_path / "history"
    path.write_bytes((GOLDEN / f"history.ja.{kind}").read_text().encode(encoding))
    assert read_takeout(path).watches == WATCHES


# -- what is a watch ------------------------------------------------------------------------------------------------


def test_music_and_shorts_are_kept_if_wished():
    report = read_takeout(GOLDEN / "history.de.json", music=True, shorts=True)
    assert len(report.watches) == 6
    assert {video.video_id: video.is_short for video in report.videos}["vid06_-abcd"] is True


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"details": [{"name": "Aus Anzeigen"}]}, "advertisement"),
        ({"titleUrl": None, "title": "Answered survey question"}, "no link: a removed video, a survey or a tool"),
        ({"titleUrl": "https://www.youtube.com/playables/UgkxQ"}, "something else on YouTube"),
        ({"titleUrl": "https://shop.example/"}, "not on YouTube"),
        ({"titleUrl": "https://www.youtube.com/watch?v="}, "link without the id of a video"),
        ({"header": "YouTube Music"}, "YouTube Music"),
        (
            {"title": "https://www.youtube.com/watch?v=vid01_-abcd angesehen", "subtitles": None},
            "private or deleted video",
        ),
    ],
)
def test_what_is_no_watch_is_counted_by_reason(tmp_path, changes, reason):
    report = read_takeout(
        history(
            tmp_path,
            record(),
            record("vid01_-abcd", **{"titleUrl": "https://www.youtube.com/watch?v=vid01_-abcd", **changes}),
        )
    )
    assert [watch.video_id for watch in report.watches] == ["vid00_-abcd"]
    assert report.dropped == {reason: 1}


def test_records_that_lack_keys_are_kept_as_far_as_they_go(tmp_path):
    report = read_takeout(
        history(
            tmp_path, record(title=None), record("vid01_-abcd", subtitles=[]), record("vid02_-abcd", subtitles="x"), 5
        )
    )
    assert [video.title for video in report.videos] == ["", "Something", "Something"]
    assert report.dropped == {"record that is no object": 1}


def test_a_watch_without_a_readable_time_has_that_of_its_neighbour_and_is_told(tmp_path):
    path = history(
        tmp_path,
        record("vid00_-abcd", time=None),
        record("vid01_-abcd", time="2025-09-07T13:00:00Z"),
        record("vid02_-abcd", time="last week"),
        record("vid03_-abcd", time="2025-09-06T13:00:00Z"),
    )
    report = read_takeout(path)
    times = {watch.video_id: watch.watched_at for watch in report.watches}
    assert times["vid00_-abcd"] == times["vid01_-abcd"] == times["vid02_-abcd"] == event_time("2025-09-07T13:00:00Z")
    assert "2 watches" in report.warnings[0]


def test_without_any_time_the_watches_are_kept_at_zero(tmp_path):
    report = read_takeout(history(tmp_path, record(time=None)))
    assert report.watches == [Watch("vid00_-abcd", 0, "takeout")]
    assert "0 stands for it" in report.warnings[0]


def test_the_same_second_of_the_same_video_counts_once(tmp_path):
    report = read_takeout(history(tmp_path, record(), record(time="2025-09-07T13:04:05.900Z"), record("vid01_-abcd")))
    assert len(report.watches) == 2
    assert report.dropped == {"the same again": 1}


def test_a_video_seen_twice_keeps_what_is_known_of_it(tmp_path):
    second = record(title=None, subtitles=None, time="2025-09-08T00:00:00Z")
    (video,) = read_takeout(history(tmp_path, second, record())).videos
    assert video == Video("vid00_-abcd", "Something", "Channel", "UC" + "c" * 22, source="takeout")


@pytest.mark.parametrize(("before", "after"), [("Megnézte: ", ""), ("", " — katsottu"), ("「", "」を見ました")])
def test_the_words_around_a_title_are_found_in_languages_that_nobody_listed(tmp_path, before, after):
    titles = [
        "Bread at home",
        "Über uns",
        "One",
        "42 is the answer",
        "naïve sets",
        "Öl",
        "Zebra crossing",
        "x",
        "Quiet",
    ] * 4
    rows = [
        record(
            f"v{place:010}",
            title=before + title + after,
            subtitles=[{"name": f"Channel {place}", "url": "https://www.youtube.com/@x"}],
            time=f"2025-09-07T13:04:{place:02}Z",
        )
        for place, title in enumerate(titles)
    ]
    assert [video.title for video in read_takeout(history(tmp_path, *rows)).videos] == titles


def test_a_title_is_left_as_it_is_where_the_words_around_it_cannot_be_told(tmp_path):
    (video,) = read_takeout(history(tmp_path, record(title="Nézte: Alma"))).videos
    assert video.title == "Nézte: Alma"


# -- tables ---------------------------------------------------------------------------------------------------------


def test_the_likes_of_2021_name_their_own_playlist(tmp_path):
    shutil.copy(GOLDEN / "liked.2021.csv", tmp_path / "Irgendwas.csv")
    report = read_takeout(tmp_path)
    assert [said.video_id for said in report.feedback] == ["vid00_-abcd", "vid02_-abcd"]
    assert report.feedback[0].said_at == event_time("2021-09-02T12:17:00Z")


def test_a_table_that_cannot_be_told_to_be_the_likes_can_be_named(tmp_path):
    path = tmp_path / "Tetszik.csv"
    shutil.copy(GOLDEN / "liked.en.csv", path)
    report = read_takeout(path)
    assert not report.feedback
    assert len(report.videos) == 3
    assert "liked = " in report.warnings[0]
    assert len(read_takeout(path, liked="tetszik").feedback) == 3


def test_a_header_of_eleven_letters_is_no_video(tmp_path):
    path = tmp_path / "likes.csv"
    path.write_text("Identifiant,Horodatage\nvid00_-abcd,2025-01-01T00:00:00+00:00\n")
    assert [video.video_id for video in read_takeout(path).videos] == ["vid00_-abcd"]


def test_subscriptions_of_2019_are_read_from_json(tmp_path):
    channel = "UC" + "c" * 22
    path = tmp_path / "subscriptions.json"
    path.write_text(json.dumps([{"snippet": {"title": "A", "resourceId": {"channelId": channel}}}]))
    assert read_takeout(path).subscriptions == [Subscription(channel, "A")]


# -- sample, text ---------------------------------------------------------------------------------------------------


def test_a_sample_is_drawn_by_its_seed_and_keeps_the_likes(tmp_path):
    rows = [record(f"v{place:010}", time=f"2025-09-07T13:04:{place:02}Z") for place in range(50)]
    folder = tmp_path / "all"
    folder.mkdir()
    history(folder, *rows)
    shutil.copy(GOLDEN / "liked.en.csv", folder / "Liked videos.csv")
    whole, drawn = read_takeout(folder), read_takeout(folder, sample=10, seed=3)
    assert len(drawn.watches) == 10
    assert drawn.watches == read_takeout(folder, sample=10, seed=3).watches
    assert drawn.watches != read_takeout(folder, sample=10, seed=4).watches
    assert set(drawn.watches) < set(whole.watches)
    assert {video.video_id for video in drawn.videos} == {
        *(watch.video_id for watch in drawn.watches),
        *(said.video_id for said in drawn.feedback),
    }
    assert drawn.dropped["not drawn for the sample"] == 40
    assert read_takeout(folder, sample=1000).watches == whole.watches
    with pytest.raises(ValueError, match="Expected a number"):
        read_takeout(folder, sample=-1)


def test_the_report_says_in_plain_words_what_was_read_and_what_was_not(tmp_path):
    text = read_takeout(export(tmp_path, "nl", "html")).describe()
    assert "Read 4 watches, 5 videos, 3 likes and 2 subscriptions." in text
    assert "Watched from 2025-09-04 to 2025-09-07." in text
    assert "1 advertisement" in text
    assert "kijkgeschiedenis.html (history in HTML): 4 of 10 records" in text
