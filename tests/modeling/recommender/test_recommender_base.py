"""`recommend` for every kind of model: what users ask for, the laws it keeps, what bad input is told."""

import re
import warnings

import numpy as np
import pytest
import torch
from tiny_recommender import HISTORIES, ITEMS, KINDS, YEARS, metadata_settings, tiny_item_tokenizer, tiny_recommender
from transformers import AutoModel

from traceformers.modeling.recommender.modeling_popularity import PopularityModel
from traceformers.modeling.recommender.modeling_recommender import RecommenderPreTrainedModel
from traceformers.tokenization.item.tokenization_item import ItemTokenizer

N = len(ITEMS)
WITH_VECTORS = ("bert4rec", "sasrec")
every_kind = pytest.mark.parametrize("kind", KINDS)


def assert_same(found, expected):
    """Equal items, and scores equal up to the rounding of batches of another shape."""
    assert found.items == expected.items
    for row, wanted in zip(found.scores, expected.scores, strict=True):
        assert row == pytest.approx(wanted, abs=1e-5)


def by_hand(model, history, k, allowed=None):
    """Returns the items that `recommend` has to give one user, by a sort of all scores."""
    tokenizer = model.item_tokenizer
    ids = [tokenizer.id_of(item) for item in history]
    newest = ids[-model.config.max_history :] if model.config.max_history else ids
    rows = torch.tensor([newest or [0]])
    with torch.no_grad():
        scores = model.next_item_scores(rows, (rows != 0).long())[0].tolist()
    order = sorted(range(3, len(tokenizer)), key=lambda i: (-scores[i], i))
    items = [tokenizer.item_of(i) for i in order if i not in ids]
    return [item for item in items if allowed is None or item in allowed][:k]


# --- the laws -----------------------------------------------------------------------------------------------


@every_kind
def test_recommend_gives_the_best_unseen_items_in_order(kind):
    model = tiny_recommender(kind)
    found = model.recommend(HISTORIES, k=5)
    assert found.items == [by_hand(model, history, 5) for history in HISTORIES]
    assert all(len(row) == len(scores) for row, scores in zip(*found, strict=True))
    assert all(row == sorted(row, reverse=True) for row in found.scores)


@every_kind
def test_order_of_users_and_batch_size_change_nothing(kind):
    model = tiny_recommender(kind)
    expected = model.recommend(HISTORIES, k=4)
    for batch_size in (1, 2, 3):
        assert_same(model.recommend(HISTORIES, k=4, batch_size=batch_size), expected)
    order = [3, 0, 4, 1, 2]
    shuffled = model.recommend([HISTORIES[i] for i in order], k=4)
    assert shuffled.items == [expected.items[i] for i in order]
    alone = [model.recommend([history], k=4).items[0] for history in HISTORIES]
    assert alone == expected.items


@every_kind
def test_seen_items_are_never_recommended_unless_asked_for(kind):
    model = tiny_recommender(kind)
    for history, items in zip(HISTORIES, model.recommend(HISTORIES, k=N).items, strict=True):
        assert sorted(items) == sorted(set(ITEMS) - set(history))
    for items in model.recommend(HISTORIES, k=N, exclude_seen=False).items:
        assert sorted(items) == sorted(ITEMS)


@every_kind
def test_items_too_old_to_be_read_are_still_seen(kind):
    model = tiny_recommender(kind)
    history = ITEMS[:9]
    assert not set(model.recommend([history], k=N).items[0]) & set(history)


@every_kind
def test_scores_are_those_of_the_model(kind):
    model = tiny_recommender(kind)
    history = ["661", "914"]
    found = model.recommend([history], k=3)
    with torch.no_grad():
        scores = model.next_item_scores(torch.tensor([[4, 5]]))[0]
    expected = [float(scores[model.item_tokenizer.id_of(item)]) for item in found.items[0]]
    assert found.scores[0] == pytest.approx(expected, abs=1e-6)


