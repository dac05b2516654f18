"""A repository from the Hub to a folder, every file compared with the hash the Hub tells; a broken pull goes on.

A file that is whole stays, one that was cut is taken up by the client while the process lives, and anew after that.
Files are written aside and renamed, so a file that has its name is whole; the last step reads all of them once more.
"""

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import RepositoryNotFoundError
from tqdm import tqdm

from traceformers.apps.hub.folder_checks import said_bytes
from traceformers.apps.hub.hub_faults import CONFLICT, DISK, UNREACHED, HubFault, retrying
from traceformers.apps.hub.hub_push import is_same, remote_files

CACHE = ".cache/huggingface"  # where the client notes what it downloaded into a folder
HEADROOM = 1 << 20  # bytes that stay free


@dataclass(frozen=True)
class Pulled:
    """What a pull did: the `folder`, the `commit` it now holds, how many files came and how many were there."""

    folder: Path
    commit: str
    kind: str
    fetched: int
    held: int
    others: tuple


def find_repository(api, repository, revision=None, kind=None, note=None):
    """Returns (its description, "model" or "dataset"): a model of that name, or else a data set.

    Raises:
        RepositoryNotFoundError: neither.
    """
    kinds = (kind,) if kind else ("model", "dataset")
    for number, one in enumerate(kinds, 1):
        try:
            return retrying(api.repo_info, repository, revision=revision, repo_type=one, note=note), one
        except RepositoryNotFoundError:
            if number == len(kinds):
                raise
    raise AssertionError("unreachable")


def pull(repository, output_dir=None, revision=None, kind=None, progress=True, note=lambda line: None):
    """Returns what was `Pulled`.

    Args:
        repository: "user/name".
        output_dir: a folder that is new, empty, or of an earlier pull; None: named as the repository, here.
        revision: branch, tag or commit.
        kind: "model" or "dataset"; None: whichever there is.
        progress: show a bar.
        note (callable): is told of waits, a line each.

    Raises:
        HubFault: the folder holds something else, the disk is too small, or a file is not what the Hub says it is.
    """
    api = HfApi()
    folder = Path(output_dir or repository.split("/")[-1])
    if folder.exists() and not folder.is_dir():
        raise HubFault(f"Expected a folder at {folder}, got a file. Name another --output-dir.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CACHE).is_dir():
        raise HubFault(
            f"Expected a new or empty folder, or one of an earlier pull, got {folder} with files of its own. "
            "Name another --output-dir."
        )
    info, found = find_repository(api, repository, revision, kind, note)
    remote = remote_files(api, repository, found, info.sha, note)
    for name in remote:
        _check_name(name)
    with _alone_in(folder):
        for path in (folder / CACHE).rglob("*.incomplete"):  # of a pull that was killed
            path.unlink()
        missing = [name for name, told in remote.items() if not _is_here(folder / name, told)]
        _check_room(folder, sum(remote[name].size for name in missing))
        _fetch_all(repository, missing, found, info.sha, folder, remote, progress, note)
    return Pulled(folder, info.sha, found, len(missing), len(remote) - len(missing), tuple(_others(folder, remote)))


@contextmanager
def _alone_in(folder):
    (folder / CACHE).mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / CACHE / "pull.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise HubFault(
            f"Expected to be alone in {folder}, another pull is writing there. Wait for it, or name another "
            "--output-dir.",
            CONFLICT,
        ) from None
    try:
        yield
    finally:
        lock.release()


def _fetch_all(repository, missing, kind, commit, folder, remote, progress, note):
    for name in tqdm(missing, desc=f"{repository} at {commit[:8]}", unit="file", disable=not progress):
        _fetch(repository, name, kind, commit, folder, remote[name], note)
    wrong = [name for name in missing if not _is_here(folder / name, remote[name])]
    if wrong:
        raise HubFault(
            f"Expected {wrong[0]} with the size and hash that the Hub tells, got another file. "
            "Run the same command again.",
            UNREACHED,
        )


def _is_here(path, told):
    return path.is_file() and not path.is_symlink() and is_same(path, told)


def _check_name(name):
    """Raises HubFault at a name that leads out of the folder, or into what the client keeps there."""
    parts = PurePosixPath(name).parts
    if name.startswith(("/", "\\")) or ".." in parts or "\\" in name or ":" in parts[0] or parts[0] == ".cache":
        raise HubFault(f"Expected names of files inside the repository, got {name!r}. Do not trust this repository.")


def _check_room(folder, needed):
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    if needed and free < needed + HEADROOM:
        raise HubFault(
            f"Expected {said_bytes(needed)} free at {place}, got {said_bytes(free)}. Free space, or name an "
            "--output-dir on another disk, and run it again: files that are complete are kept.",
            DISK,
        )


def _fetch(repository, name, kind, commit, folder, told, note):
    """Downloads one file; a copy on disk that the client takes for the right one, and is not, is fetched again."""
    path = folder / name
    if path.is_symlink():
        path.unlink()
    for force in (False, True):
        try:
            retrying(
                hf_hub_download,
                repository,
                name,
                repo_type=kind,
                revision=commit,
                local_dir=folder,
                force_download=force or path.exists(),
                note=note,
            )
        except OSError as error:
            if "Consistency check failed" not in str(error) or force:
                raise
        if _is_here(path, told):
            return
    raise HubFault(
        f"Expected {name} with {told.size} bytes and the hash that the Hub tells, got another file twice. "
        "Run the same command again later.",
        UNREACHED,
    )


def _others(folder, remote):
    """Yields the files of the folder that the repository does not have at this revision."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in remote and not name.startswith(".cache/"):
            yield name
