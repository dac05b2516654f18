import evaluate
import numpy as np
import pytest

from traceformers.training.next_action.next_action_metrics import class_figures


@pytest.fixture(scope="module")
def folder(repository_root):
    return str(repository_root / "metrics" / "next_action_accuracy")


def test_figures_are_those_of_the_training(folder):
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(-1, 5, size=200), rng.random((200, 5))
    ranked = np.argsort(-scores, axis=1, kind="stable").tolist()
    found = evaluate.load(folder).compute(predictions=ranked, references=labels)
    expected = class_figures(labels, scores)
    assert found == pytest.approx({name: expected[name] for name in ("accuracy", "top3", "macro_f1")})


def test_batches_add_up_and_nothing_asked_is_an_error(folder):
    metric = evaluate.load(folder)
    metric.add_batch(predictions=[[0, 1]], references=[0])
    metric.add_batch(predictions=[[1, 0], [1, 0]], references=[1, 0])
    assert metric.compute(least=1) == pytest.approx({"accuracy": 2 / 3, "top3": 1.0, "macro_f1": 2 / 3})
    with pytest.raises(ValueError, match="nothing was asked"):
        evaluate.load(folder).compute(predictions=[], references=[])
