"""The folder in which one person's feed lives, and the lock that lets one run at a time change it.

settings.toml  secrets.toml (0600)  feed.sqlite  models/  thumbnails/  logs/  work/ (what a run needs while it runs)
"""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

HOME_VARIABLE = "TRACEFORMERS_FEED_HOME"
NOTHING_DONE = "Nothing was done: make room, or correct the rights, and do it again."


class FeedBusy(RuntimeError):
    """Another process is collecting, training or scoring in this home."""


class FeedHome:
    """The paths of one feed. Making one makes no folder: `create` does.

    Args:
        path (`str` or `os.PathLike`, *optional*): the folder; without one that of TRACEFORMERS_FEED_HOME, and without
            that the place where this system keeps a user's data.
    """

    def __init__(self, path=None):
        self.path = Path(path or os.environ.get(HOME_VARIABLE) or default_home()).expanduser().absolute()
        self.settings = self.path / "settings.toml"
        self.secrets = self.path / "secrets.toml"
        self.database = self.path / "feed.sqlite"
        self.models = self.path / "models"
        self.thumbnails = self.path / "thumbnails"
        self.logs = self.path / "logs"
        self.work = self.path / "work"

    def __fspath__(self):
        return str(self.path)

    def __str__(self):
        return str(self.path)

    def create(self):
        """Makes the folders, readable by their owner alone; returns itself."""
        for folder in (self.path, self.models, self.thumbnails, self.logs, self.work):
            with writing_to(folder, "Name another folder with --home, or correct this one."):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self

    def require(self):
        """Returns itself if `feed init` was run here.

        Raises:
            FileNotFoundError: there are no settings in this folder.
        """
        if not self.settings.is_file():
            raise FileNotFoundError(
                f"Expected a feed in {self.path}, found no settings.toml there. Run `traceformers feed init "
                f"--home {self.path}`, or name the folder of your feed with --home or {HOME_VARIABLE}."
            )
        return self.create()

    @contextmanager
    def only_run(self, name="run"):
        """Lets one process at a time through; the operating system frees the lock of a killed process.

        Args:
            name (`str`): of the lock, "run" or "train".

        Raises:
            FeedBusy: another process holds it.
        """
        from filelock import FileLock, Timeout

        self.create()
        holder = self.path / f".{name}.pid"
        lock = FileLock(self.path / f".{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            try:
                who = f"process {holder.read_text().strip()}"
            except OSError:
                who = "another process"
            raise FeedBusy(
                f"Expected no other run in {self.path}, but {who} is at work there. Wait until it has finished."
            ) from None
        try:
            with writing_to(holder, NOTHING_DONE):
                holder.write_text(str(os.getpid()))
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def busy(self):
        """Returns whether a process is collecting, training or scoring here now, as far as its note says."""
        try:
            os.kill(int((self.path / ".run.pid").read_text()), 0)
        except PermissionError:
            return True  # it lives and is not ours
        except (OSError, ValueError):
            return False
        return True


def default_home(platform=sys.platform, environment=None):
    """Returns where this system keeps a user's data, a `Path`.

    Args:
        platform (`str`): as `sys.platform`. environment (`dict`, *optional*): instead of `os.environ`.
    """
    environment = os.environ if environment is None else environment
    if platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif platform == "darwin":
        base = Path.home() / "Library/Application Support"
    else:
        base = Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return base / "traceformers" / "feed"


def read_text(path, fault=ValueError):
    """Returns the text of a file, without the mark that some editors begin it with.

    Args:
        path (`Path`), fault (type of exception): what is raised.

    Raises:
        ValueError: it is not UTF-8. What is in it is not shown.
    """
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise fault(f"Expected UTF-8 in {path}, got other bytes in line {line}. Save it as UTF-8.") from None


@contextmanager
def writing_to(path, advice):
    """Within it, an error of the system is raised with the path and what to do.

    Args:
        path (`os.PathLike`), advice (`str`): a sentence.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"Expected to write {path}, got: {error.strerror}. {advice}") from error


def write_atomically(path, text, mode=0o644):
    """Writes a text beside `path` and renames it, so that no reader and no crash sees half of it.

    Args:
        path (`os.PathLike`), text (`str`), mode (`int`): permissions, set before the first byte is written.
    """
    path = Path(path)
    half = path.with_name(f".{path.name}.{os.getpid()}.half")
    try:
        with writing_to(path, NOTHING_DONE):
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(half, mode)
            os.replace(half, path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
