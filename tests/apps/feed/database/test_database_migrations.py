import sqlite3
import subprocess
import sys

import pytest
from feed_states import state_of
from sqlalchemy import text

from traceformers.apps.feed.database.database_engine import MIGRATIONS, FeedDatabaseError, open_engine
from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.database.feed_tables import SCHEMA_VERSION, metadata
from traceformers.datasets_scripts.feed.feed_records import Video

pytest_plugins = ("feed_databases",)


def test_migrations_from_nothing_make_the_tables_that_the_code_names(database_url):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import inspect

    engine = open_engine(database_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        found = inspect(connection)
        for table in metadata.tables.values():
            assert found.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
            columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
            assert columns == {column.name: column.nullable for column in table.c}
    engine.dispose()


def test_there_is_one_newest_version_and_the_code_knows_it():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_VERSION]


def test_opening_again_changes_nothing_and_loads_no_migrations(database_url):
    with FeedDatabase(database_url) as database:
        database.add_videos([Video("v", "t")])
        before = state_of(database)
    script = (
        "import sys\nfrom traceformers.apps.feed.database.feed_database import FeedDatabase\n"
        "with FeedDatabase(sys.argv[1]) as database: print(database.video('v').title, 'alembic' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script, database_url], capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == ["t", "False"], run.stderr
    with FeedDatabase(database_url) as database:
        assert state_of(database) == before


def test_a_database_of_a_newer_version_is_refused_and_left_alone(database_url):
    with FeedDatabase(database_url) as database:
        database.add_videos([Video("v", "t")])
        with database._writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(
        FeedDatabaseError, match=r"version 9999, which a newer traceformers wrote\. Update this package"
    ):
        FeedDatabase(database_url)
    engine = _bare_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT title FROM videos")).scalar() == "t"
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"
    engine.dispose()


def test_the_database_of_another_program_is_refused_and_left_alone(database_url):
    engine = _bare_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE eventmodel (id INTEGER)"))
    with pytest.raises(FeedDatabaseError, match=r"eventmodel.*nothing was changed"):
        FeedDatabase(database_url)
    with engine.connect() as connection:
        from sqlalchemy import inspect

        assert inspect(connection).get_table_names() == ["eventmodel"]
    engine.dispose()


def test_another_programs_file_keeps_its_journal_mode(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE videos (videoId TEXT)")
    with pytest.raises(FeedDatabaseError, match="videos"):
        FeedDatabase(f"sqlite:///{tmp_path}/other.db")
    assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    other.close()


def test_two_processes_may_open_a_new_database_at_once(database_url):
    script = (
        "import sys\nfrom traceformers.apps.feed.database.feed_database import FeedDatabase\n"
        "FeedDatabase(sys.argv[1]).set_state('opened', sys.argv[2], 1)"
    )
    command = [sys.executable, "-c", script, database_url]
    started = [subprocess.Popen([*command, str(n)], stderr=subprocess.PIPE, text=True) for n in range(3)]
    for process in started:
        error = process.communicate(timeout=120)[1]
        assert process.returncode == 0, error
    with FeedDatabase(database_url) as database:
        assert [database.state("opened", str(n)) for n in range(3)] == [1, 1, 1]


def _bare_engine(url):
    from sqlalchemy import create_engine

    return create_engine(url)
