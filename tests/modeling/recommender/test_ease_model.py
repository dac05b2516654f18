import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from assertions import assert_save_load_keeps_outputs
from hypothesis import given
from hypothesis import strategies as st

from traceformers.modeling.recommender.bag_of_items import item_counts, item_gram, item_sets, newest_items
from traceformers.modeling.recommender.configuration_ease import EASEConfig
from traceformers.modeling.recommender.configuration_recommender import NO_ITEM_SCORE
from traceformers.modeling.recommender.modeling_ease import EASEModel, require_memory

HISTORIES = [[3, 4, 5], [3, 4], [5, 6, 7, 3], [7], [], [6, 7, 8], [8, 4, 4, 4], [5, 8]]
V = 10  # id 9 is an item that nobody has had


def flat(histories):
    return np.array([i for each in histories for i in each], np.int64), np.cumsum([0, *map(len, histories)])


def rows(*histories, width=None):
    width = width or max(map(len, histories))
    ids = torch.zeros(len(histories), width, dtype=torch.long)
    for row, history in enumerate(histories):
        ids[row, : len(history)] = torch.tensor(history, dtype=torch.long)
    return ids, (ids > 0).long()


def dense(histories):
    """Returns X as an array of zeros and ones, users times items."""
    X = np.zeros((len(histories), V - 3))
    for row, history in enumerate(histories):
        X[row, np.array(history, int) - 3] = 1
    return X


def ease_by_numpy(X, l2):
    P = np.linalg.inv(X.T @ X + l2 * np.eye(X.shape[1]))
    B = -P / np.diag(P)
    np.fill_diagonal(B, 0)
    return B


@pytest.mark.parametrize("l2", [0.5, 3, 500])
def test_weights_and_scores_equal_a_direct_numpy_solution(l2):
    model = EASEModel.fit(*flat(HISTORIES), l2=l2, vocab_size=V)
    B = ease_by_numpy(dense(HISTORIES), l2)
    np.testing.assert_allclose(model.weight[3:, 3:].numpy(), B, rtol=1e-6, atol=1e-9)
    assert not model.weight[:3].any() and not model.weight[:, :3].any()
    own = [history for history in HISTORIES if history]
    scores = model(*rows(*own)).scores
    np.testing.assert_allclose(scores[:, 3:].numpy(), dense(own) @ B, rtol=1e-5, atol=1e-8)
    assert (scores[:, :3] == NO_ITEM_SCORE).all()


def test_the_diagonal_is_zero_to_the_bit_so_that_no_item_speaks_for_itself():
    assert not EASEModel.fit(*flat(HISTORIES), l2=1).weight.diagonal().any()


@given(st.lists(st.lists(st.integers(0, V - 1), max_size=6), min_size=1, max_size=6))
def test_the_gram_matrix_counts_the_users_who_have_had_both(histories):
    X = dense([[i for i in history if i >= 3] for history in histories])
    assert np.array_equal(item_gram(*flat(histories), V), X.T @ X)
    assert item_counts(*flat(histories), V).tolist() == [0, 0, 0, *X.sum(0)]


def test_pairs_are_counted_the_same_in_many_small_parts(monkeypatch):
    from traceformers.modeling.recommender import bag_of_items

    whole = item_gram(*flat(HISTORIES), V)
    for at_once in (1, 5, 7):
        monkeypatch.setattr(bag_of_items, "_PAIRS_AT_ONCE", at_once)
        assert np.array_equal(item_gram(*flat(HISTORIES), V), whole)


def test_order_and_duplicates_change_nothing_because_a_history_is_a_set():
    model = EASEModel.fit(*flat(HISTORIES), l2=1, vocab_size=V)
    scores = model(*rows([3, 5, 8])).scores
    for same in ([8, 3, 5], [5, 5, 3, 8, 3], [3, 1, 5, 2, 8]):  # [MASK] and [UNK] are no items
        assert torch.equal(model(*rows(same)).scores, scores)
    again = EASEModel.fit(*flat([history[::-1] + history for history in HISTORIES]), l2=1, vocab_size=V)
    assert torch.equal(again.weight, model.weight)


def test_a_batch_equals_its_users_alone_and_padding_changes_nothing():
    model = EASEModel.fit(*flat(HISTORIES), l2=1, vocab_size=V)
    ids, mask = rows(*HISTORIES, width=7)
    together = model(ids, mask).scores
    assert torch.equal(model(ids).scores, together)
    assert torch.equal(model(ids.flip(1), mask.flip(1)).scores, together)
    for row, history in enumerate(HISTORIES):
        assert torch.equal(model(*rows(history, width=max(1, len(history)))).scores[0], together[row])


