import evaluate
import pytest


@pytest.fixture(scope="module")
def folder(repository_root):
    return str(repository_root / "metrics" / "masked_accuracy")


def test_only_asked_tokens_count(folder):
    metric = evaluate.load(folder)
    assert metric.compute(predictions=[7, 8, 9, 4], references=[7, -100, 1, 4]) == {"masked_accuracy": 2 / 3}


def test_batches_add_up_and_classes_are_named(folder):
    metric = evaluate.load(folder)
    metric.add_batch(predictions=[0, 1], references=[0, 0])
    metric.add_batch(predictions=[2], references=[2])
    result = metric.compute(token_classes=[0, 0, 1], class_names=["event", "text"])
    assert result == {"masked_accuracy": 2 / 3, "masked_accuracy_event": 0.5, "masked_accuracy_text": 1.0}


def test_nothing_asked_is_an_error(folder):
    with pytest.raises(ValueError, match="nothing was asked"):
        evaluate.load(folder).compute(predictions=[1], references=[-100])
