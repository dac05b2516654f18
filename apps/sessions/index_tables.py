"""From embedded sessions to the tables of an index: scores among all sessions, order, map, clusters.

Axes: S sessions, H width of a vector.
"""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from traceformers.apps.sessions.index_shards import TIMELINE, replace_with
from traceformers.apps.sessions.session_clusters import find_clusters, map_of
from traceformers.training.session_evidence.session_scores import (
    RHYTHM,
    anomaly_scores,
    neighbour_distances,
    percentiles,
    rhythm_scores,
)
from traceformers.training.session_evidence.session_trace import clock

UNUSUAL = 0.9  # from this rank on a reason is given
FIRST = ("session_id", "file", "site", "start_url", "started_at", "duration_s")
LAST = ("struggle", "anomaly", "quality", "worth")
NOT_IN_TABLE = (
    "vector", "timeline", "words", "shard", "reason", "struggle_reasons", "quality_reasons", "size", "modified",
    "sha256",
)  # fmt: skip


def write_tables(folder, rows):
    """Writes sessions.parquet, vectors.faiss, timeline.parquet and words.parquet, the most worth watching first.

    Args:
        folder (path): of the index.
        rows (list of `dict`): sessions as `index_shards` holds them.
    """
    import faiss

    folder = Path(folder)
    vectors = np.array([row["vector"] for row in rows], dtype=np.float32)  # (S, H)
    scored = scored_rows(rows, vectors)
    order = sorted(range(len(rows)), key=lambda i: (-scored[i]["worth"], scored[i]["session_id"]))
    vectors, rows, scored = vectors[order], [rows[i] for i in order], [scored[i] for i in order]
    clusters = find_clusters(vectors)
    places = map_of(vectors)
    for row, cluster, (x, y) in zip(scored, clusters.tolist(), places.tolist(), strict=True):
        row.update(cluster=cluster, x=x, y=y)
    table = pa.Table.from_pylist(scored)
    replace_with(folder / "sessions.parquet", lambda half: pq.write_table(table, half))
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    replace_with(folder / "vectors.faiss", lambda half: faiss.write_index(index, str(half)))
    replace_with(folder / "timeline.parquet", lambda half: pq.write_table(timeline_table(rows), half))
    words = pa.table({name: [row[name] for row in rows] for name in ("session_id", "words")})
    replace_with(folder / "words.parquet", lambda half: pq.write_table(words, half))


def scored_rows(rows, vectors):
    """Returns the rows of sessions.parquet, in the order given, without cluster and map.

    `struggle`, `anomaly` and `quality` are from 0 to 1, each with its rank among the sessions as `..._percentile`;
    `worth` orders sessions: something happened (struggle, and anomaly at half weight) and it can be seen (quality).
    """
    distances = neighbour_distances(vectors)
    surprises = np.array([row["surprise_mean"] for row in rows], dtype=float)
    rhythms, rhythm_ranks = rhythm_scores([[row[name] for name in RHYTHM] for row in rows])
    anomalies = anomaly_scores(distances, surprises, rhythms)
    struggles, qualities = (np.array([row[name] for row in rows]) for name in ("struggle", "quality"))
    worth = qualities * (1 - (1 - struggles) * (1 - anomalies / 2))
    ranks = {
        "struggle": percentiles(struggles),
        "anomaly": percentiles(anomalies),
        "quality": percentiles(qualities),
        "distance": percentiles(distances),
        "surprise": percentiles(surprises),
        "rhythm": percentiles(rhythms),
        "figures": rhythm_ranks,
    }
    table = []
    for i, row in enumerate(rows):
        own = {name: value for name, value in row.items() if name not in NOT_IN_TABLE and name not in FIRST + LAST}
        reasons = [*row["struggle_reasons"], *_anomaly_reasons(row, ranks, i), *row["quality_reasons"]]
        table.append(
            {
                **{name: row[name] for name in FIRST},
                **own,
                "neighbour_distance": round(float(distances[i]), 6) if np.isfinite(distances[i]) else None,
                "struggle": round(float(struggles[i]), 4),
                "anomaly": round(float(anomalies[i]), 4),
                "quality": round(float(qualities[i]), 4),
                "worth": round(float(worth[i]), 4),
                **{
                    f"{name}_percentile": round(100 * float(ranks[name][i]), 1)
                    for name in ("struggle", "anomaly", "quality")
                },
                "reasons": reasons,
            }
        )
    return table


def _anomaly_reasons(row, ranks, i):
    """Yields in words what makes a session unlike the others."""
    if ranks["distance"][i] >= UNUSUAL:
        yield f"farther from the sessions nearest to it than {min(int(100 * ranks['distance'][i]), 99)}% of them are"
    if ranks["surprise"][i] >= UNUSUAL:
        steps = [step for step in row["timeline"] if step["surprise_bits"] is not None]
        most = max(steps, key=lambda step: np.nan_to_num(step["surprise_bits"], nan=-1.0))
        what = " ".join(most["action"].split())[:80]
        yield f"unexpected actions, most of all at {clock(most['seconds'])}: {what} ({most['surprise_bits']:.1f} bits)"
    if ranks["rhythm"][i] >= UNUSUAL:
        yield _rhythm_reason(row, ranks["figures"][i])


def _rhythm_reason(row, ranks):
    """Returns in words which figure of the rhythm lies farthest out."""
    at = int(np.abs(ranks - 0.5).argmax())
    name, share = list(RHYTHM)[at], min(int(100 * max(ranks[at], 1 - ranks[at])), 99)
    return f"{RHYTHM[name].format(row[name])}, {'more' if ranks[at] > 0.5 else 'less'} than {share}% of the sessions"


def timeline_table(rows):
    """Returns timeline.parquet: a row an action, sessions in the order given."""
    names = [field.name for field in TIMELINE]
    steps = [(row["session_id"], step) for row in rows for step in row["timeline"]]
    arrays = {"session_id": pa.array([name for name, _ in steps], pa.string())}
    for name, field in zip(names, TIMELINE, strict=True):
        arrays[name] = pa.array([step[name] for _, step in steps], type=field.type)
    return pa.table(arrays)


def write_left_out(folder, reasons):
    """Writes left_out.csv: files without a session in the index, and why.

    Args:
        folder (path): of the index.
        reasons (list of `(file, reason)`).
    """

    def write(half):
        with open(half, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "reason"))
            writer.writerows(sorted(reasons))

    replace_with(Path(folder) / "left_out.csv", write)
