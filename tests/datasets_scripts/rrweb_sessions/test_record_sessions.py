"""The recorder itself, in a real browser. Needs a folder made by setup.sh in TRACEFORMERS_RECORDER_WORK."""

import csv
import gzip
import json
import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

import traceformers.datasets_scripts.rrweb_sessions.recorder as recorder
from traceformers.datasets_scripts.rrweb_sessions.recorder.finalize_recordings import finalize, read_windows
from traceformers.datasets_scripts.rrweb_sessions.recorder.wrap_recording import main as wrap_command

FOLDER = Path(recorder.__file__).resolve().parent
WORK = os.environ.get("TRACEFORMERS_RECORDER_WORK", "")
UNPACK = """
import { createRequire } from 'node:module';
import fs from 'node:fs';
const { unpack } = createRequire(process.argv[1] + '/modules/')('@rrweb/packer');
console.log(JSON.stringify(JSON.parse(fs.readFileSync(process.argv[2], 'utf8')).map(unpack)));
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (WORK and shutil.which("node") and shutil.which("chromium")),
        reason="set TRACEFORMERS_RECORDER_WORK to a folder made by recorder/setup.sh",
    ),
]


def node(*arguments):
    run = subprocess.run(["node", *map(str, arguments)], cwd=FOLDER, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def record(out, *arguments):
    common = ("--work", WORK, "--out", out, "--hosts", "todo.test", "--cap", 6000)
    return node("record_sessions.mjs", *common, *arguments)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Two sessions of one window (an engaged and a frustrated user) and one of two windows."""
    base = tmp_path_factory.mktemp("recorded")
    for index in (5, 35):
        record(base / "one", "--seed", 4, "--from", index, "--to", index + 1)
    record(base / "two", "--seed", 5, "--from", 5, "--to", 6, "--tabs", 2, "--no-css")
    summary = finalize([base / "one", base / "two"], base / "all")
    assert not summary.refused
    return base / "all"


def rows_of(folder):
    with open(folder / "labels.csv", newline="") as handle:
        return list(csv.DictReader(handle))


def test_what_was_done_is_in_the_recording(recorded):
    rows = rows_of(recorded)
    assert [row["behaviour"] for row in rows] == ["engaged", "frustrated", "engaged"]
    assert all(row["task_evidence"] == "1" for row in rows)
    assert all(int(row["inputs"]) > 3 and int(row["mouse_batches"]) > 0 for row in rows)


def test_two_tabs_are_two_interleaved_windows_on_one_clock(recorded):
    (file,) = recorded.glob("*.jsonl.gz")
    assert len(read_windows(file)) == 2
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    changes = sum(a["window_id"] != b["window_id"] for a, b in pairwise(lines))
    assert changes >= 2
    times = [event["timestamp"] for line in lines for event in line["data"]]
    assert times == sorted(times)


def test_recordings_are_rebuilt_by_rrwebs_own_replayer(recorded):
    said = node("check_recordings.mjs", "--work", WORK, "--dir", recorded, "--n", 10)
    *files, summary = said.splitlines()
    assert summary.startswith("3 of 3 rebuilt")
    # An application may replace an element before rrweb tells of the event on it: the Replayer then misses its node.
    # Nothing else may be amiss.
    for window in (window for file in files for window in json.loads(file.split(maxsplit=2)[2])):
        assert window["rebuilt"] and window["warnings"] == window["missing"], said


def test_a_recorded_session_is_not_recorded_again(recorded):
    before = {file.name: file.read_bytes() for file in recorded.iterdir()}
    assert "0 sessions written" in record(recorded, "--seed", 4, "--from", 5, "--to", 6)
    assert {file.name: file.read_bytes() for file in recorded.iterdir()} == before


def test_pictures_are_on_the_clock_of_the_events_and_leave_no_trace_in_them(tmp_path):
    record(tmp_path, "--seed", 4, "--from", 5, "--to", 6, "--screenshots", "--screenshot-ms", 800)
    (recording,), (screens,) = tmp_path.glob("*.json.gz"), tmp_path.glob("*_screens")
    with open(screens / "screenshots.csv", newline="") as handle:
        shots = list(csv.DictReader(handle))
    events = json.loads(gzip.decompress(recording.read_bytes()))
    seconds = [float(shot["seconds"]) for shot in shots]
    assert len(shots) >= 3 and seconds == sorted(seconds)
    last = (events[-1]["timestamp"] - events[0]["timestamp"]) / 1000
    assert 0 <= seconds[0] < 3 and seconds[-1] <= last + 3
    assert sorted(file.name for file in screens.glob("*.webp")) == [shot["file"] for shot in shots]
    for shot in shots:
        with Image.open(screens / shot["file"]) as picture:
            assert picture.format == "WEBP" and picture.size == (int(shot["width"]), int(shot["height"]))
    resized = [event for event in events if event["type"] == 3 and event["data"]["source"] == 4]
    assert not resized and all("todo.test" in shot["href"] for shot in shots)


def test_our_packed_form_is_what_rrwebs_packer_unpacks(recorded, tmp_path):
    file = recorded / "s4_0005.json.gz"
    assert wrap_command([str(file), str(tmp_path)]) == 0
    said = node("--input-type=module", "--eval", UNPACK, WORK, tmp_path / "rrweb_packed.json")
    marked = [{**event, "v": "v1"} for event in json.loads(gzip.decompress(file.read_bytes()))]
    assert json.loads(said) == marked
