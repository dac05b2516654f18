import numpy as np
import pytest

from traceformers.training.recommenders.causal_batches import CausalBatches
from traceformers.training.recommenders.cloze_batches import ClozeBatches
from traceformers.training.recommenders.histories import Histories

VOCAB = 103
random = np.random.default_rng(3)
HISTORIES = Histories.from_lists([random.permutation(np.arange(3, VOCAB))[:n] for n in random.integers(1, 60, 2000)])


def cloze(histories=HISTORIES, max_length=50, **options):
    return ClozeBatches(histories, max_length, 64, vocab_size=VOCAB, **options)


def everything(dataset, epochs=1):
    """Returns ids, mask, labels and true ids of all users, some epochs one below the other."""
    parts = []
    for epoch in range(epochs):
        dataset.set_epoch(epoch)
        batch = dataset.batch(dataset.users)
        parts.append([*batch.values(), dataset.histories.padded(dataset.users, dataset.max_length)[0]])
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


@pytest.mark.parametrize("probability", [0.15, 0.4])
def test_masking_rates_are_those_asked_for(probability):
    lists = [random.permutation(np.arange(3, VOCAB))[:50] for _ in range(2000)]  # long: one a row is hardly ever needed
    ids, mask, labels, true = everything(cloze(Histories.from_lists(lists), mask_probability=probability), epochs=4)
    asked = labels != -100
    error = 4 / np.sqrt(mask.sum())
    assert abs(asked.sum() / mask.sum() - probability) < error
    n = asked.sum()
    for share, expected in (
        ((ids[asked] == 1).mean(), 0.8),
        (((ids[asked] != 1) & (ids[asked] != true[asked])).mean(), 0.1 * 99 / 100),  # by chance the item itself
        ((ids[asked] == true[asked]).mean(), 0.1 + 0.1 / 100),
    ):
        assert abs(share - expected) < 4 / np.sqrt(n)


def test_labels_are_the_items_and_what_is_not_asked_is_shown():
    ids, mask, labels, true = everything(cloze())
    asked = labels != -100
    np.testing.assert_array_equal(labels[asked], true[asked])
    np.testing.assert_array_equal(ids[~asked], true[~asked])
    assert not asked[mask == 0].any() and (ids[mask == 0] == 0).all()
    assert ids[asked & (ids != 1)].min() >= 3 and ids.max() < VOCAB


def test_every_row_asks_for_something():
    _, _, labels, _ = everything(cloze(mask_probability=0.0))
    assert ((labels != -100).sum(1) == 1).all()


def test_the_last_item_is_masked_as_often_as_asked_for_and_never_shown():
    lists = [random.permutation(np.arange(3, VOCAB))[: random.integers(20, 40)] for _ in range(2000)]
    dataset = cloze(Histories.from_lists(lists), mask_probability=0.0, last_item_probability=0.5)
    ids, mask, labels, _ = everything(dataset, epochs=4)
    last = mask.sum(1) - 1
    rows = np.arange(len(last))
    asked = labels[rows, last] != -100
    assert abs(asked.mean() - (0.5 + 0.5 / 29.5)) < 0.03
    also = (labels != -100).sum(1) > 1  # the one that every row asks for is another
    assert (ids[rows, last][also] == 1).all()
    always = cloze(Histories.from_lists(lists), last_item_probability=1.0)
    ids, mask, labels, _ = everything(always)
    assert (ids[np.arange(len(ids)), mask.sum(1) - 1] == 1).all()


def test_what_a_row_is_depends_on_seed_epoch_and_user_alone():
    dataset = cloze(seed=5, random_windows=True)
    users = np.array([7, 8, 1999, 0])
    whole = dataset.batch(users)
    for row, user in enumerate(users):
        alone = dataset.batch(np.array([user]))
        width = alone["input_ids"].shape[1]
        for name in whole:
            np.testing.assert_array_equal(alone[name][0], whole[name][row, :width])
    dataset.set_epoch(1)
    assert (dataset.batch(users)["labels"] != whole["labels"]).any()
    assert (cloze(seed=6, random_windows=True).batch(users)["labels"] != whole["labels"]).any()


def test_rows_hold_the_newest_items_or_a_stretch_drawn_anew_each_epoch():
    histories = Histories.from_lists([list(range(3, 43))])
    newest = cloze(histories, 10, mask_probability=0.0)
    assert newest.histories.padded([0], 10)[0][0].tolist() == list(range(33, 43))
    moving, starts = cloze(histories, 10, mask_probability=0.0, random_windows=True), set()
    for epoch in range(600):
        moving.set_epoch(epoch)
        batch = moving.batch(np.array([0]))
        row = np.where(batch["labels"] != -100, batch["labels"], batch["input_ids"])[0]
        assert row.tolist() == list(range(row[0], row[0] + 10))
        starts.add(int(row[0]))
    assert starts == set(range(3, 34))


def test_a_probability_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"Expected mask_probability from 0 to 1, got 1\.5"):
        cloze(mask_probability=1.5)


def test_causal_rows_ask_for_the_item_after_each():
    histories = Histories.from_lists([[3, 4, 5, 6, 7], [8, 9], [10]])
    batch = CausalBatches(histories, 3, 4).batch(np.array([0, 1, 2]))
    assert batch["input_ids"].tolist() == [[4, 5, 6], [1, 8, 0], [1, 0, 0]]
    assert batch["labels"].tolist() == [[5, 6, 7], [8, 9, -100], [10, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]


def test_causal_rows_of_whole_histories_begin_with_a_mask():
    histories = Histories.from_lists([[3, 4, 5]])
    for length in (0, 3, 9):
        batch = CausalBatches(histories, length, 4).batch(np.array([0]))
        assert batch["input_ids"].tolist() == [[1, 3, 4]] and batch["labels"].tolist() == [[3, 4, 5]]


def test_random_causal_windows_stay_inside_their_user():
    dataset = CausalBatches(Histories.from_lists([[90, 91], list(range(3, 43)), [92]]), 10, 4, random_windows=True)
    firsts = set()
    for epoch in range(600):
        dataset.set_epoch(epoch)
        batch = dataset.batch(np.array([1]))
        ids, labels = batch["input_ids"][0], batch["labels"][0]
        assert labels.tolist() == list(range(labels[0], labels[0] + 10))
        assert ids[1:].tolist() == labels[:-1].tolist() and ids[0] == (labels[0] - 1 if labels[0] > 3 else 1)
        firsts.add(int(labels[0]))
    assert firsts == set(range(3, 34))
