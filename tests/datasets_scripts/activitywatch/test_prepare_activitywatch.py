"""prepare_activitywatch.py: the feed folder it writes, and the builder that gives the same rows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from traceformers.datasets_scripts.activitywatch.activity_builder import ActivityWatchBuilder
from traceformers.datasets_scripts.activitywatch.aw_export import read_aw_export
from traceformers.datasets_scripts.activitywatch.prepare_activitywatch import main, prepare
from traceformers.datasets_scripts.feed.feed_folder import read_feed_folder

MORNING = Path(__file__).resolve().parents[2] / "golden" / "activitywatch" / "morning.json"


def test_the_folder_holds_the_events_and_what_was_left_out(tmp_path, capsys):
    classes = tmp_path / "classes.json"
    classes.write_text(json.dumps([{"name": ["Writing"], "rule": {"type": "regex", "regex": "main"}}]))
    main(
        [str(MORNING), "--output-dir", str(tmp_path / "out"), "--time-zone", "Europe/Berlin", "--classes", str(classes)]
    )
    assert "events 3" in capsys.readouterr().out
    folder = read_feed_folder(tmp_path / "out")
    assert list(folder.records("events")) == list(read_aw_export(MORNING, json.loads(classes.read_text())))
    assert folder.time_zone == "Europe/Berlin"
    assert folder.about["dropped"]["private tab"] == 1


def test_a_folder_that_is_there_and_an_export_without_activity_are_refused(tmp_path):
    with pytest.raises(FileExistsError, match="name another"):
        prepare(MORNING, tmp_path)
    empty = tmp_path / "empty.json"
    empty.write_text('{"buckets": {}}')
    with pytest.raises(ValueError, match="Expected activity"):
        prepare(empty, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_script_runs_as_a_file_and_says_in_one_line_what_is_wrong(tmp_path, repository_root):
    script = repository_root / "datasets_scripts/activitywatch/prepare_activitywatch.py"
    missing = subprocess.run(
        [sys.executable, script, tmp_path / "no.json", "--output-dir", tmp_path / "out"], capture_output=True, text=True
    )
    assert missing.returncode == 1
    assert missing.stderr.startswith("prepare_activitywatch: ")
    assert missing.stderr.count("\n") == 1


def test_the_builder_gives_the_same_rows(tmp_path):
    builder = ActivityWatchBuilder(source=str(MORNING), cache_dir=str(tmp_path))
    builder.download_and_prepare()
    rows = builder.as_dataset(split="train")
    assert rows["title"] == [event.title for event in read_aw_export(MORNING)]
