import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_retrieval import write_retrieval_folder

from traceformers.datasets_scripts.retrieval.retrieval_folder import load_retrieval_set
from traceformers.training.evaluation.rank_fusion import Fusion, fuse, tune_fusion
from traceformers.training.evaluation.ranked_evaluation import Ranking


def ranking(*rows):
    positions = np.array(rows, dtype=np.int64)
    return Ranking(np.where(positions < 0, -np.inf, -np.arange(positions.shape[1], dtype=np.float32)), positions)


@given(st.permutations(range(6)), st.permutations(range(6)), st.integers(0, 6), st.floats(0.1, 3), st.floats(0, 60))
def test_it_is_the_formula(first, second, kept, weight, k):
    second = [*second[:kept], *[-1] * (6 - kept)]
    fused = fuse([ranking(first), ranking(second)], [1.0, weight], k)
    expected = {document: 1 / (k + rank) for rank, document in enumerate(first, 1)}
    for rank, document in enumerate(second[:kept], 1):
        expected[document] += weight / (k + rank)
    listed = [p for p in fused.positions[0].tolist() if p >= 0]
    assert sorted(listed) == list(range(6))
    np.testing.assert_allclose(fused.scores[0, :6], [expected[document] for document in listed], rtol=1e-6)
    assert (np.diff(fused.scores[0, :6]) <= 0).all()


def test_what_both_list_comes_before_what_one_lists():
    assert fuse([ranking([1, 2, 3]), ranking([3, 4, 5])]).positions[0, 0] == 3


def test_two_empty_rankings_stay_empty():
    fused = fuse([ranking([-1, -1]), ranking([-1, -1])])
    assert (fused.positions == -1).all() and (fused.scores == -np.inf).all()


def test_weights_of_zero_and_one_give_one_side():
    dense, lexical = ranking([1, 2]), ranking([2, -1])
    assert Fusion(0.0)(dense, lexical) is dense and Fusion(1.0)(dense, lexical) is lexical


def test_rankings_of_other_queries_and_wrong_weights_are_errors():
    with pytest.raises(ValueError, match=r"got \[1, 2\] queries"):
        fuse([ranking([1]), ranking([1], [2])])
    with pytest.raises(ValueError, match="1 weights"):
        fuse([ranking([1]), ranking([1])], [1.0])
    with pytest.raises(ValueError, match="Expected a weight of 0 to 1"):
        Fusion(1.5)


def test_the_weight_is_chosen_on_dev_queries_whatever_the_test_queries_say(tmp_path):
    names = [f"q{i}" for i in range(40)]
    folder = write_retrieval_folder(
        tmp_path, queries=dict.fromkeys(names, "x"), grades={name: {"d1": 1} for name in names}
    )
    tiny = load_retrieval_set(folder)
    dev = tiny.part("dev")
    right, wrong = np.array([0, 1, 2]), np.array([3, 4, 5])
    dense = ranking(*[right if on_dev else wrong for on_dev in dev])
    lexical = ranking(*[wrong if on_dev else right for on_dev in dev])
    fusion, score = tune_fusion([tiny], [dense], [lexical])
    assert fusion.weight == 0 and score == 1
    fusion, score = tune_fusion([tiny], [lexical], [dense])
    assert fusion.weight >= 0.5 and score == 1  # equal scores stand in the order of positions


def test_no_dev_query_is_an_error(tmp_path):
    tiny = load_retrieval_set(write_retrieval_folder(tmp_path))
    tiny = tiny.select(tiny.part("test"))
    rows = ranking(*[[0]] * len(tiny))
    with pytest.raises(ValueError, match="Expected dev queries"):
        tune_fusion([tiny], [rows], [rows])
