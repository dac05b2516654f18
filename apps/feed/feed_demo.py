"""The whole way in two minutes without an account or a network: the logic of `traceformers feed demo`.

A simulated person sits at a desk, watches and says what they think, up to today; then everything is what `feed train`,
`feed score` and `feed serve` do. The home of a demo is marked, and only a marked one is ever overwritten.
"""

import shutil
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from traceformers.apps.feed.feed_beginning import local_time_zone, offline_minilm
from traceformers.apps.feed.feed_clock import now_ms
from traceformers.apps.feed.feed_home import FeedHome, default_home
from traceformers.apps.feed.feed_settings import FeedSettings, write_settings
from traceformers.apps.feed.open_feed import open_feed

MARK = ".demo"
DAYS, FEEDBACKS = 14, 600
MOST_TOKENS = 64  # titles and the beginnings of descriptions: enough to show how it works


def run_demo(home=None, days=DAYS, feedbacks=FEEDBACKS, seed=0, activity=True, dry_run=False, encoder=None, now=None):
    """Does all steps but the site; yields lines to print, and the folder of the home (`Path`) at the end.

    Args:
        home (path, *optional*): beside the usual one without it. days, feedbacks, seed: of the simulated person.
        activity (`bool`): False scores as if nothing had been recorded. dry_run (`bool`): writes no feed.
        encoder (`str`, *optional*): of the settings; MiniLM without one if its package is there, else words at random.
        now (`int`, *optional*): ms.

    Raises:
        FileExistsError: the home is not that of a demo.
    """
    started, now = time.perf_counter(), now_ms() if now is None else now
    home = demo_home(home)

    def step(text):
        return f"[{time.perf_counter() - started:5.1f} s] {text}"

    settings = FeedSettings().changed("general", time_zone=local_time_zone())
    yield step(f"a home for the demo: {home}")
    tables = simulated_tables_until(now, settings.zone, days, feedbacks, seed)
    counts = ", ".join(f"{len(tables[name]):,} {name}" for name in ("videos", "events", "watches", "feedback"))
    yield step(f"a simulated person of {days} days: {counts}")
    encoder = encoder or demo_encoder(home, tables)
    settings = settings.changed("model", encoder=encoder, kind="linear", max_length=MOST_TOKENS).changed(
        "scoring", look_back_days=float(days)
    )
    write_settings(home, settings.changed("activitywatch", enabled=False).changed("rss", enabled=False))
    at = last_activity(tables, now)
    with open_feed(home) as feed:
        add_tables(feed.database, tables)
        yield step("everything is in the database; of the videos " + _cold(feed, at))
        from traceformers.apps.feed.feed_training import train_feed_model

        for line in train_feed_model(feed, progress=False):
            yield step(line)
        from traceformers.apps.feed.feed_scoring import FeedScorer
        from traceformers.apps.feed.scored_lines import scored_lines

        scorer = FeedScorer()
        scored = scorer.score(feed, at=at, dry_run=dry_run, ignore_activity=not activity)
        clock = datetime.fromtimestamp(at / 1000, UTC).astimezone(settings.zone)
        yield step(f"scored for {clock:%A %H:%M}" + ("" if activity else ", as if no activity had been recorded"))
        yield from (f"          {line}" for line in scored_lines(feed.database, scored, 3))
        again = time.perf_counter()
        scorer.score(feed, at=at, dry_run=True, ignore_activity=not activity)
        yield step(f"scored again, with every text known, in {time.perf_counter() - again:.2f} s")
    yield step("ready. The same by hand: " + " · ".join(f"traceformers feed {name}" for name in ("status", "serve"))
               + f" --home {home}")  # fmt: skip
    yield home.path


def demo_home(path=None):
    """Returns an empty, marked `FeedHome` for a demo; an earlier demo there is deleted.

    Raises:
        FileExistsError: the folder holds something that is no demo.
    """
    home = FeedHome(path or default_home().with_name("feed-demo"))
    if home.path.exists() and any(home.path.iterdir()):
        if not (home.path / MARK).is_file():
            raise FileExistsError(
                f"Expected an empty folder or an earlier demo in {home}, found other files. Name another with --home."
            )
        shutil.rmtree(home.path)
    home.create()
    (home.path / MARK).write_text("made by traceformers feed demo, which may delete it\n", encoding="utf-8")
    return home


def simulated_tables_until(now, zone, days, feedbacks, seed):
    """Returns `{table: pa.Table}` of a life that goes up to a moment; nothing in it is later.

    Args:
        now (`int`): ms. zone (`ZoneInfo`): where the person lives. days, feedbacks, seed (`int`).
    """
    import pyarrow.compute as pc

    from traceformers.datasets_scripts.simulated_feed.prepare_simulated_feed import simulated_tables
    from traceformers.datasets_scripts.simulated_feed.simulated_person import SimulatedPerson

    today = datetime.fromtimestamp(now / 1000, UTC).astimezone(zone).date()
    person = SimulatedPerson(
        seed=seed,
        days=days,
        feedbacks=feedbacks,
        first_day=(today - timedelta(days=days - 1)).isoformat(),
        time_zone=str(zone),
    )
    tables, _ = simulated_tables(person)
    times = {"videos": "published_at", "events": "started_at", "watches": "watched_at", "feedback": "said_at"}
    for name, column in times.items():
        table = tables[name]
        known = pc.fill_null(pc.less_equal(table[column], now), True)
        if name == "events":
            ends = pc.add(table[column], pc.cast(pc.multiply(table["duration"], 1000), "int64", safe=False))
            known = pc.less_equal(ends, now)
        tables[name] = table.filter(known)
    return tables


def add_tables(database, tables):
    """Puts tables of a feed folder into a database."""
    from traceformers.datasets_scripts.feed.feed_folder import records_of

    database.add_videos(records_of("videos", tables["videos"]))
    database.add_events(records_of("events", tables["events"]))
    database.add_watches(records_of("watches", tables["watches"]))
    database.add_feedback(records_of("feedback", tables["feedback"]))
    database.set_subscriptions(records_of("subscriptions", tables["subscriptions"]), "simulated")


def demo_encoder(home, tables):
    """Returns the encoder setting of a demo: MiniLM where its package is installed, else one of words at random."""
    if offline_minilm():
        return "minilm"
    from traceformers.apps.feed.word_encoder import write_word_encoder

    texts = [text for name in ("title", "description") for text in tables["videos"][name].to_pylist() if text]
    texts += [text for text in tables["events"]["title"].to_pylist() if text]
    return f"ngram:{write_word_encoder(home.path / 'word_encoder', texts)}"


def last_activity(tables, now):
    """Returns the newest moment, ms, at which something was being done; now if nothing was."""
    events = tables["events"]
    if not len(events):
        return now
    ends = events["started_at"].to_numpy() + (events["duration"].to_numpy() * 1000).astype("int64")
    return min(int(ends.max()), now)


def serve_demo(folder, port=None, say=print):
    """Serves the site of a demo until it is told to end.

    Args:
        folder (`Path`): of the home. port (`int`, *optional*): a free one without it. say (callable): is given lines.
    """
    from traceformers.apps.feed.feed_serving import serve_feed

    port = port or free_port()
    with open_feed(Path(folder)) as feed:
        serve_feed(feed, schedule=False, say=say, port=port)


def free_port():
    """Returns a port of this machine on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _cold(feed, at):
    from traceformers.apps.feed.feed_scoring import score_feed

    scored = score_feed(feed, at=at, dry_run=True)
    best = feed.database.video(scored.rows[0].video_id) if scored.rows else None
    return f"the newest come first before there is a model, as {best.title!r}" if best else "none is new"
