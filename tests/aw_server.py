"""The real ActivityWatch server (aw-server 0.12) on a free port of the loopback interface, in a home of its own.

    with AwServer() as server:
        server.fill({"aw-watcher-window_desk": {"type": "currentwindow", "hostname": "desk", "events": [...]}})
        server.port

It needs an environment of its own, for it works with Flask 2.2 only: the program that TRACEFORMERS_AW_SERVER names, or
`aw-server` on PATH, or an environment made by pip on first use inside the one that runs the tests.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from filelock import FileLock

VARIABLE = "TRACEFORMERS_AW_SERVER"
# With Flask 2.3 no event can be read (its JSON encoder is ignored), with peewee 4 no bucket made in its SQLite storage.
REQUIREMENTS = ("aw-server==0.12.0", "flask<2.3", "peewee<4")
START_SECONDS = 60


class NoAwServer(RuntimeError):
    """aw-server cannot be had here."""


def aw_server_command():
    """Returns how to start aw-server, `list` of `str`; makes its environment when there is none.

    Raises:
        NoAwServer: it cannot be had. The tests fail: what they promise is about the real server.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_file():
            raise NoAwServer(f"Expected the program aw-server at {VARIABLE}={named}, nothing is there. Correct it.")
        return [named]
    found = shutil.which("aw-server")
    return [found] if found else [str(made_environment()), "-m", "aw_server"]


def made_environment():
    """Returns the Python of an environment with aw-server, made on first use."""
    folder = Path(sys.prefix) / "aw-server-0.12"
    python, stamp = folder / "bin" / "python", folder / "complete"
    with FileLock(f"{folder}.lock"):  # tests run in several processes
        _make_environment(folder, python, stamp)
    return python


def _make_environment(folder, python, stamp):
    """Makes the environment, unless it is there."""
    if not stamp.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        try:
            venv.create(folder, with_pip=True)
            command = [python, "-m", "pip", "install", "--quiet", *REQUIREMENTS]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        except (subprocess.SubprocessError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            raise NoAwServer(
                f"Expected to install {' '.join(REQUIREMENTS)} by pip, got: {said[-1] if said else error}. "
                f"Install it in an environment of its own and name its aw-server in {VARIABLE}."
            ) from error
        stamp.touch()


def free_port():
    """Returns a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class AwServer:
    """The server; a context manager.

    Args:
        storage (`str`): "memory" or "peewee" (SQLite in the temporary home; cuts events at the borders of a range).
    """

    def __init__(self, storage="memory"):
        self.storage = storage
        self.process = None

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory(prefix="aw-server-")
        folders = {name: f"{self.home.name}/{name.lower()}" for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        folders |= {"HOME": self.home.name, "XDG_CACHE_HOME": f"{self.home.name}/cache"}
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | folders
        self.port = free_port()
        command = [*aw_server_command(), "--testing", "--host", "127.0.0.1", "--port", str(self.port)]
        self.log = Path(self.home.name) / "log.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--storage", self.storage], env=environment, stdout=log, stderr=log, cwd=self.home.name
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")[-1000:]
                self.__exit__()
                raise NoAwServer(f"Expected aw-server to start ({' '.join(command)}), it did not:\n{said}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()
        self.home.cleanup()

    def answers(self):
        """Returns whether the server is ready."""
        try:
            return self.get("/api/0/info")["testing"] is True
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return False

    def get(self, path):
        """Returns the JSON answer to a GET."""
        return self._ask("GET", path)

    def post(self, path, value):
        """Returns the JSON answer to a POST of JSON."""
        return self._ask("POST", path, json.dumps(value))

    def fill(self, buckets):
        """Makes buckets with their events, as an export has them.

        The server's own import fails with SQLite, for which times with an offset are no text.
        """
        for name, bucket in buckets.items():
            about = {"client": "test", "type": bucket["type"], "hostname": bucket["hostname"]}
            self.post(f"/api/0/buckets/{name}", about)
            self.post(f"/api/0/buckets/{name}/events", bucket["events"])

    def events(self, bucket):
        """Returns all raw events of a bucket, newest first."""
        return self.get(f"/api/0/buckets/{bucket}/events")

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
            if b"iso8601.ParseError" in said and self.storage == "peewee":
                raise NoAwServer(f"Expected an aw-server with {', '.join(REQUIREMENTS)}, got one with peewee 4.")
            if answer.status >= 400:
                raise ValueError(f"{method} {path}: {answer.status} {said[:500]!r}")
            return json.loads(said) if said.strip() else None
        finally:
            connection.close()
