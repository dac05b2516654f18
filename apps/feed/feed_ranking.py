"""How a feed is put in order: a weighted mix, fewer videos of one channel in a row, and a share of chance.

    score = productive + interest + freshness + diversity + exploration

Each term is kept; their sum is the score, and the list is sorted by it. Diversity: the first `channel_cap` videos of a
channel lose nothing, the next as many lose the penalty, those after them twice the penalty ...; what a video loses
depends on its channel alone, so the list stays sorted by what is shown.

Exploration: each of the first M places is given, with the probability of the share, to a video drawn evenly from a pool
right below those places; the others move down. `propensities` are the exact probabilities of a video at its place, so
what is learned from clicks can be weighed by them (Horvitz and Thompson, 1952).

Legend: N videos, M first places, P videos in the pool.
"""

from dataclasses import dataclass

import numpy as np

TERMS = ("productive", "interest", "freshness", "diversity", "exploration")
TOP = 1e-3  # how much more than the best score an explored video gets when it stands above it


@dataclass(frozen=True)
class RankedFeed:
    """An order of N videos; arrays are by place, best first.

    Attributes:
        order (`int64 (N,)`): index of the video at each place.
        scores (`float64 (N,)`): not growing.
        terms (`{name: float64 (N,)}`): of `TERMS`; they sum to `scores`.
        explored (`bool (N,)`), propensities (`float64 (N,)`).
    """

    order: np.ndarray
    scores: np.ndarray
    terms: dict
    explored: np.ndarray
    propensities: np.ndarray


def freshness(ages_days, half_life_days):
    """Returns 1 for a video of now, 1/2 after the half-life ..., 0 where the age is unknown; float64 (N,).

    Args:
        ages_days (`float (N,)`): NaN is unknown; less than 0 counts as 0. half_life_days (`float`).
    """
    ages = np.maximum(np.asarray(ages_days, np.float64), 0)
    return np.where(np.isnan(ages), 0.0, np.exp2(-np.nan_to_num(ages) / half_life_days))


