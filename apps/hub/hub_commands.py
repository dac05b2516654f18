"""The commands `traceformers hub push | pull | collection`. They import what they need when run."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Models, indexes and data sets to the Hub and back.", no_args_is_help=True, rich_markup_mode=None
)

Repository = Annotated[str, typer.Argument(metavar="USER/NAME", help="Repository on the Hub.", show_default=False)]


def _note(line):
    typer.echo(f"hub: {line}", err=True)


@contextmanager
def _one_line_errors(repository):
    """An error inside is one line on stderr and the exit code of its kind; `--debug` shows where."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        from traceformers.apps.hub.hub_faults import fault_of

        fault = fault_of(error, repository)
        typer.echo(f"traceformers hub: {fault}", err=True)
        raise typer.Exit(fault.exit_code) from None


@app.command("push")
def hub_push(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Of a run, model, adapter, index or data set.", show_default=False)
    ],
    repository: Repository,
    public: Annotated[
        bool | None,
        typer.Option(
            "--public/--private",
            help="Who may see a new repository [default: private for what was learned from people's traces].",
            show_default=False,
        ),
    ] = None,
    tag: Annotated[
        str | None,
        typer.Option(help="Of the commit [default: the revision that the card pins, once].", show_default=False),
    ] = None,
    message: Annotated[str | None, typer.Option(help="Of the commit.", show_default=False)] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Take out files of the repository that DIR does not have.")
    ] = False,
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Write the card of a run first, with this name and tag in its code.")
    ] = False,
    about_data: Annotated[
        Path | None,
        typer.Option(help="YAML of name, source, people and licence, for --write-card.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be pushed and the checks.")] = False,
    skip_check: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="sizes, pickle, card, secrets, personal or loads; may be repeated.",
            show_default=False,
        ),
    ] = None,
):
    """Check a folder and push what differs from the repository, in one commit; private unless it is of texts alone.

    Example: traceformers hub push runs/base user/rrweb-bert-base --write-card --tag v1 --dry-run
    """
    with _one_line_errors(repository):
        from traceformers.apps.hub.folder_checks import run_checks, said_bytes
        from traceformers.apps.hub.folder_kind import look_at, privacy_of
        from traceformers.apps.hub.hub_faults import CHECKS, HubFault
        from traceformers.apps.hub.hub_push import pinned_tag, plan_push, push

        check_name(repository)
        if about_data is not None and not write_card:
            raise ValueError("Expected --about-data with --write-card, which reads it. Say both, or none.")
        if write_card:
            from traceformers.model_cards.card_of_run import write_card_of_run

            typer.echo(f"wrote {write_card_of_run(folder, repository, tag, about_data)}")
        held = look_at(folder)
        private = None if public is None else not public
        found, why = privacy_of(held)
        typer.echo(f"{folder}: {held.kind}, {len(held.files)} files, {said_bytes(held.bytes)}")
        for name, reason in held.left_out.items() if dry_run else ():
            typer.echo(f"  stays here  {name} ({reason})")
        failed = []
        for done in run_checks(held, repository, skip_check or ()):
            state = "skipped" if done.skipped else "failed" if done.lines else "ok"
            typer.echo(f"  {done.name:<10}  {state}{f'  ({done.note})' if done.note and state == 'ok' else ''}")
            for line in done.lines:
                typer.echo(f"              {line}")
            failed += [done.name] if done.lines else []
        pinned = pinned_tag(held)
        if tag and pinned and tag != pinned:
            typer.echo(f"  {'tag':<10}  failed")
            typer.echo(f"              the card pins {pinned}, --tag says {tag}: write it with --revision {tag}")
            failed.append("tag")
        if dry_run:
            plan = plan_push(held, repository, private, _note)
            state = "is there" if plan.commit else "would be made"
            typer.echo(f"{repository} {state}, {'private' if plan.private else 'public'} ({_why(public, found, why)})")
            for word, names in (("new", plan.new), ("changed", plan.changed), ("same", plan.same)):
                for name in names:
                    typer.echo(f"  {word:<10}  {name}  {said_bytes(held.files[name].stat().st_size)}")
            for name in plan.gone:
                typer.echo(f"  {'deleted' if delete else 'kept':<10}  {name}  (only on the Hub)")
        if failed:
            advice = " ".join(f"--skip-check {name}" for name in failed if name != "tag")
            raise HubFault(
                f"Expected all checks to pass, {', '.join(failed)} failed, so nothing was pushed. Mend what is listed"
                f"{f', or say {advice} to push all the same' if advice else ''}.",
                CHECKS,
            )
        if dry_run:
            return
        done = push(held, repository, private, tag, delete, message, _note)
        what = f"pushed as {done.commit[:8]}" if done.new else f"nothing changed, still {done.commit[:8]}"
        typer.echo(f"{done.url}: {what}{f', tag {done.tag}' if done.tag else ''}")


def _why(public, private, why):
    if public is None:
        return why
    return "as you say" if public != private else f"as you say; {why}"


def check_name(repository):
    """Raises ValueError if a name is not `user/name` of letters that the Hub takes."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise ValueError(f"Expected a repository as user/name, got {repository!r}: {error}") from None
    if repository.count("/") != 1:
        raise ValueError(f"Expected a repository as user/name, got {repository!r}. Put your user name before it.")


@app.command("pull")
def hub_pull(
    repository: Repository,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit [default: the newest].", show_default=False)
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(help="New folder, or one of an earlier pull [default: NAME, here].", show_default=False),
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="model or dataset [default: whichever there is].", show_default=False)
    ] = None,
):
    """Fetch a repository into a folder and compare every file with the hash the Hub tells; goes on where it stopped.

    Example: traceformers hub pull user/rrweb-bert-base --revision v1 --output-dir models/base
    """
    with _one_line_errors(repository):
        from traceformers.apps.hub.hub_pull import pull

        check_name(repository)
        if kind not in (None, "model", "dataset"):
            raise ValueError(f"Expected --kind model or dataset, got {kind!r}.")
        done = pull(repository, output_dir, revision, kind, sys.stderr.isatty(), _note)
        for name in done.others:
            _note(f"{name} is in the folder and not in the repository; kept")
        typer.echo(f"{done.folder}: {done.kind} at {done.commit[:8]}, {done.fetched} files fetched, {done.held} held")


@app.command("collection")
def hub_collection(
    title: Annotated[str, typer.Argument(help="Of the collection.", show_default=False)],
    repositories: Annotated[
        list[str], typer.Argument(metavar="USER/NAME...", help="What goes into it.", show_default=False)
    ],
    description: Annotated[str | None, typer.Option(help="A sentence about it.", show_default=False)] = None,
    public: Annotated[bool, typer.Option("--public/--private", help="Who may see a new collection.")] = False,
):
    """Put repositories into a collection under your name, made if missing.

    Example: traceformers hub collection "traceformers" user/rrweb-bert-base user/ngram-encoder
    """
    with _one_line_errors("the collection"):
        from traceformers.apps.hub.hub_collection import collect

        for repository in repositories:
            check_name(repository)
        typer.echo(collect(title, repositories, description, not public, _note))
