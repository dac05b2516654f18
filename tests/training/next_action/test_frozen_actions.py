"""Heads on a frozen encoder: what they learn, how they are joined with counters, what the encoder is asked."""

import numpy as np
import pytest
import torch
from tiny_labelled_sessions import write_encoder
from tiny_rrweb import click, element, page, tiny_tokenizer, typed

from traceformers.training.next_action.action_examples import ActionExamples, ActionWindows
from traceformers.training.next_action.frozen_actions import (
    FrozenHeads,
    boosted_scores,
    frozen_action_vectors,
    frozen_scores,
    honest_scores,
    joined,
    log_likelihood,
    with_counters,
)

EVENTS = [*page(element(5, "button", "Pay"), element(6, "input", type="text")), click(5, 900), typed(6, "Ada", 1500)]


def made_up(n, seed):
    """Returns (vectors, labels, counters) of examples whose kind the vectors tell, and the counters the target."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, size=(n, 2))
    vectors = rng.normal(size=(n, 12)).astype(np.float32) + 3 * np.eye(12, dtype=np.float32)[labels[:, 0]]
    counters = np.stack([labels[:, 1], rng.integers(0, 9, size=n)], 1).astype(float)
    return vectors, labels, counters


def test_heads_learn_what_vectors_tell_and_know_what_they_do_not():
    (vectors, labels, _), chosen, test = (made_up(n, seed) for n, seed in ((400, 0), (100, 1), (100, 2)))
    labels[:40] = -100  # not known
    heads = FrozenHeads((3, 3)).fit(vectors, labels, chosen[:2])
    kinds, targets = heads.scores(test[0])
    assert (kinds.argmax(1) == test[1][:, 0]).mean() > 0.85
    assert log_likelihood(targets, test[1][:, 1]) > np.log(1 / 3) - 0.15  # of a guess, and not much surer
    np.testing.assert_allclose(kinds.sum(1), 1, rtol=1e-5)
    state = torch.random.get_rng_state()
    again = FrozenHeads((3, 3)).fit(vectors, labels, chosen[:2]).scores(test[0])
    np.testing.assert_array_equal(kinds, again[0])
    assert torch.equal(state, torch.random.get_rng_state())


def test_joined_with_counters_each_tells_its_part():
    train, chosen, test = (made_up(n, seed) for n, seed in ((400, 0), (100, 1), (100, 2)))
    vectors, labels, counters = zip(train, chosen, test, strict=True)
    own = frozen_scores(vectors, labels[:2], (3, 3))
    counted = boosted_scores(counters, np.array([True, False]), labels[:2], (3, 3))

    def accuracy(pair):
        return [(scores.argmax(1) == labels[2][:, i]).mean() for i, scores in enumerate(pair)]

    assert accuracy(own[1])[1] < 0.6 and accuracy(counted[1])[0] < 0.6
    assert min(accuracy(with_counters(own, counted, labels[1]))) > 0.85


def test_honest_answers_are_of_fits_without_the_site():
    vectors, labels, counters = made_up(300, 0)
    chosen = made_up(60, 1)
    sites = np.repeat(["a", "b", "c"], 100)
    vectors[sites == "c"] = 0  # nothing can be told there, and the others do not know of it
    is_category = np.array([True, False])
    rows = (vectors, chosen[0]), (counters, chosen[2])
    heads, counted = honest_scores(*rows, is_category, (labels, chosen[1]), sites, (3, 3))
    right = heads[0].argmax(1) == labels[:, 0]
    assert right[:200].mean() > 0.7 > 0.6 > right[200:].mean()
    assert (counted[1].argmax(1) == labels[:, 1]).mean() > 0.9
    own, trees = ((pair, pair) for pair in (heads, counted))
    joined_now = with_counters(own, trees, labels, (heads, counted, labels))
    assert (joined_now[1].argmax(1) == labels[:, 1]).mean() > 0.9


def test_a_product_of_answers():
    first, second = np.array([[0.8, 0.2]]), np.array([[0.4, 0.6]])
    np.testing.assert_allclose(joined(first, second, 1.0), first)
    np.testing.assert_allclose(joined(first, second, 0.0), second)
    expected = np.sqrt(first * second) / np.sqrt(first * second).sum()
    np.testing.assert_allclose(joined(first, second, 0.5), expected)
    assert log_likelihood(first, np.array([-100])) == 0.0
    assert log_likelihood(first, np.array([1])) == pytest.approx(np.log(0.2))


def test_states_at_the_masks_do_not_depend_on_the_batch(tmp_path):
    tokenizer = tiny_tokenizer()
    examples = ActionExamples([tokenizer.tokenize_session(EVENTS)], tokenizer)
    windows = ActionWindows(examples, examples.names(least=1), tokenizer.window_tokens, 40)
    encoder = write_encoder(tmp_path)
    together, alone = (
        frozen_action_vectors(encoder, windows, tokenizer.mask_token_id, 520, n_masks=2, batch_size=size)
        for size in (9, 1)
    )
    assert together.shape == (2, 4 * 32)
    np.testing.assert_allclose(together, alone, atol=1e-5)
