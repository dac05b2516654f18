"""Retrieval by inner product: FAISS and the product in chunks find what scoring everything finds."""

import pytest
import torch

from traceformers.modeling.recommender import item_index
from traceformers.modeling.recommender.item_index import ItemIndex
from traceformers.modeling.recommender.item_ranking import top_k

V, H, FIRST = 500, 12, 3


@pytest.fixture(params=["faiss", "chunks"])
def engine(request, monkeypatch):
    if request.param == "faiss":
        pytest.importorskip("faiss")
    else:
        monkeypatch.setattr(item_index, "faiss", None)
        monkeypatch.setattr(item_index, "_PRODUCTS_AT_ONCE", 700)  # many chunks
    return request.param


def catalogue(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(V, H, generator=generator),
        torch.randn(V, generator=generator),
        torch.randn(9, H, generator=generator),
    )


def scored_in_full(vectors, bias, queries, n):
    scores = queries @ vectors.T if bias is None else queries @ vectors.T + bias
    scores[:, :FIRST] = float("-inf")
    return top_k(scores, n)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("n", [1, 10, 600])
def test_a_flat_index_finds_what_scoring_everything_finds(engine, with_bias, n):
    vectors, bias, queries = catalogue()
    bias = bias if with_bias else None
    ids, scores = ItemIndex(vectors, bias, FIRST).search(queries, n)
    expected_ids, expected_scores = scored_in_full(vectors, bias, queries, min(n, V - FIRST))
    assert torch.equal(ids, expected_ids)
    torch.testing.assert_close(scores, expected_scores)


def test_equal_scores_come_in_the_order_of_ids(engine):
    vectors = torch.ones(V, H)
    ids, _ = ItemIndex(vectors, None, FIRST).search(torch.ones(2, H), V)
    assert ids.tolist() == [list(range(FIRST, V))] * 2


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_approximate_kinds_find_most(kind):
    pytest.importorskip("faiss")
    vectors, bias, queries = catalogue()
    ids, scores = ItemIndex(vectors, bias, FIRST, kind).search(queries, 10)
    expected, _ = scored_in_full(vectors, bias, queries, 10)
    shared = [len(set(row) & set(wanted)) for row, wanted in zip(ids.tolist(), expected.tolist(), strict=True)]
    assert sum(shared) / (10 * len(shared)) > 0.5
    assert (scores.diff(dim=1) <= 0).all()
    assert ids.min() >= FIRST


def test_an_index_of_all_cells_is_exact():
    pytest.importorskip("faiss")
    vectors, bias, queries = catalogue()
    ids, _ = ItemIndex(vectors, bias, FIRST, "ivf", cells=8, probes=8).search(queries, 10)
    assert torch.equal(ids, scored_in_full(vectors, bias, queries, 10)[0])


def test_bad_arguments_say_what_to_pass(monkeypatch):
    vectors, _, _ = catalogue()
    with pytest.raises(ValueError, match=r"flat, hnsw, ivf, got 'tree'"):
        ItemIndex(vectors, kind="tree")
    with pytest.raises(ValueError, match=r"settings of 'ivf' to be cells, probes, got links"):
        ItemIndex(vectors, kind="ivf", links=3)
    with pytest.raises(ValueError, match="at least one item"):
        ItemIndex(vectors[:FIRST], first=FIRST)
    monkeypatch.setattr(item_index, "faiss", None)
    with pytest.raises(ImportError, match="install faiss-cpu"):
        ItemIndex(vectors, kind="hnsw")
