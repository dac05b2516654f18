"""Scores: from 0 to 1, with words, the same every time, and in the order that evidence asks for."""

import numpy as np
import pytest
from hypothesis import given
from tiny_rrweb import click, element, event, mutation, page, remove, sessions, text_change

from traceformers.training.session_evidence.session_scores import (
    RHYTHM,
    anomaly_scores,
    neighbour_distances,
    percentiles,
    rhythm_scores,
    session_scores,
)

SHOP = page(element(5, "button", "Save"), element(7, "p", "Words"))
ANSWERS = [mutation(2000 + 4000 * i, texts=[text_change(1007, f"Words {i}")]) for i in range(6)]
CALM = [*SHOP, *(click(5, 1900 + 4000 * i) for i in range(6)), *ANSWERS]
CALM.sort(key=lambda one: one["timestamp"])
RAGE = [*SHOP, *(click(5, 1000 + 100 * i, x=50, y=50) for i in range(5)), event(5, {"tag": "end"}, 60_000)]


@given(sessions())
def test_scores_are_shares_and_come_out_the_same(events):
    scores = session_scores(events)
    assert 0.0 <= scores.struggle <= 1.0 and 0.0 <= scores.quality <= 1.0
    assert session_scores(events) == scores or "nan" in repr(scores)
    assert all(scores.reasons)


def test_rage_without_an_answer_outranks_calm_and_says_why():
    calm, rage = session_scores(CALM), session_scores(RAGE)
    assert calm.struggle < 0.2 and rage.struggle > 0.8
    assert rage.reasons[0] == '5 clicks on button "Save" within 0.4 s at 0:01, nothing changed'


def test_more_evidence_is_never_less_struggle():
    values = [
        session_scores([*SHOP, *(click(5, 1000 + 400 * i) for i in range(n)), CALM[-1]]).struggle for n in range(9)
    ]
    assert values == sorted(values)


def test_quality_needs_something_to_see():
    assert session_scores(CALM).quality > 0.6
    assert session_scores(SHOP).quality < 0.3
    assert session_scores([event(4, {"href": "https://a.test/", "width": 9, "height": 9})]).quality == 0.0
    assert "no page content was recorded" in session_scores([click(5, 0)]).reasons


def test_targets_that_are_gone_and_breaks_lower_quality():
    gone = [SHOP[0], SHOP[1], mutation(500, removes=[remove(3, 5)]), *CALM[2:]]
    pause = [*CALM, click(5, 3_600_000)]
    whole = session_scores(CALM)
    assert session_scores(gone).quality < whole.quality and "does not hold" in " ".join(session_scores(gone).reasons)
    assert (
        session_scores(pause).quality < whole.quality and "1 break of up to 60 minutes" in session_scores(pause).reasons
    )


# -- relative to an index -------------------------------------------------------------------------------------


def test_percentiles_are_shares_of_the_others():
    assert percentiles([5.0]).tolist() == [0.5]
    assert percentiles([1.0, 1.0, 1.0]).tolist() == [0.5, 0.5, 0.5]
    assert percentiles([np.nan, 1.0, 2.0]).tolist() == [0.5, 0.0, 1.0]


def test_distances_equal_brute_force_and_leave_out_the_session_itself():
    vectors = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    apart = 1 - vectors @ vectors.T
    expected = np.sort(np.where(np.eye(30, dtype=bool), np.inf, apart), axis=1)[:, :5].mean(axis=1)
    assert neighbour_distances(vectors) == pytest.approx(expected, abs=1e-6)
    assert np.isnan(neighbour_distances(vectors[:1])).all()
    assert neighbour_distances(vectors[:2]) == pytest.approx([apart[0, 1]] * 2, abs=1e-6)


def test_the_far_the_surprising_and_the_hasty_are_anomalous_each_by_itself():
    rng = np.random.default_rng(0)
    distances, surprises = rng.uniform(0.1, 0.2, 60), rng.uniform(3, 4, 60)
    figures = rng.uniform(1, 2, (60, len(RHYTHM)))
    distances[3], surprises[4], figures[5] = 0.9, 9.0, 50.0
    scores = anomaly_scores(distances, surprises, rhythm_scores(figures)[0])
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (scores[[3, 4]] > np.median(scores)).all() and scores[5] > 0.8
    alone = [anomaly_scores(distances, np.full(60, np.nan), np.zeros(60)).argmax(), rhythm_scores(figures)[0].argmax()]
    assert alone == [3, 5]


def test_slow_and_hasty_rhythms_lie_equally_far_out():
    figures = np.tile(np.arange(11.0)[:, None], (1, 3))
    scores, ranks = rhythm_scores(figures)
    assert scores == pytest.approx(scores[::-1]) and scores[5] == pytest.approx(0.0) and scores.argmax() in (0, 10)
    assert ranks[:, 0].tolist() == percentiles(np.arange(11.0)).tolist()
