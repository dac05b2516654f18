"""Labels that cannot be learned from are refused in words; splits keep groups apart."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_labelled_sessions import SITES, write_csv, write_recordings
from tiny_rrweb import tiny_tokenizer

from traceformers.training.session_classification.classification_arguments import ClassificationDataArguments
from traceformers.training.session_classification.classification_data import (
    class_weights,
    outer_folds,
    read_classification,
    refuse_copies,
    validation_rows,
)


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    return write_recordings(tmp_path_factory.mktemp("labelled") / "recordings")


def arguments(labels, **changes):
    return ClassificationDataArguments(
        labels=str(labels), label_column=changes.pop("label_column", "outcome"), **changes
    )


def changed(labels, tmp_path, change):
    """Returns a CSV whose rows `change` has gone over; recordings stay where they are."""
    with open(labels, newline="") as file:
        rows = list(csv.DictReader(file))
    return write_csv(tmp_path / "labels.csv", change(rows))


def relabelled(**of_site):
    return lambda rows: [{**row, "outcome": of_site.get(row["site"][0], row["outcome"])} for row in rows]


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (lambda rows: rows, {"label_column": "mood"}, "without mood"),
        (lambda rows: rows, {"group_column": "team"}, "without team"),
        (lambda rows: [{**rows[0], "outcome": ""}, *rows[1:]], {}, "found none in 1 rows"),
        (lambda rows: [*rows, rows[3]], {}, "found 's003.json.gz' again"),
        (
            lambda rows: [{**row, "outcome": "buys"} for row in rows],
            {},
            "at least two classes in column 'outcome', found buys",
        ),
        (relabelled(a="rare"), {}, "at least two values of 'site', found rare in one only"),
        (lambda rows: rows, {"classes": ["buys", "sells"]}, "got sells"),
        (lambda rows: rows, {"classes": ["buys"]}, "found buys"),
        (lambda rows: rows, {"folds": 9}, "got 9 folds for 4 sites"),
        (lambda rows: rows, {"test_groups": ["z.test"]}, r"--test_groups among a.test \(6\).*got z.test"),
        (lambda rows: rows, {"test_groups": list(SITES)}, "Hold fewer groups out"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(labels, tmp_path, change, options, said):
    given = arguments(changed(labels, tmp_path, change), recordings=str(labels.parent), **options)
    with pytest.raises(ValueError, match=said):
        outer_folds(read_classification(given), given, seed=0)


def test_files_that_are_not_there_are_named(labels, tmp_path):
    with pytest.raises(FileNotFoundError, match="found no file"):
        read_classification(arguments(tmp_path / "none.csv"))
    with pytest.raises(FileNotFoundError, match=r"first that is missing is s000\.json\.gz"):
        read_classification(arguments(labels, recordings=str(tmp_path)))
    with pytest.raises(ValueError, match="Expected --labels"):
        read_classification(ClassificationDataArguments())


def test_copies_of_a_recording_are_refused(labels):
    tokenizer = tiny_tokenizer()
    files = sorted(labels.parent.glob("*.gz"))[:3]
    sessions = [tokenizer.tokenize_session(file) for file in files]
    refuse_copies(sessions, files)
    with pytest.raises(ValueError, match=r"same events in s000\.json\.gz and s002\.json\.gz"):
        refuse_copies([*sessions[:2], sessions[0]], files)


def test_a_class_of_one_site_can_be_left_out(labels, tmp_path):
    csv_file = changed(labels, tmp_path, relabelled(a="rare"))
    data = read_classification(arguments(csv_file, recordings=str(labels.parent), drop_classes_of_one_group=True))
    assert (
        data.classes == ["buys", "writes"] and len(data) == 18 and data.counts()["buys"] == {"sessions": 9, "groups": 3}
    )


def test_folds_hold_every_site_out_once_and_seeds_draw_others(labels):
    data = read_classification(arguments(labels))
    seen = set()
    for seed in range(4):
        folds = outer_folds(data, arguments(labels, folds=2), seed)
        assert sorted(row for _, _, test in folds for row in test) == list(range(24))
        for _, train, test in folds:
            assert not set(data.groups[train]) & set(data.groups[test])
        seen.add(tuple(sorted(tuple(sorted(set(data.groups[test]))) for _, _, test in folds)))
    assert len(seen) > 1


def test_validation_takes_whole_sites_and_leaves_every_class_to_learn(labels):
    data = read_classification(arguments(labels))
    rows = np.flatnonzero(data.groups != "d.test")
    for seed in range(5):
        train, chosen_by = validation_rows(data, rows, arguments(labels, validation_share=0.34), seed)
        assert len(chosen_by) == 6 and not set(data.groups[train]) & set(data.groups[chosen_by])
        assert sorted([*train, *chosen_by]) == rows.tolist()
    only = SimpleNamespace(numbers=np.array([0, 0, 1]), groups=np.array(["a", "b", "b"]))
    train, chosen_by = validation_rows(only, np.arange(3), arguments(labels, validation_share=0.5), 0)
    assert 2 in train  # the only one of its class
    assert len(validation_rows(data, rows, arguments(labels, validation_share=0.0), 0)[1]) == 0


def test_weights_make_classes_count_alike():
    numbers = [0] * 6 + [1] * 2
    weights = class_weights(numbers, 3)
    assert weights[2] == 0 and weights[0] * 6 == pytest.approx(weights[1] * 2)
    assert np.mean(weights[numbers]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"windows": "some"}, "one of actions, all"),
        ({"validation_share": 1.0}, r"in \[0, 1\)"),
        ({"baselines": ["xgb"]}, "got xgb"),
    ],
)
def test_arguments_are_checked(options, said):
    with pytest.raises(ValueError, match=said):
        ClassificationDataArguments(**options)