@every_kind
def test_a_scorer_gives_what_next_item_scores_gives(kind):
    model = tiny_recommender(kind)
    rows = torch.tensor([[3, 4, 5], [7, 0, 0]])
    with torch.no_grad():
        assert torch.equal(model.scorer()(rows, (rows != 0).long()), model.next_item_scores(rows, (rows != 0).long()))


@every_kind
def test_recommend_leaves_the_model_in_the_mode_it_was_in(kind):
    model = tiny_recommender(kind)
    evaluated = model.recommend(HISTORIES, k=3)
    model.train()
    assert model.recommend(HISTORIES, k=3) == evaluated
    assert model.training


@every_kind
def test_padding_on_any_side_changes_nothing(kind):
    model = tiny_recommender(kind)
    rows = torch.tensor([[3, 4, 5]])
    with torch.no_grad():
        expected = model.next_item_scores(rows)[:, 3:]
        for left, right in ((0, 2), (2, 0), (1, 1)):
            padded = torch.nn.functional.pad(rows, (left, right))
            found = model.next_item_scores(padded, (padded != 0).long())[:, 3:]
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_equal_scores_come_in_the_order_of_the_catalogue():
    model = PopularityModel.fit(np.array([5, 3, 9]), np.array([0, 1, 2, 3]), vocab_size=3 + N)
    model.item_tokenizer = tiny_item_tokenizer()
    assert model.recommend([[]], k=N).items[0] == [ITEMS[0], ITEMS[2], ITEMS[6], *ITEMS[1:2], *ITEMS[3:6], *ITEMS[7:]]


def test_recommending_does_not_change_what_a_model_keeps():
    model = tiny_recommender("popularity")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first = model.recommend([["1193"]], k=3)
    assert model.recommend([["1193"]], k=3) == first
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_class_derived_from_a_model_does_not_take_its_place_with_the_auto_classes():
    class Derived(PopularityModel):
        pass

    assert Derived.config_class is PopularityModel.config_class
    assert type(AutoModel.from_config(tiny_recommender("popularity").config)) is PopularityModel


# --- what is allowed ----------------------------------------------------------------------------------------


@every_kind
def test_candidates_are_the_only_items_for_all_or_for_each(kind):
    model = tiny_recommender(kind)
    few = ["661", "3408", 594, "the matrix"]
    allowed = set(map(str, few))
    expected = [by_hand(model, history, 3, allowed) for history in HISTORIES]
    assert model.recommend(HISTORIES, k=3, candidates=few).items == expected
    own = [["661"], [], ITEMS, ["1193", 2804, "914"], np.array([594, 661])]
    wanted = [by_hand(model, history, 3, set(map(str, row))) for history, row in zip(HISTORIES, own, strict=True)]
    assert model.recommend(HISTORIES, k=3, candidates=own).items == wanted


@every_kind
def test_excluded_items_are_left_out_for_all_or_for_each(kind):
    model = tiny_recommender(kind)
    best = [row[0] for row in model.recommend(HISTORIES, k=1).items]
    for row in model.recommend(HISTORIES, k=N, exclude=best).items:
        assert not set(row) & set(best)
    second = [row[1] for row in model.recommend(HISTORIES, k=2).items]
    found = model.recommend(HISTORIES, k=1, exclude=[[item] for item in best]).items
    assert [row[0] for row in found] == second


@every_kind
def test_items_released_later_are_left_out_and_unknown_years_stay(kind):
    model = tiny_recommender(kind)
    until = [1964, None, 1900, 2005, 1990]
    found = model.recommend(HISTORIES, k=N, released_until=until)
    for history, last, items in zip(HISTORIES, until, found.items, strict=True):
        allowed = {item for item, year in zip(ITEMS, YEARS, strict=True) if None in (year, last) or year <= last}
        assert items == by_hand(model, history, N, allowed)
    assert model.recommend(HISTORIES, k=N, released_until=1964).items[0] == found.items[0]


def test_all_rules_hold_together():
    model = tiny_recommender("ease")
    found = model.recommend(
        HISTORIES, k=N, candidates=ITEMS[:8], exclude=[["914"]] * 5, released_until=[1999] * 5, exclude_seen=True
    )
    for history, items in zip(HISTORIES, found.items, strict=True):
        assert sorted(items) == sorted(set(ITEMS[:8]) - set(history) - {"914", "3408"})


