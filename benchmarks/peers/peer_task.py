"""What a peer is given and what it gives back: histories as flat arrays, rankings as a matrix. NumPy and stdlib only.

A task is a folder of .npy files; items are codes 0 .. n_items - 1 and users are rows:

    fit_items, fit_offsets           what a model may learn from; row u is items[offsets[u]:offsets[u + 1]]
    valid_targets (U,)               the item after fit row u that tuning may look at, -1 where there is none
    context_items, context_offsets   the histories to recommend from, in the order of the same users
    targets (U,)                     the item after context row u, -1 where there is none; a peer script never reads it

A script of this folder is run by the Python of its peer's own environment, on as many threads as OMP_NUM_THREADS says,
and prints one JSON line of times and memory. The ranking (U, k), item codes from the best on and -1 behind the last, is
written as .npy and judged by our own code, so that every figure of a table comes from one definition. Items of the
context are never recommended.
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

NAMES = ("fit_items", "fit_offsets", "valid_targets", "context_items", "context_offsets", "targets")


def write_task(folder, n_items, **arrays):
    """Writes the arrays named in `NAMES` and the number of items to a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        np.save(folder / f"{name}.npy", np.ascontiguousarray(arrays[name], dtype=np.int64))
    (folder / "task.json").write_text(json.dumps({"n_items": int(n_items)}))


class PeerTask:
    """The arrays of a task folder as attributes, int64, and `n_items`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.n_items = json.loads((self.folder / "task.json").read_text())["n_items"]
        for name in NAMES[:-1]:
            setattr(self, name, np.load(self.folder / f"{name}.npy"))
        self.n_users = len(self.fit_offsets) - 1

    def matrix(self, which, n_items=None):
        """Returns the 0/1 csr_matrix (users, items), float32, of `fit` or `context` histories."""
        from scipy.sparse import csr_matrix

        items, offsets = getattr(self, f"{which}_items"), getattr(self, f"{which}_offsets")
        shape = (len(offsets) - 1, n_items or self.n_items)
        matrix = csr_matrix((np.ones(len(items), np.float32), items, offsets), shape=shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return matrix

    def frame(self, which):
        """Returns a DataFrame (user, item, time, value), a row an interaction; times count a user's rows from zero."""
        import pandas as pd

        items, offsets = getattr(self, f"{which}_items"), getattr(self, f"{which}_offsets")
        lengths = np.diff(offsets)
        times = np.arange(len(items)) - np.repeat(offsets[:-1], lengths)
        users = np.repeat(np.arange(len(lengths)), lengths)
        return pd.DataFrame({"user": users, "item": items, "time": times, "value": 1.0})


def ranking_of_scores(score_rows, seen, k, batch_size=256):
    """Returns the ranking (U, k) by `score_rows(start, end) -> (end - start, items)`.

    What `seen`, a csr_matrix, holds is left out. Equal scores stand in the order of their codes.
    """
    rankings = []
    for start in range(0, seen.shape[0], batch_size):
        end = min(start + batch_size, seen.shape[0])
        scores = np.array(score_rows(start, end), dtype=np.float64)
        rows, columns = seen[start:end].nonzero()
        scores[rows, columns] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        rankings.append(np.where(np.isneginf(np.take_along_axis(scores, best, 1)), -1, best))
    return np.concatenate(rankings)


def ndcg(ranking, targets):
    """Returns the mean of 1 / log2(1 + rank) of the targets in a ranking (U, k), over users that have one."""
    asked = targets >= 0
    rows, places = np.nonzero(ranking[asked] == targets[asked][:, None])
    gains = np.zeros(asked.sum())
    gains[rows] = 1 / np.log2(places + 2)
    return float(gains.mean())


class Stopwatch:
    """Takes the wall and processor time between calls, and the peak of resident memory since the process began."""

    def __init__(self):
        self.laps = {}
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def lap(self, name):
        """Stores the time since the last lap as `<name>_seconds`, `<name>_cpu_seconds`, `<name>_peak_mb`."""
        wall, processor = time.perf_counter(), time.process_time()
        self.laps[f"{name}_seconds"] = round(wall - self.wall, 3)
        self.laps[f"{name}_cpu_seconds"] = round(processor - self.processor, 3)
        self.laps[f"{name}_peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        self.wall, self.processor = time.perf_counter(), time.process_time()


def peer_main(description, build):
    """Parses the command line that all peers share, fits, recommends, writes the ranking and prints the line.

    `build(model, options, lap)` returns `(fit, recommend)`: `fit(task)` gives a dict of facts for the line,
    `recommend(task, k)` a ranking (U, k). What either does before it calls `lap("...")` is timed under that name, so
    that turning the task into the peer's own data is not counted as its work. Options of a model come as `--set
    name=value`; values are JSON where they can be read as such.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", help="folder written by `write_task`")
    parser.add_argument("--model", required=True)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="options of the model")
    parser.add_argument("--output", required=True, help="where the ranking goes (.npy)")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    options = {"seed": args.seed}
    for text in args.set:
        name, _, value = text.partition("=")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    task = PeerTask(args.task)
    watch = Stopwatch()
    fit, recommend = build(args.model, options, watch.lap)
    watch.lap("imports")
    facts = fit(task)
    watch.lap("fit")
    ranking = recommend(task, args.k)
    watch.lap("recommend")
    np.save(args.output, np.asarray(ranking, dtype=np.int64))
    line = {"model": args.model, "set": args.set, "seed": args.seed, "users": task.n_users, "items": task.n_items}
    line["threads"] = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
    print(json.dumps(line | facts | watch.laps, default=float), file=sys.__stdout__, flush=True)
