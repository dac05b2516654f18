import numpy as np
import pytest
from invented_walks import write_walks

from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.datasets_scripts.interactions.title_embeddings import write_title_embeddings
from traceformers.tokenization.item.tokenization_item import ItemTokenizer
from traceformers.training.recommenders.histories import from_interactions
from traceformers.training.recommenders.item_metadata import known_features, metadata_tables
from traceformers.training.recommenders.recommender_arguments import (
    RecommenderDataArguments,
    RecommenderModelArguments,
)
from traceformers.training.recommenders.recommender_run import RecommenderData, build_model


def tokenizer():
    return ItemTokenizer(
        items=["a", "b", "c"],
        genres=[["War", "Drama"], [], ["Drama", "Comedy", "War"]],
        directors=[[], ["Varda", "Akerman"], ["Varda"]],
    )


def test_names_are_numbered_as_they_first_occur_and_specials_have_none():
    fields, tables = metadata_tables(tokenizer(), ["genre", "director"])
    assert fields == {"num_genres": 3, "max_genres": 3, "num_directors": 2}
    assert tables["genre_ids"].tolist() == [[0] * 3] * 3 + [[1, 2, 0], [0, 0, 0], [2, 3, 1]]
    assert tables["director_ids"].tolist() == [0, 0, 0, 0, 1, 1]


def test_only_the_first_names_of_an_item_count_if_so_asked():
    fields, tables = metadata_tables(tokenizer(), ["genre"], max_genres=1)
    assert fields == {"num_genres": 3, "max_genres": 1} and tables["genre_ids"][3:].tolist() == [[1], [0], [2]]


def test_features_are_those_that_anything_is_known_of():
    assert known_features(tokenizer()) == ["genre", "director"]
    assert known_features(tokenizer(), True) == ["genre", "director", "title"]


@pytest.mark.parametrize(
    ("feature", "match"),
    [
        ("writer", "Expected writers of items for the feature writer, the data has none"),
        ("title", "Expected --title_encoder or --title_embeddings for the feature title"),
        ("actor", "Expected metadata_features of genre, director, writer, title, got 'actor'"),
    ],
)
def test_features_that_nothing_is_known_of_are_refused(feature, match):
    with pytest.raises(ValueError, match=match):
        metadata_tables(tokenizer(), [feature])


class Encoder:
    """Gives a title the vector of its length and its last letter."""

    fingerprint = {"teacher": "letters", "revision": "1", "dimension": 2}  # noqa: RUF012

    def encode(self, texts):
        return np.array([[len(text), ord(text[-1])] for text in texts], np.float32)


def test_a_model_is_built_with_what_is_known_of_its_items(tmp_path):
    rows, films = write_walks(tmp_path)
    _, known = from_interactions(read_interactions(rows, items_path=films))
    write_title_embeddings(known.items, known.titles, Encoder(), tmp_path / "titles")
    arguments = RecommenderDataArguments(
        data=str(rows), items_path=str(films), title_embeddings=str(tmp_path / "titles")
    )
    shape = RecommenderModelArguments(metadata_fusion="gate", hidden_size=8, num_attention_heads=2)
    data = RecommenderData(arguments)
    model = build_model(shape, data)
    assert model.config.metadata_features == ["genre", "director", "writer", "title"]
    assert (model.config.num_genres, model.config.num_directors, model.config.num_writers) == (3, 3, 7)
    assert model.config.title_encoder == "letters"
    row = 3 + data.tokenizer.items.index("film 17")
    assert model.items.title_vectors[row].tolist() == [7, ord("7")]
    genre = int(model.items.genre_ids[row, 0])
    same = {data.tokenizer.items[i - 3] for i in range(3, 33) if int(model.items.genre_ids[i, 0]) == genre}
    assert same == {f"film {i}" for i in range(30) if i % 3 == 17 % 3}
