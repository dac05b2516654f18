"""Labels of recordings: what is read, and what is said of a CSV that does not fit."""

import re

import pytest

from traceformers.training.session_probes.labelled_sessions import class_numbers, read_labels

ROWS = ("a.json,shop,shop.test,1", "b.json,read,news.test,0", "c.json,shop,news.test,1")


@pytest.fixture
def folder(tmp_path):
    for row in ROWS:
        (tmp_path / row.partition(",")[0]).write_text("[]")
    return tmp_path


def write(folder, *rows, header="file,task,site,task_evidence"):
    path = folder / "labels.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def test_files_and_columns_come_in_the_order_of_the_csv(folder):
    sessions = read_labels(write(folder, *ROWS))
    assert [path.name for path in sessions.files] == ["a.json", "b.json", "c.json"]
    assert sessions.column("task").tolist() == ["shop", "read", "shop"]
    assert sessions.sites.tolist() == ["shop.test", "news.test", "news.test"]


def test_sessions_without_evidence_of_their_task_can_be_left_out(folder):
    assert [path.name for path in read_labels(write(folder, *ROWS), evidence_only=True).files] == ["a.json", "c.json"]


def test_a_part_keeps_files_and_labels_together(folder):
    part = read_labels(write(folder, *ROWS)).where([False, True, True])
    assert [path.name for path in part.files] == ["b.json", "c.json"]
    assert part.column("task").tolist() == ["read", "shop"]


def test_recordings_may_lie_elsewhere(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("labels")
    assert len(read_labels(write(elsewhere, *ROWS), folder=folder)) == 3


@pytest.mark.parametrize(
    ("rows", "header", "error", "message"),
    [
        (ROWS, "file,task,place,task_evidence", ValueError, "without site"),
        (("a.json,shop,,1",), None, ValueError, "found none in 1 rows, the first for 'a.json'"),
        ((ROWS[0], ROWS[0]), None, ValueError, "found 'a.json' again"),
        ((), None, ValueError, "Expected at least one row"),
        (("gone.json,shop,shop.test,1",), None, FileNotFoundError, "missing is gone.json"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said(folder, rows, header, error, message):
    path = write(folder, *rows, **({"header": header} if header else {}))
    with pytest.raises(error, match=re.escape(message)):
        read_labels(path)


def test_a_missing_csv_and_an_unknown_column_are_named(folder):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        read_labels(folder / "none.csv")
    with pytest.raises(ValueError, match="'mood'"):
        read_labels(write(folder, *ROWS)).column("mood")


def test_classes_are_numbered_in_order_of_their_names():
    numbers, names = class_numbers(["bot", "ada", "bot", "ada"])
    assert numbers.tolist() == [1, 0, 1, 0]
    assert names == ["ada", "bot"]


@pytest.mark.parametrize("labels", [["bot", "bot"], ["bot", "bot", "ada"]])
def test_a_class_that_cannot_be_learned_is_refused(labels):
    with pytest.raises(ValueError, match="at least"):
        class_numbers(labels)
