"""What the system that this one follows got wrong in its database; each fault has a test that fails with it."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from feed_states import state_of

from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.database.feed_pages import FeedFilters
from traceformers.apps.feed.database.feed_tables import metadata
from traceformers.datasets_scripts.feed.feed_records import Feedback, FeedRow, Video

pytest_plugins = ("feed_databases",)


def test_importing_it_opens_nothing():
    script = (
        "import sqlite3, socket, sys\n"
        "def refuse(*_, **__): raise SystemExit('it connected')\n"
        "sqlite3.connect = refuse; socket.socket.connect = refuse\n"
        "import traceformers.apps.feed.database.feed_database\n"
        "import traceformers.apps.feed.database.feed_transfer\n"
        "print('imported', 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "imported False", run.stderr


def test_the_command_line_loads_no_database():
    script = "import sys, traceformers.cli; print({'sqlalchemy', 'alembic', 'psycopg'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "set()", run.stderr


def test_it_is_open_after_the_first_write_and_until_it_is_closed(database):
    for number in range(3):
        database.add_videos([Video(f"v{number}", "t")])
        assert len(database.video_table()) == number + 1


def test_a_second_run_of_everything_works_and_drops_nothing(database_url):
    for run in range(2):
        with FeedDatabase(database_url) as database:
            database.add_videos([Video("v", "t")])
            database.add_feedback([Feedback("1", "v", "interest", 1.0, 1, "like")])
            database.save_feed([FeedRow("v", 1, 1.0, 0.5, 0.5)], None, f"model {run}", {})
            state = state_of(database)
    assert [feed["model"] for feed in state["feeds"]] == ["model 0", "model 1"]
    assert len(state["feed_rows"]) == 2
    assert len(state["videos"]) == len(state["feedback"]) == 1


def test_an_opinion_stays_with_its_video_whatever_is_missing_or_comes_in_another_order(database):
    database.add_feedback(
        Feedback(f"f{name}", name, "interest", value, 1, "like")
        for name, value in zip("abcd", (1.0, 0.0, 1.0, 0.0), strict=True)
    )
    # The answer of an API: another order, "b" was deleted, "d" comes twice.
    database.add_videos([Video("d", "D"), Video("c", "C"), Video("d", "D"), Video("a", "A")])
    labels = {row["video_id"]: row["interest"] for row in database.labels().to_pylist()}
    assert labels == {"a": 1.0, "b": 0.0, "c": 1.0, "d": 0.0}
    database.save_feed([FeedRow(name, rank, 1.0, 0.5, 0.5) for rank, name in enumerate("dca")], None, "m", {})
    cards = database.feed_page(filters=FeedFilters(hide_rated=False))
    assert {card.video.video_id: card.interest_label for card in cards} == {"a": 1.0, "c": 1.0, "d": 0.0}


def test_times_compare_as_numbers_whatever_the_zone_of_the_machine(database):
    # As text "...T23:30+08:00" sorts after "...T16:00Z", though it is half an hour earlier.
    early = datetime(2026, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=8)))
    late = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
    early, late = (int(moment.timestamp() * 1000) for moment in (early, late))
    database.add_videos([Video("early", "e", published_at=early), Video("late", "l", published_at=late)])
    assert database.video_table(since=late).column("video_id").to_pylist() == ["late"]
    database.save_feed([FeedRow(name, 1, 1.0, 0.5, 0.5) for name in ("early", "late")], None, "m", {})
    assert [card.video.video_id for card in database.feed_page(order="newest")] == ["late", "early"]
    with pytest.raises(ValueError, match="milliseconds"):
        database.add_feedback([Feedback("1", "late", "interest", 1.0, "2026-03-01T16:00:00Z", "feed")])
    times = [column for table in metadata.tables.values() for column in table.c if column.name.endswith("_at")]
    assert times
    assert {str(column.type) for column in times} == {"BIGINT"}


def test_an_interest_click_of_the_site_is_a_label_beside_an_older_like(database):
    database.add_feedback([Feedback("like", "v", "interest", 1.0, 1, "like")])
    database.add_feedback(
        [Feedback("click", "v", "interest", 0.0, 2, "feed"), Feedback("time", "v", "productive", 1.0, 3, "feed")]
    )
    assert [(row["interest"], row["productive"]) for row in database.labels().to_pylist()] == [(0.0, 1.0)]
    assert [row["value"] for row in database.feedback_table().to_pylist()] == [1.0, 0.0, 1.0]


def test_which_opinions_a_training_has_seen_is_known_from_their_times_and_no_flag(database):
    flags = [column.name for table in metadata.tables.values() for column in table.c if "trained" in column.name]
    assert flags == []
    seen = Feedback("1", "v", "interest", 1.0, 1, "feed")
    database.add_feedback([seen])
    run = database.start_run("train", {"until": 1})
    database.finish_run(run)
    database.add_feedback([replace(seen, feedback_id="2", head="productive", said_at=2)])
    until = database.runs(kind="train")[0].detail["until"]
    assert [row["feedback_id"] for row in database.feedback_table().to_pylist() if row["said_at"] > until] == ["2"]


def test_titles_are_stored_as_they_were_given(database):
    title = "  ÜBER the <i>RAW</i> title — https://example.org  "
    database.add_videos([Video("v", title)])
    assert database.video("v").title == title


def test_only_the_folder_of_the_database_knows_sql(repository_root):
    sql = ("sqlalchemy", "sqlite3", "psycopg", "alembic")
    found = [
        str(path.relative_to(repository_root))
        for path in (repository_root / "apps" / "feed").rglob("*.py")
        if "database" not in path.parts
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(tuple(f"{word} {name}" for word in ("import", "from") for name in sql))
        and "make_url" not in line
    ]
    assert found == []
