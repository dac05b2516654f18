"""Any encoder as a function, remembered, and one for each fold."""

import numpy as np
import pytest

from traceformers.training.session_probes import encoder_vectors
from traceformers.training.session_probes.encoder_vectors import SessionVectors, encoders_of_folds

HERE = f"{__name__}:"
CALLS = []


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or sys.modules["test_encoder_vectors"])
    CALLS.clear()


def lengths(sessions):
    CALLS.append(len(sessions))
    return np.array([[len(session), 1.0] for session in sessions])


def one_too_few(sessions):
    return np.ones((len(sessions) - 1, 2))


def test_a_function_is_asked_for_all_sessions_a_few_at_a_time():
    sessions = [[{}] * n for n in range(20)]
    assert SessionVectors(HERE + "lengths").vectors(sessions)[:, 0].tolist() == list(range(20))
    assert CALLS == [encoder_vectors.AT_ONCE, 20 - encoder_vectors.AT_ONCE]


def test_vectors_are_remembered_by_encoder_key_and_what_it_is_about(tmp_path):
    for about in ("v1", "v1", "v2"):
        SessionVectors(HERE + "lengths", tmp_path, about).vectors(lambda: [[{}]], "some")
    assert len(CALLS) == 2
    SessionVectors(HERE + "lengths", tmp_path, "v1").vectors([[{}]], "others")
    SessionVectors(HERE + "lengths", tmp_path, "v1").vectors([[{}]])
    assert len(CALLS) == 4


def test_what_is_no_vector_a_session_is_refused():
    with pytest.raises(ValueError, match="one vector"):
        SessionVectors(HERE + "one_too_few").vectors([[{}], [{}]])
    with pytest.raises(ValueError, match="'nothing'"):
        SessionVectors(HERE + "nothing").vectors([[{}]])


def test_a_function_is_no_rrweb_bert():
    assert SessionVectors(HERE + "lengths").rrweb_bert is None


def test_each_fold_has_its_encoder_where_the_name_says_so():
    folds = [("0", ["a"]), ("1", ["b"])]
    named = encoders_of_folds("folds/{fold}/model", folds)
    assert [named[fold].name for fold in "01"] == ["folds/0/model", "folds/1/model"]
    same = encoders_of_folds(HERE + "lengths", folds)
    assert same["0"] is same["1"]
