"""Data sets and indexes, pushed by the command, loaded from the loopback Hub by `load_dataset`, plain and streaming."""

import gzip
import json

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from hub_stranger import visit_as_stranger
from huggingface_hub import HfApi
from typer.testing import CliRunner

from traceformers.apps.hub import hub_faults
from traceformers.apps.hub.hub_commands import app

ROWS = {
    "train": [{"session": f"s{number}", "ids": list(range(number))} for number in range(40)],
    "test": [{"session": "t", "ids": [1, 2]}],
}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(hub_faults, "FIRST_WAIT", 0.01)


def run(*arguments, code=0):
    """Returns the output of `traceformers hub ...`."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def parquet_folder(folder):
    """Returns `folder` with a Parquet file a split, as our prepare scripts name them."""
    (folder / "data").mkdir(parents=True)
    for split, rows in ROWS.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def arrow_folder(folder):
    """Returns `folder` with an Arrow file a split and a dataset_info.json, as prepare_rrweb_sessions.py writes them."""
    folder.mkdir()
    for split, rows in ROWS.items():
        table = pa.Table.from_pylist(rows)
        path = str(folder / f"{split}-00000-of-00001.arrow")
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    (folder / "dataset_info.json").write_text('{"keep_typed_text": false}')
    (folder / "rejected.jsonl").touch()
    return folder


def lines_folder(folder):
    """Returns `folder` with gzipped JSON Lines."""
    folder.mkdir()
    for split, rows in ROWS.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return folder


def test_a_data_set_is_private_and_comes_back_as_it_was(tmp_path, hub):
    folder = parquet_folder(tmp_path / "rows")
    run("push", folder, "user/rows", "--skip-check", "card", "--skip-check", "loads")
    assert hub.repositories["dataset", "user/rows"].private
    run("pull", "user/rows", "--output-dir", tmp_path / "pulled")
    for path in (folder / "data").iterdir():
        assert (tmp_path / "pulled" / "data" / path.name).read_bytes() == path.read_bytes()


def test_an_index_comes_back_with_its_vectors(tmp_path, hub):
    index = faiss.IndexFlatIP(8)
    index.add(np.eye(8, dtype=np.float32))
    (tmp_path / "index").mkdir()
    faiss.write_index(index, str(tmp_path / "index" / "vectors.faiss"))
    (tmp_path / "index" / "about.json").write_text('{"model": "user/encoder"}')
    out = run("push", tmp_path / "index", "user/index", "--skip-check", "card")
    assert "8 vectors" in out and hub.repositories["dataset", "user/index"].private
    run("pull", "user/index", "--output-dir", tmp_path / "pulled")
    assert faiss.read_index(str(tmp_path / "pulled" / "vectors.faiss")).ntotal == 8


@pytest.mark.slow
def test_a_stranger_loads_a_data_set_plain_and_streaming(tmp_path, hub):
    makers = {"parquet": parquet_folder, "arrow": arrow_folder, "lines": lines_folder}
    for name, make in makers.items():
        out = run("push", make(tmp_path / name), f"user/set-{name}", "--skip-check", "card", "--tag", "v1")
        assert "40 rows of train" in out and "train, streaming" in out
    Dataset.from_list(ROWS["train"]).push_to_hub("user/set-by-datasets", split="train")
    Dataset.from_list(ROWS["test"]).push_to_hub("user/set-by-datasets", split="test")
    makers = [*makers, "by-datasets"]
    for found in visit_as_stranger(hub, [("data set", f"user/set-{name}", {}) for name in makers]):
        assert "error" not in found, found["error"]
        assert found["rows"] == ROWS and found["streamed"] == ROWS


@pytest.mark.slow
def test_revisions_pin_rows_and_faults_are_told(tmp_path, hub):
    folder = parquet_folder(tmp_path / "rows")
    name = "user/pinned-rows"
    run("push", folder, name, "--skip-check", "card", "--tag", "v1")
    pq.write_table(pa.Table.from_pylist(ROWS["test"] * 3), folder / "data" / "test-00000-of-00001.parquet")
    run("push", folder, name, "--skip-check", "card", "--tag", "v2")
    HfApi().create_repo("user/no-rows", repo_type="dataset", private=True)
    sources = [(name, {"revision": revision}) for revision in ("v1", "v1", "v2", "v3")]
    sources += [("user/no-rows", {}), ("user/not-there", {})]
    with (
        hub.failing("GET .*/resolve/.*test.*parquet", status=503) as busy,  # which this client does not ask again
        hub.failing("GET .*/resolve/.*train.*parquet", cut_after=200) as cut,
        hub.failing("GET .*/tree/.*", status=429, headers={"Retry-After": "0"}) as limited,
    ):
        first, *found = visit_as_stranger(hub, [("data set", *source) for source in sources])
    assert (cut.met, limited.met, busy.met) == (1, 1, 1)
    assert "503" in first["error"]
    assert [one.get("error") for one in found[:2]] == [None, None]
    assert [len(one["rows"]["test"]) for one in found[:2]] == [1, 3]
    assert found[0]["rows"]["train"] == found[0]["streamed"]["train"] == ROWS["train"]
    assert "v3" in found[2]["error"] and "no-rows" in found[3]["error"] and "not-there" in found[4]["error"]
    (alone,) = visit_as_stranger(hub, [("data set", name, {})], HF_TOKEN="")
    assert "error" in alone and name in alone["error"]
