import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.training.evaluation.dense_search import dense_search


@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 12), st.integers(1, 50), st.integers(0, 99))
def test_pieces_of_any_size_find_what_a_full_sort_finds(documents, queries, k, chunk, seed):
    draw = np.random.default_rng(seed)
    asked, corpus = draw.normal(size=(queries, 5)), draw.normal(size=(documents, 5))
    scores, positions = dense_search(asked, corpus, k, chunk=chunk)
    products = asked.astype(np.float32) @ corpus.astype(np.float32).T
    expected = np.argsort(-products, axis=1, kind="stable")[:, :k]
    assert positions.shape == (queries, min(k, documents)) and (positions == expected).all()
    np.testing.assert_allclose(scores, np.take_along_axis(products, expected, 1), rtol=1e-5, atol=1e-6)


def test_many_queries_are_searched_in_blocks(monkeypatch):
    draw = np.random.default_rng(3)
    asked, corpus = draw.normal(size=(11, 4)), draw.normal(size=(9, 4))
    whole = dense_search(asked, corpus, 3)
    monkeypatch.setattr("traceformers.training.evaluation.dense_search.QUERIES", 4)
    for one, other in zip(whole, dense_search(asked, corpus, 3), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_equal_scores_stand_in_the_order_of_positions():
    scores, positions = dense_search(np.ones((1, 2)), np.ones((7, 2)), 7, chunk=3)
    assert positions.tolist() == [[0, 1, 2, 3, 4, 5, 6]] and (scores == 2).all()


def test_half_precision_documents_are_scored_in_full_precision():
    corpus = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float16)
    asked = np.random.default_rng(1).normal(size=(2, 4)).astype(np.float32)
    np.testing.assert_array_equal(dense_search(asked, corpus)[0], dense_search(asked, corpus.astype(np.float32))[0])


@pytest.mark.parametrize(("queries", "documents"), [((2, 3), (4, 5)), ((2, 3), (0, 3)), ((3,), (4, 3))])
def test_vectors_that_do_not_fit_are_an_error(queries, documents):
    with pytest.raises(ValueError, match="Expected queries"):
        dense_search(np.zeros(queries), np.zeros(documents))
