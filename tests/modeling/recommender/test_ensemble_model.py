import json

import numpy as np
import pytest
import torch
from assertions import assert_save_load_keeps_outputs
from tiny_recommender import KINDS, tiny_recommender

from traceformers.modeling.recommender.configuration_ensemble import EnsembleRecommenderConfig
from traceformers.modeling.recommender.configuration_recommender import NO_ITEM_SCORE
from traceformers.modeling.recommender.modeling_ease import EASEModel
from traceformers.modeling.recommender.modeling_ensemble import MEMBER_CLASSES, EnsembleRecommenderModel
from traceformers.modeling.recommender.modeling_popularity import PopularityModel
from traceformers.modeling.recommender.score_fusion import fuse_scores
from traceformers.tokenization.item.tokenization_item import ItemTokenizer

V = 3 + 12
IDS = torch.tensor([[3, 4, 5, 6, 7, 8, 9, 10], [6, 7, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]])
INPUTS = {"input_ids": IDS, "attention_mask": (IDS > 0).long()}
METHODS = [
    {"method": "reciprocal_rank", "weights": [0.7, 0.3], "rank_constant": 10},
    {"method": "scores", "weights": [0.4, 0.6], "normalization": "zscore"},
    {"method": "scores", "weights": [0.4, 0.6], "normalization": "softmax"},
    {"method": "top_then", "top_items": 2},
]


def ensemble(kinds=("sasrec", "ease"), **settings):
    return EnsembleRecommenderModel.from_models([tiny_recommender(kind) for kind in kinds], **settings)


def order(scores, history=()):
    """Returns the unseen items, best first, of equals the lower id: plain Python."""
    unseen = [token for token in range(3, V) if token not in history]
    values = scores.tolist()
    return sorted(unseen, key=lambda token: (-values[token], token))


def histories():
    return [[token for token in row if token] for row in IDS.tolist()]


def test_reciprocal_rank_fusion_equals_a_computation_by_hand():
    first = torch.tensor([[0, 0, 0, 9.0, 8, 7, 6]])  # order 3 4 5 6
    second = torch.tensor([[0, 0, 0, 1.0, 4, 2, 3]])  # order 4 6 5 3
    fused = fuse_scores([first, second], torch.ones(1, 7, dtype=torch.bool), "reciprocal_rank", [2.0, 1.0], 10)
    expected = [2 / 11 + 1 / 14, 2 / 12 + 1 / 11, 2 / 13 + 1 / 13, 2 / 14 + 1 / 12]
    assert fused[0, 3:].tolist() == pytest.approx(expected)
    assert (fused[0, :3] == NO_ITEM_SCORE).all()


def test_places_are_counted_among_unseen_items():
    first = torch.tensor([[0, 0, 0, 9.0, 8, 7, 6]])
    unseen = torch.tensor([[True] * 3 + [False, True, True, True]])
    fused = fuse_scores([first], unseen, "reciprocal_rank", [1.0], 10)
    assert fused[0, 3:].tolist() == pytest.approx([1 / 13 - 1, 1 / 11, 1 / 12, 1 / 13])


def test_the_ensemble_fuses_what_its_members_say_by_themselves():
    members = [tiny_recommender("sasrec"), tiny_recommender("ease")]
    model = EnsembleRecommenderModel.from_models(members, weights=[0.7, 0.3], rank_constant=10)
    scores = model(**INPUTS).scores
    newest = IDS.clone()
    newest[0] = torch.tensor([5, 6, 7, 8, 9, 10, 0, 0])  # sasrec reads six items
    tables = [members[0].next_item_scores(newest[:, :6]), members[1].next_item_scores(IDS)]
    for row, history in enumerate(histories()):
        ranks = [order(table[row], history) for table in tables]
        for token in ranks[0]:
            places = [1 + rank.index(token) for rank in ranks]
            assert scores[row, token].item() == pytest.approx(0.7 / (10 + places[0]) + 0.3 / (10 + places[1]))


