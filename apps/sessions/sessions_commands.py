"""The commands `traceformers sessions log | embed | search | cluster | anomaly | drift | report`.

They import what they need when run: `--help` loads no torch.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="rrweb session recordings.", no_args_is_help=True, rich_markup_mode=None)

IndexFolder = Annotated[
    Path, typer.Argument(metavar="INDEX", help="Folder that `sessions embed` made.", show_default=False)
]
Model = Annotated[
    str | None,
    typer.Option(help="Folder or Hub id of the RRWebBERT [default: the recorded one].", show_default=False),
]
Revision = Annotated[str | None, typer.Option(help="Commit or tag of a Hub id.", show_default=False)]
Device = Annotated[str | None, typer.Option(help="cpu, cuda ... [default: a GPU if there is one].", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
TopK = Annotated[int, typer.Option(min=1, help="How many sessions.")]
Export = Annotated[
    Path | None,
    typer.Option(help="Also write the whole table to this .csv, .parquet or .jsonl.", show_default=False),
]


@app.command("log")
def sessions_log(
    files: Annotated[
        list[Path],
        typer.Argument(help="One recording; several files are parts of one session.", show_default=False),
    ],
    tokenizer: Annotated[
        str | None,
        typer.Option(help="Folder or Hub id of an RRWebTokenizer [default: this package's].", show_default=False),
    ] = None,
    keep_typed_text: Annotated[
        bool, typer.Option("--keep-typed-text", help="Show what was typed; masked without it.")
    ] = False,
    keep_personal_text: Annotated[
        bool,
        typer.Option("--keep-personal-text", help="Show e-mail addresses, phone numbers ...; masked without it."),
    ] = False,
):
    """Print what happened in a recording, one line an event.

    Example: traceformers sessions log session.json.gz
    """
    from traceformers.apps.sessions.log import session_log

    for line in session_log(
        files, tokenizer, keep_typed_text=keep_typed_text, keep_personal_text=keep_personal_text
    ).splitlines():
        typer.echo(line)


@app.command("embed")
def sessions_embed(
    recordings: Annotated[Path, typer.Argument(help="Folder, file or glob of recordings.", show_default=False)],
    model: Annotated[str, typer.Option(help="Folder or Hub id of an RRWebBERT.", show_default=False)],
    index: Annotated[Path, typer.Option(help="Folder of the index; goes on if it was begun.", show_default=False)],
    revision: Revision = None,
    device: Device = None,
    surprise: Annotated[
        bool, typer.Option(help="Also measure how expected each action is, a good third of the time.")
    ] = True,
    as_json: AsJson = False,
):
    """Make an index of recordings, or bring it to the folder as it is now; only new and changed files are embedded.

    Example: traceformers sessions embed recordings --model user/rrweb-bert --index index
    """
    from traceformers.apps.sessions.session_index import SessionIndex
    from traceformers.apps.sessions.session_model import SessionModel
    from traceformers.apps.sessions.session_output import json_line

    made = SessionIndex.create(index, recordings, SessionModel(model, revision, device), surprise, progress=not as_json)
    counts = made.about["counts"]
    if as_json:
        typer.echo(json_line({"index": str(index), **counts}))
        return
    typer.echo(f"{counts['sessions']} sessions with {counts['actions']} actions in {index}")
    if counts["left_out"]:
        typer.echo(f"{counts['left_out']} files left out; {index / 'left_out.csv'} says why", err=True)


@app.command("search")
def sessions_search(
    index: IndexFolder,
    like: Annotated[
        str | None, typer.Option(help="A recording, or the id of a session in the index.", show_default=False)
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Words of pages, buttons, actions, flags.", show_default=False)
    ] = None,
    top_k: TopK = 10,
    word_weight: Annotated[
        float, typer.Option(min=0, max=1, help="Of the words in a search by text; vectors have the rest.")
    ] = 0.8,
    model: Model = None,
    revision: Revision = None,
    device: Device = None,
    as_json: AsJson = False,
    export: Export = None,
):
    """Print the sessions most like one, or those that fit a text.

    Example: traceformers sessions search index --text "rage click on Add to cart" --top-k 5
    """
    from traceformers.apps.sessions.index_manifest import check_model, model_of
    from traceformers.apps.sessions.session_index import SessionIndex
    from traceformers.apps.sessions.session_search import search_like, search_text

    if (like is None) == (text is None):
        raise ValueError("Expected either --like or --text, got both or neither. Give one of them.")
    held = SessionIndex(index)

    def load_model():
        found = model_of(held.about, model, revision, device)
        check_model(held.about, found, index)
        return found

    if like is not None:
        found = search_like(held, like, load_model, top_k)
    else:
        found = search_text(held, text, load_model, top_k, word_weight)
    rows = [session.to_dict() for session in found]
    _print(rows, as_json, export, lambda row: f"{row['rank']:3}  {row['score']:.4f}  {_head(row)}  {row['why']}")


@app.command("anomaly")
def sessions_anomaly(
    index: IndexFolder,
    top_k: TopK = 20,
    by: Annotated[str, typer.Option(help="worth (what to watch first), struggle, anomaly or quality.")] = "worth",
    site: Annotated[str | None, typer.Option(help="Only sessions of this host.", show_default=False)] = None,
    as_json: AsJson = False,
    export: Export = None,
):
    """Print the sessions most worth watching, each with the reasons in words.

    Example: traceformers sessions anomaly index --top-k 20 --by struggle
    """
    from traceformers.apps.sessions.session_index import SessionIndex
    from traceformers.apps.sessions.session_ranking import ranked_rows

    rows = ranked_rows(SessionIndex(index), by, site)
    _print(rows[:top_k], as_json, export, lambda row: f"{row['rank']:3}  {row[by]:.3f}  {_head(row)}", rows)


@app.command("cluster")
def sessions_cluster(
    index: IndexFolder,
    method: Annotated[str, typer.Option(help="hdbscan (finds how many) or kmeans.")] = "hdbscan",
    clusters: Annotated[
        int | None, typer.Option(min=1, help="How many, for kmeans [default: by size].", show_default=False)
    ] = None,
    smallest: Annotated[
        int | None,
        typer.Option(min=2, help="Sessions of a cluster, for hdbscan [default: a 50th of all].", show_default=False),
    ] = None,
    as_json: AsJson = False,
    export: Annotated[
        Path | None,
        typer.Option(help="Write session and cluster to this .csv, .parquet or .jsonl.", show_default=False),
    ] = None,
):
    """Group sessions that are alike, and say in words what a group is about.

    Example: traceformers sessions cluster index --method kmeans --clusters 8
    """
    from traceformers.apps.sessions.session_index import SessionIndex
    from traceformers.apps.sessions.session_output import export_rows, json_line, printed
    from traceformers.apps.sessions.session_ranking import cluster_index

    labels, described = cluster_index(SessionIndex(index), method, clusters, smallest)
    if export:
        export_rows(export, labels)
    for group in described:
        if as_json:
            typer.echo(json_line(group))
            continue
        name = f"cluster {group['cluster']}" if group["cluster"] >= 0 else "in no cluster"
        typer.echo(f"{name}: {group['sessions']} sessions ({group['share']:.0%}), like {group['example']}")
        typer.echo(f"     words: {printed(', '.join(group['terms'])) or '-'}")
        typer.echo(f"     pages: {printed(', '.join(group['pages'])) or '-'}")
        typer.echo(
            f"     more than others: {', '.join(group['actions']) or '-'}; median {group['median_duration_s']:.0f} s, "
            f"mean struggle {group['mean_struggle']:.2f}"
        )


@app.command("drift")
def sessions_drift(
    index: IndexFolder,
    new: Annotated[Path, typer.Argument(help="New recordings, or the folder of an index of them.", show_default=False)],
    new_index: Annotated[
        Path | None, typer.Option(help="Keep the index of the new recordings here.", show_default=False)
    ] = None,
    fail: Annotated[bool, typer.Option("--fail", help="Exit with code 3 if anything shifted.")] = False,
    permutations: Annotated[int, typer.Option(min=99, help="Of each test.")] = 999,
    model: Model = None,
    revision: Revision = None,
    device: Device = None,
    as_json: AsJson = False,
    export: Export = None,
):
    """Compare new recordings with those of an index, such as what the model was trained on: what shifted, how likely.

    Example: traceformers sessions drift training-index new-recordings --fail
    """
    from traceformers.apps.sessions.index_manifest import check_model, model_of
    from traceformers.apps.sessions.session_drift import measure_drift
    from traceformers.apps.sessions.session_index import SessionIndex
    from traceformers.apps.sessions.session_output import table_lines
    from traceformers.apps.sessions.session_ranking import index_of_new

    before = SessionIndex(index)

    def load_model():
        found = model_of(before.about, model, revision, device)
        check_model(before.about, found, index)
        return found

    with index_of_new(before, new, load_model, new_index, progress=not as_json) as now:
        rows = [line.to_dict() for line in measure_drift(before, now, permutations)]
        sizes = f"{len(before)} sessions before, {len(now)} now"
    _print(rows, as_json, export, None)
    shifted = [row["measure"] for row in rows if row["verdict"] != "same"]
    if not as_json:
        names = ("measure", "before", "now", "size", "p_value", "verdict")
        for line in table_lines(rows, dict(zip(names, names, strict=True))):
            typer.echo(line)
        typer.echo(f"{sizes}; {'shifted: ' + ', '.join(shifted) if shifted else 'nothing shifted'}")
    if shifted and fail:
        raise typer.Exit(3)


@app.command("report")
def sessions_report(
    folder: Annotated[Path, typer.Argument(help="Index, or with --model a folder of recordings.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for report.html.", show_default=False)],
    recordings: Annotated[
        Path | None, typer.Option(help="Of the index [default: where they were].", show_default=False)
    ] = None,
    replays: Annotated[int, typer.Option(min=0, help="Replays inside the page; the others lie beside it.")] = 30,
    model: Annotated[
        str | None, typer.Option(help="Embed the recordings first, into OUT/index.", show_default=False)
    ] = None,
    revision: Revision = None,
    device: Device = None,
    keep_typed_text: Annotated[
        bool, typer.Option("--keep-typed-text", help="Show what was typed in replays; masked without it.")
    ] = False,
    keep_personal_text: Annotated[
        bool,
        typer.Option("--keep-personal-text", help="Show e-mail addresses, phone numbers ...; masked without it."),
    ] = False,
):
    """Write a page that opens from disk: map, ranked list with reasons, time lines, replays.

    Example: traceformers sessions report index --out report
    """
    from traceformers.apps.sessions.session_ranking import report_index

    keep = {"keep_typed_text": keep_typed_text, "keep_personal_text": keep_personal_text}
    written = report_index(folder, out, recordings, replays, model, revision, device, **keep)
    typer.echo(f"{written.path}: {written.sessions} sessions, {written.inside} replays inside, {written.beside} beside")
    if written.without:
        typer.echo(f"{len(written.without)} sessions have no replay; the page says why", err=True)


def _head(row):
    """Returns what says which session a row is."""
    from traceformers.apps.sessions.session_output import printed

    scores = " ".join(f"{name} {row[name]:.2f}" for name in ("struggle", "anomaly", "quality"))
    return printed(f"{row['session_id']}  {row['start_url']}  {row['duration_s']:.0f} s  {scores}", 160)


def _print(rows, as_json, export, line, exported=None):
    """Prints rows: as JSON, or as `line` gives them with their reasons below; writes them to a file if asked."""
    from traceformers.apps.sessions.session_output import SHOWN_REASONS, export_rows, json_line, printed

    if export:
        export_rows(export, rows if exported is None else exported)
    for row in rows:
        if as_json:
            typer.echo(json_line(row))
        elif line is not None:
            typer.echo(line(row))
            for reason in row["reasons"][:SHOWN_REASONS]:
                typer.echo(f"     {printed(reason)}")