def mix_terms(productive, interest, ages_days, channels, settings):
    """Returns `{term: float64 (N,)}` of all terms but exploration.

    Args:
        productive, interest (`float (N,)`): probabilities. ages_days (`float (N,)`). channels (sequence of N).
        settings (`ScoringSettings`): its three weights are divided by their sum.
    """
    weights = np.array([settings.productive, settings.interest, settings.freshness], np.float64)
    weights = weights / weights.sum()
    terms = {
        "productive": weights[0] * np.asarray(productive, np.float64),
        "interest": weights[1] * np.asarray(interest, np.float64),
        "freshness": weights[2] * freshness(ages_days, settings.freshness_half_life_days),
    }
    base = terms["productive"] + terms["interest"] + terms["freshness"]
    above = places_in_channel(base, channels)
    terms["diversity"] = 0.0 - settings.channel_penalty * (above // settings.channel_cap)
    return terms


def places_in_channel(base, channels):
    """Returns how many videos of its own channel are better than each one, int64 (N,); a channel of "" is none.

    Args:
        base (`float (N,)`): what they are compared by; equal ones in the order given. channels (sequence of N).
    """
    n = len(base)
    if not n:
        return np.zeros(0, np.int64)
    _, codes = np.unique(np.asarray([str(channel or "") for channel in channels]), return_inverse=True)
    order = np.lexsort((np.arange(n), -np.asarray(base), codes))
    sorted_codes = codes[order]
    first = np.r_[True, sorted_codes[1:] != sorted_codes[:-1]]
    starts = np.maximum.accumulate(np.where(first, np.arange(n), 0))
    places = np.empty(n, np.int64)
    places[order] = np.arange(n) - starts
    return np.where([bool(channel) for channel in channels], places, 0)


def rank_feed(productive, interest, ages_days, channels, settings, rng):
    """Returns the order of N videos, a `RankedFeed`.

    Args:
        productive, interest, ages_days, channels: as in `mix_terms`.
        settings (`ScoringSettings`), rng (`numpy.random.Generator`): draws what is explored.
    """
    terms = mix_terms(productive, interest, ages_days, channels, settings)
    scores = terms["productive"] + terms["interest"] + terms["freshness"] + terms["diversity"]
    sorted_ids = np.argsort(-scores, kind="stable")
    n_first, n_pool = exploration_sizes(len(scores), settings)
    slots = rng.random(n_first) < settings.exploration_share
    drawn = rng.permutation(n_pool)[: int(slots.sum())]
    places, explored = explored_order(len(scores), slots, drawn)
    order = sorted_ids[places]
    lifted = _lifted(scores[order], explored)
    terms = {name: values[order] for name, values in terms.items()}
    terms["exploration"] = lifted - scores[order]
    return RankedFeed(
        order,
        sum(terms[name] for name in TERMS) if len(order) else lifted,
        terms,
        explored,
        propensities(places, n_first, n_pool, settings.exploration_share),
    )


def exploration_sizes(n, settings):
    """Returns (M, P): the first places and the pool for N videos; the pool is never the smaller."""
    n_first = min(settings.exploration_places, n // 2)
    n_pool = min(settings.exploration_pool, n - n_first)
    n_first = min(n_first, n_pool)
    return (n_first, n_pool) if settings.exploration_share > 0 and n_first else (0, 0)


def explored_order(n, slots, drawn):
    """Returns which of the sorted videos stands at each place, int64 (N,), and which were explored, bool (N,).

    Args:
        n (`int`): N. slots (`bool (M,)`): places given to chance.
        drawn (`int (slots.sum(),)`): places in the pool, which begins at M, in the order drawn.
    """
    n_first = len(slots)
    drawn = np.asarray(drawn, np.int64) + n_first
    first = np.empty(n_first, np.int64)
    first[slots] = drawn
    kept = int((~slots).sum())
    first[~slots] = np.arange(kept)
    rest = np.setdiff1d(np.arange(kept, n), drawn, assume_unique=True)
    return np.r_[first, rest], np.r_[slots, np.zeros(n - n_first, bool)]


def _lifted(scores, explored):
    """Returns scores in which explored videos lie evenly between their neighbours that are not, so that they fall."""
    ordinary = np.flatnonzero(~explored)
    if len(ordinary) == len(scores):
        return scores.copy()
    values = scores[ordinary]
    if len(ordinary) and explored[0]:  # above the first: a little more than it
        ordinary, values = np.r_[-1, ordinary], np.r_[values[0] + TOP, values]
    return np.where(explored, np.interp(np.arange(len(scores)), ordinary, values), scores)


def propensities(places, n_first, n_pool, share):
    """Returns the probability with which each video stands where it stands, float64 (N,).

    With E explored places, binomial(M, share): a video j of the first M stands at place r < M if r - j of the r places
    above were explored and its own is not; at M or below if E says so. One of the pool is drawn for a place r < M with
    share / P; not drawn, it stands E places below its own less the drawn ones above it, which are hypergeometric.

    Args:
        places (`int (N,)`): which of the sorted videos stands at each place, of `explored_order`.
        n_first (`int`): M. n_pool (`int`): P. share (`float`).
    """
    n = len(places)
    found = np.ones(n)
    if not n_first:
        return found
    log_factorial = np.r_[0.0, np.cumsum(np.log(np.arange(1, n + n_first + 2)))]

    def log_choose(total, part):
        total, part = np.broadcast_arrays(np.asarray(total), np.asarray(part))
        right = (part >= 0) & (part <= total)
        a, b = np.where(right, total, 0), np.where(right, part, 0)
        return np.where(right, log_factorial[a] - log_factorial[b] - log_factorial[a - b], -np.inf)

    def binomial(total, part):
        return np.exp(log_choose(total, part) + part * np.log(share) + (total - part) * np.log1p(-share))

    ranks = np.arange(n)
    of_pool = (places >= n_first) & (places < n_first + n_pool)
    early = ranks < n_first
    kept = early & ~of_pool
    found[kept] = (1 - share) * binomial(ranks[kept], ranks[kept] - places[kept])
    found[early & of_pool] = share / n_pool
    moved = ~early & (places < n_first)  # stood among the first, pushed below them by E = rank - place
    found[moved] = binomial(n_first, ranks[moved] - places[moved])
    rest = ~early & of_pool
    explored = np.arange(min(n_first + 1, n_pool))  # with all of the pool drawn, none is left to stand here
    weight = binomial(n_first, explored)
    above = (places[rest] - n_first)[:, None]  # of the pool, above it
    drawn_above = places[rest][:, None] + explored[None, :] - ranks[rest][:, None]
    hypergeometric = np.exp(
        log_choose(above, drawn_above)
        + log_choose(n_pool - 1 - above, explored[None, :] - drawn_above)
        - log_choose(n_pool - 1, explored)[None, :]
    )
    found[rest] = (weight * (1 - explored / n_pool) * hypergeometric).sum(1)
    return found
