"""What a report reads of an index folder: its tables and vectors, each checked as it comes in."""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

NEAREST = 8
BLOCK = 1024  # rows whose cosines with all others are held at a time
NEEDED = ("session_id", "x", "y")
SCORES = ("struggle", "anomaly", "quality")
DESCRIBED = {"cluster", "start_url", "duration_s", "struggle"}
MOMENTS = ("session_id", "seconds", "action", "target", "surprise_bits", "flags")


@dataclass
class ReportIndex:
    """An index of N sessions, as a report needs it.

    Attributes:
        about (`dict`): of about.json.
        columns (`dict[str, list]`): N values each, of sessions.parquet.
        moments (`list[list[tuple]]`): for each session (seconds, action, target, surprise in bits, flags), by time.
        nearest (`list[list[tuple]]`): for each session (row, cosine) of those most like it, the nearest first.
        left_out (`list[tuple]`): (file, reason).
        terms (`dict[int, list[str]]`): words by which the sessions of a cluster stand out; empty without words.parquet.
    """

    about: dict
    columns: dict
    moments: list
    nearest: list
    left_out: list = field(default_factory=list)
    terms: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.columns["session_id"])


def read_report_index(folder):
    """Returns the `ReportIndex` of a folder that `traceformers sessions embed` has written.

    Raises:
        FileNotFoundError: there is no index.
        ValueError: a table lacks a column, or vectors and rows do not belong together.
    """
    folder = Path(folder)
    if not (folder / "about.json").is_file() or not (folder / "sessions.parquet").is_file():
        raise FileNotFoundError(
            f"Expected an index with about.json and sessions.parquet, found none in {folder}. "
            "Make one with `traceformers sessions embed`."
        )
    about = json.loads((folder / "about.json").read_text("utf-8"))
    columns = _columns(folder / "sessions.parquet", NEEDED)
    if not columns["session_id"]:
        raise ValueError(f"Expected sessions to report on, got an index without any: {folder}. Embed recordings first.")
    vectors = _vectors(folder / "vectors.faiss", len(columns["session_id"]))
    moments = _moments(folder / "timeline.parquet", columns["session_id"])
    return ReportIndex(
        about,
        columns,
        moments,
        [[] for _ in moments] if vectors is None else nearest_rows(vectors),
        _left_out(folder / "left_out.csv"),
        {} if vectors is None else _terms(folder / "words.parquet", columns, vectors, moments),
    )


def nearest_rows(vectors, n=NEAREST):
    """Returns for each row the `[(row, cosine)]` of the `n` most like it, without itself, the nearest first.

    Args:
        vectors (`np.ndarray`): (N, D).

    >>> nearest_rows(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.1]]), 1)[0][0][0]
    2
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    n, found = min(n, len(unit) - 1), []
    for start in range(0, len(unit), BLOCK):
        cosines = unit[start : start + BLOCK] @ unit.T  # (block, N)
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -np.inf
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :n]
        values = np.take_along_axis(cosines, order, axis=1)
        found += [list(zip(*pair, strict=True)) for pair in zip(order.tolist(), values.tolist(), strict=True)]
    return found


def _columns(path, needed):
    table = pq.read_table(path)
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise ValueError(
            f"Expected the columns {', '.join(needed)} in {path}, but {', '.join(missing)} is missing; it has "
            f"{', '.join(table.column_names)}. Make the index again with `traceformers sessions embed`."
        )
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _moments(path, session_ids):
    found = {name: [] for name in session_ids}
    if path.is_file():
        columns = _columns(path, MOMENTS)
        for name, *moment in zip(*(columns[name] for name in MOMENTS), strict=True):
            if name in found:
                found[name].append(tuple(moment))
    return [sorted(found[name], key=lambda moment: moment[0] or 0.0) for name in session_ids]


def _vectors(path, n_rows):
    if not path.is_file():
        return None
    import faiss

    index = faiss.read_index(str(path))
    if index.ntotal != n_rows:
        raise ValueError(
            f"Expected a vector for each of the {n_rows} sessions, got {index.ntotal} in {path}. "
            "The index was cut off while it was written: run `traceformers sessions embed` again."
        )
    return index.reconstruct_n(0, n_rows)


def _terms(path, columns, vectors, moments):
    if not path.is_file() or not set(columns) >= DESCRIBED:
        return {}
    from traceformers.apps.sessions.session_clusters import describe_clusters

    words = _columns(path, ("session_id", "words"))
    of_session = dict(zip(words["session_id"], words["words"], strict=True))
    clusters = describe_clusters(
        np.array(columns["cluster"]),
        vectors,
        [of_session.get(name, "") for name in columns["session_id"]],
        [[action for _, action, *_ in steps] for steps in moments],
        columns,
    )
    return {cluster.cluster: cluster.terms for cluster in clusters}


def _left_out(path):
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [(row.get("file") or "", row.get("reason") or "") for row in csv.DictReader(file)]
