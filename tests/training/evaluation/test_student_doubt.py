import numpy as np
import pytest
from tiny_retrieval import CORPUS
from tiny_student import tiny_student

from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.training.evaluation.encoder_monitor import TextFigures
from traceformers.training.evaluation.sts_agreement import unit_length
from traceformers.training.evaluation.student_doubt import (
    StudentDoubt,
    doubt_figures,
    fit_query_doubt,
    fit_student_doubt,
)

DRAW = np.random.default_rng(6)
TEACHER = unit_length(DRAW.normal(size=(2_000, 8)))
# The student is the further off, the more a vector points along the first axis.
STUDENT = unit_length(TEACHER + DRAW.normal(size=(2_000, 8)) * np.maximum(TEACHER[:, :1], 0))
DISTANCES = 1 - (STUDENT * TEACHER).sum(axis=1)


def test_it_tells_which_unseen_texts_the_student_is_far_off_on():
    doubt = fit_student_doubt(STUDENT[:1_500], TEACHER[:1_500])
    guessed = doubt(STUDENT[1_500:])
    assert np.corrcoef(guessed, DISTANCES[1_500:])[0, 1] > 0.4
    assert guessed.mean() == pytest.approx(DISTANCES[1_500:].mean(), rel=0.15)


def test_lengths_of_vectors_do_not_matter():
    doubt = fit_student_doubt(STUDENT, TEACHER)
    np.testing.assert_allclose(doubt(7 * STUDENT[:5]), doubt(STUDENT[:5]), rtol=1e-5)


def test_a_strong_ridge_guesses_the_mean():
    np.testing.assert_allclose(fit_student_doubt(STUDENT, TEACHER, 1e12)(STUDENT), DISTANCES.mean(), rtol=1e-4)


def test_a_saved_guess_is_the_same(tmp_path):
    doubt = fit_student_doubt(STUDENT, TEACHER)
    doubt.save(tmp_path / "doubt.safetensors")
    np.testing.assert_array_equal(StudentDoubt.load(tmp_path / "doubt.safetensors")(STUDENT), doubt(STUDENT))


def test_vectors_of_other_texts_and_no_ridge_are_errors():
    with pytest.raises(ValueError, match="of the same texts and width"):
        fit_student_doubt(STUDENT, TEACHER[:, :4])
    with pytest.raises(ValueError, match="ridge above 0, got 0"):
        fit_student_doubt(STUDENT, TEACHER, 0)


WORDS = sorted({word for title, text in CORPUS.values() for word in f"{title} {text}".lower().split()})
TEXTS = [" ".join(DRAW.choice(WORDS, size)) for size in DRAW.integers(1, 19, 900)]


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    return TextFigures(NgramRuntime.from_pretrained(tiny_student(tmp_path_factory.mktemp("student"))))


def teacher_of_long_vectors(figures, draw):
    """Returns vectors that are the further off the student's, the shorter the student's mean is."""
    measured, units = figures(TEXTS)
    noise = draw.normal(size=units.shape) * 0.4 * np.exp(2 - 2 * measured[:, 2:] / measured[:, 2].mean())
    return units + noise / np.sqrt(units.shape[1])


def test_the_length_before_scaling_tells_what_the_vector_alone_does_not(figures):
    teacher = teacher_of_long_vectors(figures, np.random.default_rng(1))
    vectors = figures(TEXTS)[1]
    truth = 1 - (vectors * unit_length(teacher)).sum(axis=1)
    with_figures = fit_query_doubt(figures, TEXTS[:600], teacher[:600]).ask(figures, TEXTS[600:])[1]
    without = fit_student_doubt(vectors[:600], teacher[:600])(vectors[600:])
    found, plain = (np.corrcoef(guessed, truth[600:])[0, 1] for guessed in (with_figures, without))
    assert found > 0.4 and found > plain


def test_the_guess_of_texts_is_that_of_their_vectors_and_figures(figures, tmp_path):
    doubt = fit_query_doubt(figures, TEXTS, teacher_of_long_vectors(figures, np.random.default_rng(1)))
    vectors, doubts = doubt.ask(figures, TEXTS[:9])
    measured, units = figures(TEXTS[:9])
    np.testing.assert_allclose(doubts, doubt(units, doubt_figures(measured)), rtol=1e-6)
    by_hand = units @ doubt.weights + doubt.offset
    by_hand = by_hand + measured[:, 0] * doubt.figure_weights[0] + np.log(measured[:, 1]) * doubt.figure_weights[1]
    np.testing.assert_allclose(doubts, by_hand + measured[:, 2] * doubt.figure_weights[2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(vectors, units, atol=1e-6)
    with pytest.raises(ValueError, match="Expected figures of the texts"):
        doubt(units)
    doubt.save(tmp_path / "doubt.safetensors")
    np.testing.assert_array_equal(StudentDoubt.load(tmp_path / "doubt.safetensors").ask(figures, TEXTS[:9])[1], doubts)


def test_the_dial_sends_the_share_it_is_set_to(figures):
    teacher = teacher_of_long_vectors(figures, np.random.default_rng(1))
    doubt = fit_query_doubt(figures, TEXTS[:600], teacher[:600])
    queries = [text for text in TEXTS[600:] if len(text.split()) <= 12]
    doubts = doubt.ask(figures, queries)[1]
    for share in (0.1, 0.2, 0.5):
        assert (doubts >= doubt.threshold(share)).mean() == pytest.approx(share, abs=0.08)
        assert (doubts >= doubt.recalibrated(doubts).threshold(share)).mean() == pytest.approx(share, abs=0.01)
    assert (doubts < doubt.threshold(0)).all() and (doubts >= doubt.threshold(1)).all()
    assert doubt.quantiles.shape == (101,) and (np.diff(doubt.quantiles) >= 0).all()
    with pytest.raises(ValueError, match="share of 0 to 1, got 2"):
        doubt.threshold(2)
    with pytest.raises(ValueError, match="Expected quantiles"):
        fit_student_doubt(STUDENT, TEACHER).threshold(0.2)


def test_too_few_texts_are_refused(figures):
    with pytest.raises(ValueError, match="Expected 30 held-out texts or more to fit a doubt, got 3"):
        fit_query_doubt(figures, TEXTS[:3], np.ones((3, 16)))
