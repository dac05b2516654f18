"""Claim: with 100,000 videos and 1 M activity events, a page of the feed takes less than 300 ms; memory stays bounded.

    python benchmarks/feed_database_scale.py                        # SQLite, in a temporary folder
    python benchmarks/feed_database_scale.py --database postgresql  # a server of its own, see tests/postgres_server.py

The database holds invented videos with descriptions of 1,000 characters, activity events, 20,000 watches, 5,000
opinions, 20 hidden channels and one feed of all videos. `feed_page` is timed in every order with the default filters,
with all filters, from the middle of the list, and with searches that find many, few and no videos. `processor_ms` is
what this process worked: less than the time on a machine that does other things, and without a server's work. Writing
the events runs in a process of its own, whose peak memory is reported beside the one before the first event. One JSON
line each.
"""

import argparse
import json
import multiprocessing
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

DAY = 86_400_000
NOW = 1_790_000_000_000
WORDS = ("river glass engine quiet lesson paint signal forest metal number story window kernel garden music theory "
         "winter recipe travel history planet camera market letter bridge ocean camp model street").split()  # fmt: skip


def text(words, count):
    """Returns `count` random words."""
    return " ".join(words.choices(WORDS, k=count))


def videos(count):
    """Yields invented videos."""
    from traceformers.datasets_scripts.feed.feed_records import Video

    words = random.Random(1)
    for number in range(count):
        channel = words.randrange(2_000)
        yield Video(
            f"v{number:010d}", text(words, 8), f"Channel {channel}", f"UC{channel:022d}", text(words, 170)[:1000],
            NOW - words.randrange(400 * DAY), float(words.randrange(20, 5_000)), is_short=words.random() < 0.1,
        )  # fmt: skip


def events(count):
    """Yields invented activity."""
    from traceformers.datasets_scripts.feed.feed_records import ActivityEvent

    words = random.Random(2)
    for number in range(count):
        yield ActivityEvent(
            "window", NOW - (count - number) * 30_000, words.random() * 60, "app" + str(number % 40), text(words, 6),
            f"https://example.org/{number % 5_000}", words.choice(("Work", "Work > Code", "Media")),
        )  # fmt: skip


