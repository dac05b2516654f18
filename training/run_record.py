"""What a run leaves beside its model: the resolved config, where the code came from, and its figures."""

import json
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
    """Returns the command this process was started with."""
    return " ".join(["python", *sys.argv])


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
