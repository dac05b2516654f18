import gzip
import json

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_interactions import (
    ROWS,
    START,
    TITLES,
    movielens_1m,
    movielens_100k,
    movielens_latest,
    recbole_folder,
    seed_folder,
    table_text,
    users,
    write,
)

from traceformers.datasets_scripts.interactions.item_columns import metadata_coverage
from traceformers.datasets_scripts.interactions.read_interactions import read_interactions


def rows_of(read):
    """Returns [(user, item, time or None)] as ids."""
    times = [None] * len(read) if read.times is None else read.times.tolist()
    return [(read.user_ids[u], read.item_ids[i], t) for u, i, t in zip(read.users, read.items, times, strict=True)]


def item(read, name):
    """Returns what is known of an item, {column: value}."""
    return next(row for row in read.items_table.to_pylist() if row["item"] == name)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("separator", "suffix"), [(",", "csv"), ("\t", "tsv"), (";", "csv"), ("|", "txt"), ("::", "dat"), (",", "txt")]
)
def test_a_text_table_of_any_separator_keeps_its_rows_in_order(tmp_path, separator, suffix, packed):
    path = write(tmp_path / f"clicks.{suffix}", table_text(separator=separator), packed)
    read = read_interactions(path)
    assert rows_of(read) == [(u, i, START + t) for u, i, t in ROWS]
    assert read.user_ids == ["u1", "u2", "u3"] and read.item_ids == ["10", "20", "30", "40"]
    assert read.about["time"] == "unix" and read.about["name"] == "clicks" and read.values is None


def test_common_names_of_columns_are_known_in_any_case_and_named_ones_win(tmp_path):
    header = "ReviewerID,parent_asin,Unix-Review Time"
    assert len(read_interactions(write(tmp_path / "a.csv", table_text(header)))) == 6
    path = write(tmp_path / "b.csv", table_text("user,client,item"))
    read = read_interactions(path, user_column="user", item_column="client", time_column="item")
    assert rows_of(read)[0] == ("u1", "10", START + 100) and read.about["columns"]["item"] == "client"


def test_parquet_and_frames_read_like_text(tmp_path):
    names = ("user", "item", "time")
    columns = {name: [row[k] for row in ROWS] for k, name in enumerate(names)}
    columns["time"] = [START + t for t in columns["time"]]
    expected = [(u, i, START + t) for u, i, t in ROWS]
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    assert rows_of(read_interactions(tmp_path / "x.parquet")) == expected
    assert rows_of(read_interactions(pandas.DataFrame(columns))) == expected
    assert rows_of(read_interactions(pa.table(columns))) == expected
    dated = pandas.DataFrame(columns).assign(time=pandas.to_datetime(columns["time"], unit="s"))
    dated.to_parquet(tmp_path / "dated.parquet")
    assert rows_of(read_interactions(tmp_path / "dated.parquet")) == expected


@pytest.mark.parametrize("packed", [False, True])
def test_the_seed_format_joins_all_its_tables(tmp_path, packed):
    read = read_interactions(seed_folder(tmp_path / "seed", packed))
    assert rows_of(read) == ROWS and read.about["time"] == "order" and read.about["format"] == "seed"
    toy = {"item": "10", "title": "Toy Story (1995)", "year": 1996, "genres": ["Comedy", "Animation"]}
    assert item(read, "10") == {**toy, "directors": [], "writers": []}
    assert item(read, "20")["title"] == TITLES["20"] and item(read, "20")["year"] is None
    assert item(read, "30")["writers"] == ["Thea von Harbou", "Fritz Lang"] and item(read, "30")["year"] == 1927
    assert metadata_coverage(read.items_table) == {"title": 3, "year": 2, "genres": 2, "directors": 1, "writers": 1}


