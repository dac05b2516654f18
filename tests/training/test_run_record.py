import json
import sys

import pytest

from traceformers.training import run_record


def test_the_command_names_our_scripts_as_the_repository_does(monkeypatch, repository_root, tmp_path):
    for name in ("TORCHELASTIC_RUN_ID", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    script = repository_root / "src/traceformers/run_scripts/run_mlm.py"
    monkeypatch.setattr(sys, "argv", [str(script), "--output_dir", "runs/a"])
    monkeypatch.chdir(tmp_path)
    assert run_record.command_line() == "python run_scripts/run_mlm.py --output_dir runs/a"
    monkeypatch.setattr(sys, "argv", [str(script), "--user_column", "Client (no.)"])
    assert run_record.command_line() == "python run_scripts/run_mlm.py --user_column 'Client (no.)'"


@pytest.mark.parametrize(
    "variable, value, launcher",
    [
        ("TORCHELASTIC_RUN_ID", "7", "torchrun --nproc_per_node 2 "),
        ("ACCELERATE_MIXED_PRECISION", "no", "accelerate launch "),
    ],
)
def test_the_command_names_its_launcher(monkeypatch, variable, value, launcher):
    for name in ("TORCHELASTIC_RUN_ID", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert run_record.command_line().startswith(launcher)


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a" / "metrics.json"
    run_record.write_json(path, {"loss": 1.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        run_record.write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text()) == {"loss": 1.5}
    assert [file.name for file in path.parent.iterdir()] == ["metrics.json"]
