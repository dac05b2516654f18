"""An index of recordings on disk: vectors in FAISS, scores and time lines in Parquet, and which model made them.

index = SessionIndex.create("index", "recordings", SessionModel("user/rrweb-bert"))
index.columns["reasons"][0]

    about.json         model, revision, fingerprint of its weights, dimension, counts, folder of the recordings
    sessions.parquet   a row a session, the most worth watching first
    vectors.faiss      its vectors, in the same order
    timeline.parquet   a row an action: when, what, on what, surprise, flags
    words.parquet      what text search looks at
    left_out.csv       files that are not in the index, and why
    shards/            what was embedded so far; a killed command goes on from here

The tables are made anew from the shards after every change, `about.json` says when they are whole.
"""

import hashlib
import os
import time
from functools import cached_property
from pathlib import Path

try:
    import faiss
    import pyarrow.parquet as pq
    import sklearn  # noqa: F401
    from tqdm import tqdm
except ImportError as error:
    raise ImportError(
        f"Expected what an index of sessions is made of, {error.name} is not installed. Run: "
        "pip install 'traceformers[sessions]'"
    ) from error
import numpy as np

import traceformers
from traceformers.apps.sessions.index_manifest import FORMAT, check_model, read_about
from traceformers.apps.sessions.index_shards import (
    SHARDS,
    drop_shards,
    one_writer,
    read_shards,
    write_json,
    write_shard,
)
from traceformers.apps.sessions.index_tables import write_left_out, write_tables
from traceformers.apps.sessions.session_record import describe, read_trace
from traceformers.datasets_scripts.rrweb_sessions.session_files import list_session_files, printable
from traceformers.tokenization.rrweb.rrweb_json import SessionFormatError

SHARD_SESSIONS, SHARD_SECONDS = 64, 60.0  # of one shard: what a kill can cost
STATE = ("file", "size", "modified", "sha256", "reason")


class SessionIndex:
    """An index folder, open for questions.

    Args:
        folder (path): what `SessionIndex.create` made.

    Attributes:
        about (`dict`): of about.json.
        columns (`{name: list}`): of sessions.parquet, S values each.
        vectors (`float32 (S, H)`): of length 1.

    Raises:
        FileNotFoundError: there is no index in the folder.
        ValueError: it is unfinished, or its files do not belong together.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.about = read_about(self.folder)
        if self.about["state"] == "writing":  # killed between two tables: the shards hold all they are made of
            with one_writer(self.folder):
                _finish(self.folder, self.about, list_of_shards(self.folder, self.about))
            self.about = read_about(self.folder)
        if self.about["state"] != "ready":
            raise ValueError(
                f"Expected a finished index in {self.folder}, got one whose making was interrupted. "
                "Run the same `traceformers sessions embed` again; it goes on where it stopped."
            )
        self.columns = pq.read_table(self.folder / "sessions.parquet").to_pydict()
        held = faiss.read_index(str(self.folder / "vectors.faiss"))
        if held.ntotal != len(self):
            raise ValueError(
                f"Expected a vector for each of the {len(self)} sessions in {self.folder}, got {held.ntotal}. Files of "
                "two indexes were mixed: make the index again in another folder."
            )
        self.vectors = held.reconstruct_n(0, held.ntotal)
        self.faiss = held

    open = classmethod(lambda cls, folder: cls(folder))

    def __len__(self):
        return len(self.columns["session_id"])

    @cached_property
    def timelines(self):
        """Actions of each session, lists of `dict`, in the order of `columns`."""
        table = pq.read_table(self.folder / "timeline.parquet")
        of_session = {name: [] for name in self.columns["session_id"]}
        for step in table.to_pylist():
            of_session[step["session_id"]].append(step)
        return [of_session[name] for name in self.columns["session_id"]]

    @cached_property
    def words(self):
        """What text search looks at, `list[str]`."""
        return pq.read_table(self.folder / "words.parquet", columns=["words"]).column("words").to_pylist()

    def row_of(self, name):
        """Returns the row number of a session by its id or file, None where there is none of that name."""
        for column in ("session_id", "file"):
            if name in self.columns[column]:
                return self.columns[column].index(name)
        return None

    def nearest(self, vector, top_k):
        """Returns `[(row, cosine)]` of the sessions nearest to a vector `float32 (H,)`, best first."""
        scores, rows = self.faiss.search(np.ascontiguousarray(vector[None], dtype=np.float32), min(top_k, len(self)))
        return [(int(row), float(score)) for row, score in zip(rows[0], scores[0], strict=True)]

    @classmethod
    def create(cls, folder, recordings, model, surprise=True, progress=False):
        """Returns the index of a folder of recordings, made or brought up to date in `folder`.

        Only new and changed files are embedded; sessions whose files are gone are removed. Killed at any moment, the
        same call goes on from the last shard.

        Args:
            folder (path): where the index is kept.
            recordings (path): a folder, file or glob.
            model (`SessionModel`).
            surprise (`bool`): also ask the model how expected each action is, a good third of the time.
            progress (`bool`): show a progress bar.

        Raises:
            ValueError: there are no recordings, or none that can be read; the folder holds an index of another model,
                of other recordings, or other files.
            RuntimeError: another process changes the index.
        """
        folder = Path(folder)
        listed = {_file_of(files, recordings): files for files in list_session_files(str(recordings))}
        about = _begin(folder, recordings, model, surprise, listed)
        with one_writer(folder):
            about = read_about(folder)
            left_out = embed_files(folder, listed, model, about["surprise"], progress)
            names = {file: files.name for file, files in listed.items()}
            held = read_shards(folder, STATE)
            changed = {file for file in listed if file in held} != set(about["names"]) or about["state"] != "ready"
            about = {**about, "names": names, "unreadable": left_out, "recordings": os.path.abspath(recordings)}
            if changed or about["shards"] != sorted({row["shard"] for row in held.values()}) or left_out:
                _finish(folder, about, list_of_shards(folder, about))
        return cls(folder)


def _file_of(files, recordings):
    """Returns the name of a session's files from the folder of the recordings on."""
    root = os.path.abspath(recordings)
    paths = [path.removeprefix("file://") for path in files.paths]
    inside = [os.path.relpath(path, root) if path.startswith(root + os.sep) else path for path in paths]
    return printable("; ".join(inside if os.path.isdir(root) else paths))


