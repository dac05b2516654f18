"""The commands of `traceformers search`, from a corpus to answers."""

import json

import pytest
from tiny_encoder_folder import encoder_folder, some_texts
from typer.testing import CliRunner

from traceformers.apps.search.search_commands import app


@pytest.fixture
def search():
    """A function that runs `traceformers search` on its arguments and returns what it printed."""

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def test_build_query_add_and_info(search, tmp_path):
    corpus, index = tmp_path / "corpus.txt", tmp_path / "index"
    texts = list(dict.fromkeys(some_texts(40)))
    corpus.write_text("\n".join(texts) + "\n")
    built = search("build", corpus, "--model", encoder_folder(), "--output-dir", index, "--mode", "hybrid")
    assert f"{len(texts)} documents" in built
    first, *others = map(json.loads, search("query", index, texts[4], "--top-k", "3", "--json").splitlines())
    assert (first["rank"], first["id"], first["snippet"]) == (1, "corpus.txt:5", texts[4])
    assert len(others) == 2 and first["score"] > others[0]["score"]
    assert texts[4] in search("query", index, texts[4], "--word-weight", "1")
    again = ("build", corpus, "--model", encoder_folder(), "--output-dir", index, "--mode", "hybrid")
    search(*again, "--word-weight", "0")
    assert json.loads(search("info", index))["word_weight"] == 0
    assert first["encoded_by"] == "student"
    with open(corpus, "a") as file:
        file.write("a walrus in the water\n")
    assert search("add", index, corpus, "--remove-missing") == (
        f"1 added, 0 removed, 1 encoded; {len(texts) + 1} documents\n"
    )
    assert search("add", index, "--remove", "corpus.txt:1").endswith(f"; {len(texts)} documents\n")
    more = tmp_path / "more.txt"
    more.write_text("one more\nand another\n")
    assert search("add", index, more) == f"2 added, 0 removed, 2 encoded; {len(texts) + 2} documents\n"
    search("add", index, "--remove", "more.txt:1", "--remove", "more.txt:2")
    info = json.loads(search("info", index))
    assert (info["documents"], info["mode"], info["state"]) == (len(texts), "hybrid", "finished")
    assert info["model"] == str(encoder_folder().resolve())


@pytest.mark.parametrize("command", ["build", "add", "query", "info"])
def test_every_command_has_help_with_an_example(search, command):
    assert f"Example: traceformers search {command}" in search(command, "--help")
