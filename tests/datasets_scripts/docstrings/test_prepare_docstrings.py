"""Docstrings become queries and documents, and nothing that is evaluated is trained on."""

import json
import sysconfig

import pytest

from traceformers.datasets_scripts.docstrings.prepare_docstrings import Docstring, docstrings_of, main, spaced

BODY = " ".join(f"word{i}" for i in range(25))
SOURCE = f'''"""Short module text."""

def find():
    """Finds the thing that was asked for.

    {BODY}

    >>> find()
    3
    """

class Shelf:
    def put(self, item):
        """Puts an item on the shelf.

        ------
        {BODY} shelf
        """
'''


def write_package(folder, name, source=SOURCE):
    (folder / name / "tests").mkdir(parents=True)
    (folder / name / "__init__.py").write_text("")
    (folder / name / "core.py").write_text(source)
    (folder / name / "tests" / "core_test.py").write_text(source.replace("asked", "tested"))
    return folder


def test_summary_and_body_are_told_apart_and_sessions_are_left_out():
    found = sorted(docstrings_of(SOURCE, "pack.core"), key=lambda docstring: len(docstring.name))
    assert found == [
        Docstring("pack.core", "Short module text.", ""),
        Docstring("pack.core.find", "Finds the thing that was asked for.", BODY),
        Docstring("pack.core.Shelf.put", "Puts an item on the shelf.", f"{BODY} shelf"),
    ]


@pytest.mark.parametrize("source", ["print 'python 2'", "def f(:", "\0", "x = '\ud800'"[:3] + "("])
def test_code_that_does_not_parse_has_no_docstrings(source):
    assert list(docstrings_of(source, "broken")) == []


def test_an_evaluated_text_is_never_trained_on(tmp_path):
    evaluated = write_package(tmp_path / "evaluated", "asked")
    trained = write_package(tmp_path / "trained", "one")
    write_package(tmp_path / "trained", "two", SOURCE.replace("word", "term").replace("thing", "part"))
    main(["--output-dir", str(tmp_path / "out"), "--evaluated", str(evaluated), "--trained", str(trained)])
    queries = [json.loads(line) for line in (tmp_path / "out/retrieval/queries.jsonl").open()]
    documents = [json.loads(line) for line in (tmp_path / "out/retrieval/corpus.jsonl").open()]
    texts = (tmp_path / "out/train.txt").read_text().splitlines()
    assert [query["text"] for query in queries] == ["Finds the thing that was asked for.", "Puts an item on the shelf."]
    assert not {row["text"] for row in queries + documents} & set(texts)
    assert "Finds the part that was asked for." in texts
    assert not any("tested" in text for text in texts)
    qrels = (tmp_path / "out/retrieval/qrels/test.tsv").read_text().splitlines()
    assert qrels[1:] == ["q0\td0\t1", "q1\td1\t1"]


def test_packages_named_are_the_only_ones_trained_on(tmp_path):
    evaluated = write_package(tmp_path / "evaluated", "asked")
    trained = tmp_path / "trained"
    for name in ("one", "two"):
        write_package(trained, name, SOURCE.replace("word", name).replace("thing", name))
    main([f"--output-dir={tmp_path / 'out'}", f"--evaluated={evaluated}", f"--trained={trained}", "--packages", "two"])
    texts = (tmp_path / "out/train.txt").read_text()
    assert "two1" in texts
    assert "one1" not in texts


def test_a_folder_without_packages_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="found none"):
        main(["--output-dir", str(tmp_path / "out"), "--evaluated", str(tmp_path / "empty")])


def test_fewer_items_are_evenly_spaced():
    assert spaced(range(10), 5) == [0, 2, 4, 6, 8]
    assert spaced(range(3), 5) == [0, 1, 2]


def test_the_standard_library_has_queries(tmp_path):
    library = sysconfig.get_paths()["stdlib"]
    source = write_package(tmp_path / "trained", "one", SOURCE.replace("word", "x"))
    main([f"--output-dir={tmp_path}", f"--evaluated={library}/email", f"--trained={source}", "--max-queries=5"])
    assert len((tmp_path / "retrieval/queries.jsonl").read_text().splitlines()) == 5
