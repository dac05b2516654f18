"""Writes a Google Takeout as a feed folder (videos, watches, feedback, subscriptions .parquet, about.json).

    python datasets_scripts/youtube/prepare_takeout.py takeout-20250907T120000Z-001.zip \\
        --time-zone Europe/Berlin --output-dir data/takeout
    python datasets_scripts/youtube/prepare_takeout.py Takeout --sample 500 --seed 7 --output-dir data/sample

A folder, a zip or a single file, of any language, history in JSON or HTML. README.md beside this script tells what is
left out.
"""

import argparse
import sys
from pathlib import Path

from traceformers.datasets_scripts.feed.feed_folder import table_of, write_feed_folder
from traceformers.datasets_scripts.youtube.takeout import SOURCE, read_takeout

TABLES = ("videos", "watches", "feedback", "subscriptions")


def prepare(source, output_dir, time_zone=None, **reading):
    """Returns the `TakeoutReport` of what it wrote.

    Args:
        source, time_zone, **reading: see `read_takeout`.
        output_dir (path): feed folder to make; "UTC" is recorded where no zone is given.

    Raises:
        FileExistsError: if the folder is there already.
        ValueError, OSError: see `read_takeout`.
    """
    if Path(output_dir).exists():
        raise FileExistsError(f"Expected to make the folder {output_dir}, got one that is there: name another.")
    report = read_takeout(source, time_zone, **reading)
    tables = {name: table_of(name, getattr(report, name)) for name in TABLES}
    rows = tables["subscriptions"]
    tables["subscriptions"] = rows.drop_columns("source").append_column("source", [[SOURCE] * len(rows)])
    about = {
        "name": Path(source).name,
        "time_zone": time_zone or "UTC",
        "licence": "personal data: keep it to yourself",
        "files": [file._asdict() for file in report.files],
        "dropped": dict(report.dropped),
        "warnings": report.warnings,
    }
    write_feed_folder(output_dir, tables, about)
    return report


def main(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", help="folder, zip, tar or single file of a Google Takeout")
    add("--output-dir", required=True, help="folder to make")
    add("--time-zone", help="IANA name of the account's zone, for dates in HTML")
    add("--sample", type=int, help="draw so many watches at random (all)")
    add("--seed", type=int, default=0, help="of the draw (0)")
    add("--music", action="store_true", help="keep YouTube Music")
    add("--shorts", action="store_true", help="keep Shorts")
    add("--liked", help="part of the name of the file of the likes, where it cannot be told")
    add("--strict", action="store_true", help="refuse files that are cut or damaged")
    args = vars(parser.parse_args(argv))
    report = prepare(args.pop("source"), args.pop("output_dir"), **args)
    print(report.describe())
    return report


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"prepare_takeout: {error}")
