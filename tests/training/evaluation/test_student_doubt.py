import numpy as np
import pytest

from traceformers.training.evaluation.sts_agreement import unit_length
from traceformers.training.evaluation.student_doubt import StudentDoubt, fit_student_doubt

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
