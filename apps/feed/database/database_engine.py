"""Opens the feed's database: SQLite (a file, WAL) or PostgreSQL by URL, brought to the newest schema, one error class.

Writers take turns: SQLite by BEGIN IMMEDIATE and a busy timeout, PostgreSQL by one advisory lock. So a write may read,
compare and write without another process in between. Nothing connects when this file is imported.
"""

import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from traceformers.apps.feed.database.feed_tables import SCHEMA_VERSION

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
BUSY_SECONDS = 60
#: Key of PostgreSQL's advisory lock, any number that no other program takes.
_WRITERS = 7_264_110_531


class FeedDatabaseError(RuntimeError):
    """The database cannot be opened, read or written; the message says why and what to do."""


def open_engine(url):
    """Returns a SQLAlchemy engine on the database at `url`, migrated to the newest schema.

    Args:
        url (`str`): "sqlite:///path/feed.sqlite" (made if it is not there, its folder too) or
            "postgresql+psycopg://user:password@host/name".

    Raises:
        FeedDatabaseError: the URL, the file or the server will not do, or its schema is of a newer version.
    """
    url = _checked_url(url)
    if url.get_backend_name() == "sqlite":
        engine = _sqlite_engine(url)
    else:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            # To compile a plan (jit) takes longer than a page of the feed.
            connect_args={
                "connect_timeout": 10,
                "options": f"-c lock_timeout={BUSY_SECONDS}s -c timezone=UTC -c jit=off",
            },
        )
    try:
        _migrate(engine)
        if engine.dialect.name == "sqlite":  # now that it is known to be ours: readers and a writer at once
            with explained(engine), engine.connect() as connection:
                connection.connection.driver_connection.execute("PRAGMA journal_mode=WAL")
    except BaseException:
        engine.dispose()
        raise
    return engine


def _checked_url(url):
    try:
        url = make_url(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", str(url)))
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise FeedDatabaseError(
            'Expected a URL such as "sqlite:///feed.sqlite" or "postgresql+psycopg://user@host/name", '
            f"got one that cannot be read ({error}). Correct `database`."
        ) from error
    backend = url.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise FeedDatabaseError(f"Expected a SQLite or PostgreSQL URL, got one of {backend}. Correct `database`.")
    if backend == "sqlite" and (not url.database or url.database == ":memory:"):
        raise FeedDatabaseError(
            f"Expected a SQLite URL with a file, got {url}: the site and the collector share it. Name a file."
        )
    return url


def _sqlite_engine(url):
    if not url.database.startswith("file:"):
        path = Path(unquote(url.database))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FeedDatabaseError(
                f"Expected to make the folder {path.parent}, got: {error.strerror}. Name another place."
            ) from error
        with suppress(OSError):  # it is there, or SQLite says what is wrong
            # For its owner alone, whatever folder it is in; SQLite gives the files beside it the same rights.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _set_up(connection, _):
        connection.isolation_level = None  # transactions begin where we say, not where sqlite3 guesses
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=FULL")  # what was reported written outlives a power cut
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-65536")
        cursor.execute("PRAGMA mmap_size=268435456")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection):
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def reading(engine):
    """A connection in a transaction that sees one state of the database."""
    with explained(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            yield connection


@contextmanager
def writing(engine):
    """A connection in a transaction that no other writer interrupts: all of it is written at its end, or nothing."""
    with explained(engine), engine.connect().execution_options(writes=True) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITERS})
        yield connection


#: What a driver's message has, and what is said for it.
_CAUSES = (
    ("not a database|malformed|encrypted", "what is there is not an intact SQLite file. Name another file, or put "
     "back a copy of this one"),
    ("readonly|read-only|permission denied|unable to open", "it may not be written. Check the rights of the file and "
     "of its folder"),
    ("is full|no space|disk i/o|too large|could not extend|could not write", "the disk is full or failing: nothing "
     "was half-written. Make room and do it again"),
    ("is locked|lock timeout|lock not available", f"another process has been writing for {BUSY_SECONDS} seconds. End "
     "it, or try again"),
    ("connection|could not translate|authentication|does not exist|password", "the server cannot be reached with this "
     "URL. Start it, or correct `database`"),
)  # fmt: skip


@contextmanager
def explained(engine):
    """Turns a driver's error into a `FeedDatabaseError` that says what to do; other exceptions pass."""
    try:
        yield
    except DBAPIError as error:
        message = str(error.orig).strip().replace("\n", " ")
        name = error.orig.__class__.__name__
        causes = [cause for pattern, cause in _CAUSES if re.search(pattern, f"{name} {message}", re.IGNORECASE)]
        cause = (causes or ["this program did not foresee that. Look at the database's own log"])[0]
        where = engine.url.render_as_string(hide_password=True)
        raise FeedDatabaseError(f"Expected to use the database {where}, got {message!r}: {cause}.") from error


def _migrate(engine):
    """Brings the schema to `SCHEMA_VERSION`, in one transaction; two processes that open at once take turns."""
    with reading(engine) as connection:
        if _version(connection) == SCHEMA_VERSION:
            return
    with writing(engine) as connection:
        version = _version(connection)
        if version == SCHEMA_VERSION:
            return
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        where = engine.url.render_as_string(hide_password=True)
        if version is not None and version not in known:
            raise FeedDatabaseError(
                f"Expected a database of version {SCHEMA_VERSION} or older in {where}, got version {version}, which a "
                "newer traceformers wrote. Update this package: nothing was changed."
            )
        others = set(inspect(connection).get_table_names())
        if version is None and others:
            raise FeedDatabaseError(
                f"Expected an empty database or one of this program in {where}, got one with the tables "
                f"{', '.join(sorted(others)[:5])}. Name another: nothing was changed."
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _version(connection):
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
