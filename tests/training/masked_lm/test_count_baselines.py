import math
from collections import Counter

import numpy as np
import pytest
from session_corpus import TOKEN_CLASSES, TOKENS, VOCABULARY, masking, random_sessions

from traceformers.tokenization.rrweb.rrweb_vocabulary import CLASSES
from traceformers.training.masked_lm.count_baselines import CountBaselines, MaskedPositions, Smoothing, baseline_reports
from traceformers.training.masked_lm.window_dataset import FixedWindows

BODY, MASK = VOCABULARY.ids["[body]"], VOCABULARY.ids["[MASK]"]


class Windows(list):
    """Windows as an evaluation data set."""

    def __getitem__(self, i):
        return {"ids": super().__getitem__(i), "mask_seed": (9, i)}


def framed(body):
    return np.array([2, BODY, *body, 3], dtype=np.uint16)


@pytest.fixture(scope="module")
def train():
    return FixedWindows(random_sessions(0, 40), TOKENS, 64).windows


@pytest.fixture(scope="module")
def positions():
    return MaskedPositions.from_windows(FixedWindows(random_sessions(1, 10), TOKENS, 64), masking())


@pytest.mark.parametrize("model", ["unigram", "bidirectional"])
def test_probabilities_sum_to_one_over_the_ids_of_the_type(train, positions, model):
    baselines = CountBaselines(masking(), 520, train)
    seen = []
    for rows, low, p in baselines.probabilities(positions, model):
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-12)
        assert (p >= 0).all()
        special = TOKEN_CLASSES[low : low + p.shape[1]] == 0
        assert (p[:, special] == 0).all()
        assert ((positions.true[rows] >= 520) == (low == 520)).all()
        seen += rows.tolist()
    assert sorted(seen) == list(range(len(positions)))


def test_it_is_the_model_written_out_in_plain_python(train, positions):
    weights = Smoothing(unigram=0.3, side=3.0, left_share=0.6, both=5.0)
    rule = masking()
    baselines = CountBaselines(rule, 520, train, weights)
    uni, left, right, both = Counter(), Counter(), Counter(), Counter()
    n, n_left, n_right, n_both = Counter(), Counter(), Counter(), Counter()
    for ids in train:
        for i in rule.maskable(ids).tolist():
            l, x, r = (int(ids[j]) for j in (i - 1, i, i + 1))  # noqa: E741
            t = x >= 520
            uni[x] += 1
            left[l, x] += 1
            right[r, x] += 1
            both[l, r, x] += 1
            n[t] += 1
            n_left[l, t] += 1
            n_right[r, t] += 1
            n_both[l, r, t] += 1
    size = {False: int((TOKEN_CLASSES[:520] != 0).sum()), True: len(TOKEN_CLASSES) - 520}

    def prior(x, l, r):  # noqa: E741
        t = x >= 520
        u = (uni[x] + 0.3) / (n[t] + 0.3 * size[t])
        on_left = (left[l, x] + 3 * u) / (n_left[l, t] + 3)
        on_right = (right[r, x] + 3 * u) / (n_right[r, t] + 3)
        w = {(True, False): 0.0, (False, True): 1.0}.get((l == MASK, r == MASK), 0.6)
        return (both[l, r, x] + 5 * (w * on_left + (1 - w) * on_right)) / (n_both[l, r, t] + 5)

    def probability(x, visible, l, r):  # noqa: E741
        if visible == MASK:
            return prior(x, l, r)
        rivals = [i for i in range(len(TOKEN_CLASSES)) if TOKEN_CLASSES[i] == TOKEN_CLASSES[visible]]
        chance = 1 / rule.class_sizes[TOKEN_CLASSES[visible]]
        joint = {i: prior(i, l, r) * ((i == visible) + chance) for i in rivals}
        return joint[x] / sum(joint.values())

    for rows, low, p in baselines.probabilities(positions):
        for row, place in list(enumerate(rows))[:40]:
            here = [int(a[place]) for a in (positions.true, positions.visible, positions.left, positions.right)]
            assert p[row, here[0] - low] == pytest.approx(probability(*here), rel=1e-9)


def test_a_shown_token_is_true_half_of_the_time():
    rng = np.random.default_rng(0)
    train, windows = (
        Windows(framed(body) for body in rng.integers(520, len(TOKEN_CLASSES), (200, 60))) for _ in range(2)
    )
    shown = MaskedPositions.from_windows(windows, masking())
    shown = shown.take(np.flatnonzero(shown.visible != MASK))
    mass = []
    for rows, low, p in CountBaselines(masking(), 520, list(train)).probabilities(shown, "unigram"):
        mass += p[np.arange(len(rows)), shown.visible[rows] - low].tolist()
    assert np.mean(mass) == pytest.approx(0.5, abs=0.02)
    assert np.mean(shown.visible == shown.true) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(len(shown)))


def test_independent_tokens_cost_their_entropy_and_neighbours_do_not_help():
    rng = np.random.default_rng(0)
    p = np.array([0.5, 0.25, 0.125, 0.125])
    train, test = (Windows(framed(row) for row in 600 + rng.choice(4, (n, 100), p=p)) for n in (400, 300))
    rule = masking()
    positions = MaskedPositions.from_windows(test, rule)
    hidden = positions.take(np.flatnonzero(positions.visible == MASK))
    baselines = CountBaselines(rule, 520, list(train)).choose_smoothing(hidden)
    for model in ("unigram", "bidirectional"):
        bits = baselines.report(hidden, model)["bits_per_token"]
        # entropy 1.75 bits; a token's surprise has a standard deviation of 0.83 bits
        assert abs(bits - 1.75) < 5 * 0.83 / math.sqrt(len(hidden)) + 0.01
        assert baselines.report(hidden, model)["top1"] == pytest.approx(0.5, abs=0.04)


def test_a_neighbour_that_determines_the_token_is_used():
    train = [framed(np.arange(600, 640))] * 30
    rule = masking()
    baselines = CountBaselines(rule, 520, train, Smoothing(unigram=0.01, side=1, left_share=0.5, both=1))
    reports = baseline_reports(baselines, Windows(train))
    assert reports["unigram"]["bits_per_token"] > 3
    assert reports["bidirectional"]["bits_per_token"] < 0.8
    assert reports["bidirectional"]["top1"] > 0.9


def test_weights_are_chosen_for_the_lowest_loss(train, positions):
    bad = Smoothing(unigram=1.0, side=16.0, left_share=0.3, both=64.0)
    before = CountBaselines(masking(), 520, train, bad)
    after = CountBaselines(masking(), 520, train, bad).choose_smoothing(positions)
    assert after.smoothing != bad
    assert after.report(positions)["loss"] < before.report(positions)["loss"]


def test_reports_are_on_every_masked_position_by_class(train, positions):
    report = CountBaselines(masking(), 520, train).report(positions)
    counts = np.bincount(TOKEN_CLASSES[positions.true], minlength=len(CLASSES))
    assert report["tokens"] == len(positions)
    assert {n: f["tokens"] for n, f in report["classes"].items()} == {
        name: count for name, count in zip(CLASSES, counts.tolist(), strict=True) if count
    }


def test_contexts_that_were_never_seen_fall_back(positions):
    baselines = CountBaselines(masking(), 520, [framed([600])])
    assert math.isfinite(baselines.report(positions)["loss"])
