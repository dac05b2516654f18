"""Baselines of the next action: what they know, what they do not, and figures worked out by hand."""

import numpy as np
import pytest
from tiny_rrweb import click, element, page, tiny_tokenizer, typed

from traceformers.training.next_action.action_examples import ActionExamples
from traceformers.training.next_action.next_action_baselines import (
    Bigram,
    BoostedCounters,
    CounterFeatures,
    Majority,
    baseline_scores,
    previous_actions,
)
from traceformers.training.next_action.next_action_metrics import action_figures, class_figures

PAGE = page(element(5, "button", "Pay"), element(6, "input", type="text"))


def session(times, keys="abc"):
    """Returns a session in which clicks and typing take turns."""
    events = list(PAGE)
    for n, time in enumerate(times):
        events.append(click(5, time) if n % 2 == 0 else typed(6, keys[: 1 + n % 3], time))
    return events


def examples(*sessions):
    tokenizer = tiny_tokenizer()
    return ActionExamples([tokenizer.tokenize_session(each) for each in sessions], tokenizer)


def test_the_majority_is_the_share_in_training():
    scores = Majority().fit([0, 0, 0, 2, -100], None, 3).scores([None, None])
    np.testing.assert_allclose(scores, [[0.75, 0, 0.25]] * 2, atol=1e-5)


def test_a_bigram_follows_what_it_saw_and_falls_back():
    model = Bigram().fit([0, 1, 1, 1], ["b", "a", "a", "a"], 2)
    scores = model.scores(["a", "b", "never"])
    assert scores[0].argmax() == 1 and scores[1].argmax() == 0
    np.testing.assert_allclose(scores[2], [0.25, 0.75], atol=1e-5)
    np.testing.assert_allclose(scores[0], [2 * 0.25 / 5, (3 + 2 * 0.75) / 5], atol=1e-5)


def test_the_previous_action_is_none_at_the_start():
    found = previous_actions(examples(session([900, 1900, 2900])), ["button"])
    assert found == [None, ("click", "button"), ("type", "other")]


def test_features_know_nothing_of_the_action_or_later():
    times = [900, 1900, 2900, 3900]
    whole, cut = examples(session(times)), examples(session(times[:2]))
    features = CounterFeatures(whole.names(least=1)).fit(whole)
    seen, is_category = features(whole)
    np.testing.assert_array_equal(seen[:2], features(cut)[0])
    assert is_category.sum() == 9 and len(seen) == 4
    other = examples(session([900, 1900, 2900, 9900]))  # only the time of the last differs
    np.testing.assert_array_equal(seen, features(other)[0])


def test_trees_learn_what_counters_tell():
    rng = np.random.default_rng(0)
    features = rng.integers(0, 3, size=(300, 4)).astype(float)
    labels = (features[:, 0] == 1).astype(int) + 2 * (features[:, 3] > 1)
    model = BoostedCounters(rounds=30).fit(
        features[:200], np.arange(4) < 1, labels[:200], 5, (features[200:250], labels[200:250])
    )
    scores = model.scores(features[250:])
    assert scores.shape == (50, 5) and (scores.argmax(1) == labels[250:]).mean() > 0.95 and not scores[:, 4].any()
    assert 0 <= model.stage < 30
    one = BoostedCounters(rounds=3).fit(features[:9], np.arange(4) < 1, np.full(9, 2), 5)
    assert one.scores(features[:2]).argmax(1).tolist() == [2, 2]


def test_all_baselines_answer_the_same_examples():
    train = examples(*(session(range(900, 900 + 700 * n, 700)) for n in range(3, 9)))
    test = examples(session([900, 1900, 2900]))
    names = train.names(least=1)
    found = baseline_scores(train, None, test, names)
    assert list(found) == ["majority", "bigram", "boosted counters"]
    labels = names.numbers(test.actions)
    for kinds, targets in found.values():
        assert kinds.shape == (3, len(names.kinds)) and targets.shape == (3, len(names.targets))
        np.testing.assert_allclose(kinds.sum(1), 1, atol=1e-4)
    assert action_figures(labels, *found["bigram"])["both"]["accuracy"] == 1.0


def test_figures_worked_out_by_hand():
    scores = np.array([[0.7, 0.2, 0.1, 0.0], [0.1, 0.5, 0.3, 0.1], [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
    found = class_figures([0, 1, 2, 0], scores, names=["a", "b", "c", "d"], least=1)
    assert found["accuracy"] == 0.5 and found["top3"] == 0.75 and found["classes"] == 3
    # a: 1 hit, 2 true, 2 said; b: 1, 1, 1; c: 0
    assert found["macro_f1"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["by_class"]["a"] == {"n": 2, "f1": 0.5}
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.7, 0.5, 0.2, 0.1])))


def test_what_no_class_has_is_a_miss_and_rare_classes_do_not_decide():
    scores = np.tile([0.6, 0.3, 0.1], (13, 1))
    found = class_figures([0] * 10 + [-100, 1, 1], scores)
    assert found["accuracy"] == pytest.approx(10 / 13) and found["top3"] == pytest.approx(12 / 13)
    assert found["classes"] == 1 and found["macro_f1"] == pytest.approx(20 / 23)
    assert class_figures([], np.zeros((0, 3)))["accuracy"] is None