def peak_mb():
    """Returns the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_events(url, count, pipe):
    """Sends what writing events took, first for new ones, then for the same ones again."""
    from traceformers.apps.feed.database.feed_database import FeedDatabase

    with FeedDatabase(url) as database:
        database.add_events(events(1_000))
        before, record = peak_mb(), {}
        for name in ("new", "same_again"):
            start = time.perf_counter()
            database.add_events(events(count))
            record[f"{name}_per_second"] = round(count / (time.perf_counter() - start))
        pipe.send(record | {"peak_mb_before": round(before), "peak_mb": round(peak_mb())})


def timed(call, repeats):
    """Returns (median and slowest of so many calls in ms, median of the processor's ms; what the last one gave)."""
    seconds, worked = [], []
    for _ in range(repeats):
        start, before = time.perf_counter(), time.process_time()
        given = call()
        seconds.append(1e3 * (time.perf_counter() - start))
        worked.append(1e3 * (time.process_time() - before))
    figures = {"median_ms": statistics.median(seconds), "slowest_ms": max(seconds)}
    figures["processor_ms"] = statistics.median(worked)
    return {name: round(value, 1) for name, value in figures.items()}, given


def fill(database, count):
    """Writes videos, watches, opinions, hidden channels and a feed.

    Returns:
        ({what: seconds or records a second}, {order: id of the video in the middle}).
    """
    from traceformers.datasets_scripts.feed.feed_records import Feedback, FeedRow, Watch

    chance, seconds = random.Random(3), {}
    start = time.perf_counter()
    published = {}

    def noted():
        for video in videos(count):
            published[video.video_id] = video.published_at
            yield video

    database.add_videos(noted())
    seconds["videos_per_second"] = round(count / (time.perf_counter() - start))
    some = lambda number: f"v{number % count:010d}"  # noqa: E731
    database.add_watches(Watch(some(chance.randrange(count)), NOW - chance.randrange(90 * DAY)) for _ in range(20_000))
    database.add_feedback(
        Feedback(f"f{number}", some(chance.randrange(count)), chance.choice(("interest", "productive")),
                 chance.choice((1.0, 0.0, None)), NOW - number, "feed") for number in range(5_000)
    )  # fmt: skip
    for channel in range(20):
        database.hide_channel(f"UC{channel:022d}")
    ids = [some(number) for number in range(count)]
    chance.shuffle(ids)
    rows = [
        FeedRow(video_id, rank, 1 - rank / count, chance.random(), chance.random(), {"interest": 0.5, "fresh": 0.1},
                ("because of what you did",)) for rank, video_id in enumerate(ids, 1)
    ]  # fmt: skip
    start = time.perf_counter()
    database.save_feed(rows, None, "invented", {})
    seconds["save_feed_s"] = round(time.perf_counter() - start, 2)
    by = {"score": lambda row: row.rank, "newest": lambda row: published[row.video_id]}
    by |= {"interest": lambda row: row.interest, "productive": lambda row: row.productive}
    return seconds, {order: sorted(rows, key=key)[count // 2].video_id for order, key in by.items()}


def pages(middle):
    """Yields (name, arguments of feed_page); `middle` is {order: id of the video in the middle}."""
    from traceformers.apps.feed.database.feed_pages import FEED_ORDERS, FeedFilters

    seen = FeedFilters(hide_rated=False, hide_watched=False, shorts=True)
    every = FeedFilters(min_duration=300, max_duration=1200, since=NOW - 60 * DAY, unsubscribed_only=True, as_of=NOW)
    for order in FEED_ORDERS:
        yield f"{order}", {"order": order}
        yield f"{order}, all filters", {"order": order, "filters": every}
        yield f"{order}, deep", {"order": order, "after": middle[order]}
        yield f"{order}, deep, search of many", {"order": order, "after": middle[order], "search": "river"}
        yield f"{order}, nothing left out", {"order": order, "filters": seen}
        yield f"{order}, search of many", {"order": order, "search": "river"}
        yield f"{order}, search of few", {"order": order, "search": "river glass engine quiet lesson paint"}
        yield f"{order}, search of none", {"order": order, "search": "absent"}
        yield f"{order}, one channel", {"order": order, "filters": FeedFilters(channel="Channel 77")}


def main():
    """Prints one JSON line a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--videos", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scratch", default=tempfile.gettempdir())
    args = parser.parse_args()
    head = {"benchmark": "feed_database_scale", "database": args.database, "videos": args.videos, "events": args.events}

    def say(**record):
        print(json.dumps(head | record), flush=True)

    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(dir=args.scratch))
        stack.callback(shutil.rmtree, folder)
        url = f"sqlite:///{folder}/feed.sqlite"
        if args.database == "postgresql":
            sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
            from postgres_server import PostgresServer

            url = stack.enter_context(PostgresServer()).new_database()
        here, there = multiprocessing.Pipe()
        writer = multiprocessing.get_context("spawn").Process(target=write_events, args=(url, args.events, there))
        writer.start()
        say(what="add_events", **here.recv())
        writer.join()
        from traceformers.apps.feed.database.feed_database import FeedDatabase
        from traceformers.apps.feed.database.feed_transfer import export_feed, import_feed

        database = stack.enter_context(FeedDatabase(url))
        written, middle = fill(database, args.videos)
        say(what="fill", **written)
        for name, arguments in pages(middle):
            times, found = timed(lambda arguments=arguments: database.feed_page(**arguments), args.repeats)
            say(what="feed_page", page=name, rows=len(found), **times)
        window = {"start": NOW - 6 * 3_600_000, "end": NOW}
        for name, call in (
            ("event_table of 6 hours", lambda: database.event_table(**window)),
            ("event_table of all", database.event_table),
            ("video_table", database.video_table),
            ("labels", database.labels),
            ("to_label newest_watch", database.to_label),
            ("to_label uncertain", lambda: database.to_label(order="uncertain")),
        ):
            times, found = timed(call, 2)
            say(what=name, rows=len(found), **times)
        say(
            what="export",
            **timed(lambda: export_feed(database, folder / "copy", "UTC"), 1)[0],
            peak_mb=round(peak_mb()),
        )
        if args.database == "sqlite":
            with FeedDatabase(f"sqlite:///{folder}/copy.sqlite") as other:
                say(what="import", **timed(lambda: import_feed(other, folder / "copy"), 1)[0])


if __name__ == "__main__":
    main()
