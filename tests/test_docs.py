"""What documents say exists: every command parses, every path is in the repository, every link leads somewhere."""

import re
import runpy
import shlex
import sys
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from itertools import takewhile

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
    r"\b((?:run_scripts|datasets_scripts|model_cards|benchmarks|training|apps|tests)/[\w./-]*\w)(?![\w*{<-])"
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


def script_of(command, document):
    """Returns what of a command is ours: "traceformers sessions log", a script's path in the repository, or None."""
    words = shlex.split(command)
    if words[0] == "traceformers":
        return " ".join(["traceformers", *takewhile(re.compile(r"[a-z][a-z-]*$").match, words[1:3])])
    script = next((word for word in words if word.endswith(".py")), None)
    if script is None:
        return None  # python -c ..., python -m pytest ...
    beside = (ROOT / document).parent
    places = [folder / script for folder in (ROOT, beside, beside.parent / "recorder")]
    return str(next((place for place in places if place.is_file()), places[0]).relative_to(ROOT))


@cache
def help_of(script):
    """Returns what `python <script> --help`, or a sub-command of `traceformers`, prints."""
    if script.startswith("traceformers"):
        result = CliRunner().invoke(cli.app, [*script.split()[1:], "--help"])
        assert result.exit_code == 0, result.output
        return result.output
    printed, modules = StringIO(), dict(sys.modules)
    try:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), pytest.raises(SystemExit) as end:
            patch.setattr(sys, "argv", [script, "--help"])
            runpy.run_path(str(ROOT / script), run_name="__main__")
    finally:
        sys.modules.update(modules)  # a script may hide a module from itself
    assert not end.value.code
    return printed.getvalue()


@pytest.mark.parametrize("command", sorted(COMMANDS), ids=str)
def test_a_documented_command_exists_with_its_options(command):
    words, where = shlex.split(command), f"{COMMANDS[command]}: {command}"
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert [word for word in words[1:] if "=" not in word and word not in targets] == [], where
    elif script := script_of(command, COMMANDS[command]):
        assert script.startswith("traceformers") or (ROOT / script).is_file(), where
        if words[0] in ("accelerate", "torchrun"):  # their own options come before the script
            words = words[next(place for place, word in enumerate(words) if word.endswith(".py")) :]
        used = {word.split("=")[0] for word in words if word.startswith("--")} - {"--help"}
        assert used <= set(re.findall(r"--[\w-]+", help_of(script))), where


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
