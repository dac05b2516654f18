"""prepare_takeout.py: the feed folder it writes, and the builder that gives the same rows."""

import subprocess
import sys
from pathlib import Path

import pytest

from traceformers.datasets_scripts.feed.feed_folder import read_feed_folder
from traceformers.datasets_scripts.youtube.prepare_takeout import main, prepare
from traceformers.datasets_scripts.youtube.takeout import read_takeout
from traceformers.datasets_scripts.youtube.youtube_builder import YouTubeBuilder

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "takeout"


@pytest.fixture
def takeout(tmp_path):
    folder = tmp_path / "Takeout"
    folder.mkdir()
    for name in ("history.de.html", "subscriptions.de.csv", "liked.2021.csv"):
        (folder / name).write_bytes((GOLDEN / name).read_bytes())
    return folder


def test_the_folder_holds_every_table(takeout, tmp_path, capsys):
    main([str(takeout), "--output-dir", str(tmp_path / "out"), "--time-zone", "Europe/Berlin"])
    report = read_takeout(takeout)
    assert capsys.readouterr().out == report.describe() + "\n"
    folder = read_feed_folder(tmp_path / "out")
    for name in ("videos", "watches", "feedback"):
        assert list(folder.records(name)) == getattr(report, name)
    assert folder.tables["subscriptions"].column("source").to_pylist() == ["takeout"] * 2
    assert folder.about["dropped"]["advertisement"] == 1
    assert folder.time_zone == "Europe/Berlin"


def test_a_sample_can_be_written(takeout, tmp_path):
    report = prepare(takeout, tmp_path / "out", sample=2, seed=1)
    assert list(read_feed_folder(tmp_path / "out").records("watches")) == report.watches
    assert len(report.watches) == 2


def test_nothing_is_written_where_a_folder_is_or_nothing_was_read(takeout, tmp_path):
    with pytest.raises(FileExistsError, match="name another"):
        prepare(takeout, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="got no files"):
        prepare(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_script_runs_as_a_file_and_says_in_one_line_what_is_wrong(tmp_path, repository_root):
    script = repository_root / "datasets_scripts/youtube/prepare_takeout.py"
    missing = subprocess.run(
        [sys.executable, script, tmp_path / "no.zip", "--output-dir", tmp_path / "out"], capture_output=True, text=True
    )
    assert missing.returncode == 1
    assert missing.stderr.startswith("prepare_takeout: Expected a Takeout")
    assert missing.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["watches", "videos", "feedback", "subscriptions"])
def test_the_builder_gives_the_same_rows(takeout, tmp_path, name):
    builder = YouTubeBuilder(config_name=name, source=str(takeout), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    rows = builder.as_dataset(split="train")
    expected = getattr(read_takeout(takeout), name)
    assert rows[rows.column_names[0]] == [getattr(record, rows.column_names[0]) for record in expected]
