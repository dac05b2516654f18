import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from traceformers.training.epoch_batches import batch_as_it_is
from traceformers.training.recommenders.bag_batches import BagBatches
from traceformers.training.recommenders.histories import Histories
from traceformers.training.recommenders.length_buckets import bucketed_order
from traceformers.training.recommenders.row_uniforms import row_uniforms

LENGTHS = np.random.default_rng(5).integers(1, 200, 1030)


def padding(order, batch_size):
    batches = np.split(LENGTHS[order], range(batch_size, len(order), batch_size))
    return sum(len(batch) * batch.max() for batch in batches) / LENGTHS.sum()


def test_every_user_comes_once_an_epoch():
    assert sorted(bucketed_order(LENGTHS, 32)) == list(range(1030))


def test_rows_of_a_batch_are_about_equally_long():
    shuffled = padding(bucketed_order(LENGTHS, 32, bucket_batches=1), 32)
    assert padding(bucketed_order(LENGTHS, 32, bucket_batches=10), 32) < 1.15 < 1.7 < shuffled


def test_long_batches_do_not_come_in_order():
    order = bucketed_order(LENGTHS, 32, seed=3)
    means = LENGTHS[order[:1024]].reshape(-1, 32).mean(1)
    assert 4 < (np.diff(means) > 0).sum() < 28


def test_the_order_follows_from_seed_and_epoch():
    order = bucketed_order(LENGTHS, 32, 1, 2).tolist()
    assert bucketed_order(LENGTHS, 32, 1, 2).tolist() == order
    assert bucketed_order(LENGTHS, 32, 1, 3).tolist() != order != bucketed_order(LENGTHS, 32, 2, 2).tolist()


def test_fewer_rows_than_a_batch_are_only_shuffled():
    assert sorted(bucketed_order(np.array([5, 1, 3]), 32)) == [0, 1, 2]


def histories():
    return Histories.from_lists([list(range(3, 3 + n)) for n in (2, 5, 1, 4, 3, 0)])


def test_a_loader_gets_whole_batches_whatever_its_workers():
    dataset = BagBatches(histories(), 0, 2, seed=4)
    dataset.set_epoch(3)
    alone = list(DataLoader(dataset, batch_size=2, collate_fn=batch_as_it_is))
    assert len(dataset) == 5 and [len(batch["input_ids"]) for batch in alone] == [2, 2, 1]
    shared = list(DataLoader(dataset, batch_size=2, collate_fn=batch_as_it_is, num_workers=2))
    for one, other in zip(alone, shared, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_epoch_is_another_order():
    dataset = BagBatches(histories(), 0, 2, seed=4)
    orders = []
    for epoch in (0, 1, 0):
        dataset.set_epoch(epoch)
        orders.append(dataset.order.tolist())
    assert orders[0] == orders[2] != orders[1]


def test_users_without_items_are_left_out_and_none_left_is_an_error():
    assert 5 not in BagBatches(histories(), 0, 2).users
    with pytest.raises(ValueError, match="Expected users with 1 or more items to train on, got none among 1"):
        BagBatches(Histories.from_lists([[]]), 0, 2)


def test_random_numbers_belong_to_the_row_and_not_to_the_batch():
    together = row_uniforms(7, 2, np.array([4, 9, 11]), 6)
    np.testing.assert_array_equal(row_uniforms(7, 2, np.array([9]), 3)[0], together[1, :3])
    for other in (row_uniforms(8, 2, [9], 6), row_uniforms(7, 3, [9], 6), row_uniforms(7, 2, [9], 6, stream=1)):
        assert not np.isclose(other[0], together[1]).any()


def test_random_numbers_are_uniform_and_not_alike():
    drawn = row_uniforms(0, 0, np.arange(400), 400)
    assert abs(drawn.mean() - 0.5) < 0.005 and abs(np.var(drawn) - 1 / 12) < 0.002
    assert np.histogram(drawn, 20, (0, 1))[0].std() < 200  # 8000 each, of which chance alone is 87
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 0.01
