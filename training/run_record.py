"""What a run leaves beside its model: the resolved config, where the code came from, and its figures."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import yaml


def git_commit():
    """Returns the commit of the code that runs, "-dirty" if files differ from it; None outside a git repository."""
    folder = Path(__file__).resolve().parent
    try:
        described = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


def command_line():
    """Returns the command this process was started with; files of this package by their path in the repository."""
    home = Path(__file__).resolve().parent.parent  # of the repository, or of the installed package
    words = [_from(home, word) for word in sys.argv]
    launcher = ["python"]
    if "TORCHELASTIC_RUN_ID" in os.environ:
        launcher = ["torchrun", "--nproc_per_node", os.environ["LOCAL_WORLD_SIZE"]]
    elif "ACCELERATE_MIXED_PRECISION" in os.environ:
        launcher = ["accelerate", "launch", "--num_processes", "1"]
    return shlex.join([*launcher, *words])


def _from(home, word):
    path = Path(word)
    if path.is_absolute() and path.exists():
        for start in (home, Path.cwd()):
            if path.resolve().is_relative_to(start):
                return str(path.resolve().relative_to(start))
    return word


def write_config(path, config):
    """Writes a resolved config as YAML; `run_mlm.py <path>` runs it again."""
    _replace(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def write_json(path, data):
    """Writes JSON-safe data; a reader sees the old file or the whole new one."""
    _replace(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _replace(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".half")
    half.write_text(text, encoding="utf-8")
    half.replace(path)
