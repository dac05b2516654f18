"""The order of a feed: terms that sum to the score, diversity, and exploration with true propensities."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.apps.feed.feed_ranking import freshness, places_in_channel, rank_feed
from traceformers.apps.feed.feed_settings import ScoringSettings

PLAIN = replace(ScoringSettings(), exploration_share=0.0)


def videos(n, seed=0, channels=4):
    rng = np.random.default_rng(seed)
    ages = np.where(rng.random(n) < 0.2, np.nan, rng.random(n) * 9)
    return rng.random(n), rng.random(n), ages, [f"channel {c}" for c in rng.integers(0, channels, n)]


@given(st.integers(0, 60), st.integers(0, 5), st.floats(0, 0.5), st.integers(0, 12), st.integers(1, 30))
def test_terms_sum_to_the_score_the_order_is_by_score_and_every_video_is_there_once(n, seed, share, places, pool):
    settings = replace(ScoringSettings(), exploration_share=share, exploration_places=places, exploration_pool=pool)
    ranked = rank_feed(*videos(n, seed), settings, np.random.default_rng(seed))
    assert sorted(ranked.order.tolist()) == list(range(n))
    np.testing.assert_allclose(sum(ranked.terms.values()) if n else [], ranked.scores, atol=1e-12)
    assert (np.diff(ranked.scores) <= 1e-12).all()
    assert ((ranked.propensities > 0) & (ranked.propensities <= 1 + 1e-9)).all()


def test_without_exploration_the_order_is_that_of_the_mix_and_nothing_is_chance():
    productive, interest, ages, channels = videos(40)
    settings = replace(PLAIN, channel_penalty=0.0)
    ranked = rank_feed(productive, interest, ages, channels, settings, np.random.default_rng(0))
    mix = 0.6 * productive + 0.3 * interest + 0.1 * freshness(ages, settings.freshness_half_life_days)
    assert ranked.order.tolist() == np.argsort(-mix, kind="stable").tolist()
    assert not ranked.explored.any() and (ranked.propensities == 1).all()


def test_weights_count_in_relation_to_each_other():
    args = videos(30)
    one = rank_feed(*args, replace(PLAIN, productive=6, interest=3, freshness=1), np.random.default_rng(0))
    two = rank_feed(*args, replace(PLAIN, productive=0.6, interest=0.3, freshness=0.1), np.random.default_rng(0))
    np.testing.assert_allclose(one.scores, two.scores)


def test_a_strict_cap_gives_each_channel_its_share_before_any_gets_more():
    productive = np.r_[np.full(10, 0.9), np.full(10, 0.5)]
    channels = ["loud"] * 10 + [f"quiet {i}" for i in range(10)]
    settings = replace(PLAIN, channel_cap=3, channel_penalty=1.0)
    ranked = rank_feed(productive, productive, np.zeros(20), channels, settings, np.random.default_rng(0))
    assert [channels[i] for i in ranked.order[:3]] == ["loud"] * 3
    assert "loud" not in [channels[i] for i in ranked.order[3:13]]
    free = rank_feed(productive, productive, np.zeros(20), channels, replace(settings, channel_penalty=0.0),
                     np.random.default_rng(0))  # fmt: skip
    assert [channels[i] for i in free.order[:10]] == ["loud"] * 10


def test_videos_of_unknown_channels_are_not_one_channel():
    assert places_in_channel([3, 2, 1, 0], ["", "a", "", "a"]).tolist() == [0, 0, 0, 1]


def test_freshness_halves_with_its_half_life_and_is_none_for_an_unknown_age():
    np.testing.assert_allclose(freshness([0, 2, 4, np.nan, -1], 2.0), [1, 0.5, 0.25, 0, 1])


@pytest.mark.parametrize("n,places,pool,share", [(9, 3, 4, 0.3), (6, 2, 100, 0.5), (12, 4, 4, 0.2)])
def test_propensities_are_the_frequencies_over_many_draws(n, places, pool, share):
    settings = replace(ScoringSettings(), exploration_share=share, exploration_places=places, exploration_pool=pool)
    args, draws = videos(n, 1), 5_000
    rng = np.random.default_rng(7)
    counts, said = np.zeros((n, n)), np.zeros((n, n))
    for _ in range(draws):
        ranked = rank_feed(*args, settings, rng)
        counts[ranked.order, np.arange(n)] += 1
        said[ranked.order, np.arange(n)] = ranked.propensities
    seen = counts > 0
    frequency = counts / draws
    error = 5 * np.sqrt(np.maximum(said * (1 - said), 1e-12) / draws) + 1e-9  # five standard errors
    assert (np.abs(frequency - said)[seen] < error[seen]).all()
    assert seen.sum() > n  # chance did move videos
    np.testing.assert_allclose(said.sum(0)[:places], 1, atol=1e-2)  # one video stands at each place


def test_the_exploration_share_of_the_first_places_is_explored():
    settings = replace(ScoringSettings(), exploration_share=0.25, exploration_places=40, exploration_pool=200)
    rng = np.random.default_rng(0)
    shares = [rank_feed(*videos(400), settings, rng).explored[:40].mean() for _ in range(300)]
    assert abs(np.mean(shares) - 0.25) < 0.02
    assert not rank_feed(*videos(400), settings, rng).explored[40:].any()
