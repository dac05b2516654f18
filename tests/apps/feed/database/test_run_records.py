import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from traceformers.apps.feed.database import run_records
from traceformers.apps.feed.database.run_records import Run

pytest_plugins = ("feed_databases",)


def test_a_state_is_kept_replaced_and_forgotten(database):
    assert database.state("rss", "cursor") is None
    for value in ({"a": [1, 2.5, None, True, "ü"]}, 0, "", [], False):
        database.set_state("rss", "cursor", value)
        assert database.state("rss", "cursor") == value
    assert database.state("rss", "other") is None
    assert database.state("takeout", "cursor") is None
    database.set_state("rss", "cursor", None)
    assert database.state("rss", "cursor") is None
    for wrong in ({1, 2}, float("nan")):
        with pytest.raises(ValueError, match="JSON"):
            database.set_state("rss", "cursor", wrong)


def test_quota_is_spent_up_to_its_limit_and_by_day(database):
    assert database.quota("youtube", "2026-01-01") == 0
    assert database.spend_quota("youtube", "2026-01-01", 6, 10)
    assert not database.spend_quota("youtube", "2026-01-01", 5, 10)
    assert database.spend_quota("youtube", "2026-01-01", 4, 10)
    assert database.spend_quota("youtube", "2026-01-02", 5, 10)
    assert (database.quota("youtube", "2026-01-01"), database.quota("other", "2026-01-01")) == (10, 0)


def test_quota_is_never_passed_by_several_at_once(database):
    with ThreadPoolExecutor(4) as threads:
        spent = list(threads.map(lambda _: database.spend_quota("youtube", "day", 1, 10), range(30)))
    assert sum(spent) == 10
    assert database.quota("youtube", "day") == 10


def test_a_run_is_noted_from_its_beginning(database):
    first = database.start_run("collect", {"sources": ["rss"]})
    second = database.start_run("score")
    assert second > first
    assert [run.run_id for run in database.runs()] == [second, first]
    database.finish_run(first, "partial", counts={"rss": 5}, error="youtube: no\0quota")
    run = database.runs(kind="collect")[0]
    assert run == Run(
        first,
        "collect",
        run.started_at,
        run.finished_at,
        "partial",
        {"sources": ["rss"]},
        {"rss": 5},
        "youtube: no�quota",
    )
    assert run.finished_at >= run.started_at
    assert database.runs(limit=1)[0].status == "running"
    with pytest.raises(ValueError, match="ok, partial"):
        database.finish_run(first, "fine")
    with pytest.raises(ValueError, match="start_run"):
        database.finish_run(12345)


def test_a_run_of_a_killed_process_is_marked_and_one_that_goes_on_is_not(database):
    script = (
        "import os, signal, sys\n"
        "from traceformers.apps.feed.database.feed_database import FeedDatabase\n"
        "FeedDatabase(sys.argv[1]).start_run('train')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    url = database._engine.url.render_as_string(hide_password=False)
    assert subprocess.run([sys.executable, "-c", script, url], timeout=120).returncode == -9
    going_on = database.start_run("collect")
    killed = database.runs(kind="train")[0]
    assert killed.status == "running"
    assert database.mark_dead_runs() == [killed.run_id]
    assert {run.run_id: run.status for run in database.runs()} == {going_on: "running", killed.run_id: "killed"}
    assert database.mark_dead_runs() == []


def test_another_process_with_the_same_id_does_not_keep_a_run_alive(database, monkeypatch):
    if not os.path.exists("/proc/self/stat"):
        pytest.skip("only Linux says when a process began")
    host, pid, began = run_records.this_process().split()
    monkeypatch.setattr(run_records, "this_process", lambda: f"{host} {pid} {int(began) - 1}")
    run = database.start_run("collect")
    assert database.mark_dead_runs() == [run]
    monkeypatch.setattr(run_records, "this_process", lambda: f"elsewhere {pid} {began}")
    database.start_run("collect")
    assert database.mark_dead_runs() == []  # nothing is known of another machine's processes
