"""Items that are added to a trained model: ids of others stay, metadata tells the new apart, nothing is half done."""

import re

import numpy as np
import pytest
import torch
from tiny_recommender import HISTORIES, ITEMS, KINDS, metadata_settings, tiny_recommender
from transformers import AutoModel

from traceformers.modeling.recommender.modeling_ensemble import EnsembleRecommenderModel
from traceformers.modeling.recommender.modeling_recommender import RecommenderPreTrainedModel

SEQUENTIAL = pytest.mark.parametrize("kind", ["bert4rec", "sasrec"])


@pytest.mark.parametrize("kind", KINDS)
def test_added_items_get_new_ids_and_the_others_keep_their_scores(kind, tmp_path):
    model = tiny_recommender(kind)
    before = model.recommend(HISTORIES, k=3, candidates=ITEMS)
    assert model.add_items(["new", 77], titles=["New", None]) == [15, 16]
    assert model.config.vocab_size == len(model.item_tokenizer) == 17
    after = model.recommend(HISTORIES, k=3, candidates=ITEMS)
    if kind != "ensemble_recommender":  # ranks among more items are other scores
        assert after.items == before.items
        for row, wanted in zip(after.scores, before.scores, strict=True):
            assert row == pytest.approx(wanted, abs=1e-5)
    found = model.recommend([["new", "1193"], ["77"]], k=14)
    assert set(found.items[0]) == set(ITEMS) - {"1193"} | {"77"}
    assert set(found.items[1]) == set(ITEMS) | {"new"}
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path).recommend([["new"]], k=5)
    expected = model.recommend([["new"]], k=5)
    assert loaded.items == expected.items
    assert loaded.scores[0] == pytest.approx(expected.scores[0], abs=1e-5)


@SEQUENTIAL
def test_a_new_item_with_the_metadata_of_an_old_one_is_fused_alike(kind):
    model = tiny_recommender(kind, **metadata_settings(features=("genre", "director", "writer", "title")))
    model.set_item_metadata(
        genre_ids=np.tile([1, 2], (12, 1)), director_ids=np.full(12, 2), title_vectors=np.ones((12, 5), np.float32)
    )
    model.add_items(
        ["new"],
        genres=[["Animation", "Musical"]],
        directors=[["B", "A"]],
        writers=[["nobody"]],
        title_vectors=[[2.0] * 5],
    )
    items = model.items
    assert items.genre_ids[-1].tolist() == [2, 3]  # Drama, Animation, Musical, Action
    assert items.director_ids[-1].item() == 2
    assert items.writer_ids[-1].tolist() == [0, 0]  # a name that the catalogue did not have
    assert items.title_vectors[-1].tolist() == [2.0] * 5
    assert items.genre_ids[3:15].tolist() == [[1, 2]] * 12


@SEQUENTIAL
def test_metadata_decides_the_score_of_items_nobody_has_chosen(kind):
    model = tiny_recommender(kind, **metadata_settings("add", ["genre"]))
    model.add_items(["x", "y", "z"], genres=[["Drama"], ["Musical"], ["Drama"]])
    found = model.recommend([["1193"]], k=15, candidates=["x", "y", "z"])
    scores = dict(zip(found.items[0], found.scores[0], strict=True))
    assert scores["x"] == pytest.approx(scores["z"], abs=1e-6)
    assert scores["x"] != pytest.approx(scores["y"], abs=1e-4)


def test_members_of_a_loaded_ensemble_get_the_metadata_too(tmp_path):
    members = [tiny_recommender("sasrec", **metadata_settings("add", ["genre"])), tiny_recommender("ease")]
    model = EnsembleRecommenderModel.from_models(members, method="reciprocal_rank")
    model.save_pretrained(tmp_path)
    model = EnsembleRecommenderModel.from_pretrained(tmp_path)
    model.add_items(["new"], genres=[["Musical"]])
    assert model.members[0].items.genre_ids[-1].tolist() == [3, 0]
    assert model.recommend([["1193"]], k=12).items


@SEQUENTIAL
def test_an_index_of_the_old_catalogue_is_forgotten(kind):
    model = tiny_recommender(kind)
    model.build_index()
    model.add_items(["new"])
    assert "new" in model.recommend([[]], k=13).items[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"items": ["1193"]}, "got 1 that are there already"),
        ({"items": ["a", "a"]}, "each item once"),
        ({"items": "abc"}, "list of item ids, got str"),
        ({"items": ["a"], "genres": [["x"], []]}, "genres to hold one entry for each of 1 items, got 2"),
        ({"items": ["a"], "title_vectors": [[1.0, 2.0]]}, "title_vectors of shape (1, 5), for this model reads titles"),
        ({"items": ["a"]}, "got none; encode the titles"),
    ],
)
def test_what_cannot_be_added_changes_nothing(call, message):
    model = tiny_recommender("sasrec", **metadata_settings())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=re.escape(message)):
        model.add_items(**call)
    assert model.config.vocab_size == len(model.item_tokenizer) == 15
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_model_that_cannot_grow_says_so_and_its_tokenizer_stays():
    class Fixed(type(tiny_recommender("popularity"))):
        _extend_items = RecommenderPreTrainedModel._extend_items

    model = Fixed(tiny_recommender("popularity").config)
    model.item_tokenizer = tiny_recommender("popularity").item_tokenizer
    with pytest.raises(ValueError, match="take items it was not trained on, got Fixed"):
        model.add_items(["new"])
    assert len(model.item_tokenizer) == model.config.vocab_size == 15
