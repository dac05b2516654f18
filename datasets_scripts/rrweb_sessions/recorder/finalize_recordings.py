"""Merges folders of recordings into one: checks every file, adds two columns to the labels.

    python finalize_recordings.py recorded part-1 part-2

A recording is refused, with its reason, when it breaks a rule of the format (`find_fault`). The added columns
are `task_evidence`, 1 when the recording holds the key action of its task, and `sha1`, the first 12 digits of
the file's hash. Run it again with more parts at any time: the labels are written from the parts alone.
"""

import argparse
import csv
import gzip
import hashlib
import json
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

FULL_SNAPSHOT, INCREMENTAL, META = 2, 3, 4
MOUSE_INTERACTION = 2
TYPING_TASKS = ("search", "fill-form", "login", "todo-app")
SCREENS = "_screens"  # a session's folder of screenshots: its name and this
COUNT_COLUMNS = ("clicks", "inputs", "scrolls", "mutations", "pages")


@dataclass
class Summary:
    """What a merge did: rows of labels.csv that were kept, and reason -> how many files were refused."""

    rows: list[dict] = field(default_factory=list)
    refused: Counter = field(default_factory=Counter)
    screenshots: int = 0

    def __str__(self) -> str:
        sums = ("events", "bytes_json", "bytes_gz")
        total = {name: sum(int(row[name]) for row in self.rows) for name in sums}
        evidence = sum(row["task_evidence"] for row in self.rows)
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.refused.most_common())
        return (
            f"{len(self.rows)} sessions kept, "
            f"{self.refused.total()} refused{f' ({reasons})' if reasons else ''}; "
            f"{total['events']} events, {total['bytes_json'] / 1e6:.1f} MB JSON, "
            f"{total['bytes_gz'] / 1e6:.1f} MB gzip, {evidence} with task evidence"
            f"{f', {self.screenshots} screenshots' if self.screenshots else ''}"
        )


def read_windows(file: Path) -> list[list[dict]]:
    """Returns the events of each window of a recording, in the order of the windows' first events.

    file: `.json.gz` (one window: an array of events) or `.jsonl.gz` (lines of {"window_id", "data"}).
    """
    text = gzip.decompress(file.read_bytes())
    if ".jsonl" not in file.name:
        return [json.loads(text)]
    windows: dict[str, list[dict]] = {}
    for line in text.splitlines():
        chunk = json.loads(line)
        windows.setdefault(chunk["window_id"], []).extend(chunk["data"])
    return list(windows.values())


def find_fault(events: list[dict]) -> str | None:
    """Returns the rule that one window's events break, or None.

    >>> find_fault([{"type": 4, "timestamp": 1}, {"type": 2, "timestamp": 2}])
    >>> find_fault([{"type": 2, "timestamp": 2}])
    'no meta event before the first snapshot'
    """
    times = [event["timestamp"] for event in events]
    first_snapshot = next((i for i, event in enumerate(events) if event["type"] == FULL_SNAPSHOT), None)
    if first_snapshot is None:
        return "no snapshot"
    if times != sorted(times):
        return "events out of order"
    if not any(event["type"] == META for event in events[:first_snapshot]):
        return "no meta event before the first snapshot"
    return None


def shows_task(row: dict, events: list[dict]) -> bool:
    """Returns whether a recording holds the key action of its task, and not only its page.

    row: a row of labels.csv; events: all events of the session.
    """
    count = {name: int(row[name]) for name in COUNT_COLUMNS}
    task = row["task"]
    if task in TYPING_TASKS:
        return count["inputs"] > 0
    if task == "edit-code":  # an editor may swallow the input event and only change the page
        return count["inputs"] > 0 or count["mutations"] > 20
    if task == "browse-docs":
        return count["pages"] > 1 or count["scrolls"] > 2
    touched = sum(event["type"] == INCREMENTAL and event["data"]["source"] == MOUSE_INTERACTION for event in events)
    return touched > 2 or count["scrolls"] > 2


def finalize(parts: list[Path], out: Path) -> Summary:
    """Copies the sound recordings of `parts` into `out`, writes out/labels.csv and returns the Summary.

    Raises FileNotFoundError when a part has no labels.csv, ValueError when two parts hold the same session.
    """
    summary = Summary()
    out.mkdir(parents=True, exist_ok=True)
    for part in parts:
        with open(part / "labels.csv", newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        for row in rows:
            file = part / row["file"]
            if not file.exists():
                summary.refused["listed but not there"] += 1
                continue
            windows = read_windows(file)
            fault = next(filter(None, map(find_fault, windows)), None)
            if fault:
                summary.refused[fault] += 1
                continue
            events = [event for window in windows for event in window]
            row["task_evidence"] = int(shows_task(row, events))
            row["sha1"] = hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()[:12]
            summary.rows.append(row)
            shutil.copyfile(file, out / row["file"])
            summary.screenshots += copy_screenshots(file, out)
    repeated = [name for name, n in Counter(row["file"] for row in summary.rows).items() if n > 1]
    if repeated:
        raise ValueError(
            f"expected every session in one part only, got {repeated[0]} twice; "
            "record parts with different seeds or disjoint --from/--to ranges"
        )
    summary.rows.sort(key=lambda row: row["file"])
    write_labels(summary.rows, out / "labels.csv")
    return summary


def copy_screenshots(recording: Path, out: Path) -> int:
    """Copies the pictures beside a recording, if there are any, into `out` and returns how many there are."""
    screens = recording.with_name(recording.name.split(".")[0] + SCREENS)
    if not (screens / "screenshots.csv").is_file():
        return 0
    shutil.copytree(screens, out / screens.name, dirs_exist_ok=True)
    return sum(1 for file in screens.iterdir() if file.suffix == ".webp")


def write_labels(rows: list[dict], file: Path) -> None:
    if not rows:
        raise ValueError(f"expected at least one sound recording, got none; {file} was not written")
    with open(file, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Merge folders of recordings, check every file, and add evidence and hash to the labels.",
        epilog="example: python finalize_recordings.py recorded part-1 part-2",
    )
    parser.add_argument("out", type=Path, help="folder for the merged recordings and labels.csv")
    parser.add_argument("parts", type=Path, nargs="+", help="folders written by record_sessions.mjs")
    options = parser.parse_args(arguments)
    try:
        summary = finalize(options.parts, options.out)
    except (FileNotFoundError, ValueError) as error:
        sys.stderr.write(f"finalize_recordings.py: {error}\n")
        return 1
    sys.stdout.write(f"{summary}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
