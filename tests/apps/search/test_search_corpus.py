"""What a corpus is read as, and what is refused."""

import gzip
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from traceformers.apps.search.search_corpus import Document, iterate_documents


def zstd(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACKERS = {"gz": gzip.compress, "xz": lzma.compress, "zst": zstd}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_text_file_is_one_document_a_line_known_by_file_and_number(tmp_path, suffix):
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\n  three  \n")
    expected = [Document("corpus.txt:1", "", "one"), Document("corpus.txt:3", "", "three")]
    assert list(iterate_documents(path)) == expected
    packed = tmp_path / "packed" / f"corpus.txt.{suffix}"
    packed.parent.mkdir()
    packed.write_bytes(PACKERS[suffix](path.read_bytes()))
    assert list(iterate_documents(packed)) == expected


@pytest.mark.parametrize("suffix", [".jsonl", *(f".jsonl.{suffix}" for suffix in PACKERS)])
def test_json_lines_give_id_title_and_text(tmp_path, suffix):
    rows = [{"_id": "a", "title": "T", "text": "x y"}, {"id": 7, "text": "z"}, {"_id": "s", "text": "\ud800!"}]
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path = tmp_path / f"corpus{suffix}"
    path.write_bytes(PACKERS[suffix.rpartition(".")[2]](data) if suffix != ".jsonl" else data)
    read = list(iterate_documents(tmp_path))
    assert read == [Document("a", "T", "x y"), Document("7", "", "z"), Document("s", "", "\ufffd!")]
    assert [document.encoded_text for document in read] == ["T x y", "z", "\ufffd!"]


@pytest.mark.parametrize("column", ["_id", "id", None])
def test_parquet_gives_what_its_columns_say_and_ids_of_rows_where_it_has_none(tmp_path, column):
    columns = {"text": ["one", "", "three"], "title": ["T", "", None]}
    ids = ["a", "b", "7"] if column else [f"corpus.parquet:{number}" for number in (1, 2, 3)]
    pq.write_table(pa.table({**columns, **({column: ids} if column else {})}), tmp_path / "corpus.parquet")
    expected = [Document(ids[0], "T", "one"), Document(ids[2], "", "three")]
    assert list(iterate_documents(tmp_path / "corpus.parquet")) == expected
    assert list(iterate_documents(tmp_path)) == expected


def test_a_parquet_id_that_is_none_is_told_with_its_row(tmp_path):
    pq.write_table(pa.table({"text": ["one", "two"], "_id": ["a", None]}), tmp_path / "c.parquet")
    with pytest.raises(ValueError, match=r"the id in row 1 of .*c\.parquet, got None"):
        list(iterate_documents(tmp_path / "c.parquet"))


@pytest.mark.parametrize("suffix", PACKERS)
def test_compressed_files_of_a_folder_are_passages_like_plain_ones(tmp_path, suffix):
    text = b"# The walrus\n\n" + b"word " * 8 + b"\n\n" + b"more " * 8 + b"\r\n"
    for name, data in (("plain/a.md", text), (f"packed/a.md.{suffix}", PACKERS[suffix](text))):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(data)
    plain, packed = (list(iterate_documents(tmp_path / name, passage_words=12)) for name in ("plain", "packed"))
    assert [(one.title, one.text) for one in packed] == [(one.title, one.text) for one in plain]
    assert [one.id for one in packed] == [f"a.md.{suffix}", f"a.md.{suffix}#2"]


def test_files_of_a_folder_are_cut_into_passages_at_paragraphs(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# The walrus #\n\n" + "word " * 8 + "\n\n" + "more " * 8 + "\n\nend\n")
    (tmp_path / "b.txt").write_text("long " * 25)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0")
    read = list(iterate_documents(tmp_path, passage_words=12))
    assert [(document.id, document.title, len(document.text.split())) for document in read] == [
        ("b.txt", "b", 12),
        ("b.txt#2", "b", 12),
        ("b.txt#3", "b", 1),
        ("notes/a.md", "The walrus", 12),
        ("notes/a.md#2", "The walrus", 9),
    ]
    assert [document.id for document in iterate_documents(tmp_path, passage_words=0)] == ["b.txt", "notes/a.md"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.txt", b"fine\nnot \xff fine\n", "byte 0xff at column 5 in line 2"),
        ("c.txt", b"fine\n\0\n", "a NUL byte in line 2"),
        ("c.jsonl", b'{"_id": "1", "text": "x"}\n{"_id"\n', "JSON object in line 2"),
        ("c.jsonl", b'{"text": "x"}\n', r"line 1 of .*keys \['text'\]"),
        ("c.jsonl", b"[1]\n", "got list"),
        ("c.txt.gz", gzip.compress(b"x\n" * 9999)[:-9], "breaks off"),
    ],
)
def test_what_is_no_corpus_is_told_with_file_and_line(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as error:
        list(iterate_documents(path))
    assert name in str(error.value)


def test_a_missing_corpus_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none"):
        list(iterate_documents(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="found none"):
        list(iterate_documents(tmp_path))
