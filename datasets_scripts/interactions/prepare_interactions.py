"""Writes the canonical folder of interactions (interactions.parquet, items.parquet, about.json) from any known format.

    python datasets_scripts/interactions/prepare_interactions.py movielens-small --output-dir data/movielens-small
    python datasets_scripts/interactions/prepare_interactions.py clicks.csv --user-column client --item-column sku \\
        --min-user-interactions 5 --min-item-interactions 5 --output-dir data/clicks

The formats are told apart by their files; README.md beside this script lists them, and what becomes of faulty rows.
"""

import argparse
import sys

from traceformers.datasets_scripts.interactions.canonical_folder import write_canonical
from traceformers.datasets_scripts.interactions.interaction_filters import filter_interactions
from traceformers.datasets_scripts.interactions.item_columns import metadata_coverage
from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.datasets_scripts.interactions.reading_options import add_reading_options


def prepare(
    source,
    output_dir,
    *,
    min_value=None,
    min_user_interactions=1,
    min_item_interactions=1,
    duplicates="first",
    name=None,
    licence=None,
    **reading,
):
    """Returns the content of about.json of the folder that it wrote.

    Args:
        source, **reading: see `read_interactions`.
        output_dir (path): folder to make.
        min_value, min_user_interactions, min_item_interactions, duplicates: see `filter_interactions`.
        name, licence (`str`, *optional*): to record in place of what the format says.

    Raises:
        FileExistsError: if the folder is there already.
        ValueError: if the data cannot be read, or nothing is left of it.
    """
    interactions = read_interactions(source, duplicates="all", **reading)
    interactions = filter_interactions(
        interactions, min_value, min_user_interactions, min_item_interactions, duplicates
    )
    for key, given in (("name", name), ("licence", licence)):
        if given is not None:
            interactions.about[key] = given
    about = write_canonical(interactions, output_dir)
    if interactions.items_table is not None:
        about["metadata"] = metadata_coverage(interactions.items_table)
    return about


def main(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", help="file, folder or movielens-small")
    add("--output-dir", required=True, help="folder to make")
    add_reading_options(parser)
    add("--min-value", type=float, help="leave out rows below this value, and rows without one")
    add("--min-user-interactions", type=int, default=1, help="users with fewer rows are left out, in turns (1)")
    add("--min-item-interactions", type=int, default=1, help="items with fewer rows are left out, in turns (1)")
    add("--name", help="of the data, to record (that of the file)")
    add("--licence", help="of the data, to record")
    args = vars(parser.parse_args(argv))
    about = prepare(args.pop("source"), args.pop("output_dir"), **args)
    print("  ".join(f"{name} {count:,}" for name, count in about["counts"].items()) + f"  time: {about['time']}")
    for reason, count in about["dropped"].items():
        print(f"left out {count:,}: {reason}")
    for column, count in about.get("metadata", {}).items():
        print(f"{column} known of {count:,} items")
    return about


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"prepare_interactions: {error}")
