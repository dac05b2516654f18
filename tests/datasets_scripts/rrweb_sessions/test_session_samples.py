"""The sample sessions in the repository: what their README, labels and notice say is so."""

import csv
import gzip
import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

import traceformers.datasets_scripts.rrweb_sessions as rrweb_sessions
from traceformers.datasets_scripts.rrweb_sessions.recorder.finalize_recordings import find_fault, read_windows

FOLDER = Path(rrweb_sessions.__file__).resolve().parent / "samples"
LARGEST_BYTES = 3_000_000
PAGE_VALUES = ("on", "1", "t")


@pytest.fixture(scope="module")
def rows():
    return list(csv.DictReader((FOLDER / "labels.csv").read_text().splitlines()))


def test_every_recording_has_its_row_and_its_hash(rows):
    hashes = {file.name: hashlib.sha1(file.read_bytes()).hexdigest()[:12] for file in FOLDER.glob("*.json*.gz")}
    assert {row["file"]: row["sha1"] for row in rows} == hashes
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < LARGEST_BYTES


def test_every_recording_is_sound(rows):
    for row in rows:
        windows = read_windows(FOLDER / row["file"])
        assert [find_fault(events) for events in windows] == [None] * int(row["windows"])
        assert sum(map(len, windows)) == int(row["events"])


def test_every_behaviour_meets_every_task_but_code_editing(rows):
    pairs = {(row["task"], row["behaviour"]) for row in rows}
    tasks, behaviours = ({pair[k] for pair in pairs} for k in (0, 1))
    assert len(tasks) == 9 and "edit-code" not in tasks
    assert behaviours == {"engaged", "frustrated", "distracted", "bot", "bounce"}
    assert len(pairs) == len(tasks) * len(behaviours)


def test_the_readme_counts_what_is_there(rows):
    readme = (FOLDER / "README.md").read_text()
    sites = dict(re.findall(r"^\| (\S+\.test) \| (\d+) \|", readme, flags=re.MULTILINE))
    assert {site: int(count) for site, count in sites.items()} == Counter(row["site"] for row in rows)
    for column, title in (("behaviour", "behaviour"), ("task", "task"), ("device", "device")):
        (line,) = re.findall(rf"^- {title}: (.*)$", readme, flags=re.MULTILINE)
        counted = {value: int(count) for count, value in (part.split() for part in line.split(", "))}
        assert counted == Counter(row[column] for row in rows)
    assert f"{len(rows)} rrweb recordings" in readme
    assert f"{sum(int(row['events']) for row in rows):,} events" in readme


def test_pages_are_free_and_named_in_the_notice(rows):
    notice = (FOLDER / "NOTICE").read_text()
    assert {row["page_source_licence"] for row in rows} == {"MIT", "Apache-2.0"}
    assert [row["site"] for row in rows if row["site"] not in notice] == []


def test_masked_configurations_hold_no_typed_text(rows):
    texts = Counter()
    for row in rows:
        if row["recorder_config"] in ("mask-inputs", "mask-text"):
            for events in read_windows(FOLDER / row["file"]):
                data = [event["data"] for event in events if event["type"] == 3]
                texts.update(change["text"].strip("*") for change in data if change["source"] == 5)
    # Check boxes keep the value the page gave them, and jQuery tries one with "t": nobody typed these.
    assert texts.keys() <= {"", *PAGE_VALUES}
    assert texts[""] > 100


def test_nobody_in_them_can_be_written_to(rows):
    for row in rows:
        text = gzip.decompress((FOLDER / row["file"]).read_bytes()).decode()
        for address in re.findall(r"[a-z]+\.[a-z]+@[a-z]+\.[a-z]+", text):
            assert re.search(r"@example\.\w+$", address), (row["file"], address)
