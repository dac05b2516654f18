"""Public sets of videos: rows that repeat, columns that lack, the sample of 2006 with its tags."""

import csv
import gzip
import json
from collections import Counter

import pytest

from traceformers.datasets_scripts.activitywatch.aw_events import event_time
from traceformers.datasets_scripts.youtube.public_videos import read_category_names, read_public_videos
from traceformers.datasets_scripts.youtube.video_records import CATEGORIES

COLUMNS = ["video_id", "trending_date", "title", "channel_title", "category_id", "publish_time", "tags", "description"]
ROW = ["dQw4w9WgXc-", "17.14.11", "A, b", "Chan", "27", "2017-11-13T17:13:01.000Z", 'cats|"dogs, big"', r"one\ntwo\\n"]


def trending(path, *rows, columns=COLUMNS):
    with gzip.open(path, "wt", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def test_a_video_counts_once_however_many_days_it_was_in_the_trends(tmp_path):
    later = [*ROW[:1], "17.15.11", "Changed", *ROW[3:]]
    dropped = Counter()
    (video,) = read_public_videos(trending(tmp_path / "videos.csv.gz", ROW, later, ["#NAME?", *ROW[1:]]), dropped)
    assert (video.title, video.channel, video.category) == ("A, b", "Chan", "Education")
    assert video.published_at == event_time("2017-11-13T17:13:01Z")
    assert video.tags == ("cats", "dogs, big")
    assert video.description == "one\ntwo\\n"
    assert video.duration is None
    assert dropped == {"the same video on another day": 1, "row without the id of a video": 1}


def test_a_later_row_fills_in_what_the_first_one_lacks(tmp_path):
    (video,) = read_public_videos(trending(tmp_path / "videos.csv.gz", [*ROW[:6], "[none]", ""], ROW))
    assert video.tags == ("cats", "dogs, big")
    assert video.description == "one\ntwo\\n"


def test_missing_columns_and_files_without_videos_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected the columns"):
        read_public_videos(trending(tmp_path / "a.csv", columns=["a", "b"]))
    with pytest.raises(ValueError, match="Expected videos"):
        read_public_videos(trending(tmp_path / "b.csv"))
    with pytest.raises(ValueError, match="Expected videos"):
        (tmp_path / "c.json").write_text("[]")
        read_public_videos(tmp_path / "c.json")


def test_the_sample_of_2006_has_durations_and_the_tags_of_the_files_beside_it(tmp_path):
    row = {
        "vid_id": "dQw4w9WgXc-",
        "title": "T",
        "author": "A",
        "length_seconds": 217,
        "description": "D",
        "upload_time": 1162094183,
    }
    path = tmp_path / "yt2006_videos_x.json"
    path.write_text(json.dumps([row, row, {"vid_id": None}]))
    assert read_public_videos(path)[0].tags == ()
    (tmp_path / "yt2006_tags_x.json").write_text(json.dumps([{"tag_id": 1, "tag": "matt"}]))
    (tmp_path / "yt2006_video_tag_key_x.json").write_text(json.dumps([{"vid_id": "dQw4w9WgXc-", "tag_id": 1}]))
    dropped = Counter()
    (video,) = read_public_videos(path, dropped)
    assert (video.duration, video.published_at, video.tags) == (217.0, 1_162_094_183_000, ("matt",))
    assert (video.is_short, video.is_live, video.source) == (False, False, "yt2006")
    assert dropped == {"the same video again": 1, "row without the id of a video": 1}


def test_a_cut_sample_is_refused(tmp_path):
    path = tmp_path / "yt2006_videos_x.json"
    path.write_text('[{"vid_id": "dQw4w9WgXc-"}, {"vid')
    with pytest.raises(ValueError, match="it is cut"):
        read_public_videos(path)


def test_category_names_are_those_that_the_api_answers_with(tmp_path):
    path = tmp_path / "categories.json"
    path.write_text(json.dumps({"items": [{"id": "27", "snippet": {"title": "Education"}}]}))
    assert read_category_names(path) == {"27": CATEGORIES["27"]}
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"videoCategories\.list"):
        read_category_names(path)
