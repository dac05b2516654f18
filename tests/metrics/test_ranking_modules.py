import evaluate
import numpy as np
import pytest

from traceformers.training.evaluation.ranking_metrics import mrr_at_k, ndcg_at_k, recall_at_k

FIGURES = {"ndcg_at_k": ndcg_at_k, "mrr_at_k": mrr_at_k, "recall_at_k": recall_at_k}


@pytest.fixture(scope="module", params=list(FIGURES))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def metric(repository_root, name):
    return evaluate.load(str(repository_root / "metrics" / name))


def test_a_module_gives_the_mean_of_the_vectorised_figure(metric, name):
    draw = np.random.default_rng(3)
    judged = draw.integers(0, 3, (20, 8))
    judged[0] = 0
    ranked = draw.permuted(judged, axis=1)
    expected = float(np.nanmean(FIGURES[name](ranked, judged, 3)))
    assert metric.compute(predictions=ranked.tolist(), references=judged.tolist(), k=3)[name] == pytest.approx(expected)


def test_queries_may_have_different_numbers_of_documents(metric, name):
    assert metric.compute(predictions=[[1], [1, 0, 1]], references=[[1], [1, 1]])[name] > 0.9


def test_nothing_to_find_is_an_error(metric):
    with pytest.raises(ValueError, match="there is nothing to find"):
        metric.compute(predictions=[[0]], references=[[0]])
