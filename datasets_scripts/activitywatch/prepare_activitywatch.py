"""Writes the events of an ActivityWatch export as a feed folder (events.parquet, about.json).

    python datasets_scripts/activitywatch/prepare_activitywatch.py aw-buckets-export.json \\
        --time-zone Europe/Berlin --output-dir data/activity

Export the buckets in the web interface of ActivityWatch: Raw Data, Export all buckets as JSON. README.md beside this
script tells what is left out.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

from traceformers.datasets_scripts.activitywatch.aw_events import event_time
from traceformers.datasets_scripts.activitywatch.aw_export import read_aw_export
from traceformers.datasets_scripts.feed.feed_folder import table_of, write_feed_folder


def prepare(source, output_dir, time_zone="UTC", classes=None, start=None, end=None, strict=False):
    """Returns the content of about.json of the folder that it wrote.

    Args:
        source (path): the exported file.
        output_dir (path): folder to make.
        time_zone (`str`): IANA name of the zone the person lives in, to record.
        classes (path, *optional*): JSON with the classes, see `Categorizer`.
        start, end (`str`, *optional*): ISO dates; events from start on and before end.
        strict (`bool`): refuse a file that is cut.

    Raises:
        FileExistsError: if the folder is there already.
        ValueError: if the source cannot be read, or holds no activity.
    """
    if Path(output_dir).exists():
        raise FileExistsError(f"Expected to make the folder {output_dir}, got one that is there: name another.")
    dropped, warnings = Counter(), []
    events = read_aw_export(
        source,
        read_classes(classes) if classes is not None else None,
        None if start is None else event_time(start),
        None if end is None else event_time(end),
        strict=strict,
        dropped=dropped,
        warnings=warnings,
    )
    table = table_of("events", events)
    if not len(table):
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items()) or "nothing"
        raise ValueError(f"Expected activity in {source}, got none; left out: {reasons}. Export all buckets.")
    with Path(source).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    about = {
        "name": Path(source).name,
        "time_zone": time_zone,
        "licence": "personal data: keep it to yourself",
        "source": {"sha256": digest},
        "dropped": dict(dropped),
        "warnings": warnings,
    }
    return write_feed_folder(output_dir, {"events": table}, about)


def read_classes(path):
    """Returns the JSON of a file of classes.

    Raises:
        ValueError: if it is none.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(
            f"Expected JSON with classes in {path}, got {error}. Export them in its settings, Categorization."
        ) from error


def main(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", help="file that ActivityWatch exported")
    add("--output-dir", required=True, help="folder to make")
    add("--time-zone", default="UTC", help="IANA name of the zone you live in (UTC)")
    add("--classes", help="JSON with your own classes (the default ones)")
    add("--start", help="ISO date; earlier events are left out")
    add("--end", help="ISO date; events from it on are left out")
    add("--strict", action="store_true", help="refuse a file that is cut")
    args = vars(parser.parse_args(argv))
    about = prepare(args.pop("source"), args.pop("output_dir"), **args)
    print(f"events {about['counts']['events']:,}")
    for reason, count in about["dropped"].items():
        print(f"left out {count:,}: {reason}")
    for warning in about["warnings"]:
        print(f"note: {warning}")
    return about


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"prepare_activitywatch: {error}")
