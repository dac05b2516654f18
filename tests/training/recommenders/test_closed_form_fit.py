import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from traceformers.modeling.recommender.bag_of_items import item_gram
from traceformers.modeling.recommender.modeling_ease import EASEModel
from traceformers.training.evaluation.next_item_ranks import next_item_ranks
from traceformers.training.recommenders import closed_form_fit
from traceformers.training.recommenders.closed_form_fit import counted_gram, fit_ease, fit_popularity, ndcg_gains
from traceformers.training.recommenders.histories import Histories
from traceformers.training.recommenders.history_split import split_histories

V = 3 + 30


def grouped_histories(users=80, seed=0):
    """Returns `Histories` of users who each keep to one of three groups of ten items, with one item in five of any."""
    rng = np.random.default_rng(seed)
    lists = []
    for user in range(users):
        items = rng.permutation(10)[:7] + 10 * (user % 3)
        lists.append(3 + np.where(rng.random(7) < 0.2, rng.integers(0, 30, 7), items))
    return Histories.from_lists(lists)


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=6), st.integers(1, 4))
def test_sparse_products_count_what_pairs_count(lists, at_once):
    histories = Histories.from_lists(lists)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(closed_form_fit, "ROWS_AT_ONCE", at_once)
        found = counted_gram(histories.items, histories.offsets, 10)
    assert found.dtype == np.float32
    assert np.array_equal(found, item_gram(histories.items, histories.offsets, 10))


def test_the_lambda_with_the_best_validation_is_kept():
    split = split_histories(grouped_histories())
    model, trials = fit_ease(split.train, V, split.validation, l2=[1, 10, 100])
    figures = {trial["l2"]: trial["ndcg@10"] for trial in trials}
    for l2, figure in figures.items():
        alone = EASEModel.fit(split.train.items, split.train.offsets, l2, V)
        asked = split.validation
        ranks = next_item_ranks(alone, asked.histories.items, asked.histories.offsets, asked.targets)
        assert figure == pytest.approx(ndcg_gains(ranks).mean())
        if l2 == model.config.l2:
            assert torch.equal(model.weight, alone.weight)
    assert figures[model.config.l2] == max(figures.values())


def test_a_grid_whose_edge_is_best_is_continued_until_it_is_not():
    split = split_histories(grouped_histories())
    inside, trials = fit_ease(split.train, V, split.validation, l2=[0.001, 0.01])
    tried = [trial["l2"] for trial in trials]
    assert len(tried) > 2
    assert min(tried) < inside.config.l2 < max(tried)


def test_one_lambda_needs_no_validation_and_is_not_tried():
    histories = grouped_histories()
    model, trials = fit_ease(histories, V, l2=7)
    assert model.config.l2 == 7 and trials == []
    with pytest.raises(ValueError, match="validation users to choose among 2 values of l2"):
        fit_ease(histories, V, l2=[7, 8])


def test_a_bar_tells_how_many_settings_were_tried_of_those_there_are(capsys):
    split = split_histories(grouped_histories())
    _, trials = fit_ease(split.train, V, split.validation, l2=[0.001, 0.01], recency=[0, 1], progress=True)
    assert f"{len(trials)}/{len(trials)} " in capsys.readouterr().err and len(trials) > 4
    fit_ease(split.train, V, split.validation, l2=[1, 10])
    assert capsys.readouterr().err == ""


def test_a_catalogue_too_large_is_refused():
    with pytest.raises(ValueError, match="raise memory_limit_gib"):
        fit_ease(grouped_histories(), 60_000, l2=7, memory_limit_gib=1)


def test_items_that_only_occur_in_a_test_have_a_column():
    histories = Histories.from_lists([[3, 4], [3, 4]])
    assert fit_popularity(histories, 9).counts.tolist() == [0, 0, 0, 2, 2, 0, 0, 0, 0]
    assert fit_ease(histories, 9, l2=1)[0].config.vocab_size == 9


def test_gains_are_those_of_one_target():
    assert ndcg_gains(np.array([1, 3, 10, 11])).tolist() == pytest.approx([1, 0.5, 1 / np.log2(11), 0])


def test_recency_is_chosen_with_lambda():
    lists = [[3 + (start + step) % 30 for step in range(12)] for start in range(30)]  # the newest tells the next
    split = split_histories(Histories.from_lists(lists))
    model, trials = fit_ease(split.train, V, split.validation, l2=[1, 10], recency=[0, 1])
    figures = {(trial["l2"], trial["recency"]): trial["ndcg@10"] for trial in trials}
    best = figures[model.config.l2, model.config.recency]
    assert best == max(figures.values())
    assert model.config.recency == 1 and len(trials) % 2 == 0
    asked = split.validation
    ranks = next_item_ranks(model, asked.histories.items, asked.histories.offsets, asked.targets)
    assert ndcg_gains(ranks).mean() == best


@pytest.mark.slow
def test_on_movielens_100k_ease_and_multivae_are_far_above_popularity():
    folder = os.environ.get("TRACEFORMERS_ML100K")
    if not folder:
        pytest.skip("TRACEFORMERS_ML100K names no folder with u.data.gz")
    from traceformers.modeling.recommender.configuration_multivae import MultiVAEConfig
    from traceformers.modeling.recommender.modeling_multivae import MultiVAEModel

    with gzip.open(Path(folder) / "u.data.gz") as file:
        table = np.loadtxt(file, dtype=np.int64)
    table = table[np.lexsort((table[:, 3], table[:, 0]))]
    items = np.unique(table[:, 1], return_inverse=True)[1] + 3
    histories = Histories(items, np.concatenate([[0], np.cumsum(np.bincount(table[:, 0] - 1))]))
    split, size = split_histories(histories), int(items.max()) + 1

    def figure(model):
        asked = split.test
        return ndcg_gains(next_item_ranks(model, asked.histories.items, asked.histories.offsets, asked.targets)).mean()

    torch.manual_seed(0)
    vae = MultiVAEModel(MultiVAEConfig(vocab_size=size, kl_anneal_steps=500)).train()
    optimizer = torch.optim.Adam(vae.parameters(), 1e-3)
    rng = np.random.default_rng(0)
    for _ in range(70):
        for users in np.array_split(rng.permutation(len(histories)), 10):
            vae(*map(torch.from_numpy, split.train.padded(users))).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    popularity = figure(fit_popularity(split.train, size))
    ease = figure(fit_ease(split.train, size, split.validation)[0])
    assert 0.040 < popularity < 0.050
    assert ease > 0.065
    assert figure(vae) > 0.9 * ease
