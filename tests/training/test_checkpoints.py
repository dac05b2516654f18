import pytest

from traceformers.training.checkpoints import last_complete_checkpoint

FILES = ("config.json", "scheduler.pt", "rng_state.pth")


def write_checkpoint(folder, step, state="{}", files=FILES):
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir()
    for name in files:
        (checkpoint / name).write_text("x")
    if state is not None:
        (checkpoint / "trainer_state.json").write_text(state)
    return str(checkpoint)


def test_the_newest_is_found_by_number(tmp_path):
    write_checkpoint(tmp_path, 9)
    newest = write_checkpoint(tmp_path, 10)
    (tmp_path / "checkpoint-best").mkdir()
    assert last_complete_checkpoint(tmp_path) == newest


@pytest.mark.parametrize(("state", "files"), [(None, FILES), ('{"epoch": 1', FILES), ("{}", FILES[:2])])
def test_one_that_was_cut_off_is_passed_over(tmp_path, state, files):
    complete = write_checkpoint(tmp_path, 5)
    write_checkpoint(tmp_path, 10, state, files)
    assert last_complete_checkpoint(tmp_path) == complete


def test_every_rank_needs_its_random_state(tmp_path):
    two = write_checkpoint(tmp_path, 5, files=[*FILES[:2], "rng_state_0.pth", "rng_state_1.pth"])
    write_checkpoint(tmp_path, 10, files=[*FILES[:2], "rng_state_0.pth"])
    assert last_complete_checkpoint(tmp_path, world_size=2) == two
    assert last_complete_checkpoint(tmp_path, world_size=1) is None


def test_a_folder_without_checkpoints_has_none(tmp_path):
    assert last_complete_checkpoint(tmp_path) is None
    assert last_complete_checkpoint(tmp_path / "missing") is None
