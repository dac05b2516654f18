import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_corpus import TOKENS, random_sessions, write_store

from traceformers.training.masked_lm.session_store import SessionStore
from traceformers.training.masked_lm.text_swap import TextSwap
from traceformers.training.masked_lm.window_dataset import RandomWindows

windows = st.lists(st.integers(0, 775), min_size=1, max_size=60).map(lambda ids: np.array(ids, dtype=np.uint16))


@given(windows, windows, st.integers(0, 2**32))
def test_structure_stays_and_equal_words_stay_equal(ids, pool, seed):
    swapped = TextSwap(520, 776, windows=1.0, words=0.5)(ids, pool, np.random.default_rng(seed))
    assert swapped.dtype == np.uint16 and len(swapped) == len(ids)
    assert (swapped[ids < 520] == ids[ids < 520]).all()
    assert (swapped[ids >= 520] >= 520).all() and (swapped < 776).all()
    assert all(len(set(swapped[ids == i].tolist())) == 1 for i in set(ids.tolist()))


def test_a_share_of_the_windows_is_swapped():
    ids, pool = np.arange(520, 776, dtype=np.uint16), np.arange(520, 776, dtype=np.uint16)
    swap, rng = TextSwap(520, 776, windows=0.3, words=1.0), np.random.default_rng(0)
    changed = [bool((swap(ids, pool, rng) != ids).any()) for _ in range(2000)]
    assert abs(np.mean(changed) - 0.3) < 0.03


def test_windows_of_an_epoch_are_swapped_in_the_same_way_each_time(tmp_path):
    write_store(tmp_path, "train", random_sessions(1, 12))
    store = SessionStore(tmp_path, "train")
    swap = TextSwap(520, 776, windows=1.0, words=1.0)
    plain = RandomWindows(store, TOKENS, 32, samples_per_epoch=20, seed=0)
    swapped, again = (RandomWindows(store, TOKENS, 32, samples_per_epoch=20, seed=0, swap=swap) for _ in range(2))
    for i in range(20):
        assert swapped[i]["ids"].tolist() == again[i]["ids"].tolist() != plain[i]["ids"].tolist()
        assert (swapped[i]["ids"] < 520).tolist() == (plain[i]["ids"] < 520).tolist()


def test_shares_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"shares"):
        TextSwap(520, 776, windows=1.5)
