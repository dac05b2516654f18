"""Halves of a session: where the cut is, that each half can be read alone, and who finds whom."""

import gzip
import json

import numpy as np
from scipy import sparse
from tiny_rrweb import SOURCE, add, click, element, event_names, mutation, page, tiny_tokenizer

from traceformers.training.session_probes.session_halves import (
    is_done_by_user,
    other_half_ranks,
    rank_figures,
    session_halves,
)


def test_half_of_what_the_user_did_is_in_each_half():
    events = json.loads(gzip.decompress(SOURCE.read_bytes()))
    first, second = session_halves(events)
    done = [sum(map(is_done_by_user, half)) for half in (events, first, second)]
    assert done[1] == done[0] // 2
    assert first == events[: len(first)]
    assert second[-(len(events) - len(first)) :] == events[len(first) :]


def test_the_second_half_begins_with_the_page_as_it_stands():
    button = element(10, "button", "Buy")
    added = mutation(60, adds=[add(3, element(30, "a", "Help"))])
    events = [*page(button), click(10, time=50), added, click(30, time=90), click(30, time=95)]
    _, second = session_halves(events)
    assert [event["type"] for event in second[:2]] == [4, 2]
    assert "[tag:a]" in event_names(second, 1)
    assert event_names(second, 2)[-5:].count('"Help"') == 1  # the click finds what it touched


def test_a_half_that_begins_with_a_new_page_needs_no_snapshot():
    events = [*page(element(10, "button", "Buy")), *page(element(11, "a", "Help"), href="https://b.test/", time=50)]
    first, second = session_halves(events)
    assert (first, second) == (events[:2], events[2:])


def test_a_session_with_one_thing_done_has_no_halves():
    assert session_halves(page(element(10, "p", "Hello"))) is None


def test_halves_are_sessions_to_the_tokenizer():
    for half in session_halves(json.loads(gzip.decompress(SOURCE.read_bytes()))):
        assert len(tiny_tokenizer().tokenize_session(half)) > 10


def test_a_half_looks_only_among_its_site():
    first = np.eye(7)
    second = np.eye(7)[[1, 0, 2, 3, 4, 5, 6]]  # 0 and 1 find each other's
    sites = ["a", "b", "a", "a", "b", "b", "c"]
    ranks = other_half_ranks(first, second, sites)
    assert len(ranks) == 2 * 6  # the pool of c is too small
    assert rank_figures(ranks)["recall@1"] < 1
    assert rank_figures(other_half_ranks(first, first, sites)) == {"mrr": 1.0, "recall@1": 1.0}


def test_equal_similarities_are_half_won():
    ranks = other_half_ranks(np.ones((3, 2)), np.ones((3, 2)), ["a"] * 3)
    assert ranks.tolist() == [2.0] * 6


def test_sparse_vectors_rank_as_dense_ones():
    rng = np.random.default_rng(0)
    first, second = rng.poisson(0.7, (2, 9, 12)) + 1e-3
    sites = list("aaabbbbbb")
    assert np.allclose(
        other_half_ranks(first, second, sites),
        other_half_ranks(sparse.csr_matrix(first), sparse.csr_matrix(second), sites),
    )


def test_no_pool_no_ranks():
    assert len(other_half_ranks(np.eye(2), np.eye(2), ["a", "a"])) == 0
