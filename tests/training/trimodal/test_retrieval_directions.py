"""Retrieval in six directions: ranks against sorting, ties, chance against its definition."""

import numpy as np
import pytest

from traceformers.training.trimodal.retrieval_directions import (
    DIRECTIONS,
    chance_figures,
    figures_of_ranks,
    ranks_of_partners,
    retrieval_report,
)


def unit_rows(rows, width, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(rows, width))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_ranks_are_the_places_in_a_sorted_list():
    queries, candidates = unit_rows(12, 4), unit_rows(12, 4, seed=1)
    order = np.argsort(-(queries @ candidates.T), axis=1)
    expected = [1 + list(order[i]).index(i) for i in range(12)]
    assert ranks_of_partners(queries, candidates).tolist() == expected


def test_inside_a_group_only_its_own_rows_compete():
    queries, candidates = unit_rows(10, 3), unit_rows(10, 3, seed=1)
    groups = np.array(list("aabbbaabbb"))
    found = ranks_of_partners(queries, candidates, groups)
    for name in "ab":
        rows = groups == name
        assert found[rows].tolist() == ranks_of_partners(queries[rows], candidates[rows]).tolist()


def test_a_model_that_says_the_same_of_all_gets_the_middle_rank():
    same = np.tile(unit_rows(1, 5), (9, 1))
    assert ranks_of_partners(same, same).tolist() == [5.0] * 9


def test_figures_of_known_ranks():
    assert figures_of_ranks([1, 2, 4, 10]) == {"r_at_1": 0.25, "r_at_5": 0.75, "mrr": pytest.approx(0.4625)}


@pytest.mark.parametrize("pools", [[1], [3], [4, 4, 9, 50]])
def test_chance_is_the_mean_over_all_ranks(pools):
    ranks = [figures_of_ranks([rank]) for size in pools for rank in range(1, size + 1)]
    weights = [1 / size / len(pools) for size in pools for _ in range(size)]
    for name, value in chance_figures(pools).items():
        assert value == pytest.approx(sum(w * row[name] for w, row in zip(weights, ranks, strict=True)))


def test_perfect_vectors_find_their_partner_in_all_six_directions():
    vectors = unit_rows(8, 16)
    report = retrieval_report(dict.fromkeys(("text", "image", "session"), vectors), list("aaaabbbb"))
    assert len(DIRECTIONS) == 6 and report["rows"] == 8 and report["groups"] == 2
    for pool in ("all", "within"):
        assert all(report[pool][f"{a}->{b}"]["mrr"] == 1 for a, b in DIRECTIONS)
    assert report["within"]["candidates"] == 4 and report["within"]["chance"]["r_at_1"] == 0.25


def test_random_vectors_are_near_chance():
    vectors = {name: unit_rows(400, 8, seed) for seed, name in enumerate(("text", "image", "session"))}
    report = retrieval_report(vectors)["all"]
    assert report["mean"]["mrr"] == pytest.approx(report["chance"]["mrr"], abs=0.01)
