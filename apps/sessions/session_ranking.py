"""What the commands do with an index: rank its sessions, group them, embed new ones beside it, report on it."""

import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from traceformers.apps.sessions.session_clusters import describe_clusters, find_clusters
from traceformers.apps.sessions.session_index import SessionIndex

ORDERS = ("worth", "struggle", "anomaly", "quality")


def ranked_rows(index, by="worth", site=None):
    """Returns the sessions of an index as `dict`s with `rank`, the highest score first.

    Args:
        index (`SessionIndex`).
        by (`str`): "worth", "struggle", "anomaly" or "quality".
        site (`str`, *optional*): only sessions of this host.

    Raises:
        ValueError: an unknown order, or a site without sessions.
    """
    if by not in ORDERS:
        raise ValueError(f"Expected an order of {', '.join(ORDERS)}, got {by!r}. Choose one.")
    names = list(index.columns)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*index.columns.values(), strict=True)]
    if site is not None:
        rows = [row for row in rows if row["site"] == site]
        if not rows:
            sites = ", ".join(sorted(set(index.columns["site"]))[:10])
            raise ValueError(f"Expected a site of the index, got {site!r}. There are: {sites}.")
    rows.sort(key=lambda row: -row[by])  # stable: what is equal stays in the order of worth
    return [{"rank": rank, **row} for rank, row in enumerate(rows, 1)]


def cluster_index(index, method="hdbscan", clusters=None, smallest=None):
    """Returns `(rows, groups)`: session and cluster of each session, and the groups in words, as `dict`s.

    Args:
        index (`SessionIndex`). method, clusters, smallest: as for `find_clusters`.
    """
    labels = find_clusters(index.vectors, method, clusters, smallest)
    actions = [[step["action"] for step in steps] for steps in index.timelines]
    described = describe_clusters(labels, index.vectors, index.words, actions, index.columns)
    names = ("session_id", "file")
    rows = [
        {**{name: index.columns[name][row] for name in names}, "cluster": int(label)}
        for row, label in enumerate(labels)
    ]
    return rows, [asdict(group) for group in described]


@contextmanager
def index_of_new(before, new, load_model, folder=None, progress=False):
    """Gives the `SessionIndex` of new recordings, in a folder of its own or one that is gone afterwards.

    Args:
        before (`SessionIndex`): whose settings it takes.
        new (path): recordings, or the folder of an index.
        load_model (callable): gives the `SessionModel`; not called for an index.
        folder (path, *optional*): where to keep it.
        progress (`bool`): show a progress bar.
    """
    if (Path(new) / "about.json").is_file():
        yield SessionIndex(new)
        return
    surprise = before.about["surprise"]
    if folder is not None:
        yield SessionIndex.create(folder, new, load_model(), surprise, progress)
        return
    with tempfile.TemporaryDirectory(prefix="new-sessions-") as empty:
        yield SessionIndex.create(empty, new, load_model(), surprise, progress)


def report_index(folder, out, recordings=None, replays=30, model=None, revision=None, device=None, **keep):
    """Returns what `write_report` returns, for an index or, with a model, for a folder of recordings.

    Args:
        folder (path): an index, or recordings.
        out (path): folder for the report.
        recordings (path, *optional*): of an index; where they were when it was made, if they are still there.
        replays (`int`): inside the page.
        model, revision, device: as for `SessionModel`, to embed recordings first, into `out/index`.
        keep: `keep_typed_text` and `keep_personal_text`, as for `write_report`.

    Raises:
        FileNotFoundError: there is no index, and no model to make one with.
    """
    from tqdm import tqdm

    from traceformers.apps.sessions.report_page import write_report

    folder, out = Path(folder), Path(out)
    if not (folder / "about.json").is_file() and model:
        from traceformers.apps.sessions.session_model import SessionModel

        recordings = recordings or folder
        folder = SessionIndex.create(
            out / "index", recordings, SessionModel(model, revision, device), progress=True
        ).folder
    index = SessionIndex(folder)
    recordings = Path(recordings or index.about["recordings"])
    there = recordings if recordings.exists() else None

    def progress(steps):
        return tqdm(steps, desc="replays", unit=" sessions")

    return write_report(folder, there, out, replays=replays, progress=progress, **keep)
