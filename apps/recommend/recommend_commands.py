"""The command `traceformers recommend`. It imports what it needs when run."""

import json
from typing import Annotated

import typer

Column = Annotated[
    str | None, typer.Option(help="Name of the column in INTERACTIONS [default: a common name].", show_default=False)
]


def recommend(
    model: Annotated[str, typer.Argument(help="Folder or Hub id of a saved recommender.", show_default=False)],
    history: Annotated[
        list[str] | None,
        typer.Option(help="Item ids, oldest first: 1193,661; may be repeated.", show_default=False),
    ] = None,
    interactions: Annotated[
        str | None,
        typer.Option(help="Instead: file or folder of interactions, or movielens-small.", show_default=False),
    ] = None,
    user: Annotated[str | None, typer.Option(help="Whose history in INTERACTIONS.", show_default=False)] = None,
    format: Annotated[
        str | None, typer.Option(help="Of INTERACTIONS [default: told from its files].", show_default=False)
    ] = None,
    user_column: Column = None,
    item_column: Column = None,
    time_column: Column = None,
    missing_times: Annotated[str, typer.Option(help="Rows without a time: error, drop or order.")] = "error",
    k: Annotated[int, typer.Option("--k", min=1, help="Number of items.")] = 10,
    include_seen: Annotated[bool, typer.Option("--include-seen", help="Items of the history, too.")] = False,
    released_until: Annotated[
        int | None, typer.Option(help="Leave out items of a later year.", show_default=False)
    ] = None,
    diversity: Annotated[
        float, typer.Option(min=0, max=1, help="How much items shall differ from those above, 0 to 1.")
    ] = 0.0,
    device: Annotated[str, typer.Option(help="cpu, cuda ...")] = "cpu",
    revision: Annotated[str | None, typer.Option(help="Commit or tag of a Hub id.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
):
    """Recommend items to one user, with titles and the items of the history that are nearest to each.

    Example: traceformers recommend runs/bert4rec/model --history 1193,661
    """
    from traceformers.apps.recommend.recommended_items import recommended_items, table_lines
    from traceformers.apps.recommend.user_history import history_of
    from traceformers.training.evaluation.saved_recommender import load_recommender

    columns = {"user_column": user_column, "item_column": item_column, "time_column": time_column}
    items = history_of(history, interactions, user, format, missing_times=missing_times, **columns)
    loaded = load_recommender(model, revision, device)
    unknown = [item for item in items if item not in loaded.item_tokenizer]
    if unknown and len(unknown) < len(items):
        typer.echo(f"{len(unknown)} of {len(items)} items are unknown to the model, as {unknown[0]}", err=True)
        items = [item for item in items if item in loaded.item_tokenizer]
    options = {"exclude_seen": not include_seen, "released_until": released_until, "diversity": diversity}
    rows = recommended_items(loaded, items, k, **options)
    for line in [json.dumps(row.to_json(), ensure_ascii=False) for row in rows] if as_json else table_lines(rows):
        typer.echo(line)
