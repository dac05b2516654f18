import numpy as np
import pytest
from tiny_retrieval import write_retrieval_folder

from traceformers.datasets_scripts.retrieval.retrieval_folder import load_retrieval_set
from traceformers.training.evaluation.ranked_evaluation import dense_ranking, evaluate_ranking, mean_figures


@pytest.fixture
def tiny(tmp_path):
    return load_retrieval_set(write_retrieval_folder(tmp_path))


def test_a_system_that_knows_the_answers_reaches_one(tiny):
    documents = np.eye(6)
    queries = np.zeros((5, 6))
    for row, grades in zip(queries, tiny.judged, strict=True):
        row[list(grades)] = list(grades.values())
    figures = evaluate_ranking(tiny, dense_ranking(queries, documents))
    assert figures["ndcg@10"].tolist() == [1.0] * 5
    # the last query has grades of 1 only, and this set counts from 2
    np.testing.assert_array_equal(figures["mrr@10"], [1, 1, 1, 1, np.nan])
    assert mean_figures(figures) == {"ndcg@10": 1.0, "mrr@10": 1.0, "recall@100": 1.0}


def test_means_are_over_the_queries_asked_for(tiny):
    figures = {"ndcg@10": np.array([1.0, 0.0, 0.5, np.nan, np.nan])}
    assert mean_figures(figures) == {"ndcg@10": 0.5}
    assert mean_figures(figures, np.array([True, False, True, False, True])) == {"ndcg@10": 0.75}
    assert mean_figures(figures, np.array([False, False, False, True, True])) == {"ndcg@10": None}


def test_a_ranking_of_other_queries_is_an_error(tiny):
    with pytest.raises(ValueError, match="Expected a ranking of 5 queries, got 4"):
        evaluate_ranking(tiny, dense_ranking(np.eye(6)[:4], np.eye(6)))
