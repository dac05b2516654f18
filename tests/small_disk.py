"""A disk of a few megabytes, for tests of what happens when it is full: a tmpfs, which needs the right to mount one.

with small_disk(folder, megabytes=24) as disk:
    filled = fill(disk)     # no byte is left
    filled.unlink()         # room again
"""

import errno
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder, megabytes, owner=None):
    """Yields a folder that holds so much and no more; skips the test where none can be mounted.

    Args:
        folder (path): to mount it on, made if it is not there. owner (`str`, *optional*): user that it belongs to.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], capture_output=True, timeout=60
    )
    if not done or done.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        if owner:
            shutil.chown(folder, owner)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True, timeout=60)


def fill(folder, leave=0):
    """Returns a file that takes all room that is left but `leave` bytes."""
    path = Path(folder) / "filled"
    with path.open("wb", buffering=0) as file:
        block = b"\0" * 65_536
        while block:
            try:
                file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block = block[: len(block) // 2]
        if leave:
            file.truncate(max(0, os.fstat(file.fileno()).st_size - leave))
    return path
