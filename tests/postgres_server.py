"""A real PostgreSQL server in a temporary folder, for tests: on a Unix socket and a free loopback port.

with PostgresServer() as server:
    url = server.new_database()   # "postgresql+psycopg://feed@127.0.0.1:40113/feed_1", empty
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

MISSING = (
    "Expected PostgreSQL's initdb and postgres on PATH or in /usr/lib/postgresql/*/bin, got neither. The feed is "
    "tested on both of its databases: install the server (Debian, Ubuntu: apt-get install postgresql; macOS: brew "
    "install postgresql)."
)


def program(name):
    """Returns the path of one of PostgreSQL's programs, of the newest version found.

    Raises:
        FileNotFoundError: it is not installed; the message says what to install.
    """
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    found = shutil.which(name) or next((str(folder / name) for folder in reversed(folders)), None)
    if found is None or not Path(found).is_file():
        raise FileNotFoundError(MISSING)
    return found


def an_unprivileged_user():
    """Returns the user that the server runs as: None, this one, unless that is root, which PostgreSQL refuses."""
    if os.getuid() != 0:
        return None
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(users[name] for name in ("postgres", "nobody") if name in users)


class PostgresServer:
    """A server that runs inside of a `with` block; its data is gone afterwards."""

    def __enter__(self):
        initdb, postgres = program("initdb"), program("postgres")
        user = an_unprivileged_user()
        self.rights = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        self.folder = Path(tempfile.mkdtemp(prefix="feed-postgres-", dir="/tmp"))
        if user:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.log = self.folder / "server.log"
        self.databases = 0
        self._call(initdb, "-D", "data", "-U", "feed", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",  # the tests end clients, not machines
            "shared_buffers": "32MB",
        }
        given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [postgres, "-D", "data", *given], cwd=self.folder, stdout=log, stderr=log, **self.rights
            )
        self._wait()
        self.with_icu = self._has_icu()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGQUIT)  # "immediate": its data is not needed any more
        self.process.wait(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self, tablespace=None):
        """Returns the URL of a new empty database; it sorts text by language, as most installed servers do."""
        self.databases += 1
        name = f"feed_{self.databases}"
        sorting = "LOCALE_PROVIDER icu ICU_LOCALE 'en'" if self.with_icu else ""
        place = f"TABLESPACE {tablespace}" if tablespace else ""
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 {sorting} {place}")
        return f"postgresql+psycopg://feed@127.0.0.1:{self.port}/{name}"

    def execute(self, statement, database="postgres"):
        """Runs a statement outside of transactions, by the Unix socket."""
        with psycopg.connect(
            host=str(self.folder), port=self.port, user="feed", dbname=database, autocommit=True
        ) as it:
            return it.execute(statement)

    def _has_icu(self):
        with psycopg.connect(host=str(self.folder), port=self.port, user="feed", dbname="postgres") as it:
            found = it.execute("SELECT count(*) FROM pg_collation WHERE collname = 'en-x-icu'").fetchone()[0]
            return bool(found) and it.info.server_version >= 150000

    def _call(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120, **self.rights)
        if done.returncode:
            raise RuntimeError(f"Expected {command[0]} to succeed, got {done.returncode}: {done.stderr}")

    def _wait(self):
        for _ in range(300):
            if self.process.poll() is not None:
                raise RuntimeError(f"Expected PostgreSQL to start, got: {self.log.read_text()}")
            try:
                return self.execute("SELECT 1")
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise RuntimeError(f"Expected PostgreSQL to answer within 30 s, got: {self.log.read_text()}")