@every_kind
def test_more_items_than_there_are_gives_all_there_are(kind):
    found = tiny_recommender(kind).recommend([["1193"], []], k=1000)
    assert [len(row) for row in found.items] == [N - 1, N]
    assert all(np.isfinite(row).all() for row in found.scores)


@every_kind
def test_no_users_get_no_recommendations(kind):
    assert tiny_recommender(kind).recommend([], k=3) == ([], [])


# --- diversity and similar items ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WITH_VECTORS)
def test_diversity_changes_the_list_and_keeps_the_rules(kind):
    model = tiny_recommender(kind)
    plain = model.recommend(HISTORIES, k=4)
    assert model.recommend(HISTORIES, k=4, diversity=0) == plain
    diverse = model.recommend(HISTORIES, k=4, diversity=0.9)
    assert diverse.items != plain.items
    for history, items, best in zip(HISTORIES, diverse.items, plain.items, strict=True):
        assert items[0] == best[0]
        assert len(set(items)) == 4
        assert not set(items) & set(history)
    vectors = torch.nn.functional.normalize(model.item_vectors().detach(), dim=1)

    def closeness(items):
        rows = vectors[[model.item_tokenizer.id_of(item) for item in items]]
        return float((rows @ rows.T).mean())

    assert np.mean([*map(closeness, diverse.items)]) < np.mean([*map(closeness, plain.items)])


@pytest.mark.parametrize("kind", WITH_VECTORS)
def test_similar_items_are_the_nearest_by_cosine(kind):
    model = tiny_recommender(kind)
    found = model.similar_items(["661", "[MASK]"], k=3)
    vectors = model.item_vectors().detach()
    for item, similar, scores in zip(["661", "[MASK]"], *found, strict=True):
        place = model.item_tokenizer.id_of(item)
        cosine = torch.nn.functional.cosine_similarity(vectors[place][None], vectors)
        order = [i for i in cosine.argsort(descending=True).tolist() if i >= 3 and i != place]
        assert similar == [model.item_tokenizer.item_of(i) for i in order[:3]]
        assert scores == pytest.approx([float(cosine[i]) for i in order[:3]], abs=1e-5)
    assert model.similar_items(661, k=3).items == [found.items[0]]
    assert len(model.similar_items("661", k=99).items[0]) == N - 1


def test_models_without_item_vectors_say_so():
    model = tiny_recommender("popularity")
    with pytest.raises(ValueError, match="item vectors for diversity, got PopularityModel"):
        model.recommend(HISTORIES, diversity=0.5)
    with pytest.raises(ValueError, match="item vectors for similar items, got PopularityModel"):
        model.similar_items("661")
    with pytest.raises(ValueError, match="products of vectors, got PopularityModel"):
        model.build_index()


# --- retrieval ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WITH_VECTORS)
@pytest.mark.parametrize("settings", [{}, metadata_settings()], ids=["plain", "metadata"])
def test_an_index_gives_what_scoring_everything_gives(kind, settings):
    model = tiny_recommender(kind, **settings)
    calls = [
        {},
        {"exclude_seen": False},
        {"exclude": [["661", "914"], [], ["594"], [], ["1193"]]},
        {"exclude": ["661"]},
        {"candidates": ITEMS[:5]},
        {"candidates": [ITEMS[:5]] * 5},
        {"released_until": 1990},
        {"diversity": 0.5},
        {"batch_size": 2},
    ]
    expected = [model.recommend(HISTORIES, k=4, **call) for call in calls]
    model.build_index()
    for call, wanted in zip(calls, expected, strict=True):
        assert_same(model.recommend(HISTORIES, k=4, **call), wanted)
    model.drop_index()
    assert_same(model.recommend(HISTORIES, k=4), expected[0])


