"""What documents say exists: every command parses, every path they name is in the repository, every link leads somewhere."""

import re
import shlex
import subprocess
import sys
from functools import cache

import pytest
from test_house import ROOT, tracked_files
from typer.testing import CliRunner

from traceformers import cli

PLACES_FOR_RUNS = ("runs/", "data/", "build/", "dist/")
DOCUMENTS = [path for path in tracked_files() if path.suffix in (".md", ".jinja") and path.parts[0] != "tests"]
SOURCES = [
    path for path in tracked_files() if path.parts[0] in ("run_scripts", "datasets_scripts") and path.suffix == ".py"
]
SHELL_BLOCK = re.compile(r"^```(?:bash|sh|console|shell)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
COMMAND = re.compile(r"^\s*(?:\$ )?((?:traceformers|make|accelerate launch|python(?:3)?|torchrun) .*)$")
REPOSITORY_PATH = re.compile(
    r"\b((?:run_scripts|datasets_scripts|model_cards|benchmarks|training|apps|tests)/[\w./-]+\w)"
)


def commands_in(text):
    """Yields the commands of a text, a line each: `python ...`, `make ...`, `traceformers ...`."""
    for line in text.replace("\\\n", " ").splitlines():
        match = COMMAND.match(line)
        if match:
            yield match.group(1).split(" #")[0].strip()


def documented_commands():
    """Returns {command: document} of every shell block of a document and every docstring of a script."""
    found = {}
    for path in DOCUMENTS:
        for block in SHELL_BLOCK.findall((ROOT / path).read_text()):
            found.update(dict.fromkeys(commands_in(block), str(path)))
    for path in SOURCES:
        docstring = (ROOT / path).read_text().partition('"""')[2].partition('"""')[0]
        found.update(dict.fromkeys(commands_in(docstring), str(path)))
    return {command: document for command, document in found.items() if "{{" not in command}


COMMANDS = documented_commands()


@cache
def options_of(script):
    """Returns the text of `python <script> --help`, or of a sub-command of `traceformers`."""
    if script.startswith("traceformers"):
        result = CliRunner().invoke(cli.app, [*script.split()[1:], "--help"])
        assert result.exit_code == 0, result.output
        return result.output
    run = subprocess.run([sys.executable, ROOT / script, "--help"], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


@pytest.mark.parametrize("command", sorted(COMMANDS), ids=str)
def test_a_documented_command_exists_with_its_options(command):
    words = shlex.split(command)
    where = f"{COMMANDS[command]}: {command}"
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert [word for word in words[1:] if "=" not in word and word not in targets] == [], where
        return
    if words[0] == "traceformers":
        names = [word for word in words[1:3] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
        script = " ".join(["traceformers", *names])
    else:
        script = next((word for word in words if word.endswith(".py")), None)
        if script is None:
            return  # python -c, python -m pytest ...: nothing of ours
        assert (ROOT / script).is_file(), where
    text = options_of(script)
    known = set(re.findall(r"--[\w-]+", text))
    used = {word.split("=")[0] for word in words[words.index(script.split()[-1]) :] if word.startswith("--")}
    assert used <= known | {"--help"}, f"{where}: {used - known}"


def test_paths_that_documents_and_scripts_name_are_there():
    missing = []
    for path in {*DOCUMENTS, *SOURCES}:
        for name in REPOSITORY_PATH.findall((ROOT / path).read_text()):
            if not (ROOT / name).exists() and not name.startswith(PLACES_FOR_RUNS):
                missing.append(f"{path} names {name}")
    assert missing == []


def test_links_between_documents_lead_somewhere():
    broken = []
    for path in DOCUMENTS:
        for target in LINK.findall((ROOT / path).read_text()):
            if "://" not in target and not (ROOT / path.parent / target).exists():
                broken.append(f"{path} links to {target}")
    assert broken == []


def test_the_check_of_commands_finds_them():
    text = (
        "$ python run_scripts/a.py x \\\n    --flag 1   # why\nmake test\nplain words\n    traceformers sessions log f"
    )
    assert list(commands_in(text)) == [
        "python run_scripts/a.py x      --flag 1",
        "make test",
        "traceformers sessions log f",
    ]
    assert len(COMMANDS) > 5
