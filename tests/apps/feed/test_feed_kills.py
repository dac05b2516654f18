"""`kill -9` in the middle of collecting, training and scoring: started again, nothing is lost and nothing doubled."""

import json
import signal

import pytest
from feed_homes import NOW, feed_home, promote
from started_runs import start
from tiny_feed_model import tiny_encoder_folder, tiny_feed_model

from traceformers.apps.feed.database.feed_pages import FeedFilters
from traceformers.apps.feed.feed_scoring import score_feed
from traceformers.apps.feed.open_feed import open_feed

COMMAND = "from traceformers.apps.feed.feed_commands import app; app()"
# Ends the process at the nth call of a method: after what it does, and before what it is a part of is finished.
KILLED = """
import os, signal, sys
from importlib import import_module
place, method, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
del sys.argv[1:4]
module, _, name = place.partition(":")
owner, seen = getattr(import_module(module), name), []
whole = getattr(owner, method)
def step(self, *args, **kwargs):
    seen.append(1)
    found = whole(self, *args, **kwargs) if method != "finish" else None
    if len(seen) == calls:
        os.kill(os.getpid(), signal.SIGKILL)
    return found if method != "finish" else whole(self, *args, **kwargs)
setattr(owner, method, step)
from traceformers.apps.feed.feed_commands import app
app()
"""
ALL = FeedFilters(hide_rated=False)
STORE = "traceformers.apps.feed.database.record_store:RecordStore"


def run(home, *arguments):
    done = start("-c", COMMAND, *arguments, "--home", str(home))
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def run_and_kill(home, place, method, calls, *arguments):
    killed = start("-c", KILLED, place, method, str(calls), *arguments, "--home", str(home))
    assert killed.returncode == -signal.SIGKILL, (killed.stdout, killed.stderr[-2000:])


def takeout(folder):
    """Returns a folder with a watch history of 40 videos."""
    history = [
        {
            "header": "YouTube",
            "title": f"Watched red cat {i}",
            "titleUrl": f"https://www.youtube.com/watch?v=video{i:06d}",
            "subtitles": [{"name": "channel", "url": "https://www.youtube.com/channel/UC" + "a" * 22}],
            "time": f"2023-11-{1 + i % 28:02d}T10:00:00Z",
            "products": ["YouTube"],
            "activityControls": ["YouTube watch history"],
        }
        for i in range(40)
    ]
    folder.mkdir()
    (folder / "watch-history.json").write_text(json.dumps(history))
    return folder


def held(home):
    with open_feed(home) as feed:
        database = feed.database
        tables = (database.video_table(), database.event_table(), database.watch_table(), database.feedback_table())
        return [table.sort_by("video_id").to_pylist() if "video_id" in table.column_names else table.to_pylist()
                for table in tables]  # fmt: skip


def statuses(home, kind):
    with open_feed(home) as feed:
        return [found.status for found in feed.database.runs(kind)]


def test_collecting_goes_on_after_a_kill_to_the_state_of_one_that_was_not_killed(tmp_path):
    export = takeout(tmp_path / "takeout")
    collect = ("collect", str(export), "--only", "takeout")
    whole = feed_home(tmp_path / "whole", tables={})
    run(whole, *collect)
    home = feed_home(tmp_path / "killed", tables={})
    run_and_kill(home, STORE, "_write_rows", 3, *collect)
    assert held(home) != held(whole)
    run(home, *collect)
    assert held(home) == held(whole)
    run(home, *collect)
    assert held(home) == held(whole)
    assert statuses(home, "collect") == ["ok", "ok", "killed"]


def test_a_feed_is_there_whole_or_not_at_all_after_a_kill(tmp_path):
    home = feed_home(tmp_path)
    with open_feed(home) as feed:
        promote(feed, tiny_feed_model("ngram"))
        before = score_feed(feed, at=NOW)
    moment = ("score", "--at", "2023-12-04T22:13:20Z", "--top", "0")
    run_and_kill(home, STORE, "_write_rows", 1, *moment)
    with open_feed(home) as feed:
        assert feed.database.feed_version() == before.feed_id
        assert len(feed.database.feed_page(limit=1000, filters=ALL)) == 60
    run(home, *moment)
    with open_feed(home) as feed:
        assert feed.database.feed_version() > before.feed_id
        page = feed.database.feed_page(limit=1000, filters=ALL)
        assert len({card.row.video_id for card in page}) == len(page) == 60
    assert statuses(home, "score") == ["ok", "killed", "ok"]


@pytest.mark.slow
def test_a_killed_training_leaves_the_model_in_use_and_the_next_one_ends_it(tmp_path):
    encoder = tiny_encoder_folder(tmp_path / "encoder")
    home = feed_home(tmp_path / "home", videos=120, model={"encoder": encoder, "kind": "linear"})
    with open_feed(home) as feed:
        name = promote(feed, tiny_feed_model(encoder=encoder), now=NOW - 1)
        texts = held(home)
    run_and_kill(home, "traceformers.apps.feed.model_registry:ModelRegistry", "finish", 1, "train", "--no-progress")
    with open_feed(home) as feed:
        assert feed.registry.names() == [name] and feed.registry.current() == name
    run(home, "train", "--promote", "--no-progress")
    with open_feed(home) as feed:
        assert len(feed.registry.names()) == 2 and feed.registry.current() != name
        assert not list(feed.registry.folder.glob(".half*")) and not list(home.work.iterdir())
        assert feed.registry.rollback() == name
    assert statuses(home, "train") == ["ok", "killed"] and held(home) == texts
