"""The command-line options of `read_interactions`, for every script that reads interactions."""

from traceformers.datasets_scripts.interactions.interaction_filters import DUPLICATES
from traceformers.datasets_scripts.interactions.interaction_formats import FORMATS
from traceformers.datasets_scripts.interactions.read_interactions import MISSING_TIMES

READING = (
    "user_column item_column time_column value_column separator column_names encoding items_path missing_times "
    "duplicates"
).split()


def add_reading_options(parser, format_option="--format"):
    """Adds the options to an `argparse` parser.

    Args:
        parser (`argparse.ArgumentParser`).
        format_option (`str`): name of that of the format.
    """
    add = parser.add_argument
    add(format_option, choices=FORMATS, help="of the interactions; told from the files if not given")
    for role in ("user", "item", "time", "value"):
        add(f"--{role}-column", help=f"name of the column of the {role}; a common name if not given")
    add("--separator", help="of a text table; guessed if not given")
    add("--column-names", type=lambda text: text.split(","), help="of a text table without a header: user,item,time")
    add("--encoding", help="of a text table (utf-8)")
    add("--items-path", help="table with one row an item: title, year, genres, directors, writers")
    add("--missing-times", choices=MISSING_TIMES, default="error", help="rows without a time (error)")
    add("--duplicates", choices=DUPLICATES, default="first", help="rows of the same user and item (first)")


def reading_options(args):
    """Returns the keyword arguments of `read_interactions` but its format, from what a parser made, `dict`.

    Args:
        args: with the attributes `READING`; the names of columns one by one or with commas between them.
    """
    options = {name: getattr(args, name) for name in READING}
    return options | {"column_names": ",".join(args.column_names).split(",") if args.column_names else None}
