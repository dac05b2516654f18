"""The published sets as they are read: their counts are facts. Needs a folder with a sub-folder recsys."""

import os
from pathlib import Path

import pytest

from traceformers.datasets_scripts.interactions.item_columns import metadata_coverage
from traceformers.datasets_scripts.interactions.read_interactions import read_interactions

DATA = os.environ.get("TRACEFORMERS_DATA", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA, reason="set TRACEFORMERS_DATA to a folder with the sub-folder recsys"),
]


def read(name):
    return read_interactions(Path(DATA) / "recsys" / name)


@pytest.mark.parametrize(
    ("name", "users", "items", "rows", "time"),
    [
        ("ml-100k", 943, 1_682, 100_000, "unix"),
        ("ml-100k/u.data.gz", 943, 1_682, 100_000, "unix"),
        ("ml-100k-recbole", 943, 1_682, 100_000, "unix"),
        ("ml-1m", 6_040, 3_416, 999_605, "order"),
        ("ml-1m/ml-1m_sas.txt.gz", 6_040, 3_416, 999_605, "order"),
        ("ml-1m-seedformat", 6_040, 3_416, 999_605, "order"),
        ("beauty-bert4rec/beauty.txt.gz", 40_226, 54_542, 353_962, "order"),
        ("s3rec/Beauty.txt.gz", 22_363, 12_101, 198_502, "order"),
    ],
)
def test_counts_are_the_published_ones_and_nothing_is_dropped(name, users, items, rows, time):
    found = read(name)
    assert found.counts() == {"users": users, "items": items, "interactions": rows}
    assert found.about["time"] == time and found.about["dropped"] == {}


def test_the_three_forms_of_movielens_1m_are_the_same_histories():
    table, pairs, seed = read("ml-1m"), read("ml-1m/ml-1m_sas.txt.gz"), read("ml-1m-seedformat")
    assert (table.items == seed.items).all() and (table.users == seed.users).all() and table.item_ids == seed.item_ids
    assert (table.items == pairs.items).all() and (table.users == pairs.users).all()


def test_metadata_of_movielens_1m():
    table = read("ml-1m-seedformat").items_table
    names = {
        name: {x for cell in table.column(name).to_pylist() for x in cell}
        for name in ("genres", "directors", "writers")
    }
    assert {name: len(found) for name, found in names.items()} == {"genres": 18, "directors": 1_821, "writers": 4_714}
    assert metadata_coverage(table) == {
        "title": 3_416,
        "year": 3_416,
        "genres": 3_416,
        "directors": 3_408,
        "writers": 3_357,
    }


def test_years_of_titles_and_of_the_table_agree_within_one():
    seed, titles = read("ml-1m-seedformat").items_table, read("ml-1m").items_table
    years = dict(zip(titles.column("item").to_pylist(), titles.column("year").to_pylist(), strict=True))
    pairs = zip(seed.column("item").to_pylist(), seed.column("year").to_pylist(), strict=True)
    assert all(abs(years[item] - year) <= 1 for item, year in pairs)


def test_people_of_recbole_and_attributes_of_s3rec():
    assert metadata_coverage(read("ml-100k-recbole").items_table) == {
        "title": 1_682,
        "year": 1_681,
        "genres": 1_680,
        "directors": 1_590,
        "writers": 1_336,
    }
    attributes = read("s3rec/Beauty.txt.gz").items_table.column("genres").to_pylist()
    assert len({name for cell in attributes for name in cell}) == 637 and all(attributes)
