import numpy as np
import pytest

from traceformers.training.evaluation.document_map import DocumentMap, fit_document_map, fit_vector_map

DRAW = np.random.default_rng(4)
TEACHER = DRAW.normal(size=(300, 6))
MIXING = np.eye(6) + 0.3 * DRAW.normal(size=(6, 6))


def test_it_is_the_minimum_of_what_it_says_it_minimises():
    inputs, targets, ridge = DRAW.normal(size=(50, 4)), DRAW.normal(size=(50, 4)), 0.1

    def cost(matrix):
        pull = ridge * len(inputs) * ((matrix - np.eye(4)) ** 2).sum()
        return ((inputs @ matrix - targets) ** 2).sum() + pull

    fitted = fit_vector_map(inputs, targets, ridge).matrix.astype(np.float64)
    for _ in range(20):
        assert cost(fitted) < cost(fitted + 0.01 * DRAW.normal(size=(4, 4)))


def test_a_linear_student_is_undone():
    fitted = fit_vector_map(TEACHER @ MIXING + 2, TEACHER, ridge=1e-9, offset=True)
    np.testing.assert_allclose(fitted(TEACHER @ MIXING + 2), TEACHER, atol=1e-4)


def test_mapped_documents_score_the_students_queries_as_the_teacher_scored_its_own():
    documents = DRAW.normal(size=(20, 6))
    fitted = fit_document_map(TEACHER @ MIXING, TEACHER, ridge=1e-9)
    np.testing.assert_allclose((TEACHER @ MIXING) @ fitted(documents).T, TEACHER @ documents.T, atol=1e-3)


def test_a_strong_ridge_changes_nothing_and_equal_vectors_need_no_change():
    assert np.abs(fit_document_map(TEACHER @ MIXING, TEACHER, ridge=1e9).matrix - np.eye(6)).max() < 1e-6
    assert np.abs(fit_document_map(TEACHER, TEACHER).matrix - np.eye(6)).max() < 1e-6


def test_widths_may_differ_and_lengths_be_one():
    fitted = fit_vector_map(TEACHER[:, :3], TEACHER, ridge=0.01, normalize=True)
    assert fitted.matrix.shape == (3, 6)
    np.testing.assert_allclose(np.linalg.norm(fitted(TEACHER[:, :3]), axis=1), 1, atol=1e-5)


def test_a_saved_map_is_the_same(tmp_path):
    fitted = fit_vector_map(TEACHER @ MIXING, TEACHER, offset=True, normalize=True)
    fitted.save(tmp_path / "document_map.safetensors")
    loaded = DocumentMap.load(tmp_path / "document_map.safetensors")
    assert loaded.normalize
    np.testing.assert_array_equal(loaded(TEACHER), fitted(TEACHER))


def test_what_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="of the same texts"):
        fit_vector_map(TEACHER, TEACHER[:5])
    with pytest.raises(ValueError, match="ridge above 0, got 0"):
        fit_vector_map(TEACHER, TEACHER, ridge=0)
    with pytest.raises(ValueError, match=r"Expected vectors \(n, 6\), got \(2, 5\)"):
        fit_document_map(TEACHER, TEACHER)(np.zeros((2, 5)))
