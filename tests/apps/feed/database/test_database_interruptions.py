"""Ends, full disks and other writers in the middle of a write: what was reported is there, nothing is there by half."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from feed_states import state_of
from killed_writer import VIDEOS, opinion

from traceformers.apps.feed.database.database_engine import FeedDatabaseError
from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback, FeedRow, Video, Watch

pytest_plugins = ("feed_databases",)

TESTS = Path(__file__).resolve().parents[3]


class Writer:
    """tests/killed_writer.py as a process that is asked line by line."""

    def __init__(self, url):
        command = [sys.executable, str(TESTS / "killed_writer.py"), url]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


@contextmanager
def writer_of(url):
    writer = Writer(url)
    try:
        yield writer
    finally:
        writer.process.stdin.close()
        writer.process.wait(timeout=60)


def url_of(database):
    return database._engine.url.render_as_string(hide_password=False)


def reported_events_are_there(state, answer):
    starts = {row["started_at"] for row in state["events"]}
    for block, _ in answer["reported"]:
        assert starts >= {10 * block + n for n in range(5)}


def reported_feedback_is_there(state, answer):
    assert {row["feedback_id"] for row in state["feedback"]} >= {f"f{number}" for number in answer["reported"]}


def every_feed_is_whole(state, answer):
    for feed in state["feeds"]:
        assert sum(row["feed_id"] == feed["feed_id"] for row in state["feed_rows"]) == len(VIDEOS)
    assert len(state["feed_rows"]) == len(VIDEOS) * len(state["feeds"])
    assert {feed["feed_id"] for feed in state["feeds"]} >= set(answer["reported"])


def every_video_has_both_of_its_rows(state, answer):
    found = {row["video_id"]: row["description"] for row in state["videos"]}
    assert found == {video.video_id: video.description for video in VIDEOS if video.video_id in found}
    assert len(found) % 3 == 0 or len(found) == len(VIDEOS)  # whole blocks


@pytest.mark.parametrize(
    ("operation", "holds"),
    [
        ("events", reported_events_are_there),
        ("feedback", reported_feedback_is_there),
        ("feed", every_feed_is_whole),
        ("videos", every_video_has_both_of_its_rows),
    ],
)
def test_a_kill_before_any_statement_loses_nothing_and_doubles_nothing(database, operation, holds):
    if operation == "feed":
        database.add_videos(VIDEOS)
    kills = 0
    with writer_of(url_of(database)) as writer:
        first = 1 if database._engine.dialect.name == "sqlite" else 2  # half of them each, for time
        for statement in range(first, 100, 2):
            answer = writer.ask(operation, statement)
            assert answer["error"] is None
            holds(state_of(database), answer)
            if answer["signal"] == 0:
                break
            assert answer["signal"] == 9
            kills += 1
            if operation != "feed":  # begin again from nothing, so that every statement of a first write is met
                database.reset("everything")
        assert kills >= 4
        ended = state_of(database)
        assert len(ended["events"]) in (0, 15)
        assert len(ended["feedback"]) in (0, 4)
        if operation != "feed":
            assert writer.ask(operation, 0)["signal"] == 0
            assert state_of(database) == ended


def test_a_kill_while_the_tables_are_made_leaves_a_database_that_opens(database_url):
    with writer_of(database_url) as writer:
        for statement in (1, 3, 9, 14, 30):
            assert writer.ask("opening", statement)["signal"] == 9
        assert writer.ask("opening", 0)["reported"] == ["opened"]
    with FeedDatabase(database_url) as database:
        assert set(map(len, state_of(database).values())) == {0}


def test_what_was_reported_outlives_a_kill_at_any_moment(database):
    command = [sys.executable, str(TESTS / "killed_writer.py"), url_of(database), "endless"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for reported in process.stdout:
            if int(reported) >= 20:
                process.kill()
                break
        reported = int((process.stdout.read().split() or [reported])[-1])
    rows = database.feedback_table().to_pylist()
    assert len(rows) - 1 in (reported, reported + 1)
    assert [Feedback(**row) for row in rows] == [opinion(number) for number in range(len(rows))]


def test_two_processes_write_at_once_and_neither_fails(database):
    script = (
        "import sys\n"
        "from traceformers.apps.feed.database.feed_database import FeedDatabase\n"
        "from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback\n"
        "database = FeedDatabase(sys.argv[1])\n"
        "for n in range(60):\n"
        "    if sys.argv[2] == 'site':\n"
        "        database.add_feedback([Feedback(f'f{n}', 'v', 'interest', 1.0, n, 'feed')])\n"
        "    else:\n"
        "        database.add_events(ActivityEvent('a', 100 * n + k, 1.0) for k in range(100))\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", script, url_of(database), role], stderr=subprocess.PIPE, text=True)
        for role in ("site", "collector", "collector")
    ]
    for process in started:
        error = process.communicate(timeout=120)[1]
        assert process.returncode == 0, error
    counts = database.record_counts()
    assert (counts["feedback"], counts["events"]) == (60, 6_000)


def test_a_reader_sees_one_state_while_another_writes(database):
    database.add_videos([Video("v", "t")])
    with database._reading() as connection:
        before = database._newest(connection)
        database.save_feed([FeedRow("v", 1, 1.0, 0.5, 0.5)], None, "m", {})
        assert database._newest(connection) == before
    assert database.feed_version() is not None


def test_files_that_may_not_grow_leave_whole_blocks_and_a_clear_error(tmp_path):
    url = f"sqlite:///{tmp_path}/feed.sqlite"
    with FeedDatabase(url) as database, writer_of(url) as writer:
        answer = writer.ask("many_events", 0, 1_000_000)
        assert answer["signal"] == 0
        assert answer["error"].startswith("FeedDatabaseError: Expected to use the database")
        assert "Make room and do it again" in answer["error"]
        written = len(database.event_table())
        assert 0 < written < 5_000
        assert written % 500 == 0
        assert writer.ask("many_events", 0)["reported"] == [5_000 - written]
    with sqlite3.connect(tmp_path / "feed.sqlite") as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def long_records():
    text = "x" * 100_000
    known = [FeedRow("v", 1, 1.0, 0.5, 0.5, reasons=(text,) * 9)]
    return {
        "add_videos": ([Video(f"v{n}", text, description=text) for n in range(9)],),
        "add_events": ([ActivityEvent("a", n, 1.0, text) for n in range(9)],),
        "add_watches": ([Watch("v", n, text) for n in range(9)],),
        "add_feedback": ([Feedback(f"{n}{text}", "v", "interest", 1.0, 1, "feed") for n in range(9)],),
        "save_feed": (known, None, "m", {}),
        "set_state": ("rss", "cursor", text * 9),
        "start_run": ("collect", text * 9),
    }


@pytest.mark.parametrize("method", list(long_records()))
def test_a_full_database_is_a_clear_error_and_nothing_is_written(tmp_path, method):
    with FeedDatabase(f"sqlite:///{tmp_path}/feed.sqlite") as database:
        database.add_videos([Video("v", "t")])
        before = state_of(database)
        with database._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar() + 20
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(FeedDatabaseError, match="Make room"):
            getattr(database, method)(*long_records()[method])
        assert state_of(database) == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "feed.sqlite"
    path.write_bytes(b"a letter to a friend\n" * 100)
    with pytest.raises(FeedDatabaseError, match="not an intact SQLite file"):
        FeedDatabase(f"sqlite:///{path}")
    assert path.read_bytes() == b"a letter to a friend\n" * 100
    with pytest.raises(FeedDatabaseError, match="rights of the file"):
        FeedDatabase(f"sqlite:///{tmp_path}")
    with pytest.raises(FeedDatabaseError, match="Expected to make the folder"):
        FeedDatabase(f"sqlite:///{path}/deeper/feed.sqlite")


def test_a_file_that_may_not_be_written_is_refused():
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # where every user may look
    try:
        FeedDatabase(f"sqlite:///{folder}/feed.sqlite").close()
        script = (
            "import os, sqlite3, sys\n"
            "import sqlalchemy.dialects.sqlite.pysqlite, sqlalchemy.dialects.sqlite.aiosqlite\n"
            "from traceformers.apps.feed.database.feed_database import FeedDatabase\n"
            "if os.getuid() == 0:\n"
            "    os.setgid(65534); os.setuid(65534)\n"
            "try:\n"
            "    FeedDatabase(sys.argv[1]).set_state('a', 'b', 1)\n"
            "except Exception as error:\n"
            "    print(type(error).__name__, error)\n"
        )
        (folder / "feed.sqlite").chmod(0o444)
        folder.chmod(0o555)
        command = [sys.executable, "-c", script, f"sqlite:///{folder}/feed.sqlite"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert said.startswith("FeedDatabaseError"), said
    assert "may not be written" in said


def test_a_writer_that_is_never_done_is_named(tmp_path, monkeypatch):
    from traceformers.apps.feed.database import database_engine

    monkeypatch.setattr(database_engine, "BUSY_SECONDS", 0.2)
    with FeedDatabase(f"sqlite:///{tmp_path}/feed.sqlite") as database:
        other = sqlite3.connect(tmp_path / "feed.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(FeedDatabaseError, match="another process has been writing"):
            database.set_state("a", "b", 1)
        other.execute("ROLLBACK")
        database.set_state("a", "b", 1)
        other.close()
    assert not os.path.exists(tmp_path / "feed.sqlite-wal")  # closed for good: one file to copy
