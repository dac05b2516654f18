"""The files of a Takeout: in a folder, in zip or tar archives, or one by itself; nothing is unpacked to the disk.

What unpacks to too much is refused, whatever size it claims: an archive can hold petabytes in a few kilobytes.
"""

import io
import os
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from traceformers.datasets_scripts.youtube.export_text import CutText, clean_text, encoding_of

HEAD_BYTES = 4096
MOST_BYTES = 4 << 30  # of one file
MOST_BYTES_IN_ALL = 16 << 30
MOST_RATIO = 250  # of unpacked to packed bytes; an HTML history has about 30
RATIO_FREE_BYTES = 1 << 24  # below this the ratio is not asked for
MOST_FILES = 1_000_000
ARCHIVE, JSON, HTML, CSV, EMPTY, UNKNOWN = "archive", "JSON", "HTML", "CSV", "empty", "unknown"
#: What a damaged or hostile archive makes the standard library raise.
FAULTS = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError)


class ExportFile(NamedTuple):
    """A file: `name` with its folders, `kind` by its content, `file` to read, open until the next one is asked for."""

    name: str
    kind: str
    file: io.BufferedIOBase


class Bounded:
    """A binary file that refuses to give more than a Takeout can hold.

    Args:
        file: binary, with `read`.
        name (`str`): for errors.
        budget (`list` of one `int`): bytes left for all files together.
        packed (`int`, *optional*): its size in the archive.
    """

    def __init__(self, file, name, budget, packed=None):
        self._file, self._name, self._budget, self._packed = file, name, budget, packed
        self._read = 0

    def read(self, size=-1):
        """Returns up to `size` bytes.

        Raises:
            CutText: if the archive is damaged, or the file larger than the limits.
        """
        try:
            block = self._file.read(size)
        except FAULTS as error:
            raise CutText(f"Expected {self._name} whole, got: {error}. Download the export again.") from error
        self._read += len(block)
        self._budget[0] -= len(block)
        most = MOST_BYTES
        if self._packed is not None:
            most = min(most, max(RATIO_FREE_BYTES, MOST_RATIO * self._packed))
        if self._read > most or self._budget[0] < 0:
            raise CutText(
                f"Expected at most {most:,} bytes in {self._name}, got more: no export is as large, reading stopped. "
                "If it is yours, unpack it and give the file itself."
            )
        return block


def kind_of(head):
    """Returns what the first bytes of a file are of: "JSON", "HTML", "CSV", "archive", "empty" or "unknown"."""
    if not head:
        return EMPTY
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")) or head[257:262] == b"ustar":
        return ARCHIVE
    encoding = encoding_of(head[:4])
    text = head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n\xa0")
    if not text:
        return EMPTY
    if "\0" in text:
        return UNKNOWN
    if text[0] in "[{":
        return JSON
    if text[0] == "<":
        return (
            HTML if "<html" in text.lower() or "<div" in text.lower() or "<!doctype html" in text.lower() else UNKNOWN
        )
    first = text.partition("\n")[0]
    return CSV if any(mark in first for mark in ",;\t") else UNKNOWN


def export_files(path, warnings):
    """Yields the `ExportFile` of a path, in order of their names; each is to be read before the next.

    Args:
        path (`Path`): folder, zip, tar, tar.gz or single file.
        warnings (`list`): texts about what was passed over are appended.

    Raises:
        FileNotFoundError: if there is no such path.
        ValueError: if a single archive cannot be opened.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"Expected a Takeout at {path}, got no such file or folder. Give the folder, the zip, or one of its files."
        )
    budget = [MOST_BYTES_IN_ALL]
    if not path.is_dir():
        try:
            yield from _from_disk(path, path.name, budget, warnings)
        except FAULTS as error:
            raise ValueError(f"Expected a file that can be read, got {path}: {error}. Download it again.") from error
        return
    for count, (name, file) in enumerate(_walk(path)):
        if count >= MOST_FILES:
            warnings.append(f"Only the first {MOST_FILES:,} files were looked at.")
            return
        try:
            yield from _from_disk(file, name, budget, warnings)
        except FAULTS as error:
            warnings.append(f"{name}: passed over, it cannot be read ({error}).")


def _walk(folder):
    """Yields (name, path) of the regular files in a folder, in order; links to folders are not followed."""
    for here, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(here) / name
            try:
                regular = stat.S_ISREG(path.stat().st_mode)
            except OSError:
                continue
            if regular:
                yield clean_text(path.relative_to(folder).as_posix()), path


def _from_disk(path, name, budget, warnings):
    with path.open("rb") as file:
        head = file.peek(HEAD_BYTES)[:HEAD_BYTES]
        kind = kind_of(head)
        if kind != ARCHIVE:
            yield ExportFile(name, kind, Bounded(file, name, budget))
            return
    if zipfile.is_zipfile(path):
        yield from _from_zip(path, name, budget, warnings)
    elif tarfile.is_tarfile(path):
        yield from _from_tar(path, name, budget, warnings)
    else:
        raise zipfile.BadZipFile("an archive that is cut or damaged")


def _from_zip(path, name, budget, warnings):
    with zipfile.ZipFile(path) as archive:
        members = sorted((each for each in archive.infolist() if not each.is_dir()), key=lambda each: each.filename)
        for member in members[:MOST_FILES]:
            if not _is_safe(member.filename):
                warnings.append(f"{name}: passed over a member with the unsafe name {member.filename[:80]!r}.")
                continue
            try:
                with archive.open(member) as file:
                    yield from _member(file, clean_text(member.filename), member.compress_size, budget, warnings)
            except FAULTS as error:
                warnings.append(f"{name}: passed over {member.filename[:80]!r}, it cannot be read ({error}).")


def _from_tar(path, name, budget, warnings):
    packed = path.stat().st_size
    with tarfile.open(path) as archive:
        try:
            for member in archive:
                if not member.isreg():
                    continue
                if not _is_safe(member.name):
                    warnings.append(f"{name}: passed over a member with the unsafe name {member.name[:80]!r}.")
                    continue
                with archive.extractfile(member) as file:
                    yield from _member(file, clean_text(member.name), packed, budget, warnings)
        except FAULTS as error:
            warnings.append(f"{name}: read up to where it is cut or damaged ({error}).")


def _member(file, name, packed, budget, warnings):
    head = file.peek(HEAD_BYTES)[:HEAD_BYTES]
    kind = kind_of(head)
    if kind == ARCHIVE:
        warnings.append(f"{name}: passed over, an archive within an archive. Unpack the outer one first.")
        return
    yield ExportFile(name, kind, Bounded(file, name, budget, packed))


def _is_safe(name):
    path = PurePosixPath(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and ":" not in (path.parts[0] if path.parts else "")