def _begin(folder, recordings, model, surprise, listed):
    """Returns what about.json says of an index that may be changed by this call; makes one where there is none."""
    if (folder / "about.json").is_file():
        about = read_about(folder)
        check_model(about, model, folder)
        if about["names"] and not set(about["names"]) & set(listed):
            raise ValueError(
                f"Expected the recordings that {folder} is an index of, from {about['recordings']}, got none of them "
                f"in {recordings}. Name another folder for a new index, or give a folder that holds both."
            )
        return about
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"Expected an empty folder or an index at {folder}, found other files. Name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SHARDS).mkdir(exist_ok=True)
    about = {
        "format": FORMAT,
        "state": "begun",
        "model": model.name,
        "revision": model.revision,
        "fingerprint": model.fingerprint,
        "dimension": model.dimension,
        "surprise": bool(surprise and model.masked_model is not None),
        "made_with": traceformers.__version__,
        "recordings": os.path.abspath(recordings),
        "counts": {},
        "shards": [],
        "names": {},
        "unreadable": {},
    }
    write_json(folder / "about.json", about)
    return about


def embed_files(folder, listed, model, surprise, progress=False):
    """Embeds the files that no shard holds as they are; returns `{file: reason}` of those that cannot be opened.

    Args:
        folder (path): of the index.
        listed (`{file: SessionFiles}`).
        model (`SessionModel`). surprise (`bool`). progress (`bool`): show a progress bar.
    """
    held = read_shards(folder, STATE)
    rows, unopened, begun = [], {}, time.monotonic()
    for file, files in tqdm(listed.items(), desc="sessions", unit=" sessions", disable=not progress):
        state = {"file": file, "size": files.size, "modified": _modified(files)}
        before = held.get(file)
        if before and (before["size"], before["modified"]) == (state["size"], state["modified"]):
            continue
        try:
            contents = files.read()
        except OSError as error:
            unopened[file] = f"cannot be opened: {error.strerror or error}"
            continue
        state["sha256"] = hashlib.sha256(b"\0".join(contents)).hexdigest()
        if before and before["sha256"] == state["sha256"]:
            continue
        try:
            trace = read_trace(contents, model)
        except (SessionFormatError, MemoryError) as error:
            rows.append({**state, "reason": " ".join(str(error).split()) or type(error).__name__})
        else:
            record = describe(trace, model, surprise)
            found = {"vector": model.embed(trace), "timeline": record.timeline, "words": record.words}
            rows.append({**state, **record.row, **found})
        contents = trace = None  # the largest things here: not two sessions of them at once
        if len(rows) >= SHARD_SESSIONS or time.monotonic() - begun > SHARD_SECONDS:
            write_shard(folder, rows)
            rows, begun = [], time.monotonic()
    if rows:
        write_shard(folder, rows)
    return unopened


def _modified(files):
    """Returns when the newest file of a session was changed, in ns; 0 where the file system does not tell."""
    try:
        return max(os.stat(path.removeprefix("file://")).st_mtime_ns for path in files.paths)
    except OSError:
        return 0


def list_of_shards(folder, about):
    """Returns `(sessions, left out, held)`: rows in the order of their names, `{file: reason}`, all rows by file."""
    rows, left_out, seen = [], dict(about["unreadable"]), {}
    wanted = about["names"].keys() - left_out.keys()
    held = {file: row for file, row in read_shards(folder).items() if file in wanted}
    for file in sorted(held, key=lambda file: (about["names"][file], file)):
        row = {**held[file], "session_id": about["names"][file]}
        twin = seen.get(row.get("content"))
        if row.get("reason"):
            left_out[file] = row["reason"]
        elif twin is not None:
            left_out[file] = f"the same session as {twin}"
        else:
            seen[row["content"]] = row["session_id"]
            rows.append(row)
    return rows, left_out, held


def _finish(folder, about, sessions):
    """Writes the tables, and says in about.json that they are whole."""
    rows, left_out, held = sessions
    counts = {"sessions": len(rows), "left_out": len(left_out), "actions": sum(len(row["timeline"]) for row in rows)}
    about = {**about, "counts": counts, "shards": sorted({row["shard"] for row in held.values()})}
    write_json(folder / "about.json", {**about, "state": "writing" if rows else "begun"})
    write_left_out(folder, list(left_out.items()))
    if not rows:
        raise ValueError(
            f"Expected at least one recording, got {len(left_out)} files of which none could be read; "
            f"{folder / 'left_out.csv'} says why. Give the files that rrweb's `emit` wrote."
        )
    write_tables(folder, rows)
    write_json(folder / "about.json", {**about, "state": "ready"})
    drop_shards(folder, held)