def test_with_recency_newer_items_count_more_and_of_a_repeated_item_the_newest_choice():
    model = EASEModel.fit(*flat(HISTORIES), l2=1, vocab_size=V, recency=0.5)
    B = ease_by_numpy(dense(HISTORIES), 1)
    ids = torch.tensor([[3, 5, 3, 8, 5], [0, 5, 0, 0, 0]])  # places from the end: 5 0, 8 1, 3 2
    scores = model(ids).scores
    expected = B[5 - 3] + B[8 - 3] * 2**-0.5 + B[3 - 3] * 3**-0.5
    np.testing.assert_allclose(scores[0, 3:].numpy(), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(scores[1, 3:].numpy(), B[5 - 3], rtol=1e-5, atol=1e-7)
    assert torch.equal(model(torch.nn.functional.pad(ids, (4, 2))).scores, scores)
    assert not torch.equal(model(ids.flip(1)).scores[0], scores[0])


def test_what_the_mask_hides_is_not_read():
    ids, mask = torch.tensor([[3, 7, 5]]), torch.tensor([[1, 0, 1]])
    model = EASEModel.fit(*flat(HISTORIES), l2=1)
    assert torch.equal(model(ids, mask).scores, model(torch.tensor([[3, 5]])).scores)


def test_who_has_had_nothing_gets_the_most_popular():
    model = EASEModel.fit(*flat(HISTORIES), l2=1, vocab_size=V)
    assert model(torch.tensor([[0, 0], [1, 2]])).scores[:, 3:].tolist() == [[3, 3, 3, 2, 3, 3, 0]] * 2


def test_in_a_checkerboard_only_items_of_the_own_group_are_recommended():
    even, odd = [3, 5, 7, 9], [4, 6, 8, 10]
    histories = [[i for i in group if i != left] for group in (even, odd) for left in group]
    model = EASEModel.fit(*flat(histories), l2=0.1)
    found, _ = model.recommend_ids(*flat([[3, 5], [10, 4], [7]]), k=2)
    assert [set(row) for row in found.tolist()] == [{7, 9}, {6, 8}, set(found[2])] and set(found[2]) < {3, 5, 9}


def test_saved_and_loaded_it_gives_equal_bits():
    assert_save_load_keeps_outputs(
        EASEModel.fit(*flat(HISTORIES), l2=1, vocab_size=V),
        dict(zip(("input_ids", "attention_mask"), rows([3, 7], []), strict=True)),
    )


def test_new_items_score_zero_and_change_no_other_score():
    model = EASEModel.fit(*flat(HISTORIES), l2=1, vocab_size=V)
    before = model(*rows([3, 7])).scores
    model._extend_items(2)
    after = model(*rows([3, 7])).scores
    assert torch.equal(after[:, :V], before) and after[0, V:].tolist() == [0, 0]


def test_users_times_items_is_never_in_memory():
    rng = np.random.default_rng(0)
    users, items = 40_000, 1_000  # X would be 160 MB in float32, the Gram matrix is 4 MB
    ids = rng.integers(3, 3 + items, (users, 4)).reshape(-1)
    offsets = np.arange(0, len(ids) + 1, 4)
    tracemalloc.start()
    try:
        gram = item_gram(ids, offsets, 3 + items)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert gram.shape == (items, items) and peak < 80e6


def test_solving_stays_below_the_memory_that_is_foretold():
    script = """
import resource, numpy as np, torch
from traceformers.modeling.recommender.modeling_ease import BYTES_PER_PAIR, EASEModel
I = 1500
ids = np.random.default_rng(0).integers(3, 3 + I, 20_000)
EASEModel.fit(ids[:2000], np.arange(0, 2001, 10), vocab_size=3 + 100 * 15)  # libraries are loaded
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
EASEModel.fit(ids, np.arange(0, 20_001, 10), vocab_size=3 + 2 * I)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (4 * I * I * BYTES_PER_PAIR))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 1.3


def test_a_catalogue_too_large_is_refused_before_anything_is_counted():
    with pytest.raises(
        ValueError, match=r"about 7,327 items\), got 100,000 items, which take 186\.3 GiB; keep the most"
    ):
        require_memory(100_000, 1)
    with pytest.raises(ValueError, match="raise memory_limit_gib"):
        EASEModel.fit([3, 4], [0, 2], vocab_size=50_000, memory_limit_gib=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([3, 4], [0, 1]), "offsets that rise from 0 to the 2 ids"),
        (([3, 4], [0, 2, 1, 2]), "offsets that rise"),
        (([3, 12], [0, 2], 1, 10), "below vocab_size 10, got 12"),
        (([3, 4], [0, 2], 0), "l2 to be a number above 0, got 0"),
        (([3, 4], [0, 2], -1), "l2 to be a number above 0"),
        (([3, 4], [0, 2], 1, 5, 16, -1), "recency to be a number of at least 0"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        EASEModel.fit(*arguments)


def test_a_mask_of_another_shape_is_named():
    with pytest.raises(ValueError, match="attention_mask of the same shape"):
        item_sets(torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 2))


@given(st.lists(st.lists(st.integers(3, 9), max_size=6), min_size=1, max_size=5), st.integers(1, 7), st.booleans())
def test_the_newest_items_are_kept_on_either_side_of_padding(histories, count, left):
    ids, mask = rows(*histories, width=6)
    if left:
        ids = torch.stack([row.roll(6 - len(history)) for row, history in zip(ids, histories, strict=True)])
        mask = (ids > 0).long()
    kept, seen = newest_items(ids, mask, count)
    found = [row[m].tolist() for row, m in zip(kept, seen.bool(), strict=True)]
    assert found == [history[-count:] for history in histories]
    assert torch.equal(newest_items(ids, mask, 0)[0], ids)


def test_the_configuration_reads_whole_histories():
    assert EASEConfig(vocab_size=V).max_history == 0
