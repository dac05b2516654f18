"""Which files hold which session: a folder, a glob or any fsspec path, segments of one session together."""

import re
from collections import Counter
from dataclasses import dataclass

import fsspec

SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz", ".bin", ".rrweb")
# `a_segment_000.bin`, `a-segment-1.json.gz`: parts of the session `a`
SEGMENT = re.compile(r"^(?P<stem>.*?)[_.-]?segment[_.-]?(?P<number>\d+)(?P<suffix>\..+)$", re.IGNORECASE)


@dataclass(frozen=True)
class SessionFiles:
    """The files of one session.

    Attributes:
        name (`str`): the file's name without suffix, or what the names of its segments share; unique in a listing.
        paths (`tuple[str]`): full fsspec paths.
        size (`int`): bytes in all, as stored.
    """

    name: str
    paths: tuple
    size: int

    @property
    def source(self):
        """The paths as one text that every format can hold, whatever bytes the file system has in names."""
        return printable("; ".join(self.paths))

    def read(self):
        """Returns the raw content of each file."""
        contents = []
        for path in self.paths:
            with fsspec.open(path, "rb") as file:
                contents.append(file.read())
        return contents


def list_session_files(data):
    """Returns the sorted `SessionFiles` of a folder, a file, a glob, or a list of these.

    In folders, files with a recording's suffix are taken, at any depth; a file or glob is taken as it is named.

    Args:
        data (`str`, path or list): local, or any URL that fsspec reads.

    Raises:
        ValueError: if nothing is found.

    >>> [files.name for files in list_session_files("tests/golden/wrapped/sentry_segment_*.bin")]
    ['sentry']
    """
    sizes = {}
    for entry in data if isinstance(data, list | tuple) else [data]:
        sizes.update(_list_one(str(entry)))
    if not sizes:
        raise ValueError(
            f"Expected recordings ({', '.join(SUFFIXES)}) in {data}, found none. Give a folder, a file or a glob."
        )
    groups = {}
    for path in sorted(sizes):
        folder, _, name = path.rpartition("/")
        match = SEGMENT.match(name)
        key = (folder, match["stem"] or "session", match["suffix"]) if match else (folder, name, "")
        groups.setdefault(key, []).append(path)
    short = {key: _stem(key[1]) for key in groups}
    times = Counter(short.values())
    longer = {key: f"{key[0].rpartition('/')[2]}/{key[1]}" for key in groups if times[short[key]] > 1}
    times.update(longer.values())
    found = []
    for key, paths in groups.items():
        name = longer.get(key, short[key])
        name = paths[0] if times[name] > 1 else name
        found.append(SessionFiles(printable(name), tuple(paths), sum(sizes[path] for path in paths)))
    return sorted(found, key=lambda files: (files.name, files.paths))


def printable(name):
    """Returns `name` with bytes that are no UTF-8 as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _list_one(entry):
    """Returns `{full path: size}` of one folder, file or glob."""
    filesystem, root = fsspec.core.url_to_fs(entry)
    if filesystem.isdir(root):
        details = filesystem.find(root, detail=True)
        details = {path: d for path, d in details.items() if path.lower().endswith(SUFFIXES)}
    elif filesystem.exists(root):
        details = {root: filesystem.info(root)}
    else:
        details = filesystem.glob(root, detail=True)
        details = {path: d for path, d in details.items() if d["type"] == "file"}
    return {filesystem.unstrip_protocol(path): d["size"] or 0 for path, d in details.items()}


def _stem(name):
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
