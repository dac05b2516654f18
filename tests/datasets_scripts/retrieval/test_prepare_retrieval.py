import gzip

import pytest

from traceformers.datasets_scripts.retrieval.prepare_retrieval import main, prepare
from traceformers.datasets_scripts.retrieval.retrieval_folder import load_retrieval_set

COLLECTION = '0\tThe presence of "communication" amid minds\n1\tThe Manhattan Project\n7\tA third \\ text\n'
QUERIES = "10\twhat is communication\n11\tnobody asked\n12\twho built it\n"
QRELS = "10\t0\t0\t1\n12\t0\t1\t1\n12\t0\t7\t0\n"


@pytest.fixture
def files(tmp_path):
    paths = {"collection": "collection.tsv", "queries": "queries.dev.small.tsv", "qrels": "qrels.dev.small.tsv"}
    for name, text in zip(paths, (COLLECTION, QUERIES, QRELS), strict=True):
        (tmp_path / paths[name]).write_text(text)
    return {name: tmp_path / path for name, path in paths.items()}


def test_ms_marco_files_become_a_set_of_the_folders_name(files, tmp_path, capsys):
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    main([*options, "--output-dir", str(tmp_path / "msmarco-dev")])
    assert "3 documents, 2 queries, 3 grades" in capsys.readouterr().out
    loaded = load_retrieval_set(tmp_path / "msmarco-dev")
    assert loaded.name == "msmarco-dev" and loaded.query_ids == ["10", "12"]
    assert loaded.documents == [line.split("\t")[1] for line in COLLECTION.splitlines()]
    assert loaded.judged == [{0: 1}, {1: 1, 2: 0}]


def test_spaces_a_header_titles_and_gzip_are_read(files, tmp_path):
    packed = tmp_path / "collection.tsv.gz"
    packed.write_bytes(gzip.compress(b"0\tA title\tthe text\n1\tb\n"))
    files["qrels"].write_text("query-id\tcorpus-id\tscore\n10 0 2\n")
    prepare(packed, files["queries"], files["qrels"], tmp_path / "out", split="dev", all_queries=True)
    loaded = load_retrieval_set(tmp_path / "out", "dev")
    assert loaded.documents == ["A title the text", "b"] and loaded.judged == [{0: 2}]
    assert (tmp_path / "out" / "queries.jsonl").read_text().count("\n") == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("collection", COLLECTION + "no tab here\n", r"collection.tsv:4: expected 2 or 3 columns"),
        ("collection", COLLECTION + "0\tagain\n", "Expected ids to differ in .*, got '0' a second time"),
        ("collection", "0\tx\n", "Expected every document of .*, got '1', not in it"),
        ("queries", "10\tx\n", "Expected every query of .*, got '12', not in it"),
        ("queries", "99\tx\n", "got none that is asked for"),
        ("qrels", "10 1\n", r"qrels.dev.small.tsv:1: expected 'query 0 document grade'"),
        ("qrels", "", "Expected grades in"),
    ],
)
def test_a_fault_is_named_and_leaves_no_folder(files, tmp_path, name, text, message):
    files[name].write_text(text)
    with pytest.raises(ValueError, match=message):
        prepare(**files, output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_touched(files, tmp_path):
    with pytest.raises(FileExistsError, match="name another"):
        prepare(**files, output_dir=tmp_path)
    files["queries"].write_bytes(b"10\t\xff\xfe\n")
    with pytest.raises(ValueError, match="expected UTF-8 text"):
        prepare(**files, output_dir=tmp_path / "out")
