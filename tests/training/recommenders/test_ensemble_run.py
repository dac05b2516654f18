import pytest

from traceformers.training.recommenders.ensemble_run import member_names


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["runs/a/model", "runs/b"], ["a", "b"]),
        (["1/a/model", "2/a"], ["1/a", "2/a"]),
        (["runs/a", "runs/a/model"], None),
    ],
)
def test_members_are_named_by_their_runs_and_no_two_alike(folders, names, tmp_path):
    found = member_names([tmp_path / folder for folder in folders])
    assert found == names if names else len(set(found)) == len(found)
