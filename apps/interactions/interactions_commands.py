"""The command `traceformers interactions report`. It imports what it needs when run."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Interactions of users with items.", no_args_is_help=True, rich_markup_mode=None)

Column = Annotated[str | None, typer.Option(help="Name of the column [default: a common name].", show_default=False)]


@app.callback()
def interactions_commands():
    """Interactions of users with items."""


@app.command("report")
def interactions_report(
    source: Annotated[
        str, typer.Argument(help="File, folder or movielens-small, in any known format.", show_default=False)
    ],
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("runs/interactions.html"),
    format: Annotated[
        str | None, typer.Option(help="Of the source [default: told from its files].", show_default=False)
    ] = None,
    user_column: Column = None,
    item_column: Column = None,
    time_column: Column = None,
    value_column: Column = None,
    separator: Annotated[
        str | None, typer.Option(help="Of a text table [default: guessed].", show_default=False)
    ] = None,
    column_names: Annotated[
        str | None, typer.Option(help="Of a text table without a header: user,item,time.", show_default=False)
    ] = None,
    items_path: Annotated[
        str | None, typer.Option(help="Table with one row an item: title, year, genres ...", show_default=False)
    ] = None,
    missing_times: Annotated[str, typer.Option(help="Rows without a time: error, drop or order.")] = "error",
    duplicates: Annotated[
        str, typer.Option(help="Rows of the same user and item: all, or the first or last in time.")
    ] = "all",
):
    """Write one HTML page: history lengths, item popularity, long tail, sparsity, metadata, drift.

    Example: traceformers interactions report movielens-small --output runs/movielens.html
    """
    from traceformers.apps.interactions.interactions_report import write_report
    from traceformers.datasets_scripts.interactions.read_interactions import read_interactions

    read = read_interactions(
        source,
        format,
        user_column=user_column,
        item_column=item_column,
        time_column=time_column,
        value_column=value_column,
        separator=separator,
        column_names=column_names.split(",") if column_names else None,
        items_path=items_path,
        missing_times=missing_times,
        duplicates=duplicates,
    )
    path = write_report(read, output)
    typer.echo(", ".join(f"{count:,} {name}" for name, count in read.counts().items()) + f" -> {path}")
