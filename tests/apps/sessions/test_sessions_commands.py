"""`traceformers sessions`: what each command prints, writes and answers to what it cannot use."""

import csv
import json
import subprocess
import sys
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest
from tiny_rrweb import element, page
from tiny_session_index import copied_index, index_folder, session_model_folder, write_visit, write_visits

from traceformers import cli
from traceformers.apps.sessions.session_output import export_rows, json_line, printed, table_lines


class Finished(NamedTuple):
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def sessions(monkeypatch, capfd):
    """A function that runs `traceformers sessions` on its arguments and returns what it left."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["traceformers", "sessions", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as exit:
            code = exit.code or 0
        return Finished(code, *capfd.readouterr())

    return run


COMMANDS = ("log", "embed", "search", "cluster", "anomaly", "drift", "report")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(sessions, command):
    run = sessions(command, "--help")
    assert run.returncode == 0 and f"Example: traceformers sessions {command} " in " ".join(run.stdout.split())


def test_help_loads_no_torch():
    code = (
        "import sys\nfrom traceformers import cli\nsys.argv = ['traceformers', 'sessions', '--help']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('torch', 'transformers', 'faiss', 'sklearn', 'pyarrow') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("[]")


def test_embed_says_what_is_in_the_index_and_what_was_left_out(sessions, tmp_path):
    recordings = write_visits(tmp_path / "in", range(3))
    (recordings / "broken.json").write_text("no recording")
    run = sessions("embed", recordings, "--model", session_model_folder(), "--index", tmp_path / "index")
    assert run.returncode == 0, run.stderr
    assert "3 sessions with" in run.stdout and "1 files left out" in run.stderr
    run = sessions("embed", recordings, "--model", session_model_folder(), "--index", tmp_path / "index", "--json")
    assert json.loads(run.stdout)["left_out"] == 1


def test_search_prints_a_line_a_session_and_json_and_a_table(sessions, tmp_path):
    run = sessions("search", index_folder(), "--like", "visit_03", "--top-k", 2)
    assert run.returncode == 0, run.stderr
    assert [line.split()[0] for line in run.stdout.splitlines() if line.strip()[0].isdigit() and "cosine" in line] == [
        "1",
        "2",
    ]
    table = tmp_path / "found.csv"
    run = sessions("search", index_folder(), "--text", "offer 7", "--json", "--top-k", 3, "--export", table)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert rows[0]["session_id"] == "visit_07" and len(rows) == 3
    with open(table, newline="") as file:
        assert [row["session_id"] for row in csv.DictReader(file)] == [row["session_id"] for row in rows]


def test_anomaly_ranks_by_what_is_asked_and_gives_reasons(sessions, tmp_path):
    table = tmp_path / "all.parquet"
    run = sessions("anomaly", index_folder(), "--by", "struggle", "--top-k", 3, "--export", table)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("6 clicks on") >= 3
    held = pq.read_table(table).to_pylist()
    assert len(held) == 12 and [row["struggle"] for row in held] == sorted((r["struggle"] for r in held), reverse=True)
    run = sessions("anomaly", index_folder(), "--site", "shop.test", "--json")
    assert {json.loads(line)["site"] for line in run.stdout.splitlines()} == {"shop.test"}


def test_cluster_describes_every_group(sessions, tmp_path):
    table = tmp_path / "clusters.csv"
    run = sessions("cluster", index_folder(), "--method", "kmeans", "--clusters", 3, "--json", "--export", table)
    groups = [json.loads(line) for line in run.stdout.splitlines()]
    assert [group["cluster"] for group in groups] == [0, 1, 2] and sum(group["sessions"] for group in groups) == 12
    assert len(table.read_text().splitlines()) == 13
    assert "cluster 0:" in sessions("cluster", index_folder(), "--method", "kmeans", "--clusters", 2).stdout


def test_drift_is_none_against_itself_and_fails_on_request_against_another_site(sessions, tmp_path):
    run = sessions("drift", index_folder(), index_folder(), "--fail", "--permutations", 199)
    assert run.returncode == 0 and "nothing shifted" in run.stdout
    recordings = tmp_path / "in"
    recordings.mkdir()
    for number in range(12):
        nodes = [element(10 + i, "my-widget", "Words " * 30) for i in range(20)]
        events = page(*nodes, href="https://other.test/", time=1_000_000 * number)
        write_visit(recordings / f"other_{number}.json", number, events)
    run = sessions("drift", index_folder(), recordings, "--fail", "--permutations", 199, "--json")
    assert run.returncode == 3, run.stderr
    lines = {row["measure"]: row for row in map(json.loads, run.stdout.splitlines())}
    assert lines["vectors"]["verdict"] != "same"
    assert lines["share of tags, attributes and roles without a token"]["now"] > 0.5


def test_a_report_of_an_index_is_written(sessions, tmp_path):
    run = sessions("report", index_folder(), "--out", tmp_path / "report")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "report" / "report.html").is_file() and "12 sessions" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "INDEX"], "either --like or --text"),
        (["search", "INDEX", "--like", "nobody"], "found neither"),
        (["anomaly", "INDEX", "--by", "beauty"], "Expected an order"),
        (["anomaly", "INDEX", "--site", "none.test"], "Expected a site"),
        (["anomaly", "EMPTY"], "no about.json"),
        (["cluster", "INDEX", "--method", "ward"], "Expected method"),
        (["embed", "EMPTY", "--model", "MODEL", "--index", "NEW"], "Expected recordings"),
        (["embed", "EMPTY", "--model", "EMPTY", "--index", "NEW"], "saved RRWebBERT"),
        (["embed", "RECORDINGS", "--model", "OTHER", "--index", "INDEX"], "model that made the index"),
        (["drift", "INDEX", "EMPTY"], "Expected recordings"),
        (["search", "INDEX", "--text", "offer", "--export", "table.docx"], ".csv, .parquet or .jsonl"),
        (["search", "INDEX", "--text", "offer", "--model", "OTHER"], "model that made the index"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line_and_an_exit_code(sessions, tmp_path, arguments, said):
    (tmp_path / "empty").mkdir()
    names = {
        "INDEX": index_folder(),
        "EMPTY": tmp_path / "empty",
        "NEW": tmp_path / "new",
        "MODEL": session_model_folder(),
        "OTHER": session_model_folder(seed=1),
        "RECORDINGS": index_folder().parent / "recordings",
    }
    run = sessions(*(names.get(argument, argument) for argument in arguments))
    assert run.returncode == 1 and said in run.stderr
    assert len([line for line in run.stderr.splitlines() if line.startswith("traceformers:")]) == 1


def test_an_index_may_be_moved_with_its_model_named(sessions, tmp_path):
    folder = copied_index(tmp_path / "moved")
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps({**about, "model": "/nowhere/at/all"}))
    run = sessions("search", folder, "--text", "offer 7", "--model", session_model_folder(), "--top-k", 1)
    assert run.returncode == 0 and "visit_07" in run.stdout


# -- output ---------------------------------------------------------------------------------------------------


def test_pages_cannot_write_to_the_terminal_nor_run_in_a_spreadsheet(tmp_path):
    assert printed("a\x1b[2Jb\r\nc\u202ed") == "a [2Jb c d"
    export_rows(tmp_path / "x.csv", [{"a": "=HYPERLINK(1)", "b": ["x", "y"], "c": float("nan")}])
    assert (tmp_path / "x.csv").read_text().splitlines()[1] == "'=HYPERLINK(1),x; y,"
    assert json.loads(json_line({"a": float("inf")})) == {"a": None}
    assert list(table_lines([{"n": 1.0, "w": "x"}], {"n": "number", "w": "word"})) == ["number  word", " 1.000  x"]
