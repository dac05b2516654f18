"""What peers are given and how they are judged: the same split as ours, the same figures as our own evaluation's."""

import importlib
import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from test_house import ROOT

from traceformers.training.evaluation.ranking_report import ranking_report

PEERS = ROOT / "benchmarks" / "peers"
#: A peer in a few lines: it ranks by how often an item was chosen, with what `peer_task` gives every peer.
POPULAR_PEER = """
import numpy as np
from peer_task import peer_main, ranking_of_scores

def build(name, options, lap):
    def fit(task):
        task.counts = np.bincount(task.fit_items, minlength=task.n_items)
        return {"asked": int((task.valid_targets >= 0).sum())}

    def recommend(task, k):
        seen = task.matrix("context")
        return ranking_of_scores(lambda start, end: np.tile(task.counts, (end - start, 1)), seen, k)

    return fit, recommend

peer_main("Most popular.", build)
"""


@pytest.fixture
def peer_task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("peers.peer_task")


@pytest.fixture
def shared(monkeypatch, tmp_path):
    """Returns the `SharedData` of five users and six items, the last of them with two items only."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    rows = ["ann a b c d", "bob b c d e", "cat c d e f", "dan d a b", "eve a f"]
    lines = [f"{row.split()[0]},{item},{t}" for row in rows for t, item in enumerate(row.split()[1:])]
    path = tmp_path / "clicks.csv"
    path.write_text("\n".join(["user,item,time", *lines]) + "\n")
    return importlib.import_module("peers.peer_run").SharedData(str(path), "table", "A", tmp_path / "scratch")


def names(shared, codes):
    return "".join(shared.tokenizer.items[code] for code in codes)


def rows_of(items, offsets):
    return [items[a:b] for a, b in pairwise(offsets)]


def test_a_peer_learns_from_all_but_the_last_two_items_and_recommends_from_all_but_the_last(shared, peer_task):
    task = peer_task.PeerTask(shared.task)
    fit, context = rows_of(task.fit_items, task.fit_offsets), rows_of(task.context_items, task.context_offsets)
    assert [names(shared, row) for row in fit] == ["ab", "bc", "cd", "d", "af"]
    assert [names(shared, row) for row in context] == ["abc", "bcd", "cde", "da", ""]
    assert names(shared, task.valid_targets[:4]) == "cdea" and task.valid_targets[4] == -1


def test_a_peer_is_not_given_the_targets_of_the_test(shared, peer_task):
    targets = np.load(shared.task / "targets.npy")
    assert names(shared, targets[:4]) == "defb" and targets[4] == -1
    assert not hasattr(peer_task.PeerTask(shared.task), "targets")


def test_a_ranking_leaves_out_what_was_seen_and_breaks_ties_by_code(peer_task):
    from scipy.sparse import csr_matrix

    scores = np.array([[1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    seen = csr_matrix(np.array([[0, 0, 0, 1], [1, 1, 0, 0]]))
    ranking = peer_task.ranking_of_scores(lambda start, end: scores[start:end], seen, 3, batch_size=1)
    assert ranking.tolist() == [[1, 2, 0], [2, 3, -1]]


def test_ndcg_counts_only_users_who_are_asked(peer_task):
    ranking = np.array([[4, 7], [5, 6], [1, 2]])
    assert peer_task.ndcg(ranking, np.array([7, 9, -1])) == pytest.approx((1 / np.log2(3) + 0) / 2)


def test_the_judge_of_peers_gives_the_figures_of_our_own_evaluation(shared, tmp_path):
    import torch

    from traceformers.training.evaluation.next_item_ranks import rank_targets

    peer_run = importlib.import_module("peers.peer_run")
    script = tmp_path / "popular_peer.py"
    script.write_text(POPULAR_PEER)
    output = tmp_path / "ranking.npy"
    command = [sys.executable, str(script), str(shared.task), "--model", "popular", "--output", str(output), "--k", "6"]
    environment = os.environ | {"PYTHONPATH": str(PEERS), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    record = json.loads(ran.stdout.splitlines()[-1])
    assert record["asked"] == 4 and record["threads"] == 1 and record["recommend_cpu_seconds"] >= 0

    test = shared.split.test
    ranking = np.load(output)[test.users]
    theirs = peer_run.ranks_in(ranking, test.targets - peer_run.FIRST_ITEM_ID)
    counts = np.bincount(shared.split.train.items, minlength=len(shared.tokenizer))
    scores = torch.from_numpy(counts).float()
    ours = rank_targets(
        lambda ids, mask: scores.expand(len(ids), -1), test.histories.items, test.histories.offsets, test.targets
    ).ranks
    assert theirs.tolist() == ours.tolist() and (ours > 1).any()
    report = peer_run.main_figures(peer_run.report_of_ranks(theirs, shared))
    assert report["ndcg@10"] == round(float((1 / np.log2(1 + ours)).mean()), 4)


def test_a_target_outside_of_the_ranking_is_a_miss_for_every_figure(shared):
    peer_run = importlib.import_module("peers.peer_run")
    assert peer_run.ranks_in(np.array([[5, 2], [1, -1]]), np.array([2, 7])).tolist() == [2, 0]
    figures = peer_run.main_figures(peer_run.report_of_ranks(np.zeros(4, np.int64), shared))
    assert figures["hr@10"] == figures["ndcg@10"] == 0


def test_the_first_users_are_the_same_data_for_both_sides(shared, tmp_path):
    peer_run = importlib.import_module("peers.peer_run")
    few = peer_run.SharedData(str(shared.file), "table", "A", tmp_path / "few", max_users=2)
    assert peer_run.lists_of(few.histories, few.tokenizer) == [list("abcd"), list("bcde")]
    assert few.history_lists() == [list("abc"), list("bcd")]


def test_the_format_found_is_told_to_our_run_whose_config_may_name_another(shared, tmp_path):
    peer_run = importlib.import_module("peers.peer_run")
    run = {"model_type": "popularity", "data_format": "sasrec", "data": "elsewhere.txt"}
    (tmp_path / "config.yaml").write_text(json.dumps(run))  # JSON is YAML
    again = peer_run.SharedData(str(shared.file), None, "A", tmp_path / "again")
    metrics = peer_run.train_ours(tmp_path / "run", again, str(tmp_path / "config.yaml"))
    assert again.data_format == "table" and metrics["data"]["users"] == 5


def test_a_run_has_no_seed_by_its_model_type_and_not_by_its_name(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    quality = importlib.import_module("recommender_quality")
    for name, model_type in (("increase", "sasrec"), ("linear", "ease")):
        (tmp_path / name / "model").mkdir(parents=True)
        (tmp_path / name / "metrics.json").write_text(json.dumps({"model_type": model_type}))
    linear, increase = tmp_path / "linear", tmp_path / "increase" / "model"
    assert quality.is_seedless([linear, linear / "model"]) and not quality.is_seedless([increase])
    reports = {"linear": [ranking_report([1] * 20)], "increase": [ranking_report([2] * 19 + [3])]}
    said = [
        quality.line_of("linear", reports["linear"], ("increase", reports["increase"]), seedless)["significant"]
        for seedless in ({"linear"}, {"linear", "increase"})
    ]
    assert said == [None, True]


def test_the_large_catalogue_is_measured_by_what_users_call(tmp_path):
    script = ROOT / "benchmarks" / "recommender_large_catalogue.py"
    sizes = (
        "--items 300 --users 20 --hidden_size 8 --length 5 --steps 1 --asked 2 --centres 8 --losses --indexes flat hnsw"
    )
    command = [sys.executable, str(script), *sizes.split()]
    ran = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True)
    exact, *indexed = map(json.loads, ran.stdout.splitlines())
    assert exact["system"] == "exact" and [line["system"] for line in indexed] == ["flat", "hnsw"]
    assert indexed[0]["recall@10"] == 1 and indexed[1]["recall@10"] > 0.5
    assert all(line["peak_mb"] >= line["peak_mb_before_searching"] > 0 for line in indexed)


@pytest.mark.parametrize("name", ["speed", "quality", "fusion", "large_catalogue"])
def test_a_benchmark_of_recommenders_says_how_it_is_called(name):
    script = ROOT / "benchmarks" / f"recommender_{name}.py"
    ran = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True)
    assert f"benchmarks/recommender_{name}.py" in ran.stdout
