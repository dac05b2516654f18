"""The commands `traceformers feed ...`. They import what they need when run."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="A personal feed: what you were just doing decides what to watch now.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Home = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the feed [default: TRACEFORMERS_FEED_HOME, or where this system keeps your data].",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("demo")
def feed_demo(
    home: Home = None,
    serve: Annotated[bool, typer.Option(help="Open the site at the end.")] = True,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of the site [default: a free one].")] = None,
    activity: Annotated[
        bool, typer.Option("--activity/--no-activity", help="Without: as if ActivityWatch had recorded nothing.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the feed, write none.")] = False,
    days: Annotated[int, typer.Option(min=4, max=60, help="Simulated days.")] = 14,
    feedbacks: Annotated[int, typer.Option(min=200, max=20_000, help="Simulated opinions.")] = 600,
    seed: Annotated[int, typer.Option(help="Another seed is another person.")] = 0,
):
    """Try everything without an account or a network: sample activity and videos, training, a feed, the site.

    Example: traceformers feed demo
    """
    from traceformers.apps.feed.feed_demo import run_demo, serve_demo

    folder = None
    for line in run_demo(home, days, feedbacks, seed, activity=activity, dry_run=dry_run):
        if isinstance(line, Path):
            folder = line
        else:
            typer.echo(line)
    if serve and not dry_run:
        serve_demo(folder, port, typer.echo)


@app.command("init")
def feed_init(
    home: Home = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the settings; secrets stay.")] = False,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="bge-m3, e5-small, minilm or ngram:FOLDER [default: what suits this machine].", show_default=False
        ),
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="As Europe/Vienna [default: this machine's].", show_default=False)
    ] = None,
    takeout: Annotated[
        list[Path] | None, typer.Option(help="Google Takeout, folder or .zip; may be repeated.", show_default=False)
    ] = None,
):
    """Make a feed: a settings file with every setting explained, a file for secrets, an empty database.

    Example: traceformers feed init --takeout ~/Downloads/takeout.zip
    """
    from traceformers.apps.feed.feed_beginning import begin_feed
    from traceformers.apps.feed.open_feed import open_feed

    made, settings = begin_feed(home, force, encoder, time_zone, [path.absolute() for path in takeout or ()])
    with open_feed(made):
        pass
    typer.echo(f"settings: {made.settings}")
    typer.echo(f"secrets:  {made.secrets} (readable by you alone)")
    typer.echo(f"time zone {settings.general.time_zone}, encoder {settings.model.encoder}")
    typer.echo("Next: traceformers feed collect")


@app.command("collect")
def feed_collect(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Google Takeout: folders, .zip or files.", show_default=False)
    ] = None,
    home: Home = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="activitywatch, takeout, youtube or rss; may be repeated.", show_default=False),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Ask sources that wait, and read all activity once more.")
    ] = False,
    sign_in: Annotated[
        bool, typer.Option("--sign-in", help="First sign in to YouTube in a browser, for likes and dislikes.")
    ] = False,
    paste: Annotated[bool, typer.Option("--paste", help="With --sign-in: the browser is on another computer.")] = False,
    client_file: Annotated[
        Path | None,
        typer.Option(
            help="With --sign-in: the file of the OAuth client, as Google's console offers it; it is kept in "
            "secrets.toml.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
):
    """Fetch activity, videos, likes and subscriptions from all sources; a dead source stops no other.

    Example: traceformers feed collect ~/Downloads/takeout.zip
    """
    from traceformers.apps.feed.feed_collecting import collect, sign_in_to_youtube

    with _running(home) as feed:
        if sign_in or paste or client_file:
            feed = sign_in_to_youtube(feed, _show_page, _ask_address if paste else None, client_file)
            typer.echo("signed in to YouTube")
        paths = [path.absolute() for path in paths or ()]

        def show(report):
            typer.echo(json.dumps(report.as_dict(), ensure_ascii=False) if as_json else str(report))

        reports = collect(feed, only=only, paths=paths, force=again, on_report=show)
    if not any(report.ok for report in reports):
        raise typer.Exit(1)


@app.command("label")
def feed_label(
    home: Home = None,
    site: Annotated[bool, typer.Option("--site", help="On the labelling page, in a browser.")] = False,
    head: Annotated[str, typer.Option(help="interest or productive.")] = "interest",
    order: Annotated[str, typer.Option(help="newest_watch, newest, uncertain or random.")] = "newest_watch",
    restart: Annotated[bool, typer.Option("--restart", help="From the first video, not where you stopped.")] = False,
):
    """Say of videos whether they interest you, key by key, in this terminal or on the labelling page.

    Example: traceformers feed label --order uncertain
    """
    from traceformers.apps.feed.open_feed import open_feed

    with open_feed(home) as feed:
        if site:
            from traceformers.apps.feed.feed_serving import serve_feed

            serve_feed(feed, schedule=False, open_page="/label", say=typer.echo)
            return
        from traceformers.apps.feed.feed_labelling import TerminalLabelling, label_in_terminal
        from traceformers.datasets_scripts.feed.feed_records import HEADS

        if head not in HEADS:
            raise ValueError(f"Expected one of {', '.join(HEADS)}, got {head!r}. Name one of these with --head.")
        labelling = TerminalLabelling(feed.database, head, order, resume=not restart)
        count = label_in_terminal(labelling, input, typer.echo)
        typer.echo(f"{count} labelled; {labelling.balance()}")


@app.command("train")
def feed_train(
    home: Home = None,
    model: Annotated[
        str | None,
        typer.Option(help="auto, linear, base or hybrid [default: of the settings].", show_default=False),
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Use the new model even if it is not better on the newest labels.")
    ] = False,
    progress: Annotated[bool, typer.Option(help="Show a progress bar.")] = True,
):
    """Train a model on what you said; it is used from now on if it is better on the newest fifth of the labels.

    Example: traceformers feed train --model hybrid
    """
    from traceformers.apps.feed.feed_training import train_feed_model

    with _running(home) as feed:
        for line in train_feed_model(feed, kind=model, force=promote, progress=progress):
            typer.echo(line)


@app.command("score")
def feed_score(
    home: Home = None,
    at: Annotated[
        str | None, typer.Option(help="Moment, as 2026-11-20T18:00 on your clock [default: now].", show_default=False)
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(min=0.01, max=36_500, help="Look-back [default: of the settings].", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, print the best.")] = False,
    activity: Annotated[
        bool, typer.Option("--activity/--no-activity", help="Without: as if nothing had been recorded.")
    ] = True,
    top: Annotated[int, typer.Option(min=0, help="How many to print.")] = 10,
    as_json: AsJson = False,
):
    """Score the videos of the last days for what you were doing before a moment, and write the feed.

    Example: traceformers feed score --at 2026-11-20T18:00 --days 3 --dry-run
    """
    from traceformers.apps.feed.feed_scoring import FeedScorer
    from traceformers.apps.feed.scored_lines import moment_of, scored_lines

    with _running(home) as feed:
        moment = None if at is None else moment_of(at, feed.settings.zone)
        scorer = FeedScorer(progress=True)
        scored = scorer.score(feed, at=moment, days=days, dry_run=dry_run, ignore_activity=not activity)
        for line in scored_lines(feed.database, scored, top, as_json):
            typer.echo(line)
        if not dry_run:
            from traceformers.apps.feed.feed_runs import tell_site

            tell_site(feed.settings.site, scored.feed_id, feed.secrets.site_password)


@app.command("serve")
def feed_serve(
    home: Home = None,
    host: Annotated[str | None, typer.Option(help="[default: of the settings]", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="[default: of the settings]", show_default=False)
    ] = None,
    schedule: Annotated[
        bool | None,
        typer.Option(help="Collect, train and score by itself [default: of the settings].", show_default=False),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Open a browser.")] = False,
):
    """Serve the feed and the labelling page on this machine, with the scheduler inside.

    Example: traceformers feed serve --show
    """
    from traceformers.apps.feed.feed_serving import serve_feed
    from traceformers.apps.feed.open_feed import open_feed

    with open_feed(home) as feed:
        serve_feed(feed, schedule, "/" if show else None, typer.echo, host=host, port=port)


@app.command("schedule")
def feed_schedule(home: Home = None):
    """Run the feed every so many minutes of the active hours, without the site, until Ctrl-C.

    Example: traceformers feed schedule
    """
    import logging

    from traceformers.apps.feed.feed_home import FeedHome
    from traceformers.apps.feed.feed_scheduler import run_forever
    from traceformers.apps.feed.feed_scoring import FeedScorer
    from traceformers.apps.feed.feed_settings import FeedSettings

    home = FeedHome(home)
    schedule = FeedSettings.load(home).schedule
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("traceformers.feed").setLevel(logging.INFO)
    hours = f"from {schedule.active_from} to {schedule.active_until}"
    typer.echo(f"every {schedule.interval_minutes} minutes {hours}; Ctrl-C ends it")
    run_forever(home, scorer=FeedScorer())


@app.command("run-once")
def feed_run_once(home: Home = None):
    """Collect, train if enough was said, score, tell the site: for cron or a systemd timer.

    Example: traceformers feed run-once
    """
    from traceformers.apps.feed.feed_runs import run_once

    outcome = run_once(home, on_line=typer.echo)
    if outcome.feed_id is None:
        raise typer.Exit(1)


@app.command("status")
def feed_status(home: Home = None, as_json: AsJson = False):
    """Print labels and what is short, the model, the last runs, quota and drift.

    Example: traceformers feed status
    """
    from traceformers.apps.feed.feed_status import feed_status, status_lines
    from traceformers.apps.feed.open_feed import open_feed

    with open_feed(home) as feed:
        if not feed.home.busy():
            feed.database.mark_dead_runs()
        status = feed_status(feed)
        if as_json:
            typer.echo(json.dumps(status.to_json(), indent=2, ensure_ascii=False))
            return
        for line in status_lines(status, feed.settings.zone):
            typer.echo(line)


@app.command("export")
def feed_export(
    folder: Annotated[Path, typer.Argument(help="New folder.", show_default=False)],
    home: Home = None,
    format: Annotated[str, typer.Option(help="parquet or json.")] = "parquet",
):
    """Write everything the feed knows to a folder that can be read, trained on and imported; secrets are not in it.

    Example: traceformers feed export ~/feed-export --format json
    """
    from traceformers.apps.feed.database.feed_transfer import export_feed
    from traceformers.apps.feed.open_feed import open_feed

    with open_feed(home) as feed:
        about = export_feed(feed.database, folder, feed.settings.general.time_zone, format)
    typer.echo(f"{folder}: " + ", ".join(f"{count} {name}" for name, count in about["counts"].items() if count))


@app.command("import")
def feed_import(
    folder: Annotated[Path, typer.Argument(help="Folder of an export.", show_default=False)],
    home: Home = None,
):
    """Add an export to the feed; done twice it changes nothing.

    Example: traceformers feed import ~/feed-export
    """
    from traceformers.apps.feed.database.feed_transfer import import_feed

    with _running(home) as feed:
        changed = False
        for table, counts in import_feed(feed.database, folder).items():
            if counts.added or counts.updated:
                changed = True
                typer.echo(f"{table}: {counts.added} added, {counts.updated} updated, {counts.unchanged} unchanged")
        if not changed:
            typer.echo(f"nothing is new: all of {folder} is here")


@app.command("reset")
def feed_reset(
    what: Annotated[str, typer.Argument(help="feedback, events, feed, models or everything.", show_default=False)],
    home: Home = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
):
    """Delete for good: what you said, your activity, scored feeds, models, or everything but the settings.

    Example: traceformers feed reset events
    """
    from traceformers.apps.feed.feed_deletion import reset_feed

    if not yes:
        typer.confirm(f"Delete {what} for good?", abort=True)
    with _running(home) as feed:
        typer.echo(reset_feed(feed, what))


@app.command("rollback")
def feed_rollback(home: Home = None):
    """Use the model again that was used before the current one; the next score is by it.

    Example: traceformers feed rollback
    """
    with _running(home) as feed:
        typer.echo(f"the model is now {feed.registry.rollback()}")


@app.command("forget")
def feed_forget(
    word: Annotated[str, typer.Argument(help="Part of the titles, in any case of letters.", show_default=False)],
    home: Home = None,
    activitywatch: Annotated[bool, typer.Option("--activitywatch", help="On the ActivityWatch server, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
):
    """Delete recorded activity whose title contains a word.

    Example: traceformers feed forget "my bank" --activitywatch
    """
    from traceformers.apps.feed.feed_deletion import forget

    with _running(home) as feed:
        found = forget(feed, word, activitywatch, confirmed=False)
        typer.echo(f"{found.found_in_database} events here, {found.found_on_server} on the server")
        if not (found.found_in_database or found.found_on_server):
            return
        if not yes:
            typer.confirm("Delete them for good?", abort=True)
        done = forget(feed, word, activitywatch, confirmed=True)
        typer.echo(f"deleted: {done.deleted_in_database} here, {done.deleted_on_server} on the server")


def _running(home):
    """Returns a context in which a feed is open and no other process changes it."""
    from contextlib import contextmanager

    from traceformers.apps.feed.feed_home import FeedHome
    from traceformers.apps.feed.open_feed import open_feed

    @contextmanager
    def running():
        folder = FeedHome(home).require()
        with folder.only_run(), open_feed(folder) as feed:
            feed.database.mark_dead_runs()
            yield feed

    return running()


def _show_page(address):
    import webbrowser

    typer.echo(f"Open this page, if it does not open by itself:\n{address}")
    webbrowser.open(address)


def _ask_address(address):
    typer.echo(f"Open this page in a browser, allow it, and copy the address that it ends on:\n{address}")
    return typer.prompt("Address")
