import gzip
import hashlib

import numpy as np
import pytest
from tiny_retrieval import write_retrieval_folder

from traceformers.datasets_scripts.retrieval.retrieval_folder import load_retrieval_set, query_part


def test_a_document_is_its_title_and_its_text(tmp_path):
    tiny = load_retrieval_set(write_retrieval_folder(tmp_path / "tiny"))
    assert tiny.name == "tiny" and len(tiny.documents) == 6
    assert tiny.documents[0] == "Cats cats chase mice in the barn" and tiny.documents[1] == "dogs bark at the moon"


def test_a_packed_folder_reads_like_a_plain_one(tmp_path):
    plain = load_retrieval_set(write_retrieval_folder(tmp_path / "a" / "tiny"))
    assert load_retrieval_set(write_retrieval_folder(tmp_path / "b" / "tiny", packed=True)) == plain


def test_queries_without_a_relevant_document_are_left_out(tmp_path):
    grades = {"q0": {"d1": 1}, "q1": {"d2": 0}, "q2": {}}
    assert load_retrieval_set(write_retrieval_folder(tmp_path, grades=grades)).query_ids == ["q0"]


def test_grades_are_found_by_position_and_unjudged_documents_have_none(tmp_path):
    tiny = load_retrieval_set(write_retrieval_folder(tmp_path)).select([0, 4])
    grades = tiny.grades_of(np.array([[2, 4, 0, -1], [5, 2, 0, 1]]))
    assert grades.tolist() == [[2, 1, 0, 0], [1, 0, 0, 0]]
    assert sorted(tiny.all_grades.tolist()[0]) == [0, 1, 2] and tiny.minimum_grade == 2


def test_grades_of_one_kind_count_from_one(tmp_path):
    assert load_retrieval_set(write_retrieval_folder(tmp_path, grades={"q0": {"d1": 1}})).minimum_grade == 1


def test_a_quarter_of_the_queries_is_dev_by_the_hash_of_the_id():
    ids = [str(i) for i in range(4_000)]
    parts = [query_part(name) for name in ids]
    assert abs(parts.count("dev") - 1_000) < 100 and set(parts) == {"dev", "test"}
    for name, part in zip(ids[:50], parts, strict=False):
        first = int(hashlib.sha256(name.encode()).hexdigest()[:16], 16)
        assert (part == "dev") == (first % 4 == 0)


def test_dev_and_test_share_no_query_and_make_up_all(tmp_path):
    tiny = load_retrieval_set(write_retrieval_folder(tmp_path))
    dev, test = tiny.part("dev"), tiny.part("test")
    assert not (dev & test).any() and (dev | test).tolist() == tiny.part("all").tolist() == [True] * 5
    with pytest.raises(ValueError, match="Expected a part of all, dev, test, got 'train'"):
        tiny.part("train")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("corpus.jsonl", '{"_id": "d1", "text": "x"}\nnot json\n', r"corpus.jsonl:2: expected one JSON object a line"),
        ("corpus.jsonl", '{"_id": "d1"}\n', r'corpus.jsonl:1: expected \{"_id"'),
        (
            "corpus.jsonl",
            '{"_id": 1, "text": "x"}\n{"_id": "1", "text": "y"}\n',
            r":2: expected ids to differ, got '1'",
        ),
        ("queries.jsonl", "\n", "got an empty file"),
        ("qrels/test.tsv", "q0\td1\t1\n", r"test.tsv:1: expected the header query-id <tab> corpus-id <tab> score"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq0\td1\n", r"test.tsv:2: expected query, document and a whole"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq0\td1\thigh\n", r"test.tsv:2: expected query, document"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq0\td9\t1\n", r"expected a document of this folder, got 'd9'"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq9\td1\t1\n", r"expected a query of this folder, got 'q9'"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq0\td1\t0\n", "got none: nothing to evaluate on"),
    ],
)
def test_a_fault_is_named_with_file_and_line(tmp_path, file, text, message):
    folder = write_retrieval_folder(tmp_path)
    (folder / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        load_retrieval_set(folder)


def test_a_missing_file_is_named_with_what_is_there(tmp_path):
    folder = write_retrieval_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"split 'dev' as .*got splits \['test'\]"):
        load_retrieval_set(folder, "dev")
    (folder / "queries.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"Expected queries.jsonl or queries.jsonl.gz"):
        load_retrieval_set(folder)
    with pytest.raises(FileNotFoundError, match=r"Expected a folder with corpus.jsonl"):
        load_retrieval_set(tmp_path / "absent")


def test_bytes_that_are_no_text_are_an_error(tmp_path):
    folder = write_retrieval_folder(tmp_path)
    (folder / "corpus.jsonl").write_bytes(b'{"_id": "d1", "text": "\xff"}\n')
    with pytest.raises(ValueError, match="expected UTF-8"):
        load_retrieval_set(folder)
    (folder / "corpus.jsonl").unlink()
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(b'{"_id": "d1", "text": "x"}\n')[:-9])
    with pytest.raises(ValueError, match=r"corpus.jsonl.gz"):
        load_retrieval_set(folder)
