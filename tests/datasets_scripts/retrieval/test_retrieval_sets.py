import datasets
import pytest
from tiny_retrieval import GRADES, QUERIES, write_retrieval_folder

from traceformers.datasets_scripts.retrieval.retrieval_folder import query_part
from traceformers.datasets_scripts.retrieval.retrieval_sets import RetrievalSets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_retrieval_folder(tmp_path_factory.mktemp("data") / "tiny")


def rows(folder, name, split, **options):
    made = RetrievalSets(config_name=name, folder=str(folder), cache_dir=str(folder / "cache"), **options)
    made.download_and_prepare()
    prepared = made.as_dataset(split=split)
    assert list(made.as_streaming_dataset(split=split)) == list(prepared)
    return prepared


def test_the_corpus_has_titles_and_texts_joined(folder):
    corpus = rows(folder, "corpus", "corpus")
    assert len(corpus) == 6 and corpus[0] == {"id": "d1", "text": "Cats cats chase mice in the barn"}


def test_queries_carry_their_part(folder):
    queries = rows(folder, "queries", "test")
    assert queries["id"][:] == [name for name in QUERIES if name in GRADES]
    assert queries["part"][:] == [query_part(name) for name in queries["id"]]


def test_grades_name_queries_and_documents_and_go_through_parquet(folder):
    grades = rows(folder, "grades", "test")
    expected = [(q, d, g) for q, judged in GRADES.items() for d, g in judged.items()]
    assert [tuple(row.values()) for row in grades] == expected
    grades.to_parquet(folder / "grades.parquet")
    back = datasets.Dataset.from_parquet(str(folder / "grades.parquet"), cache_dir=str(folder / "cache"))
    assert back.features == grades.features and list(back) == list(grades)


def test_no_folder_is_an_error(tmp_path):
    made = RetrievalSets(config_name="corpus", cache_dir=str(tmp_path))
    with pytest.raises(ValueError, match="Expected folder="):
        made.download_and_prepare()
