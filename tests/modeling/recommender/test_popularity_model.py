from collections import Counter

import numpy as np
import torch
from assertions import assert_save_load_keeps_outputs
from hypothesis import given
from hypothesis import strategies as st

from traceformers.modeling.recommender.configuration_recommender import NO_ITEM_SCORE
from traceformers.modeling.recommender.modeling_popularity import PopularityModel

HISTORIES = [[3, 4, 5], [3, 4], [5, 3], [7, 7, 7], []]
V = 9


def flat(histories):
    return np.array([i for each in histories for i in each], np.int64), np.cumsum([0, *map(len, histories)])


@given(st.lists(st.lists(st.integers(3, V - 1), max_size=6), min_size=1, max_size=6))
def test_scores_are_the_numbers_of_users_who_have_had_each_item(histories):
    counts = Counter(item for history in histories for item in set(history))
    scores = PopularityModel.fit(*flat(histories), V)(torch.tensor([[4]])).scores
    assert scores[0, 3:].tolist() == [counts[item] for item in range(3, V)]


def test_every_history_order_and_padding_has_the_same_scores():
    model = PopularityModel.fit(*flat(HISTORIES), V)
    scores = model(torch.tensor([[3, 4], [4, 3], [0, 5], [5, 0], [0, 0]])).scores
    assert scores.shape == (5, V) and (scores == scores[0]).all()
    assert (scores[:, :3] == NO_ITEM_SCORE).all()


def test_scores_can_be_written_to_without_changing_the_model():
    model = PopularityModel.fit(*flat(HISTORIES), V)
    model(torch.tensor([[3], [4]])).scores[0].zero_()
    assert model(torch.tensor([[3]])).scores[0, 3] == 3


def test_counts_above_the_integers_of_float16_survive_loading_in_half_precision(tmp_path):
    model = PopularityModel.fit(*flat(HISTORIES), V)
    model.counts[3] = 100_001
    model.save_pretrained(tmp_path)
    assert PopularityModel.from_pretrained(tmp_path, dtype=torch.float16)(torch.tensor([[4]])).scores[0, 3] == 100_001


def test_the_most_popular_unseen_items_are_recommended_in_order_ties_by_token_id():
    model = PopularityModel.fit(*flat(HISTORIES), V)
    found, scores = model.recommend_ids(*flat([[3], [], [4, 5]]), k=3)
    assert found.tolist() == [[4, 5, 7], [3, 4, 5], [3, 7, 6]]
    assert scores[0].tolist() == [2, 2, 1]


def test_in_a_checkerboard_popularity_knows_no_groups():
    histories = [[3, 5], [3, 5, 7], [4, 6], [4, 6]]
    found, _ = PopularityModel.fit(*flat(histories)).recommend_ids(*flat([[3], [4]]), k=4)
    assert found.tolist() == [[4, 5, 6, 7], [3, 5, 6, 7]]


def test_saved_and_loaded_it_gives_equal_bits():
    assert_save_load_keeps_outputs(PopularityModel.fit(*flat(HISTORIES), V), {"input_ids": torch.tensor([[3]])})


def test_new_items_have_no_users():
    model = PopularityModel.fit(*flat(HISTORIES), V)
    model._extend_items(2)
    assert model(torch.tensor([[3]])).scores[0, V - 1 :].tolist() == [0, 0, 0]
