import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from traceformers.datasets_scripts.simulated_feed import prepare_simulated_feed, prepare_video_sample
from traceformers.datasets_scripts.simulated_feed.prepare_video_sample import SAMPLES, put_right, sample_rows


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("RÃ©sumÃ© Lorient", "Résumé Lorient"),
        ("Résumé", "Résumé"),
        ("æ\x9d±", "東"),
        ("plain", "plain"),
        ("“quoted”", "“quoted”"),
        ("", ""),
    ],
)
def test_text_read_as_another_encoding_is_put_right(text, right):
    assert put_right(text) == right


def test_rows_join_tags_by_id_and_keep_what_is_asked_for():
    videos = [
        {"vid_id": "a", "title": "A", "author": "x", "description": None, "length_seconds": 3, "upload_time": 2},
        {"vid_id": "b", "title": "B", "author": "y", "description": "d", "length_seconds": 4, "upload_time": 5},
        {"vid_id": "c", "title": "C", "author": "z", "description": "", "length_seconds": 5, "upload_time": 6},
    ]
    tags = [{"tag_id": 1, "tag": "one"}, {"tag_id": 2, "tag": "two"}]
    keys = [{"vid_id": "c", "tag_id": 2}, {"vid_id": "a", "tag_id": 1}, {"vid_id": "c", "tag_id": 9}]
    rows = sample_rows(videos, tags, keys, {"c", "a"})
    assert [(row["video_id"], row["tags"]) for row in rows] == [("a", ["one"]), ("c", ["two"])]
    assert rows[0]["description"] == "" and rows[0]["duration"] == 3.0 and rows[0]["uploaded_at"] == 2000


def test_the_sample_is_small_attributed_and_has_a_topic_for_every_video():
    files = sorted(path.name for path in SAMPLES.iterdir())
    assert files == ["NOTICE", "topics.csv", "videos.parquet"]
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 400_000
    notice = (SAMPLES / "NOTICE").read_text()
    assert "10.5281/zenodo.17508119" in notice and "Attribution 4.0" in notice and "Changes:" in notice
    rows = pq.read_table(SAMPLES / "videos.parquet").to_pylist()
    assert {row["video_id"] for row in rows} == set(prepare_video_sample.topics_of_videos())
    assert f"{len(rows)} videos" in notice
    assert f"{len(rows)}: {1000 - len(rows)} with" in (Path(SAMPLES).parent / "README.md").read_text()


def test_the_command_writes_a_folder_and_says_what_is_in_it(tmp_path, monkeypatch, capsys):
    out = ["--output-dir", str(tmp_path / "feed"), "--truth", str(tmp_path / "truth.json")]
    monkeypatch.setattr(sys, "argv", ["prepare", *out, "--days", "2", "--feedbacks", "10", "--time-zone", "Asia/Tokyo"])
    prepare_simulated_feed.main()
    assert '"time_zone": "Asia/Tokyo"' in capsys.readouterr().out
    assert (tmp_path / "truth.json").is_file()