def test_an_index_leaves_k_items_after_what_was_seen():
    model = tiny_recommender("sasrec", max_history=3)
    model.build_index()
    assert [len(row) for row in model.recommend([ITEMS[:9], ITEMS[:11], []], k=3).items] == [3, 1, 3]


# --- unknown items and bad arguments ------------------------------------------------------------------------


def test_unknown_items_are_left_out_with_one_warning_that_counts_them():
    model = tiny_recommender("ease")
    with pytest.warns(UserWarning, match=r"3 items in the histories are unknown to the model, for example 'x'") as seen:
        found = model.recommend([["1193", "x"], ["y", "y"]], k=3)
    assert len(seen) == 1
    assert found == model.recommend([["1193"], []], k=3)
    with pytest.raises(ValueError, match=r"got 3 that it does not hold: 'x', 'y', 'y'"):
        model.recommend([["1193", "x"], ["y", "y"]], k=3, unknown_items="error")


def test_unknown_candidates_are_left_out_but_some_must_be_known():
    model = tiny_recommender("ease")
    with pytest.warns(UserWarning, match="1 items in candidates are unknown"):
        assert model.recommend([[]], k=3, candidates=["661", "new"]).items == [["661"]]
    with pytest.raises(ValueError, match=r"candidates that the model knows, got \['new'\]"):
        model.recommend([[]], candidates=["new"])
    with pytest.raises(ValueError, match="got 1 that it does not hold: 'new'"):
        model.recommend([[]], candidates=["661", "new"], unknown_items="error")


