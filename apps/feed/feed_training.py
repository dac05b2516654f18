"""Training out of the database: an export, a run, and a promotion only if the new model is better.

`python -m traceformers.apps.feed.feed_training HOME` does it in a process of its own, as a scheduled run does: whoever
starts it so holds the lock of the home.
"""

import shutil
import sys
from pathlib import Path

from traceformers.apps.feed.feed_clock import now_ms
from traceformers.apps.feed.open_feed import open_feed
from traceformers.apps.feed.training_need import label_numbers, note_training


def train_feed_model(feed, kind=None, force=False, progress=False, now=None):
    """Trains a model on all that was said, and promotes it if it is better; yields lines to print.

    Args:
        feed (`OpenFeed`). kind (`str`, *optional*): of the setting without it.
        force (`bool`): promotes in any case. progress (`bool`): shows a progress bar. now (`int`, *optional*): ms.

    Raises:
        ValueError: there are too few labels; the message says how many are missing.
        FeedBusy: another training goes on in this home.
    """
    from traceformers.training.productive_feed.label_needs import refuse_too_few

    kind = feed.settings.changed("model", kind=kind or feed.settings.model.kind).model.kind
    counts = label_numbers(feed.database)
    refuse_too_few(counts)
    with feed.home.only_run("train"):
        run = feed.database.start_run("train", {"kind": kind, "labels": counts})
        work = feed.home.work / "training"
        try:
            note_training(feed.database)
            shutil.rmtree(work, ignore_errors=True)
            yield from _train(feed, kind, force, progress, now_ms() if now is None else now, work, run)
        except BaseException as error:
            from contextlib import suppress

            with suppress(Exception):
                feed.database.finish_run(run, "failed", error=f"{type(error).__name__}: {error}")
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _train(feed, kind, force, progress, now, work, run):
    from traceformers.apps.feed.database.feed_transfer import export_feed
    from traceformers.apps.feed.scoring_model import VideoVectors, quiet
    from traceformers.training.productive_feed.feed_promotion import is_better
    from traceformers.training.productive_feed.feed_run import train_feed

    settings, registry = feed.settings, feed.registry
    chosen = training_kind(kind, settings, label_numbers(feed.database))
    export_feed(feed.database, work / "export", settings.general.time_zone)
    store = VideoVectors(feed.database, feed.database.video_table())
    half = registry.begin(chosen, now)
    arguments = training_arguments(settings, chosen, feed.home) | {"disable_tqdm": not progress}
    with quiet(not progress):
        trained = train_feed(work / "export", half, store=store, **arguments)
    name = registry.finish(half)
    yield f"trained {name} ({trained.metrics['chosen']['model']})"
    yield from result_lines(trained.metrics)
    current = registry.current()
    in_use = registry.path(current) / "model" if current else None
    with quiet(not progress):
        verdict = is_better(registry.path(name) / "model", in_use, work / "export", store, settings.model.seed)
    promoted = verdict.better or force
    if promoted:
        registry.promote(name)
    registry.prune(settings.training.models_kept)
    feed.database.finish_run(
        run, "ok", counts={"model": name, "promoted": promoted, "why": verdict.why, "figures": verdict.figures}
    )
    yield verdict.why
    yield f"{name} scores from now on" if promoted else f"{current} stays in use; --promote would use the new one"


def training_kind(kind, settings, counts):
    """Returns what is trained: `auto` is `linear` below the number of labels from which a hybrid is tried.

    Args:
        kind (`str`): auto, linear, base or hybrid. settings (`FeedSettings`).
        counts (`{head: {"yes", "no"}}`): labels.
    """
    labels = sum(sum(each.values()) for each in counts.values())
    return "linear" if kind == "auto" and labels < settings.training.hybrid_labels else kind


def training_arguments(settings, kind, home):
    """Returns the arguments of run_productive_feed.py that settings describe, `dict`.

    Args:
        settings (`FeedSettings`), kind (`str`): of `training_kind`. home (`FeedHome`).
    """
    encoder, revision = encoder_of(settings.model.encoder, home)
    arguments = {
        "model": kind,
        "encoder": encoder,
        "encoder_revision": revision,
        "max_length": settings.model.max_length,
        "event_window_hours": settings.model.event_window_hours,
        "num_train_epochs": settings.training.epochs,
        "seed": settings.model.seed,
        "data_seed": settings.model.seed,
    }
    if settings.model.device == "cpu":
        arguments["use_cpu"] = True
    if settings.model.encoder.startswith("ngram:"):
        arguments["use_lora"] = False  # it has no linear layers to adapt
    return arguments


def encoder_of(setting, home):
    """Returns (name as training knows it, revision or None) of the setting `encoder`.

    Args:
        setting (`str`), home (`FeedHome`): what a relative folder starts from.
    """
    if setting.startswith("ngram:"):
        return str(home.path / Path(setting.removeprefix("ngram:")).expanduser()), None
    if "/" in setting:
        name, _, revision = setting.partition("@")
        return name, revision or None
    return setting, None


def result_lines(metrics):
    """Yields a line a head: average precision and Brier score on the newest labels, beside the share of yes."""
    for head, figures in metrics["test"].items():
        if isinstance(figures, dict) and figures.get("n"):
            yield (
                f"{head} on the newest {figures['n']} labels: average precision {figures['average_precision']:.3f} "
                f"(share of yes {figures['base_rate']:.3f}), Brier {figures['brier']:.3f}"
            )


def main(home):
    """Trains the model of a home, prints what it did; returns the exit code."""
    try:
        with open_feed(home) as feed:
            for line in train_feed_model(feed):
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
