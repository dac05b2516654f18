"""How long it takes to score a feed, end to end from the database: the first time, and with every text known.

    OMP_NUM_THREADS=2 python benchmarks/feed_scoring_speed.py --videos 10000

Claims: again, with cached texts, at most 1 s on 2 cores; the first time with an n-gram encoder at most 10 s. Reading,
scoring, ranking, reasons and writing are counted; loading the model is told apart, for a schedule keeps it loaded.
The model is of the shape that is trained, with random weights: they cost what trained ones cost.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from traceformers.apps.feed.feed_beginning import begin_feed
from traceformers.apps.feed.feed_scoring import FeedScorer
from traceformers.apps.feed.open_feed import open_feed
from traceformers.apps.feed.word_encoder import write_word_encoder
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback, Subscription, Video
from traceformers.datasets_scripts.simulated_feed.video_pool import sample_videos
from traceformers.training.hardware import describe_hardware

NOW = 1_700_000_000_000
DAY, MINUTE = 86_400_000, 60_000
EVENTS, LABELS = 100, 1_000


def fill(database, count, random):
    """Puts `count` videos with real texts, six hours of activity and labels into a database."""
    pool, _ = sample_videos()
    videos = []
    for i in range(count):
        one, other = pool[i % len(pool)], pool[int(random.integers(len(pool)))]
        videos.append(
            Video(
                f"v{i:010}",
                title=f"{one.title} {other.title}"[:100],
                channel=f"channel {i % 300}",
                channel_id=f"UC{i % 300:022}",
                description=f"{one.description} {other.description}"[:1000],
                published_at=NOW - int(random.random() * 7 * DAY),
                duration=float(random.integers(60, 3600)),
            )
        )
    database.add_videos(videos)
    database.add_events(
        ActivityEvent("window", NOW - (i + 1) * 3 * MINUTE, 170.0, "app", videos[i].title, category="Work")
        for i in range(EVENTS)
    )
    database.add_feedback(
        Feedback(f"f{i}", f"v{i:010}", "interest", float(i % 2), NOW - i * MINUTE, "labelling") for i in range(LABELS)
    )
    database.set_subscriptions([Subscription(f"UC{i:022}", f"channel {i}") for i in range(100)], "invented")
    return [video.title for video in videos]


def build(feed, folder, kind):
    """Puts a model of a kind with the encoder in `folder` into the registry and promotes it."""
    import torch

    from traceformers.modeling.productive_feed.modeling_productive_feed import ProductiveFeedModel

    torch.manual_seed(0)
    settings = {"head": "linear"} if kind == "linear" else {}
    model = ProductiveFeedModel.from_encoder(folder, categories=["Work"], **settings)
    half = feed.registry.begin(kind, NOW)
    model.save_pretrained(half / "model")
    feed.registry.promote(feed.registry.finish(half))


def measure(folder, encoder, kind, count):
    """Returns the seconds of a first and of later scorings, `dict`."""
    home, _ = begin_feed(folder, encoder="minilm", time_zone="Europe/Berlin")
    with open_feed(home) as feed:
        titles = fill(feed.database, count, np.random.default_rng(0))
        if encoder is None:
            encoder = write_word_encoder(home.path / "words", titles)
        build(feed, encoder, kind)
        scorer = FeedScorer()
        started = time.perf_counter()
        first = scorer.score(feed, at=NOW)
        first_seconds = time.perf_counter() - started
        again, cpu = [], []
        for _ in range(5):
            started, spent = time.perf_counter(), time.process_time()
            last = scorer.score(feed, at=NOW)
            again.append(time.perf_counter() - started)
            cpu.append(time.process_time() - spent)
        assert len(last.rows) == count and last.context["encoded"] == 0
    return {
        "kind": kind,
        "videos": count,
        "encoded_first": first.context["encoded"],
        "first_seconds": round(first_seconds - first.seconds["load"], 3),
        "load_seconds": round(first.seconds["load"], 3),
        "again_seconds": round(float(np.median(again)), 3),
        "again_worst": round(max(again), 3),
        "again_cpu_seconds": round(
            float(np.median(cpu)), 3
        ),  # of all threads: what a busy machine does not change much
        "parts": {name: round(seconds, 3) for name, seconds in last.seconds.items()},
    }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--encoder", help="folder of a text encoder; an n-gram encoder made on the spot by default")
    parser.add_argument("--kinds", nargs="+", default=["linear", "hybrid"], choices=["linear", "hybrid"])
    arguments = parser.parse_args(argv)
    command = " ".join(["python", "benchmarks/feed_scoring_speed.py", *(sys.argv[1:] if argv is None else argv)])
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(Path(folder), arguments.encoder, kind, arguments.videos)
        found |= {"command": command, "hardware": describe_hardware(), "load": os.getloadavg()[0]}
        print(json.dumps(found))


if __name__ == "__main__":
    main()