def test_known_items_raise_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny_recommender("ease").recommend(HISTORIES, k=3, candidates=ITEMS, exclude=["not in the catalogue"])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ({"histories": "1193"}, TypeError, "list of histories, got str. Pass a list of users"),
        ({"histories": ["1193", "661"]}, TypeError, "each history to be a list of item ids, got str"),
        ({"histories": [1193]}, TypeError, "each history to be a list of item ids, got int"),
        ({"histories": None}, TypeError, "list of histories, got NoneType"),
        ({"histories": [[1193.0]]}, TypeError, "item ids of type str or int, got 1193.0 of type float"),
        ({"histories": [[None]]}, TypeError, "item ids of type str or int, got None"),
        ({"k": 0}, ValueError, "k to be an integer of at least 1, got 0"),
        ({"k": 2.0}, ValueError, "k to be an integer of at least 1, got 2.0"),
        ({"diversity": 1.5}, ValueError, "diversity to be between 0 and 1, got 1.5"),
        ({"diversity": "much"}, ValueError, "diversity to be between 0 and 1, got 'much'"),
        ({"unknown_items": "drop"}, ValueError, "one of ignore, error, got 'drop'"),
        ({"batch_size": 0}, ValueError, "batch_size to be an integer of at least 1, got 0"),
        ({"candidates": "661"}, TypeError, "candidates to be a list of item ids"),
        ({"candidates": [["661"], ["914"]]}, ValueError, "or 1 lists, one a history, got 2 entries"),
        ({"exclude": ["661", ["914"]]}, ValueError, "exclude to be one list of item ids for all"),
        ({"released_until": [1999, 2000]}, ValueError, "a year, or 1 of them, one a history"),
        ({"released_until": "1999"}, ValueError, "a year, or 1 of them"),
        ({"released_until": [1999.5]}, ValueError, "integers or None, got 1999.5"),
    ],
)
def test_a_bad_argument_is_named_with_what_to_do(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        tiny_recommender("popularity").recommend(**{"histories": [["1193"]], **call})


def test_years_must_be_known_to_be_asked_for():
    model = tiny_recommender("popularity")
    model.item_tokenizer = ItemTokenizer(items=ITEMS)
    with pytest.raises(ValueError, match="years of the items for released_until, got none"):
        model.recommend([[]], released_until=1999)


def test_scores_of_another_shape_are_an_error_and_no_recommendation():
    class Wrong(PopularityModel):
        def next_item_scores(self, input_ids, attention_mask=None):
            return torch.zeros(len(input_ids), 4)

    model = Wrong(tiny_recommender("popularity").config)
    model.item_tokenizer = tiny_item_tokenizer()
    with pytest.raises(ValueError, match=r"next_item_scores of shape \(1, 15\), got \(1, 4\)"):
        model.recommend([[]])


# --- arrays -------------------------------------------------------------------------------------------------


@every_kind
def test_recommend_ids_gives_the_token_ids_of_recommend(kind):
    model = tiny_recommender(kind)
    ids, offsets, _ = model.item_tokenizer.encode_histories(HISTORIES)
    found, scores = model.recommend_ids(ids, offsets, N)
    assert found.dtype == np.int64
    assert found.shape == scores.shape == (len(HISTORIES), N)
    expected = model.recommend(HISTORIES, k=N)
    for row, values, items in zip(found, scores, expected.items, strict=True):
        assert [model.item_tokenizer.item_of(i) for i in row[: len(items)]] == items
        assert not row[len(items) :].any()
        assert np.isneginf(values[len(items) :]).all()


def test_seen_items_can_be_others_than_those_of_the_history():
    model = tiny_recommender("ease")
    ids, offsets = np.array([3, 4, 5]), np.array([0, 2, 3])
    found, _ = model.recommend_ids(ids, offsets, N, seen=(np.array([7]), np.array([0, 1, 1])))
    assert set(found[0]) == set(range(3, 15)) - {7} | {0}
    assert set(found[1]) == set(range(3, 15))


@pytest.mark.parametrize(
    ("ids", "offsets", "message"),
    [
        ([3, 4], [0, 1], "offsets that rise from 0 to the 2 ids, got .0 1.; row b is"),
        ([3, 4], [1, 2], "offsets that rise"),
        ([3, 4], [0, 2, 1, 2], "offsets that rise"),
        ([[3, 4]], [0, 2], "flat array of token ids"),
        ([3, 99], [0, 2], "token ids from 0 to 14, got 3 to 99"),
        ([-1, 4], [0, 2], "token ids from 0 to 14, got -1 to 4"),
    ],
)
def test_arrays_that_are_no_histories_are_refused(ids, offsets, message):
    with pytest.raises(ValueError, match=message):
        tiny_recommender("ease").recommend_ids(np.array(ids), np.array(offsets))


# --- the tokenizer ------------------------------------------------------------------------------------------


def test_a_model_without_a_tokenizer_says_how_to_assign_one(tmp_path):
    model = PopularityModel(tiny_recommender("popularity").config)
    with pytest.raises(ValueError, match=r"assign one: model\.item_tokenizer = ItemTokenizer"):
        model.recommend([[]])
    model.save_pretrained(tmp_path)
    assert not (tmp_path / "item_vocabulary.json").exists()
    with pytest.raises(ValueError, match=r"item tokenizer in .*got none"):
        PopularityModel.from_pretrained(tmp_path).recommend([[]])


def test_a_tokenizer_of_another_catalogue_is_refused():
    with pytest.raises(ValueError, match="with vocab_size = 15 token ids, got 4; assign the tokenizer"):
        tiny_recommender("popularity").item_tokenizer = ItemTokenizer(items=["1"])


def test_the_tokenizer_is_loaded_at_first_use_and_saved_along(tmp_path, monkeypatch):
    tiny_recommender("ease").save_pretrained(tmp_path / "once")
    monkeypatch.chdir(tmp_path)
    model = type(tiny_recommender("ease")).from_pretrained("once")
    monkeypatch.chdir("/")  # a relative path still leads there
    model.save_pretrained(tmp_path / "twice")
    again, report = type(model).from_pretrained(tmp_path / "twice", output_loading_info=True)
    assert not report["missing_keys"]
    assert again.item_tokenizer.items == ITEMS
    assert again.item_tokenizer.years == YEARS


def test_a_base_without_scores_says_what_is_missing():
    class Nothing(RecommenderPreTrainedModel):
        pass

    model = Nothing(tiny_recommender("popularity").config)
    model.item_tokenizer = tiny_item_tokenizer()
    with pytest.raises(NotImplementedError, match="Nothing has to implement next_item_scores"):
        model.recommend([[]])
