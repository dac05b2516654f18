"""Merging recordings: what is kept, what is refused, and what the labels gain."""

import csv
import gzip
import hashlib
import json

import pytest

from traceformers.datasets_scripts.rrweb_sessions.recorder.finalize_recordings import (
    finalize,
    find_fault,
    main,
    read_windows,
    shows_task,
)

META = {"type": 4, "timestamp": 1, "data": {"href": "http://todo.test/", "width": 800, "height": 600}}
SNAPSHOT = {"type": 2, "timestamp": 2, "data": {}}
CLICK = {"type": 3, "timestamp": 3, "data": {"source": 2, "type": 2, "id": 4}}
ROW = {
    "task": "todo-app", "clicks": 1, "inputs": 3, "scrolls": 0, "mutations": 1, "pages": 1,
    "events": 3, "bytes_json": 100, "bytes_gz": 50,
}  # fmt: skip


def make_part(folder, recordings, **changes):
    """Writes a part as record_sessions.mjs does: name -> events, or -> windows for `.jsonl.gz`."""
    folder.mkdir()
    with open(folder / "labels.csv", "w", newline="") as handle:
        writer = csv.DictWriter(handle, ["file", *ROW])
        writer.writeheader()
        for name, content in recordings.items():
            writer.writerow({"file": name, **ROW, **changes})
            text = json.dumps(content)
            if name.endswith(".jsonl.gz"):
                text = "".join(json.dumps(line) + "\n" for line in content)
            (folder / name).write_bytes(gzip.compress(text.encode()))
    return folder


def test_parts_become_one_folder_with_sorted_labels(tmp_path):
    first = make_part(tmp_path / "a", {"s2_0001.json.gz": [META, SNAPSHOT, CLICK]})
    second = make_part(tmp_path / "b", {"s1_0001.json.gz": [META, SNAPSHOT]}, inputs=0)
    out = tmp_path / "out"
    assert main([str(out), str(first), str(second)]) == 0
    rows = list(csv.DictReader((out / "labels.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == ["s1_0001.json.gz", "s2_0001.json.gz"]
    assert [row["task_evidence"] for row in rows] == ["0", "1"]
    copied = (out / "s2_0001.json.gz").read_bytes()
    assert rows[1]["sha1"] == hashlib.sha1(copied).hexdigest()[:12]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([META], "no snapshot"),
        ([META, {**SNAPSHOT, "timestamp": 5}, CLICK], "events out of order"),
        ([SNAPSHOT, {**META, "timestamp": 3}], "no meta event before the first snapshot"),
    ],
)
def test_a_broken_recording_is_refused_with_its_reason(tmp_path, events, reason):
    good = [META, SNAPSHOT]
    part = make_part(tmp_path / "a", {"s1_0000.json.gz": events, "s1_0001.json.gz": good})
    summary = finalize([part], tmp_path / "out")
    assert summary.refused == {reason: 1}
    assert not (tmp_path / "out" / "s1_0000.json.gz").exists()
    assert reason in str(summary)
    assert find_fault(good) is None


def test_every_window_of_a_recording_is_checked(tmp_path):
    lines = [{"window_id": "a", "data": [META, SNAPSHOT]}, {"window_id": "b", "data": [SNAPSHOT]}]
    sound = [*lines[:1], {"window_id": "b", "data": [META]}, {"window_id": "b", "data": [SNAPSHOT]}]
    part = make_part(tmp_path / "a", {"s1_0000.jsonl.gz": lines, "s1_0001.jsonl.gz": sound})
    summary = finalize([part], tmp_path / "out")
    assert [row["file"] for row in summary.rows] == ["s1_0001.jsonl.gz"]
    assert read_windows(part / "s1_0001.jsonl.gz") == [[META, SNAPSHOT], [META, SNAPSHOT]]


@pytest.mark.parametrize(
    ("task", "counts", "evidence"),
    [
        ("search", {"inputs": 0, "clicks": 9}, False),
        ("edit-code", {"inputs": 0, "mutations": 21}, True),
        ("browse-docs", {"pages": 1, "scrolls": 2}, False),
        ("browse-docs", {"pages": 2}, True),
        ("shop", {"scrolls": 2}, False),
        ("shop", {"scrolls": 3}, True),
    ],
)
def test_evidence_is_the_key_action_of_the_task(task, counts, evidence):
    row = dict.fromkeys(ROW, 0) | counts | {"task": task}
    assert shows_task(row, [META, SNAPSHOT, CLICK]) is evidence


def test_the_same_session_in_two_parts_is_an_error(tmp_path, capsys):
    parts = [make_part(tmp_path / name, {"s1_0000.json.gz": [META, SNAPSHOT]}) for name in "ab"]
    assert main([str(tmp_path / "out"), *map(str, parts)]) == 1
    assert "s1_0000.json.gz twice" in capsys.readouterr().err


def test_a_listed_file_that_is_gone_is_counted(tmp_path):
    part = make_part(tmp_path / "a", {"s1_0000.json.gz": [META, SNAPSHOT], "s1_0001.json.gz": [META]})
    (part / "s1_0001.json.gz").unlink()
    assert finalize([part], tmp_path / "out").refused == {"listed but not there": 1}


def test_the_pictures_of_a_kept_session_are_taken_along(tmp_path):
    part = make_part(tmp_path / "a", {"s1_0000.json.gz": [META, SNAPSHOT], "s1_0001.json.gz": [META]})
    for name in ("s1_0000", "s1_0001"):
        (part / f"{name}_screens").mkdir()
        (part / f"{name}_screens" / "000.webp").write_bytes(b"picture")
        (part / f"{name}_screens" / "screenshots.csv").write_text("file,seconds\n000.webp,0.5\n")
    summary = finalize([part], tmp_path / "out")
    assert summary.screenshots == 1 and str(summary).endswith("1 screenshots")
    copied = {file.name for file in (tmp_path / "out" / "s1_0000_screens").iterdir()}
    assert copied == {"000.webp", "screenshots.csv"}
    assert not (tmp_path / "out" / "s1_0001_screens").exists()