@pytest.mark.parametrize("top", [1, 3, 9])
def test_top_then_is_so_many_of_the_first_then_the_rest_of_the_second(top):
    members = [tiny_recommender("multivae"), tiny_recommender("ease")]
    model = EnsembleRecommenderModel.from_models(members, method="top_then", top_items=top)
    found, scores = model.recommend_ids(*model.item_tokenizer.encode_histories([["1193", "661"]])[:2], k=50)
    first, second = (order(member.next_item_scores(torch.tensor([[3, 4]]))[0], [3, 4]) for member in members)
    expected = first[:top] + [token for token in second if token not in first[:top]]
    assert [token for token in found[0].tolist() if token] == expected
    assert len(set(expected)) == 10
    assert np.all(np.diff(scores[0, :10]) < 0)


@pytest.mark.parametrize("kind", ["zscore", "softmax"])
def test_weighted_scores_equal_numpy_over_unseen_items(kind):
    members = [tiny_recommender("multivae"), tiny_recommender("ease")]
    model = EnsembleRecommenderModel.from_models(members, method="scores", weights=[0.4, 0.6], normalization=kind)
    scores = model(**INPUTS).scores.detach().numpy()
    for row, history in enumerate(histories()):
        unseen = [token for token in range(3, V) if token not in history]
        expected = 0
        for member, weight in zip(members, [0.4, 0.6], strict=True):
            values = member.next_item_scores(IDS)[row, unseen].double().detach().numpy()
            if kind == "zscore":
                expected += weight * (values - values.mean()) / values.std()
            else:
                expected += weight * np.exp(values) / np.exp(values).sum()
        np.testing.assert_allclose(scores[row, unseen], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", METHODS, ids=str)
def test_items_of_the_history_are_below_all_others_and_all_items_are_finite(settings):
    scores = ensemble(**settings)(**INPUTS).scores
    assert scores.dtype == torch.float32 and scores[:, 3:].isfinite().all()
    for row, history in enumerate(histories()[:2]):
        unseen = [token for token in range(3, V) if token not in history]
        assert scores[row, history].max() < scores[row, unseen].min()


@pytest.mark.parametrize("settings", METHODS, ids=str)
def test_who_has_had_everything_and_scores_without_spread_are_no_trouble(settings):
    flat = torch.zeros(2, V)
    unseen = torch.zeros(2, V, dtype=torch.bool)
    unseen[1, 5:8] = True
    settings = {"weights": [1, 1]} | settings
    fused = fuse_scores([flat, flat], unseen, **settings)
    assert fused[:, 3:].isfinite().all()
    assert order(fused[1])[:3] == [5, 6, 7]


@pytest.mark.parametrize("settings", METHODS, ids=str)
def test_saved_and_loaded_it_gives_equal_bits(settings):
    assert_save_load_keeps_outputs(ensemble(**settings), INPUTS)


def test_every_kind_of_member_is_saved_in_one_file_with_its_whole_configuration(tmp_path):
    kinds = [kind for kind in KINDS if kind != "ensemble_recommender"]
    assert set(kinds) == set(MEMBER_CLASSES)
    model = ensemble(kinds)
    model.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["model.safetensors"]
    members = json.loads((tmp_path / "config.json").read_text())["members"]
    assert [member["model_type"] for member in members] == kinds
    again = EnsembleRecommenderModel.from_pretrained(tmp_path)
    assert torch.equal(again(**INPUTS).scores, model(**INPUTS).scores)
    assert again.config.members == model.config.members
    histories = [["1193", "661"], []]
    assert again.recommend(histories, k=5) == model.recommend(histories, k=5)


def test_padding_order_of_users_and_batch_size_change_nothing():
    model = ensemble(("ease", "multivae"))
    together = model(**INPUTS).scores
    padded = torch.nn.functional.pad(IDS, (2, 3))
    assert torch.equal(model(padded).scores, together)
    assert torch.equal(model(IDS.flip(0)).scores.flip(0), together)
    for row in range(len(IDS)):
        assert torch.equal(model(IDS[row : row + 1]).scores[0], together[row])


def test_in_a_checkerboard_only_items_of_the_own_group_are_recommended():
    even, odd = [3, 5, 7, 9], [4, 6, 8, 10]
    lists = [[i for i in group if i != left] for group in (even, odd) for left in group]
    ids, offsets = np.concatenate(lists), np.cumsum([0, *map(len, lists)])
    members = [EASEModel.fit(ids, offsets, l2=l2) for l2 in (0.1, 10)]
    for settings in METHODS:
        model = EnsembleRecommenderModel.from_models(members, **settings)
        found, _ = model.recommend_ids([3, 5, 10, 4], [0, 2, 4], k=2)
        assert [set(row) for row in found.tolist()] == [{7, 9}, {6, 8}]


def test_members_of_vocabularies_of_different_size_are_refused():
    one, other = (PopularityModel.fit([3, 4], [0, 2], size) for size in (5, 6))
    with pytest.raises(ValueError, match=r"one vocabulary, got vocabulary sizes popularity 5, popularity 6; train all"):
        EnsembleRecommenderModel.from_models([one, other])


def test_members_of_the_same_size_but_other_items_are_refused():
    one, other = (PopularityModel.fit([3, 4], [0, 2], 5) for _ in range(2))
    one.item_tokenizer, other.item_tokenizer = ItemTokenizer(items=["a", "b"]), ItemTokenizer(items=["b", "a"])
    with pytest.raises(ValueError, match=r"one vocabulary, got 'a' and 'b' at 0 in those of popularity and popularity"):
        EnsembleRecommenderModel.from_models([one, other])


def test_it_takes_over_a_members_item_tokenizer():
    one, other = (PopularityModel.fit([3, 4, 3], [0, 2, 3], 5) for _ in range(2))
    other.item_tokenizer = ItemTokenizer(items=["a", "b"])
    assert EnsembleRecommenderModel.from_models([one, other]).recommend([["b"], []]).items == [["a"], ["a", "b"]]


def test_items_are_added_to_every_member_and_survive_saving(tmp_path):
    model = ensemble(("ease", "multivae", "popularity"))
    model.add_items(["new one", "new two"])
    assert {member.config.vocab_size for member in model.members} == {V + 2}
    model.save_pretrained(tmp_path)
    again = EnsembleRecommenderModel.from_pretrained(tmp_path)
    assert again.config.vocab_size == V + 2
    assert torch.equal(again(IDS).scores, model(IDS).scores)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "vote"}, "method to be one of reciprocal_rank, scores, top_then, got 'vote'"),
        ({"normalization": "minmax"}, "normalization to be one of zscore, softmax"),
        ({"weights": [1.0]}, "weights to be 2 numbers"),
        ({"weights": [0, 0]}, "not all 0"),
        ({"weights": [1, -1]}, "weights to be 2 numbers of at least 0"),
        ({"rank_constant": -1}, "rank_constant to be a number of at least 0"),
        ({"method": "top_then", "top_items": 0}, "top_items to be an integer of at least 1"),
        ({"members": [{"vocab_size": 9}]}, "configurations with a model_type"),
        ({"members": [{"model_type": "ease", "vocab_size": 9}] * 3, "method": "top_then"}, "two members"),
    ],
)
def test_a_bad_setting_is_named(settings, message):
    members = [{"model_type": "ease", "vocab_size": 9}, {"model_type": "popularity", "vocab_size": 9}]
    with pytest.raises(ValueError, match=message):
        EnsembleRecommenderConfig(**{"members": members, **settings})


def test_an_unknown_member_and_no_members_are_named():
    config = EnsembleRecommenderConfig(members=[{"model_type": "gru4rec", "vocab_size": 9}])
    with pytest.raises(ValueError, match=r"model_type bert4rec, sasrec.* got 'gru4rec'"):
        EnsembleRecommenderModel(config)
    with pytest.raises(ValueError, match="Expected members"):
        EnsembleRecommenderModel(EnsembleRecommenderConfig())


def test_items_of_the_history_are_ranked_like_others_where_people_come_back():
    members = [tiny_recommender("multivae"), tiny_recommender("ease")]
    scores = EnsembleRecommenderModel.from_models(members, rank_constant=10, seen_last=False)(IDS).scores
    ranks = [order(member.next_item_scores(IDS)[1]) for member in members]
    for token in range(3, V):
        assert scores[1, token].item() == pytest.approx(sum(1 / (11 + rank.index(token)) for rank in ranks))