def test_items_without_metadata_have_none_and_metadata_without_rows_is_kept_apart(tmp_path):
    read = read_interactions(seed_folder(tmp_path))
    assert read.items_table.column("item").to_pylist() == read.item_ids
    empty = {"title": None, "year": None, "genres": [], "directors": [], "writers": []}
    assert item(read, "40") == {"item": "40", **empty}
    assert read.untouched_items.column("item").to_pylist() == ["50"] and len(read.item_ids) == 4


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("make", "title", "year", "genres"),
    [
        (movielens_100k, "Caf\u00e9", 1990, []),
        (movielens_1m, "Caf\u00e9: a Tale (1990)", 1990, []),
        (movielens_latest, 'A "B", C (1990)', 1990, ["Drama"]),
        (recbole_folder, "Video", None, ["Drama"]),
    ],
)
def test_movielens_and_recbole_folders(tmp_path, make, title, year, genres, packed):
    read = read_interactions(make(tmp_path / "set", packed))
    assert rows_of(read) == [(users(u), i, START + t) for u, i, t in ROWS]
    assert read.about["time"] == "unix" and read.values[0] >= 4 and sorted(read.about["sha256"])
    assert {name: item(read, "20")[name] for name in ("title", "year", "genres")} == {
        "title": title,
        "year": year,
        "genres": genres,
    }
    assert item(read, "10")["year"] == 1995 and item(read, "40")["title"] is None


def test_movielens_genres_and_recbole_people_are_found(tmp_path):
    assert item(read_interactions(movielens_100k(tmp_path / "a")), "10")["genres"] == ["Drama"]
    assert item(read_interactions(movielens_1m(tmp_path / "b")), "10")["genres"] == ["Animation", "Comedy"]
    toy = item(read_interactions(recbole_folder(tmp_path / "c")), "10")
    assert toy["directors"] == ["m.9"] and toy["writers"] == ["m.8"] and toy["genres"] == ["Animation", "Comedy"]
    alone = read_interactions(movielens_100k(tmp_path / "d") / "u.data")
    assert len(alone) == 6 and alone.items_table is None


def test_the_licence_of_movielens_is_not_put_on_files_of_the_same_names(tmp_path):
    for make in (movielens_100k, movielens_1m, movielens_latest):
        assert read_interactions(make(tmp_path / make.__name__)).about["licence"].startswith("GroupLens")
    for name in ("ratings.csv", "interactions.csv"):
        own = tmp_path / f"own {name}"
        write(own / name, table_text())
        write(own / "movies.csv", "item,name,tags\n10,Toy Story,a|b\n")
        read = read_interactions(own)
        assert read.about["licence"] is None
        assert (item(read, "10")["title"], item(read, "10")["genres"]) == ("Toy Story", ["a", "b"])
    write(own / "movies.csv", "item,colour\n10,red\n")
    with pytest.raises(ValueError, match="expected a column title, year, genres, directors or writers"):
        read_interactions(own)


@pytest.mark.parametrize("packed", [False, True])
def test_sasrec_text_is_pairs_in_order(tmp_path, packed):
    path = write(tmp_path / "x.txt", "1 7\n1 8\n\n2 7\n2\t9 \n", packed)
    read = read_interactions(path)
    assert rows_of(read) == [("1", "7", None), ("1", "8", None), ("2", "7", None), ("2", "9", None)]
    assert read.about["time"] == "order" and read.about["format"] == "sasrec" and read.times is None


