import evaluate
import numpy as np
import pytest

from traceformers.training.evaluation.ranking_report import ranking_report

ITEMS = 12
K = 4


@pytest.fixture(scope="module")
def load(repository_root):
    return lambda name: evaluate.load(str(repository_root / "metrics" / name))


@pytest.fixture(scope="module")
def users():
    """Recommended items and right items of 20 users as token ids, and counts of training."""
    draw = np.random.default_rng(5)
    lists = np.stack([draw.permutation(np.arange(3, 3 + ITEMS)) for _ in range(20)])
    targets = draw.integers(3, 3 + ITEMS, 20)
    counts = np.concatenate([[0, 0, 0], draw.integers(0, 30, ITEMS)])
    return lists, targets, counts


@pytest.fixture(scope="module")
def report(users):
    lists, targets, counts = users
    ranks = 1 + np.argmax(lists == targets[:, None], axis=1)
    return ranking_report(ranks, ks=(K,), top_items=lists[:, :K], item_counts=counts)


def names(lists):
    return [[f"item {token}" for token in one] for one in lists]


def test_hits_equal_those_of_the_report(load, users, report):
    lists, targets, _ = users
    found = load("hit_at_k").compute(predictions=names(lists), references=names(targets[:, None]), k=K)
    assert found["hit_at_k"] == pytest.approx(report.figures[f"hr@{K}"])


def test_coverage_equals_that_of_the_report(load, users, report):
    found = load("coverage_at_k").compute(predictions=names(users[0]), catalogue_size=ITEMS, k=K)
    assert found["coverage_at_k"] == pytest.approx(report.figures[f"coverage@{K}"])


def test_novelty_equals_that_of_the_report(load, users, report):
    lists, _, counts = users
    item_counts = {f"item {token}": int(counts[token]) for token in range(3, 3 + ITEMS)}
    found = load("novelty_at_k").compute(predictions=names(lists), item_counts=item_counts, k=K)
    assert found["novelty_at_k"] == pytest.approx(report.figures[f"novelty@{K}"])


def test_users_with_nothing_to_find_are_in_no_mean(load):
    hits = load("hit_at_k")
    assert hits.compute(predictions=[["a"], ["a"]], references=[["a"], []])["hit_at_k"] == 1
    assert hits.compute(predictions=[[], ["a"]], references=[["a"], ["a"]])["hit_at_k"] == 0.5


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("hit_at_k", {"predictions": [["a"]], "references": [[]]}, "nothing to find"),
        ("hit_at_k", {"predictions": [["a"]], "references": [["a"]], "k": 0}, "k of at least 1"),
        ("coverage_at_k", {"predictions": [["a", "b"]], "catalogue_size": 1}, "catalogue_size of all items"),
        ("coverage_at_k", {"predictions": [["a"]], "catalogue_size": 1, "k": 0}, "k of at least 1"),
        ("novelty_at_k", {"predictions": [["a"]], "item_counts": {}}, "item_counts of the training"),
        ("novelty_at_k", {"predictions": [[]], "item_counts": {"a": 1}}, "nothing to rate"),
        ("novelty_at_k", {"predictions": [["a"]], "item_counts": {"a": 1}, "k": 0}, "k of at least 1"),
    ],
)
def test_what_has_no_figure_is_an_error(load, name, arguments, message):
    with pytest.raises(ValueError, match=message):
        load(name).compute(**arguments)
