"""A disk that is really full, under each part of the feed: one clear message, nothing half-written, and on it goes."""

import sqlite3

import pytest
from feed_homes import feed_home, promote
from feed_states import state_of
from postgres_server import an_unprivileged_user
from small_disk import fill, small_disk
from tiny_feed_model import tiny_feed_model
from typer.testing import CliRunner

from traceformers.apps.feed.database.database_engine import FeedDatabaseError
from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.feed_commands import app
from traceformers.apps.feed.open_feed import open_feed
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback, Video

pytest_plugins = ("feed_databases",)

AT = "2023-12-04T22:13:20Z"
LONG = "x" * 50_000


def invoke(home, *arguments):
    return CliRunner().invoke(app, [*arguments, "--home", str(home)])


def endless_events():
    for number in range(10_000_000):
        yield ActivityEvent("a", number, 1.0, "app", f"{number} {LONG}")


def writes_until_it_is_full(database):
    """Writes until there is no room; returns the error."""
    with pytest.raises(FeedDatabaseError) as caught:
        database.add_events(endless_events())
    return str(caught.value)


def test_a_full_disk_under_sqlite_keeps_what_was_reported_and_takes_more_once_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk", 16) as disk, FeedDatabase(f"sqlite:///{disk}/feed.sqlite") as database:
        database.add_videos([Video("v", "t")])
        database.add_feedback([Feedback("f", "v", "interest", 1.0, 1, "feed")])
        filled = fill(disk, leave=4_000_000)
        assert "the disk is full or failing: nothing was half-written. Make room" in writes_until_it_is_full(database)
        written, state = len(database.event_table()), state_of(database)
        with pytest.raises(FeedDatabaseError, match="Make room"):
            database.add_videos([Video(f"w{n}", LONG) for n in range(100)])
        assert state_of(database) == state and [row["feedback_id"] for row in state["feedback"]] == ["f"]
        filled.unlink()
        database.add_videos([Video(f"w{n}", "t") for n in range(10)])
        assert len(database.video_table()) == 11 and len(database.event_table()) == written
        with sqlite3.connect(disk / "feed.sqlite") as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_full_disk_under_postgresql_keeps_what_was_reported_and_takes_more_once_there_is_room(
    tmp_path, postgres_server
):
    user = an_unprivileged_user()
    place = postgres_server.folder / "small"
    with small_disk(place, 32, owner=user and user.pw_name) as disk:
        postgres_server.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        url = postgres_server.new_database(tablespace="small")
        with FeedDatabase(url) as database:
            database.add_videos([Video("v", "t")])
            filled = fill(disk, leave=2_000_000)
            # PostgreSQL packs texts that repeat: these do not
            with pytest.raises(FeedDatabaseError, match="the disk is full or failing: nothing was half-written"):
                database.add_events(
                    ActivityEvent("a", n, 1.0, "app", f"{n} {n * 7919**40 % 10**140}") for n in range(100_000)
                )
            written = len(database.event_table())
            assert written % 2_000 == 0  # whole blocks
            filled.unlink()
            database.add_videos([Video("w", "t")])
            database.add_events([ActivityEvent("a", -1, 1.0)])
            assert (len(database.event_table()), len(database.video_table())) == (written + 1, 2)
        postgres_server.execute(f"DROP DATABASE {url.rpartition('/')[2]}")
        postgres_server.execute("DROP TABLESPACE small")


@pytest.mark.parametrize("command", [["score", "--at", AT], ["train", "--model", "linear", "--no-progress"]])
def test_a_command_on_a_full_disk_says_so_and_the_feed_stays_as_it_was(tmp_path, command):
    with small_disk(tmp_path / "disk", 48) as disk:
        home = feed_home(disk / "home", videos=80, model={"encoder": "minilm"})
        with open_feed(home) as feed:
            name = promote(feed, tiny_feed_model("ngram"))
            before = state_of(feed.database)
        filled = fill(disk)
        result = invoke(home, *command)
        assert result.exit_code == 1
        told = str(result.exception)
        assert "Make room" in told or "make room" in told or "No space left on device" in told
        filled.unlink()
        with open_feed(home) as feed:
            state = state_of(feed.database)
            assert {key: rows for key, rows in state.items() if key != "runs"} == {
                key: rows for key, rows in before.items() if key != "runs"
            }
            assert feed.registry.current() == name and feed.registry.names() == [name]
        if command[0] == "score":
            assert invoke(home, *command).exit_code == 0


def test_an_export_to_a_full_disk_leaves_nothing(tmp_path):
    home = feed_home(tmp_path / "home", videos=20)
    with small_disk(tmp_path / "disk", 2) as disk:
        fill(disk, leave=8_000)
        result = invoke(home, "export", str(disk / "copy"))
        assert result.exit_code == 1 and "No space left on device. Nothing was left behind" in str(result.exception)
        assert [path.name for path in disk.iterdir()] == ["filled"]


def test_settings_on_a_full_disk_stay_as_they_were(tmp_path):
    with small_disk(tmp_path / "disk", 8) as disk:
        home = feed_home(disk / "home", tables={})
        settings = home.settings.read_bytes()
        fill(disk)
        result = invoke(home, "init", "--force", "--encoder", "minilm")
        assert result.exit_code == 1 and "make room" in str(result.exception)
        assert home.settings.read_bytes() == settings
        assert not list(home.path.rglob("*.half*"))