@pytest.mark.parametrize("packed", [False, True])
def test_s3rec_text_is_a_user_a_line_and_attributes_become_genres(tmp_path, packed):
    path = write(tmp_path / "Beauty.txt", "1 7 8 9\n2 8\n", packed)
    (tmp_path / "Beauty_item2attributes.json").write_text(json.dumps({"8": [17, 3], "99": [5]}))
    read = read_interactions(path)
    assert [(u, i) for u, i, _ in rows_of(read)] == [("1", "7"), ("1", "8"), ("1", "9"), ("2", "8")]
    assert item(read, "8")["genres"] == ["17", "3"] and item(read, "7")["genres"] == []
    assert read.about["format"] == "s3rec" and read.untouched_items.column("item").to_pylist() == ["99"]
    (tmp_path / "Beauty_item2attributes.json").write_text("[1, 2")
    with pytest.raises(ValueError, match="expected JSON"):
        read_interactions(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_an_s3rec_text_and_its_attributes_is_read_as_the_text(tmp_path, packed):
    write(tmp_path / "Beauty.txt", "1 7 8 9\n2 8\n", packed)
    write(tmp_path / "README.txt", "what this is\n")
    write(tmp_path / "Beauty_item2attributes.json", json.dumps({"8": [17, 3]}))
    read = read_interactions(tmp_path)
    assert len(read) == 4 and item(read, "8")["genres"] == ["17", "3"] and read.about["name"] == "Beauty"
    assert read.about["format"] == "s3rec" and len(read_interactions(tmp_path, "s3rec")) == 4
    write(tmp_path / "Toys.txt", "1 7\n")
    write(tmp_path / "Toys_item2attributes.json", "{}")
    with pytest.raises(ValueError, match=r"Expected in .* one text with its attributes, got Beauty.*, Toys.txt"):
        read_interactions(tmp_path)


def test_a_table_of_items_can_be_given_beside_any_format(tmp_path):
    clicks = write(tmp_path / "clicks.csv", table_text())
    text = 'id,item_id,name,category\nx,10,"A, b",Toys|Games\nx,30,Lamp,\n'
    items = write(tmp_path / "items.csv", text)
    read = read_interactions(clicks, items_path=items)
    assert item(read, "10")["genres"] == ["Toys", "Games"] and item(read, "10")["title"] == "A, b"
    pq.write_table(pa.table({"item": [10, 30], "genres": [["Toys"], None]}), tmp_path / "items.parquet")
    assert item(read_interactions(clicks, items_path=tmp_path / "items.parquet"), "10")["genres"] == ["Toys"]
    with pytest.raises(
        ValueError, match="expected a column title, year, genres, directors or writers, got 'item', 'x'"
    ):
        read_interactions(clicks, items_path=write(tmp_path / "none.csv", "item,x\n10,1\n"))


@pytest.mark.parametrize("column", ["No. (SKU)", "item"])
def test_a_table_of_items_may_name_the_ids_as_the_interactions_do(tmp_path, column):
    clicks = write(tmp_path / "clicks.csv", table_text("user,No. (SKU),time"))
    items = write(tmp_path / "items.csv", f"{column},title\n10,Lamp\n")
    assert item(read_interactions(clicks, item_column="No. (SKU)", items_path=items), "10")["title"] == "Lamp"


@pytest.mark.parametrize(
    ("cell", "title"),
    [
        ('"Weird Al" in 3-D (1984)', '"Weird Al" in 3-D (1984)'),
        ('A "quoted" word', 'A "quoted" word'),
        ('"as ""CSV"" writes it"', 'as "CSV" writes it'),
        ("commas, semicolons; bars | and :: too", "commas, semicolons; bars | and :: too"),
        ('"a tab\tinside"', "a tab\tinside"),
        ('"two\nlines"', "two\nlines"),
        ("caf\u00e9 \u6771\u4eac \U0001f3ac", "caf\u00e9 \u6771\u4eac \U0001f3ac"),
        ("=1+1", "=1+1"),
        ("NA", "NA"),
    ],
)
def test_titles_of_tab_separated_files_keep_every_character(tmp_path, cell, title):
    folder = seed_folder(tmp_path)
    write(folder / "titles.tsv", f"item\ttitle\n10\t{cell}\n30\tplain\n")
    assert item(read_interactions(folder), "10")["title"] == title


def test_the_embedded_movielens_has_its_published_counts():
    read = read_interactions("movielens-small")
    assert read.counts() == {"users": 671, "items": 9_066, "interactions": 100_004}
    assert metadata_coverage(read.items_table) == {
        "title": 9_061,
        "year": 9_061,
        "genres": 9_049,
        "directors": 0,
        "writers": 0,
    }
    assert item(read, "1")["title"] == "Toy Story" and item(read, "1")["year"] == 1995
    assert read.about["time"] == "unix" and float(read.values.min()) == 0.5 and read.about["licence"]


def test_a_gzip_file_is_known_by_its_bytes_whatever_its_name(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_bytes(gzip.compress(table_text().encode()))
    assert len(read_interactions(path)) == 6


def test_a_text_file_of_spaces_with_a_header_is_a_table(tmp_path):
    read = read_interactions(write(tmp_path / "x.txt", table_text(separator=" ")))
    assert rows_of(read) == [(u, i, START + t) for u, i, t in ROWS] and read.about["format"] == "table"
    assert len(read_interactions(write(tmp_path / "y.txt", "user_id item_id\n1 2\n"))) == 1


def test_attributes_in_json_can_be_given_beside_any_format(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"10": ["x", "y"]}))
    read = read_interactions(write(tmp_path / "x.csv", table_text()), items_path=tmp_path / "a.json")
    assert item(read, "10")["genres"] == ["x", "y"]
