import sys

import numpy as np
import pytest
from tiny_student import tiny_student
from tiny_teacher import tiny_teacher

from traceformers.training.evaluation.retrieval_encoders import measure_texts_per_second, open_encoder

TEXTS = ["the red cat", "a blue house by the river", "", "new york bank"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return tiny_teacher(tmp_path_factory.mktemp("teacher"), dimension=16)


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return tiny_student(tmp_path_factory.mktemp("student"), dimension=16)


def test_any_sentence_transformer_is_an_encoder(teacher):
    encoder = open_encoder(teacher, device="cpu")
    vectors = encoder.encode_queries(TEXTS)
    assert vectors.shape == (4, 16) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(vectors, encoder.encode_documents(TEXTS))
    assert not encoder.is_student and encoder.similarity == "cosine" and encoder.size_bytes > 1_000


def test_a_dot_product_encoder_keeps_its_lengths(tmp_path):
    encoder = open_encoder(tiny_teacher(tmp_path, normalize=False), device="cpu")
    assert encoder.similarity == "dot" and np.linalg.norm(encoder.encode_queries(TEXTS), axis=1).std() > 0


def test_a_student_runs_without_torch(student):
    encoder = open_encoder(f"runtime:{student}")
    assert encoder.is_student and encoder.encode_queries(TEXTS).shape == (4, 16)
    np.testing.assert_array_equal(encoder.encode_queries(TEXTS), encoder.encode_documents(TEXTS))


@pytest.fixture(scope="module")
def full(student):
    """The student in sentence-transformers; without numba, which would compile this copy of the kernel for 10 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "numba", None)
        return open_encoder(student, device="cpu")


def test_a_student_in_sentence_transformers_gives_what_the_runtime_gives(student, full):
    fast = open_encoder(f"runtime:{student}")
    assert full.is_student
    np.testing.assert_allclose(full.encode_queries(TEXTS), fast.encode_queries(TEXTS), atol=1e-5)
    np.testing.assert_array_equal(full.encode_documents(TEXTS), full.encode_queries(TEXTS))


def test_the_share_of_unknown_words_is_known(full):
    # "sing" is an entry, "birds" is not, "the moon" is one entry of two words, no word at all is unknown
    shares = full.unknown_share(["sing", "birds sing", "birds the moon", ""])
    assert shares.tolist() == [0, 0.5, 0.5, 1]


def test_fingerprints_tell_weights_and_precisions_apart(teacher, tmp_path):
    marks = [open_encoder(teacher, device="cpu").fingerprint, open_encoder(teacher, device="cpu").fingerprint]
    marks.append(open_encoder(teacher, device="cpu", precision="bfloat16").fingerprint)
    marks.append(open_encoder(tiny_teacher(tmp_path, seed=1), device="cpu").fingerprint)
    assert marks[0] == marks[1] and len(set(marks)) == 3


def test_a_lower_precision_gives_near_vectors_in_float32(teacher):
    full, low = (open_encoder(teacher, device="cpu", precision=p).encode_queries(TEXTS) for p in (None, "bfloat16"))
    assert low.dtype == np.float32 and not np.array_equal(full, low)
    assert (full * low).sum(axis=1).min() > 0.98


def test_wrong_names_and_precisions_are_errors(teacher):
    with pytest.raises(ValueError, match="Expected a precision of float32, bfloat16, float16"):
        open_encoder(teacher, precision="int8")
    with pytest.raises(ValueError, match="Expected a folder, a Hub id, runtime:<folder>"):
        open_encoder("glove:somewhere")


def test_speed_is_counted_in_texts():
    calls = []
    speed = measure_texts_per_second(lambda texts: calls.append(len(texts)), ["a"] * 100, seconds=0.01)
    assert speed > 100 and calls[0] == 32 and set(calls[1:]) == {100} and len(calls) >= 3
