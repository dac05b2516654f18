"""Folds by site: nothing of a test site is in training, every site is out once, seeds draw other parts."""

import json

import numpy as np
import pytest

from traceformers.training.session_probes.site_folds import inner_folds, named_folds, site_folds

SITES = np.repeat([f"{letter}.test" for letter in "abcdefg"], [5, 1, 8, 2, 2, 9, 3])


@pytest.mark.parametrize("seed", range(5))
def test_no_site_is_on_both_sides_and_every_site_is_out_once(seed):
    folds = site_folds(SITES, 3, seed)
    for train, test in folds:
        assert not set(SITES[train]) & set(SITES[test])
        assert len(train) + len(test) == len(SITES)
    out = np.concatenate([test for _, test in folds])
    assert sorted(out.tolist()) == list(range(len(SITES)))


def test_the_same_seed_gives_the_same_folds_and_another_gives_others():
    drawn = [[set(SITES[test]) for _, test in site_folds(SITES, 3, seed)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_more_folds_than_sites_are_refused():
    with pytest.raises(ValueError, match="8 folds for 7 sites"):
        site_folds(SITES, 8)


def test_inner_folds_are_as_many_as_there_are_sites_or_none():
    assert len(inner_folds(SITES[SITES == "a.test"])) == 0
    assert len(inner_folds(SITES[:7])) == 3


def test_a_file_of_folds_names_every_site_once(tmp_path):
    path = tmp_path / "folds.json"
    path.write_text(json.dumps({"0": ["a", "b"], "1": ["c"]}))
    assert named_folds(path, ["a", "c", "c"]) == [("0", ["a", "b"]), ("1", ["c"])]
    with pytest.raises(ValueError, match="no d"):
        named_folds(path, ["a", "d"])
    path.write_text(json.dumps({"0": ["a"], "1": ["a"]}))
    with pytest.raises(ValueError, match="a twice"):
        named_folds(path, ["a"])
