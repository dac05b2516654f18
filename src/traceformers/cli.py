"""The console script `traceformers`. Commands import what they need when run: `--help` loads no torch."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import traceformers
from traceformers.apps.encode.encode_commands import encode
from traceformers.apps.feed.feed_commands import app as feed
from traceformers.apps.hub.hub_commands import app as hub
from traceformers.apps.interactions.interactions_commands import app as interactions
from traceformers.apps.recommend.recommend_commands import recommend
from traceformers.apps.search.search_commands import app as search
from traceformers.apps.serve.serve_commands import serve
from traceformers.apps.sessions.sessions_commands import app as sessions

app = typer.Typer(
    help="Models of the traces people leave, for use with transformers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # main() below says the error in one line
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(sessions, name="sessions")
app.add_typer(search, name="search")
app.add_typer(interactions, name="interactions")
app.add_typer(feed, name="feed")
app.add_typer(hub, name="hub")
app.command()(encode)
app.command()(serve)
app.command()(recommend)


def _print_version(asked: bool):
    if asked:
        typer.echo(f"traceformers {traceformers.__version__}")
        raise typer.Exit()


@app.callback()
def common_options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
):
    """Options before the command hold for all commands: `traceformers --debug sessions log session.json`."""


@app.command()
def quickstart(
    output_dir: Annotated[Path, typer.Option(help="New folder for data, model, card and figures.")] = Path(
        "runs/quickstart"
    ),
    seed: Annotated[int, typer.Option(help="Seed of the split, the weights, the windows and the masks.")] = 0,
):
    """Train a tiny RRWebBERT on the recordings in this package, evaluate it, write its card, use it.

    Example: traceformers quickstart --output-dir runs/quickstart
    """
    from traceformers.apps.sessions.quickstart import run_quickstart

    for line in run_quickstart(output_dir, seed):
        typer.echo(line)


@search.command("quickstart")
def search_quickstart(
    output_dir: Annotated[
        Path, typer.Option(help="New folder for texts, vocabulary, model, figures and index.")
    ] = Path("runs/quickstart-text"),
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
):
    """Distil a small n-gram encoder from MiniLM on this machine's docstrings, evaluate it, search with it.

    Example: traceformers search quickstart --output-dir runs/quickstart-text
    """
    from traceformers.apps.search.text_quickstart import run_text_quickstart

    for line in run_text_quickstart(output_dir, seed):
        typer.echo(line)


def main():
    """Runs the command in `sys.argv`; an error is one line on stderr and an exit code other than 0."""
    try:
        app()
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        reason = " ".join(str(error).split()) or "no message"
        hint = "`traceformers --debug ...` shows where"
        typer.echo(f"traceformers: {type(error).__name__}: {reason} ({hint})", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
