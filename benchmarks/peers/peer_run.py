"""Ours and a peer on the same split: the task a peer is given, the run of either side, and one judge for both."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from peers.peer_task import write_task

from traceformers.datasets_scripts.interactions.interaction_formats import detect_format
from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.modeling.recommender.configuration_recommender import FIRST_ITEM_ID
from traceformers.training.evaluation.next_item_ranks import rank_targets
from traceformers.training.evaluation.ranking_report import ranking_report
from traceformers.training.recommenders.histories import Histories, from_interactions
from traceformers.training.recommenders.history_split import split_histories

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent


class SharedData:
    """One data set on one split, as both sides get it.

    Args:
        data (`str`), data_format (`str`, *optional*): as of `run_recommender.py`.
        protocol (`str`): "A" or "B".
        scratch (`Path`): folder for what is written.
        max_users (`int`): the first so many users only; 0 for all.

    Attributes:
        histories (`Histories`), tokenizer (`ItemTokenizer`), split (`HistorySplit`).
        file (`Path`): the interactions as CSV, for our run script. task (`Path`): the folder for peers.
    """

    def __init__(self, data, data_format, protocol, scratch, max_users=0):
        self.protocol, self.scratch = protocol, Path(scratch)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.file, self.data_format = Path(data), data_format
        if data_format is None and self.file.exists():  # said to our run, too, whose config may name another
            self.data_format = detect_format(self.file)
        if max_users:
            self.file, self.data_format = self.scratch / f"first-{max_users}.csv", "table"
            write_first_users(*from_interactions(read_interactions(data, data_format)), max_users, self.file)
        self.histories, self.tokenizer = from_interactions(read_interactions(str(self.file), self.data_format))
        self.split = split_histories(self.histories, protocol)
        self.task = self.scratch / f"task-{protocol}"
        self._write_task()

    def _write_task(self):
        everybody = np.zeros(len(self.histories), np.int64)
        everybody[self.split.test.users] = self.split.test.histories.lengths
        context = self.histories.cut(np.arange(len(everybody)), everybody)
        targets = {}
        for name, asked in (("valid_targets", self.split.validation), ("targets", self.split.test)):
            targets[name] = np.full(len(everybody), -1)
            targets[name][asked.users] = asked.targets - FIRST_ITEM_ID
        write_task(
            self.task,
            len(self.tokenizer) - FIRST_ITEM_ID,
            fit_items=self.split.train.items - FIRST_ITEM_ID,
            fit_offsets=self.split.train.offsets,
            context_items=context.items - FIRST_ITEM_ID,
            context_offsets=context.offsets,
            **targets,
        )

    def history_lists(self):
        """Returns the histories of the test as lists of the users' own item ids."""
        return lists_of(self.split.test.histories, self.tokenizer)


def write_first_users(histories, tokenizer, users, path):
    """Writes the histories of the first so many users as CSV: user, item, and the place in the history as time."""
    import pandas as pd

    first = np.arange(min(users, len(histories)))
    histories = histories.cut(first, histories.lengths[first])
    rows = np.repeat(first, histories.lengths)
    names = np.array([tokenizer.item_of(i) for i in range(FIRST_ITEM_ID, len(tokenizer))], dtype=object)
    table = {"user": np.asarray(histories.user_ids, dtype=object)[rows], "item": names[histories.items - FIRST_ITEM_ID]}
    table["time"] = np.arange(len(rows)) - histories.offsets[rows]
    pd.DataFrame(table).to_csv(path, index=False)


def lists_of(histories: Histories, tokenizer):
    """Returns lists of item ids."""
    names = [tokenizer.item_of(token) for token in range(FIRST_ITEM_ID, len(tokenizer))]
    tokens = (histories.items - FIRST_ITEM_ID).tolist()
    return [[names[t] for t in tokens[a:b]] for a, b in pairwise(histories.offsets)]


