import gzip
import json
import lzma
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from traceformers.datasets_scripts.distillation import text_files
from traceformers.datasets_scripts.distillation.distillation_texts import DistillationTexts
from traceformers.datasets_scripts.distillation.text_files import iterate_texts, list_text_files

LINES = ["red cat", "Straße, né 東京", "the last"]
TEXT = "\n".join(["red cat", "", "  Straße, né 東京\r", "the last"]).encode()


def zstandard(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACKED = {"txt": bytes, "txt.gz": gzip.compress, "txt.xz": lzma.compress, "txt.zst": zstandard}


@pytest.mark.parametrize("suffix", PACKED)
def test_lines_are_texts_however_they_are_packed(tmp_path, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(PACKED[suffix](TEXT))
    (tmp_path / "named_otherwise").write_bytes(PACKED[suffix](TEXT))
    assert list(iterate_texts(tmp_path / f"a.{suffix}")) == LINES
    assert list(iterate_texts(tmp_path / "named_otherwise")) == LINES


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_json_lines_give_title_and_text(tmp_path, suffix):
    rows = [{"_id": "1", "title": " A cat ", "text": "is red\n"}, {"text": "né"}, {"title": "", "text": " "}]
    data = "".join(json.dumps(row) + "\n\n" for row in rows).encode()
    packed = {"jsonl": bytes, "jsonl.gz": gzip.compress, "jsonl.zst": zstandard}[suffix](data)
    (tmp_path / f"corpus.{suffix}").write_bytes(packed)
    assert list(iterate_texts(tmp_path / f"corpus.{suffix}")) == ["A cat is red", "né"]


def test_a_lone_surrogate_of_json_is_replaced(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a \\ud800 b"}')
    assert list(iterate_texts(tmp_path / "a.jsonl")) == ["a \ufffd b"]


def test_a_column_of_parquet_is_read(tmp_path):
    pq.write_table(
        pa.table({"title": ["T", None], "text": ["one", "two"], "other": ["x", "y"]}), tmp_path / "a.parquet"
    )
    assert list(iterate_texts(tmp_path / "a.parquet")) == ["T one", "two"]
    assert list(iterate_texts(tmp_path / "a.parquet", column="other")) == ["T x", "two y".split()[1]]
    with pytest.raises(ValueError, match=r"column 'body' in .*a\.parquet, found \['title', 'text', 'other'\]"):
        list(iterate_texts(tmp_path / "a.parquet", column="body"))


def test_a_folder_gives_its_text_files_in_order_and_each_once(tmp_path):
    for name in ("b.txt", "a.jsonl", "qrels.tsv", "c.txt.gz", "sub/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [str(path.relative_to(tmp_path)) for path in list_text_files([tmp_path, f"{tmp_path}/*.txt"])]
    assert found == ["a.jsonl", "b.txt", "c.txt.gz", "sub/d.txt"]
    with pytest.raises(FileNotFoundError, match="found none"):
        list_text_files(tmp_path / "*.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"good\nbad \x00 line\n", r"UTF-8 text in .*a\.txt, got a NUL byte in line 2"),
        ("a.txt", b"good\nbad \xff\xfe line\n", r"a\.txt, got byte 0xff at column 5 in line 2"),
        ("a.png", b"\x89PNG\r\n\x1a\n\x00", r"a\.png, got byte 0x89 at column 1 in line 1"),
        ("a.txt.gz", gzip.compress(TEXT * 99)[:-20], r"whole compressed file, got .*a\.txt\.gz, which breaks off"),
        ("a.txt.xz", lzma.compress(TEXT * 99)[:-20], r"a\.txt\.xz, which breaks off"),
        ("a.txt.zst", zstandard(TEXT)[:8] + b"junkjunk", r"a\.txt\.zst, which breaks off"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', r"JSON object in line 2 of .*a\.jsonl"),
        ("a.jsonl", b'{"text": "a"}\n{"body": "b"}\n', r"text 'text' in line 2 of .*keys \['body'\]"),
        ("a.jsonl", b'["text"]', r"line 1 of .*got list"),
        ("a.parquet", b"PAR1 and no more", "whole Parquet file"),
    ],
)
def test_what_is_no_text_is_named_with_its_place(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(iterate_texts(tmp_path / name))


def test_a_line_without_end_is_no_text(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MAX_LINE_BYTES", 100)
    for name, pack in (("a.txt", bytes), ("a.txt.zst", zstandard)):
        (tmp_path / name).write_bytes(pack(b"short\n" + b"x" * 500))
        with pytest.raises(ValueError, match=r"a line of more than .* in line 2"):
            list(iterate_texts(tmp_path / name))


def test_the_progress_bar_ends_at_the_bytes_of_the_files(tmp_path, capsys):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_bytes(b"a line\n" * 3)
    assert len(list(iterate_texts(tmp_path, progress="reading"))) == 6
    assert "42.0/42.0" in capsys.readouterr().err


def test_the_builder_gives_the_same_texts(tmp_path):
    (tmp_path / "a.txt").write_bytes(TEXT)
    (tmp_path / "b.jsonl").write_text('{"title": "T", "text": "x"}')
    files = {"train": [str(tmp_path / "a.txt")], "heldout": [str(tmp_path / "b.jsonl")]}
    builder = DistillationTexts(data_files=files, cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    assert builder.as_dataset(split="train")["text"][:] == LINES
    assert builder.as_dataset(split="heldout")["text"][:] == ["T x"]
    assert [row["text"] for row in builder.as_streaming_dataset(split="train")] == LINES
    with pytest.raises(ValueError, match="Expected data_files="):
        DistillationTexts(cache_dir=str(tmp_path / "cache")).download_and_prepare()


def test_plain_texts_need_no_pyarrow_and_parquet_names_it(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEXT))
    pq.write_table(pa.table({"text": LINES}), tmp_path / "b.parquet")
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from traceformers.datasets_scripts.distillation.text_files import iterate_texts\n"
        "print(len(list(iterate_texts(sys.argv[1]))), flush=True); list(iterate_texts(sys.argv[2]))"
    )
    paths = [str(tmp_path / name) for name in ("a.txt.gz", "b.parquet")]
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True)
    assert done.stdout.split() == [str(len(LINES))]
    assert "Expected pyarrow" in done.stderr.splitlines()[-1]
