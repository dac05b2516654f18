import json

import datasets
import pyarrow.parquet as pq
import pytest
from tiny_interactions import ROWS, movielens_latest, seed_folder, table_text, write

from traceformers.datasets_scripts.interactions.canonical_folder import write_canonical
from traceformers.datasets_scripts.interactions.interactions_builder import InteractionsBuilder
from traceformers.datasets_scripts.interactions.prepare_interactions import main
from traceformers.datasets_scripts.interactions.read_interactions import read_interactions


@pytest.mark.parametrize("make", [seed_folder, movielens_latest])
def test_a_canonical_folder_reads_back_as_what_was_written(tmp_path, make):
    read = read_interactions(make(tmp_path / "source"))
    write_canonical(read, tmp_path / "canonical")
    again = read_interactions(tmp_path / "canonical")
    assert again.counts() == read.counts() and again.about == read.about
    assert (again.users == read.users).all() and (again.items == read.items).all()
    assert again.user_ids == read.user_ids and again.item_ids == read.item_ids
    assert (again.times == read.times).all()
    assert (again.values is None) == (read.values is None)
    assert again.items_table.to_pylist() == read.items_table.to_pylist()
    if read.untouched_items is not None:
        assert again.untouched_items.to_pylist() == read.untouched_items.to_pylist()


def test_the_command_writes_the_columns_of_the_readme_and_prints_the_counts(tmp_path, capsys):
    source = write(tmp_path / "clicks.csv", table_text("client,sku,when"))
    out = tmp_path / "out"
    options = ["--user-column", "client", "--item-column", "sku", "--time-column", "when", "--name", "clicks of June"]
    main([str(source), "--output-dir", str(out), *options, "--min-item-interactions", "2", "--licence", "ours"])
    printed = capsys.readouterr().out
    assert "users 3  items 2  interactions 4  time: unix" in printed
    assert "left out 2: users below 1 or items below 2 rows" in printed
    schema = pq.read_schema(out / "interactions.parquet")
    assert [f"{field.name} {field.type}" for field in schema] == [
        "user string",
        "item string",
        "time double",
        "value float",
    ]
    about = json.loads((out / "about.json").read_text())
    assert (about["name"], about["licence"], about["time"]) == ("clicks of June", "ours", "unix")
    assert len(about["sha256"]["clicks.csv"]) == 64 and not (out / "items.parquet").exists()


def test_a_folder_that_is_there_is_not_written_over(tmp_path):
    source = write(tmp_path / "clicks.csv", table_text())
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="name another"):
        main([str(source), "--output-dir", str(tmp_path / "out")])


def test_a_folder_whose_files_do_not_fit_is_refused(tmp_path):
    write_canonical(read_interactions(seed_folder(tmp_path / "seed")), tmp_path / "out")
    about = json.loads((tmp_path / "out/about.json").read_text())
    (tmp_path / "out/about.json").write_text(json.dumps({**about, "counts": {"users": 1}}))
    with pytest.raises(ValueError, match="Prepare it again"):
        read_interactions(tmp_path / "out")
    (tmp_path / "out/about.json").write_text(json.dumps({**about, "format_version": 9}))
    with pytest.raises(ValueError, match="Expected format_version 1"):
        read_interactions(tmp_path / "out")


def test_the_builder_gives_rows_and_items(tmp_path):
    seed = str(seed_folder(tmp_path / "seed"))

    def build(name, **settings):
        builder = InteractionsBuilder(config_name=name, cache_dir=str(tmp_path / "cache"), **settings)
        builder.download_and_prepare()
        return builder.as_dataset(split="train")

    rows = build("interactions", source=seed)
    assert [(row["user"], row["item"], row["time"]) for row in rows] == ROWS and rows[0]["value"] is None
    items = build("items", source=seed)
    assert items["item"][:] == ["10", "20", "30", "40", "50"] and items[0]["genres"] == ["Comedy", "Animation"]
    bare = write(tmp_path / "clicks.csv", table_text("a,b,time"))
    reading = {"user_column": "a", "item_column": "b"}
    assert build("items", source=str(bare), reading=reading)[0]["title"] is None
    with pytest.raises((ValueError, datasets.exceptions.DatasetGenerationError), match="Expected source="):
        build("interactions")


def test_ids_that_look_like_floats_stay_what_they_were_after_a_filter(tmp_path):
    source = write(tmp_path / "x.csv", "user,item\na,1.0\nb,1.0\na,v2\n")
    main([str(source), "--output-dir", str(tmp_path / "out"), "--min-item-interactions", "2"])
    assert read_interactions(tmp_path / "out").item_ids == ["1.0"]


def test_metadata_can_be_given_beside_a_canonical_folder(tmp_path):
    main([str(write(tmp_path / "x.csv", table_text())), "--output-dir", str(tmp_path / "out")])
    items = write(tmp_path / "items.csv", "item,title\n10,Lamp\n99,Unseen\n")
    read = read_interactions(tmp_path / "out", items_path=items)
    assert read.items_table.column("title").to_pylist() == ["Lamp", None, None, None] and len(read.untouched_items) == 1
