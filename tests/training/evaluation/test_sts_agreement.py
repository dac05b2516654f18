import numpy as np
import pytest

from traceformers.datasets_scripts.retrieval.sts_pairs import STSPairs
from traceformers.training.evaluation.sts_agreement import evaluate_sts, random_pairs, sts_spearman, teacher_agreement

DRAW = np.random.default_rng(2)
TEXTS = [" ".join(["word"] * n) for n in range(1, 41)]
TEACHER = DRAW.normal(size=(40, 8))


def test_equal_vectors_agree_wholly_whatever_their_lengths():
    report = teacher_agreement(TEACHER * DRAW.uniform(0.5, 2, (40, 1)), TEACHER, TEXTS, pairs=500)
    for name in ("cosine", "cosine_short", "cosine_long", "pair_spearman"):
        assert report[name] == pytest.approx(1, abs=1e-5)
    assert report["pairs"] == 500 and report["texts"] == 40


def test_short_texts_are_those_below_twelve_words():
    student = TEACHER.copy()
    student[:11] *= -1  # 1 to 11 words
    report = teacher_agreement(student, TEACHER, TEXTS)
    assert report["cosine_short"] == pytest.approx(-1) and report["cosine_long"] == pytest.approx(1)
    assert report["cosine"] == pytest.approx((29 - 11) / 40)


def test_a_rotation_keeps_the_pairs_and_loses_the_cosine():
    rotation, _ = np.linalg.qr(DRAW.normal(size=(8, 8)))
    report = teacher_agreement(TEACHER @ rotation, TEACHER, TEXTS)
    assert report["pair_spearman"] == pytest.approx(1, abs=1e-4) and abs(report["cosine"]) < 0.5


def test_vectors_of_another_width_have_pairs_only():
    report = teacher_agreement(TEACHER[:, :4], TEACHER, TEXTS)
    assert report["cosine"] is None and 0 < report["pair_spearman"] < 1


def test_a_side_without_texts_has_no_mean():
    report = teacher_agreement(TEACHER[:5], TEACHER[:5], TEXTS[:5])
    assert report["cosine_long"] is None and report["cosine_short"] == pytest.approx(1)


def test_random_pairs_never_pair_a_text_with_itself_and_reach_all():
    left, right = random_pairs(5, 2_000, seed=1)
    assert (left != right).all() and len(set(zip(left.tolist(), right.tolist(), strict=True))) == 20


def test_sts_is_the_rank_correlation_of_cosines():
    angles = np.array([0.0, 0.4, 0.8, 1.2])
    first = np.tile([1.0, 0.0], (4, 1))
    second = 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert sts_spearman(first, second, [5.0, 4.0, 3.0, 1.0]) == pytest.approx(1)
    assert sts_spearman(first, second, [1.0, 3.0, 4.0, 5.0]) == pytest.approx(-1)


def test_every_sentence_is_encoded_once():
    calls = []

    def encode(texts):
        calls.append(texts)
        return [[len(text), 1.0] for text in texts]

    pairs = STSPairs(["a", "a", "abc"], ["ab", "abcdefgh", "abc"], np.array([3.0, 1.0, 5.0]))
    assert evaluate_sts(encode, pairs) == pytest.approx(1)
    assert calls == [["a", "abc", "ab", "abcdefgh"]]


def test_vectors_of_other_texts_are_an_error():
    with pytest.raises(ValueError, match="got 39 and 40 vectors of 40 texts"):
        teacher_agreement(TEACHER[:39], TEACHER, TEXTS)
