"""The command line: what each command prints, and one clear line and an exit code on errors."""

import json
import subprocess
import sys
from importlib.metadata import version
from typing import NamedTuple

import pytest
from tiny_rrweb import click, element, page, typed

from traceformers import cli

EVENTS = [
    *page(
        element(5, "p", "Receipt to ann.lee@mail.example"),
        element(6, "input", type="text"),
        element(7, "button", "Pay now"),
    ),
    typed(6, "walrus", time=500),
    click(7, time=900),
]


class Finished(NamedTuple):
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def traceformers(monkeypatch, capfd):
    """A function that runs the console script on its arguments, in this process, and returns what it left."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["traceformers", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit:
            code = exit.code or 0
        return Finished(code, *capfd.readouterr())

    return run


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "session.json"
    path.write_text(json.dumps({"events": EVENTS}))
    return path


def test_help_names_the_commands(traceformers):
    run = traceformers("--help")
    assert run.returncode == 0
    assert "sessions" in run.stdout and "quickstart" in run.stdout


@pytest.mark.parametrize("command", [["sessions", "log"], ["quickstart"]])
def test_every_command_has_help_with_an_example(traceformers, command):
    run = traceformers(*command, "--help")
    assert run.returncode == 0
    assert f"Example: traceformers {' '.join(command)}" in run.stdout


def test_version_is_that_of_the_package(traceformers):
    assert traceformers("--version").stdout == f"traceformers {version('traceformers')}\n"


def test_the_log_says_what_was_clicked_and_hides_what_is_private(traceformers, recording):
    run = traceformers("sessions", "log", recording)
    assert run.returncode == 0, run.stderr
    assert "click" in run.stdout.lower()
    assert "Pay now" in run.stdout
    assert "walrus" not in run.stdout
    assert "ann.lee" not in run.stdout


def test_private_text_is_shown_when_asked_for(traceformers, recording):
    run = traceformers("sessions", "log", recording, "--keep-typed-text", "--keep-personal-text")
    assert "walrus" in run.stdout
    assert "ann.lee@mail.example" in run.stdout


def test_several_files_are_parts_of_one_session_in_any_order(traceformers, tmp_path, recording):
    parts = [tmp_path / "part-1.json", tmp_path / "part-0.json"]
    parts[0].write_text(json.dumps(EVENTS[2:]))
    parts[1].write_text(json.dumps(EVENTS[:2]))
    assert traceformers("sessions", "log", *parts).stdout == traceformers("sessions", "log", recording).stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "SessionFormatError"), ("[]", "SessionFormatError"), (None, "No such file or directory")],
)
def test_an_error_is_one_line_on_stderr_and_an_exit_code(traceformers, tmp_path, content, said):
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_text(content)
    run = traceformers("sessions", "log", path)
    assert run.returncode == 1
    assert run.stdout == ""
    assert len(run.stderr.strip().splitlines()) == 1
    assert said in run.stderr


def test_debug_shows_where_an_error_came_from(traceformers, tmp_path):
    with pytest.raises(FileNotFoundError):
        traceformers("--debug", "sessions", "log", tmp_path / "absent.json")


def test_a_closed_pipe_is_quiet(recording):
    command = f"{sys.executable} -m traceformers.cli sessions log {recording} | head -n 1"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert run.stdout.count("\n") == 1
    assert run.stderr == ""


def test_a_missing_tokenizer_is_named(traceformers, recording, tmp_path):
    run = traceformers("sessions", "log", recording, "--tokenizer", tmp_path / "no-such-tokenizer")
    assert run.returncode == 1
    assert "no-such-tokenizer" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_an_unknown_command_is_refused(traceformers):
    run = traceformers("session")
    assert run.returncode == 2
    assert "No such command" in run.stderr
