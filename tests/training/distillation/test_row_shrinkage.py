"""Rare rows are drawn back to what frequent rows foretell, and only as far as that helps."""

import numpy as np
import torch

from traceformers.training.distillation.row_shrinkage import FREQUENT, prior_rows, shrink_rare_rows, shrunk

V, D = 60, 3


def rows(seed=0):
    """Returns (teacher's vectors, rows that follow from them by a linear map, occurrences), 10 of them rare."""
    random = np.random.default_rng(seed)
    start = random.normal(size=(V, D)).astype(np.float32)
    true = (start @ random.normal(size=(D, D)) + 0.5).astype(np.float32)
    seen = np.full(V, 10 * FREQUENT)
    seen[-10:] = 2
    return start, true, seen


def test_the_prior_of_a_rare_row_follows_from_frequent_ones():
    start, true, seen = rows()
    noisy = true.copy()
    noisy[-10:] += 7
    assert np.abs(prior_rows(start, noisy, seen) - true).max() < 0.01


def test_a_residual_row_has_the_prior_zero_and_does_not_bend_the_map():
    start, true, seen = rows()
    residual = np.zeros(V, bool)
    residual[:5] = True
    bent = true.copy()
    bent[:5] = 100
    prior = prior_rows(start, bent, seen, residual)
    assert not prior[:5].any()
    assert np.abs(prior[5:] - true[5:]).max() < 0.01


def test_there_is_no_prior_with_few_frequent_entries():
    start, true, seen = rows()
    assert prior_rows(start, true, np.minimum(seen, FREQUENT - 1)) is None


def test_a_row_is_as_far_from_its_prior_as_its_occurrences_bear_out():
    trained, prior = np.ones((3, 2), np.float32), np.zeros((3, 2), np.float32)
    seen = np.array([0, 10, 90])
    assert np.allclose(shrunk(trained, prior, seen, 10)[:, 0], [0, 0.5, 0.9])
    assert np.array_equal(shrunk(trained, prior, seen, 0), trained)


def test_the_strength_is_the_best_one_tried_and_the_rows_are_its():
    start, true, seen = rows()
    noisy = true.copy()
    noisy[-10:] += np.random.default_rng(1).normal(size=(10, D)).astype(np.float32)
    embeddings = torch.nn.Embedding.from_pretrained(torch.from_numpy(noisy.copy()))

    def closeness():
        return -float(np.abs(embeddings.weight.numpy() - true).mean())

    report = shrink_rare_rows(embeddings, start, seen, np.zeros(V, bool), closeness)
    assert report["strength"] == 100
    assert report["figure"] == closeness() == max(report["tried"].values())
    assert np.abs(embeddings.weight[:-10].numpy() - true[:-10]).max() < 0.05


def test_rows_stay_where_shrinking_does_not_help():
    start, true, seen = rows()
    embeddings = torch.nn.Embedding.from_pretrained(torch.from_numpy(true + 5 * (seen < 10)[:, None]).float())
    kept = embeddings.weight.clone()
    report = shrink_rare_rows(embeddings, start, seen, np.zeros(V, bool), lambda: float(embeddings.weight[-1].sum()))
    assert report["strength"] == 0
    assert torch.equal(embeddings.weight, kept)
