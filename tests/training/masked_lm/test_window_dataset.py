import pickle

import numpy as np
import pytest
import torch
from session_corpus import TOKENS, random_sessions, write_store
from torch.utils.data import DataLoader

from traceformers.tokenization.rrweb.rrweb_windows import cut_windows
from traceformers.training.masked_lm.session_store import SessionStore
from traceformers.training.masked_lm.window_dataset import FixedWindows, RandomWindows


@pytest.fixture
def store(tmp_path):
    write_store(tmp_path, "train", random_sessions(0, 30))
    return SessionStore(tmp_path, "train")


def windows(store, seed=0, n=60, max_length=48):
    return RandomWindows(store, TOKENS, max_length, samples_per_epoch=n, seed=seed)


def contents(dataset):
    return [(item["mask_seed"], item["ids"].tobytes()) for item in (dataset[i] for i in range(len(dataset)))]


def first_item(items):
    return items[0]


def read_in_workers(dataset, n_workers, epochs=(0,)):
    """Returns what a DataLoader with persistent workers yields in each epoch."""
    loader = DataLoader(dataset, num_workers=n_workers, persistent_workers=n_workers > 0, collate_fn=first_item)
    found = []
    for epoch in epochs:
        dataset.set_epoch(epoch)
        found.append([(item["mask_seed"], item["ids"].tobytes()) for item in loader])
    return found


def test_a_window_is_a_function_of_seed_epoch_and_index(store):
    first, second = windows(store), windows(store)
    first.set_epoch(3)
    second.set_epoch(3)
    expected = contents(first)
    for i in np.random.default_rng(0).permutation(len(second)):
        assert second[i]["ids"].tobytes() == expected[i][1]


def test_epochs_and_seeds_differ(store):
    drawn = {}
    for seed in (0, 1):
        dataset = windows(store, seed)
        for epoch in (0, 1):
            dataset.set_epoch(epoch)
            drawn[seed, epoch] = [ids for _, ids in contents(dataset)]
    for place, ids in drawn.items():
        for other, others in drawn.items():
            same = sum(a == b for a, b in zip(ids, others, strict=True))
            assert same == len(ids) if place == other else same < len(ids) / 4


def test_persistent_workers_see_the_epoch_and_share_the_work(store):
    dataset = windows(store)
    alone = read_in_workers(dataset, 0, epochs=(0, 1))
    assert read_in_workers(dataset, 2, epochs=(0, 1)) == alone
    seeds = [seed for epoch in alone for seed, _ in epoch]
    assert len(set(seeds)) == len(seeds)


def test_sessions_are_drawn_by_the_windows_they_fill(tmp_path):
    short, long = random_sessions(1, 2)
    short.ids, long.ids = short.ids[:30], np.tile(long.ids, 40)[:460]
    for session in (short, long):
        session.event_offsets = session.node_offsets = np.array([0, len(session.ids)], dtype=np.uint32)
        session.node_offsets = np.arange(len(session.ids) + 1, dtype=np.uint32)
        session.context_of_event, session.event_times_ms = np.zeros(1, np.uint16), np.zeros(1, np.uint32)
    write_store(tmp_path, "train", [short, long])
    dataset = windows(SessionStore(tmp_path, "train"), n=2000)
    from_short = sum(len(dataset[i]["ids"]) <= 33 for i in range(len(dataset)))
    # 30 tokens fill 1 window of 46, 460 fill 10; 5 standard deviations of a binomial
    assert abs(from_short - 2000 / 11) < 5 * np.sqrt(2000 / 11 * 10 / 11)


def test_fixed_windows_hold_every_token_once(store):
    dataset = FixedWindows(store, TOKENS, 48)
    for i in range(len(store)):
        rows = np.flatnonzero(dataset.session_of_window == i)
        _, header_lengths = cut_windows(store[i], 48, TOKENS)
        bodies = [dataset[row]["ids"][h:-1] for row, h in zip(rows, header_lengths, strict=True)]
        np.testing.assert_array_equal(np.concatenate(bodies), store[i].ids)


def test_a_limit_keeps_windows_from_the_whole_split_with_their_masks(store):
    whole, part = FixedWindows(store, TOKENS, 48), FixedWindows(store, TOKENS, 48, limit=10)
    assert len(part) == 10
    assert part.session_of_window[0] == 0 and part.session_of_window[-1] > len(store) * 0.8
    everything = set(contents(whole))
    assert set(contents(part)) <= everything


def test_a_copy_in_another_process_draws_the_same(store):
    dataset = windows(store)
    dataset.set_epoch(5)
    assert contents(pickle.loads(pickle.dumps(dataset))) == contents(dataset)


def test_drawing_windows_leaves_the_global_random_numbers_alone(store):
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    contents(windows(store))
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


def test_an_empty_split_is_refused(tmp_path):
    write_store(tmp_path, "train", [])
    with pytest.raises(ValueError, match="empty split"):
        windows(SessionStore(tmp_path, "train"))
