import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_corpus import RESERVED, TOKEN_CLASSES, TOKENS, VOCABULARY, masking, random_sessions

from traceformers.tokenization.rrweb.rrweb_vocabulary import CLASSES
from traceformers.tokenization.rrweb.rrweb_windows import cut_windows

MASK, BODY = VOCABULARY.ids["[MASK]"], VOCABULARY.ids["[body]"]
HEADER = [2, VOCABULARY.ids["[elapsed]"], VOCABULARY.ids["[gap:3]"], 600, BODY]
windows = st.builds(
    lambda header, body, seed: (np.array([*header, *body, 3], dtype=np.uint16), seed),
    st.sampled_from([HEADER, [2, BODY]]),
    st.lists(st.integers(0, len(TOKEN_CLASSES) - 1).filter(lambda i: i != BODY), max_size=60),
    st.integers(0, 2**32 - 1),
)


def long_window(n=4000, seed=0):
    """Returns one window with n tokens of every class but special in its body."""
    usable = np.flatnonzero((TOKEN_CLASSES != 0) & ~np.isin(np.arange(len(TOKEN_CLASSES)), [BODY, *RESERVED]))
    body = np.random.default_rng(seed).choice(usable, n)
    return np.array([*HEADER, *body, 3], dtype=np.uint16)


@given(windows, st.booleans())
def test_only_chosen_tokens_change_and_only_within_their_class(window, whole_events):
    ids, seed = window
    masked, positions = masking(whole_events=whole_events)(ids, np.random.default_rng(seed))
    assert masked.dtype == np.uint16 and masked.shape == ids.shape
    assert (np.diff(positions) > 0).all()
    rest = np.setdiff1d(np.arange(len(ids)), positions)
    np.testing.assert_array_equal(masked[rest], ids[rest])
    assert (TOKEN_CLASSES[ids[positions]] != 0).all()
    assert (positions > np.flatnonzero(ids == BODY)[0]).all()
    shown = positions[masked[positions] != MASK]
    np.testing.assert_array_equal(TOKEN_CLASSES[masked[shown]], TOKEN_CLASSES[ids[shown]])
    swapped = shown[masked[shown] != ids[shown]]
    assert not np.isin(masked[swapped], [BODY, *RESERVED]).any()


@given(windows)
def test_some_token_is_chosen_where_any_may_be(window):
    ids, seed = window
    body = ids[np.flatnonzero(ids == BODY)[0] + 1 :]
    _, positions = masking(probability=0.01)(ids, np.random.default_rng(seed))
    assert bool(len(positions)) == bool((TOKEN_CLASSES[body] != 0).any())


@given(windows)
def test_the_same_generator_state_gives_the_same_masks(window):
    ids, seed = window
    first, second = (masking()(ids, np.random.default_rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_shares_are_15_percent_and_80_10_10():
    ids, rng, rule = long_window(), np.random.default_rng(1), masking()
    n_body, runs = 4000, 100
    chosen = masks = kept = 0
    for _ in range(runs):
        masked, positions = rule(ids, rng)
        chosen += len(positions)
        masks += (masked[positions] == MASK).sum()
        kept += (masked[positions] == ids[positions]).sum()
    assert abs(chosen / (runs * n_body) - 0.15) < 1e-3
    # A random token is the true one by chance once in the size of its class: the expected share of equal tokens
    # is a little over 0.1. Bounds are 5 standard deviations.
    by_chance = (1 / rule.class_sizes[TOKEN_CLASSES[ids[len(HEADER) : -1]]]).mean()
    for count, share in ((masks, 0.8), (kept, 0.1 + 0.1 * by_chance)):
        assert abs(count / chosen - share) < 5 * np.sqrt(share * (1 - share) / chosen)


def test_the_share_is_exact_in_expectation_for_short_windows():
    ids = np.array([2, BODY, *range(600, 610), 3], dtype=np.uint16)
    rng, rule = np.random.default_rng(0), masking()
    counts = [len(rule(ids, rng)[1]) for _ in range(4000)]
    assert set(counts) == {1, 2}
    assert abs(np.mean(counts) - 1.5) < 5 * 0.5 / np.sqrt(4000)


def test_replacements_are_uniform_over_the_class():
    gaps = np.flatnonzero(CLASSES.index("gap") == TOKEN_CLASSES)
    ids = np.array([2, BODY, *np.tile(gaps[0], 20_000), 3], dtype=np.uint16)
    masked, positions = masking(probability=1.0)(ids, np.random.default_rng(0))
    swapped = masked[positions][(masked[positions] != MASK) & (masked[positions] != gaps[0])]
    counts = np.bincount(swapped)[gaps[1:]]
    expected = len(swapped) / len(counts)
    assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_every_body_token_is_chosen_equally_often():
    ids, rng, rule = long_window(n=50), np.random.default_rng(2), masking()
    counts = np.zeros(len(ids))
    for _ in range(4000):
        counts[rule(ids, rng)[1]] += 1
    body = counts[len(HEADER) : -1]
    assert counts.sum() == body.sum()
    assert (abs(body - 600) < 5 * np.sqrt(600)).all()


def test_whole_events_are_hidden_from_gap_to_gap():
    rule, rng = masking(whole_events=True, probability=0.3), np.random.default_rng(0)
    n_events = 0
    for session in random_sessions(3, 10):
        for ids in cut_windows(session, 128, TOKENS)[0]:
            _, positions = rule(ids, rng)
            body = np.flatnonzero(ids == BODY)[0] + 1
            event = np.cumsum(TOKEN_CLASSES[ids[body:-1]] == CLASSES.index("gap"))
            hidden = np.isin(np.arange(body, len(ids) - 1), positions)
            whole = [hidden[event == e].all() for e in np.unique(event[hidden])]
            smallest = np.unique(event, return_counts=True)[1].min()
            assert all(whole) or smallest > 0.3 * len(event)
            assert len(positions) <= 0.3 * len(event) + 1
            n_events += sum(whole)
    assert n_events > 50


def test_a_probability_out_of_range_is_refused():
    for probability in (0, 1.5):
        with pytest.raises(ValueError, match="probability"):
            masking(probability=probability)
