import json
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from traceformers.datasets_scripts.distillation import prepare_distillation
from traceformers.datasets_scripts.distillation.prepare_distillation import evaluation_texts, main, prepare


def texts_of(folder, info, split):
    return [text for name in info["files"][split] for text in pq.read_table(folder / name)["text"].to_pylist()]


@pytest.fixture
def corpus(tmp_path):
    lines = [f"text number {i}" for i in range(200)] + ["Text NUMBER 7!", "  ", "text number 7 ", "+ + +", "..."]
    (tmp_path / "a.txt").write_text("\n".join(lines[::2]))
    rows = [{"title": "", "text": line} for line in lines[1::2]] + [{"title": "text", "text": "number 9"}]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return [tmp_path / "a.txt", tmp_path / "b.jsonl"]


def prepared(corpus, folder, **options):
    return prepare(corpus, folder, **{"heldout": 20, "progress": False, **options})


def test_each_text_is_in_one_split_once(corpus, tmp_path):
    info = prepared(corpus, tmp_path / "out")
    train, heldout = (texts_of(tmp_path / "out", info, split) for split in ("train", "heldout"))
    expected = {f"text number {i}" for i in range(200)} - {"text number 7"} | {"Text NUMBER 7!", "+ + +", "..."}
    assert len(heldout) == 20 and len(train) + len(heldout) == 202 and {*train, *heldout} == expected
    assert info["texts"] == {"train": 182, "heldout": 20} and info["read"] == 205 and info["duplicates"] == 3
    assert list(info["sources"].values()) == [103, 102]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "heldout-00000-of-00001.parquet",
        "prepared.json",
        "train-00000-of-00001.parquet",
    ]


def test_the_result_depends_on_texts_and_seed_only(corpus, tmp_path, monkeypatch):
    info = prepared(corpus, tmp_path / "one")
    monkeypatch.setattr(prepare_distillation, "ROWS_A_FILE", 50)
    monkeypatch.setattr(prepare_distillation, "ROWS_A_GROUP", 7)
    # so little memory that texts are dealt to many parts
    other = prepared(corpus[::-1], tmp_path / "two", memory_mb=1 / (1 << 20) * 100)
    assert len(other["files"]["train"]) == 4
    for split in ("train", "heldout"):
        assert texts_of(tmp_path / "one", info, split) == texts_of(tmp_path / "two", other, split)
    third = prepared(corpus, tmp_path / "three", seed=1)
    assert texts_of(tmp_path / "three", third, "heldout") != texts_of(tmp_path / "one", info, "heldout")
    order = texts_of(tmp_path / "one", info, "train")
    assert order != sorted(order)


def test_texts_of_evaluation_folders_are_left_out(corpus, tmp_path):
    beir, pairs = tmp_path / "beir", tmp_path / "sts"
    (beir / "qrels").mkdir(parents=True)
    pairs.mkdir()
    rows = [{"_id": "1", "title": "Text", "text": "number 11"}, {"_id": "2", "text": "text number 12."}]
    (beir / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (beir / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "TEXT, number 13"}))
    (beir / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\ntext number 14\t1\t1\n")
    (pairs / "sts-test.csv").write_text("genre\tfile\t2012\t1\t3.2\ttext number 15\tText number 16.\n")
    info = prepared(corpus, tmp_path / "out", exclude=[beir, pairs])
    left = {text for split in ("train", "heldout") for text in texts_of(tmp_path / "out", info, split)}
    assert {f"text number {i}" for i in range(200)} - left == {f"text number {i}" for i in (7, 11, 12, 13, 15, 16)}
    assert info["excluded"] == 5 and "text number 14" in left
    assert "number 11" in set(evaluation_texts(beir)), "a document counts without its title, too"
    with pytest.raises(FileNotFoundError, match="found none"):
        prepared(corpus, tmp_path / "other", exclude=[tmp_path / "no_such_folder"])


def test_too_few_texts_and_a_finished_folder_are_errors(corpus, tmp_path):
    with pytest.raises(ValueError, match=r"more than 500 different texts, got 202 of 205 read"):
        prepared(corpus, tmp_path / "out", heldout=500)
    prepared(corpus, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(FileExistsError, match="holds prepared texts"):
        prepared(corpus, tmp_path / "out")
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_killed_in_the_middle_the_same_command_starts_again(corpus, tmp_path):
    script = (
        "import os, sys, time\n"
        "from traceformers.datasets_scripts.distillation import prepare_distillation as p\n"
        "p._SplitWriter.close = lambda self: (self._finish_file(), print('now', flush=True), time.sleep(60))\n"
        "p.main(sys.argv[1:])\n"
    )
    command = [
        sys.executable,
        "-c",
        script,
        *map(str, corpus),
        "--heldout",
        "20",
        "--output-dir",
        str(tmp_path / "out"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == b"now\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "out" / "prepared.json").exists() and list((tmp_path / "out").glob("*.half"))
    start = time.time()
    info = prepared(corpus, tmp_path / "out")
    assert time.time() - start < 60 and info["texts"] == {"train": 182, "heldout": 20}
    assert not list((tmp_path / "out").glob("*.half"))


def test_the_command_prints_the_counts_that_it_wrote(corpus, tmp_path, capsys):
    main([*map(str, corpus), "--heldout", "20", "--output-dir", str(tmp_path / "out")])
    printed = capsys.readouterr()
    assert "182 train texts" in printed.out and "3 duplicates left out" in printed.out
    assert "reading a.txt" in printed.err
    (tmp_path / "binary.txt").write_bytes(b"\x00")
    with pytest.raises(
        SystemExit, match=r"^prepare_distillation: Expected UTF-8 text in .*binary\.txt, got a NUL byte"
    ):
        main([str(tmp_path / "binary.txt"), "--output-dir", str(tmp_path / "other")])