def environment(threads):
    """Returns the environment of a process of either side, with so many threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return os.environ | dict.fromkeys(names, str(threads)) | {"TOKENIZERS_PARALLELISM": "false"}


def run_peer(python, peer, model, shared, settings=(), k=10, seed=0, threads=1):
    """Returns (record, ranking of the asked users (n, k) in item codes) of a peer, run by its own Python.

    Args:
        python (`str`): of the peer's environment. peer, model (`str`): "rectools", "bert4rec".
        shared (`SharedData`). settings (list of `str`): "name=value". k, seed, threads (`int`).

    Raises:
        SystemExit: with the end of what the peer printed, if it failed.
    """
    output = shared.scratch / f"{peer}-{model}-{seed}.npy"
    command = [python, str(HERE / f"{peer}_peer.py"), str(shared.task.resolve()), "--model", model]
    command += ["--output", str(output.resolve()), "--k", str(k), "--seed", str(seed), "--set", *settings]
    ran = subprocess.run(command, env=environment(threads), capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{peer} {model} ended with {ran.returncode}:\n{ran.stderr[-2000:]}")
    record = json.loads(ran.stdout.strip().splitlines()[-1])
    return {"peer": peer, **record}, np.load(output)[shared.split.test.users]


def train_ours(folder, shared, config=None, seed=0, threads=1, **arguments):
    """Returns the metrics.json of a run of `run_recommender.py` on the shared data, in a process of its own.

    Args:
        folder (`Path`): output folder. shared (`SharedData`). config (`str`, *optional*): YAML file.
        seed, threads (`int`). arguments: `--name value` of the run.

    Raises:
        SystemExit: with the end of what the run printed, if it failed.
    """
    given = {"data": shared.file, "data_format": shared.data_format, "protocol": shared.protocol}
    given |= {
        "output_dir": folder,
        "seed": seed,
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
    } | arguments
    command = [sys.executable, str(REPOSITORY / "run_scripts" / "run_recommender.py"), *filter(None, [config])]
    for name, value in given.items():
        if value is not None:
            command += [f"--{name}", *map(str, value if isinstance(value, list | tuple) else [value])]
    ran = subprocess.run(command, env=environment(threads), capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stderr[-2000:]}")
    return json.loads((Path(folder) / "metrics.json").read_text())


def ranks_in(ranking, targets):
    """Returns the rank of each target (n,) in a ranking (n, k), 1 for the first, and 0 where it is not there.

    >>> ranks_in(np.array([[5, 2, 9], [1, 4, -1]]), np.array([2, 7])).tolist()
    [2, 0]
    """
    rows, places = np.nonzero(ranking == targets[:, None])
    ranks = np.zeros(len(targets), np.int64)
    ranks[rows] = places + 1
    return ranks


def report_of_folder(folder, shared):
    """Returns the `RankingReport` of a saved model folder on the test of the shared data, loaded as users load it."""
    from transformers import AutoModel

    model = AutoModel.from_pretrained(str(folder), trust_remote_code=True)
    own = model.item_tokenizer  # it may number the items in another order
    ids, offsets, _ = own.encode_histories(shared.history_lists())
    test = shared.split.test
    places = np.array([-1] * FIRST_ITEM_ID + [own.id_of(item) for item in shared.tokenizer.items])
    found = rank_targets(model, ids, offsets, places[test.targets], top_k=10)
    back = np.zeros(len(own), np.int64)
    back[places[FIRST_ITEM_ID:]] = np.arange(FIRST_ITEM_ID, len(places))
    return report_of_ranks(found.ranks, shared, back[found.top_items])


def report_of_ranks(ranks, shared, top_items=None):
    """Returns the `RankingReport` of ranks of the test's targets, 0 for one that is not among the ten best."""
    counts = np.bincount(shared.split.train.items, minlength=len(shared.tokenizer))
    test = shared.split.test
    return ranking_report(
        ranks,
        ks=(10,),
        targets=test.targets,
        top_items=top_items,
        item_counts=counts,
        history_lengths=test.histories.lengths,
    )


def main_figures(report):
    """Returns what a line says of a report: HR, NDCG with their standard errors over users, and coverage."""
    figures = {
        name: round(report.figures[name], 4) for name in ("hr@10", "ndcg@10", "coverage@10") if name in report.figures
    }
    return figures | {f"{name}_error": round(report.errors[name], 4) for name in ("hr@10", "ndcg@10")}
