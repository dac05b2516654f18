import argparse
from inspect import signature

from tiny_interactions import write

from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.datasets_scripts.interactions.reading_options import READING, add_reading_options, reading_options


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_reading_options(parser)
    return parser.parse_args(words)


def test_the_options_are_the_parameters_of_read_interactions():
    assert set(READING) == set(signature(read_interactions).parameters) - {"path_or_name", "format"}
    defaults = {name: each.default for name, each in signature(read_interactions).parameters.items() if name in READING}
    assert reading_options(parsed()) == defaults


def test_names_of_columns_come_with_commas_or_one_by_one():
    assert reading_options(parsed("--column-names", "user,item,time"))["column_names"] == ["user", "item", "time"]
    for given in (["user,item,time"], ["user", "item", "time"]):
        args = argparse.Namespace(**dict.fromkeys(READING) | {"column_names": given})
        assert reading_options(args)["column_names"] == ["user", "item", "time"]


def test_a_table_as_strangers_have_it_is_read_by_its_options(tmp_path):
    path = write(tmp_path / "x.txt", "a!10!2024-01-02\nb!10!\na!20!2024-01-01\n")
    words = ["--separator", "!", "--column-names", "user,item,time", "--missing-times", "drop", "--format", "table"]
    args = parsed(*words)
    assert len(read_interactions(path, args.format, **reading_options(args))) == 2
