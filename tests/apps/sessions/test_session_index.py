"""An index of recordings: equal to what the model gives, to itself after any kill, and to no other model's."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sentence_transformers import SentenceTransformer
from tiny_rrweb import meta
from tiny_session_index import copied_index, index_folder, session_model_folder, write_visit, write_visits

from traceformers.apps.sessions.index_shards import one_writer
from traceformers.apps.sessions.session_index import SessionIndex
from traceformers.apps.sessions.session_model import SessionModel

TABLES = ("sessions.parquet", "timeline.parquet", "words.parquet", "vectors.faiss", "left_out.csv")


@pytest.fixture(scope="module")
def model():
    return SessionModel(session_model_folder())


def contents(folder):
    """Returns what an index says, without the names of its shards."""
    tables = {name: pq.read_table(folder / name).to_pylist() for name in TABLES if name.endswith(".parquet")}
    return repr(tables), (folder / "vectors.faiss").read_bytes(), (folder / "left_out.csv").read_text()


def left_out(folder):
    with open(folder / "left_out.csv", newline="") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


@pytest.fixture
def embedded(monkeypatch):
    """Start times of the sessions that were embedded, in order."""
    seen, embed = [], SessionModel.embed

    def spied(self, trace):
        seen.append(trace.started_at_ms)
        return embed(self, trace)

    monkeypatch.setattr(SessionModel, "embed", spied)
    return seen


# -- what it holds --------------------------------------------------------------------------------------------


def test_vectors_are_those_that_sentence_transformers_gives(model):
    index = SessionIndex.open(index_folder())
    recordings = Path(index.about["recordings"])
    encoder = SentenceTransformer(str(session_model_folder()), trust_remote_code=True)
    expected = encoder.encode([(recordings / file).read_text() for file in index.columns["file"]])
    assert np.allclose(index.vectors, expected, atol=1e-5)


def test_tables_belong_together_and_the_most_worth_watching_is_first():
    index = SessionIndex(index_folder())
    worth = index.columns["worth"]
    assert worth == sorted(worth, reverse=True) and len(index) == 12
    assert [len(steps) for steps in index.timelines] == [len(s) for s in index.timelines if s]
    assert sum(map(len, index.timelines)) == index.about["counts"]["actions"]
    enraged = {f"visit_{number:02}" for number in (0, 4, 8)}
    assert set(index.columns["session_id"][:3]) == enraged
    assert '6 clicks on button "Add to cart"' in index.columns["reasons"][0][0]
    for name in ("struggle", "anomaly", "quality", "worth"):
        assert all(0.0 <= value <= 1.0 for value in index.columns[name])


def test_what_was_typed_is_nowhere_in_the_index():
    held = [path for path in index_folder().rglob("*") if path.is_file()]
    assert not any(b"walrus" in path.read_bytes() for path in held)
    assert "walrus" not in repr([pq.read_table(path).to_pylist() for path in held if path.suffix == ".parquet"])


def test_the_same_recordings_make_the_same_index(tmp_path, model):
    recordings = Path(json.loads((index_folder() / "about.json").read_text())["recordings"])
    again = SessionIndex.create(tmp_path / "again", recordings, model)
    assert contents(again.folder) == contents(index_folder())


def test_without_a_head_for_masked_tokens_there_is_no_surprise_but_all_else(tmp_path):
    index = SessionIndex.create(
        tmp_path / "index", write_visits(tmp_path / "in", range(4)), SessionModel(session_model_folder(head=False))
    )
    assert not index.about["surprise"] and np.isnan(index.columns["surprise_mean"]).all()
    assert len(index) == 4 and np.isfinite(index.columns["anomaly"]).all()


# -- changes --------------------------------------------------------------------------------------------------


def test_only_new_and_changed_files_are_embedded(tmp_path, model, embedded):
    recordings = write_visits(tmp_path / "in", range(5))
    SessionIndex.create(tmp_path / "index", recordings, model)
    assert len(embedded) == 5
    SessionIndex.create(tmp_path / "index", recordings, model)
    assert len(embedded) == 5
    write_visits(recordings, [7])
    write_visit(recordings / "visit_02.json", 9)
    os.utime(recordings / "visit_03.json", ns=(1, 1))  # touched, but what it says is the same
    index = SessionIndex.create(tmp_path / "index", recordings, model)
    assert len(embedded) == 7
    fresh = SessionIndex.create(tmp_path / "fresh", recordings, model)
    assert contents(index.folder) == contents(fresh.folder)


def test_sessions_whose_files_are_gone_are_removed(tmp_path, model, embedded):
    recordings = write_visits(tmp_path / "in", range(5))
    SessionIndex.create(tmp_path / "index", recordings, model)
    (recordings / "visit_01.json").unlink()
    index = SessionIndex.create(tmp_path / "index", recordings, model)
    assert "visit_01" not in index.columns["session_id"] and len(index) == 4 and len(embedded) == 5
    assert {step["session_id"] for steps in index.timelines for step in steps} == set(index.columns["session_id"])


def test_what_is_no_session_is_left_out_with_the_reason_and_read_again_when_it_is_mended(tmp_path, model):
    recordings = write_visits(tmp_path / "in", range(3))
    (recordings / "broken.json").write_text('[{"type": 4, "timestamp"')
    (recordings / "letter.json").write_text('{"dear": "reader"}')
    (recordings / "empty.json").write_text("")
    (recordings / "noise.json.gz").write_bytes(os.urandom(200))
    (recordings / "gone.json").symlink_to(tmp_path / "nowhere")
    write_visit(recordings / "twin.json.gz", 1)
    write_visit(recordings / "single.json", 0, [meta("https://one.test/")])
    index = SessionIndex.create(tmp_path / "index", recordings, model)
    reasons = left_out(index.folder)
    assert set(reasons) >= {"broken.json", "letter.json", "empty.json", "noise.json.gz"} and all(reasons.values())
    assert "twin.json.gz" not in reasons and reasons["visit_01.json"] == "the same session as twin"
    assert index.columns["quality"][index.row_of("single")] == 0.0
    write_visit(recordings / "broken.json", 9)
    index = SessionIndex.create(tmp_path / "index", recordings, model)
    assert "broken" in index.columns["session_id"] and "broken.json" not in left_out(index.folder)


# -- refusals -------------------------------------------------------------------------------------------------


def test_another_model_is_refused(tmp_path):
    folder = copied_index(tmp_path / "index")
    recordings = json.loads((folder / "about.json").read_text())["recordings"]
    with pytest.raises(ValueError, match="Expected the model that made the index"):
        SessionIndex.create(folder, recordings, SessionModel(session_model_folder(seed=1)))


def test_other_recordings_are_refused_and_other_files_are_not_written_over(tmp_path, model):
    folder = copied_index(tmp_path / "index")
    with pytest.raises(ValueError, match="got none of them in"):
        SessionIndex.create(folder, write_visit(tmp_path / "other.json", 1), model)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear reader")
    with pytest.raises(ValueError, match="found other files"):
        SessionIndex.create(tmp_path / "full", write_visits(tmp_path / "in", [1]), model)


def test_a_folder_without_recordings_or_without_readable_ones_is_an_error(tmp_path, model):
    (tmp_path / "in").mkdir()
    with pytest.raises(ValueError, match="Expected recordings"):
        SessionIndex.create(tmp_path / "index", tmp_path / "in", model)
    (tmp_path / "in" / "a.json").write_text("not JSON")
    with pytest.raises(ValueError, match="1 files of which none could be read"):
        SessionIndex.create(tmp_path / "index", tmp_path / "in", model)
    assert "a.json" in left_out(tmp_path / "index")
    with pytest.raises(ValueError, match="interrupted"):
        SessionIndex(tmp_path / "index")
    write_visits(tmp_path / "in", [1, 2])
    assert len(SessionIndex.create(tmp_path / "index", tmp_path / "in", model)) == 2


def test_folders_of_other_models_are_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="found 'bert'"):
        SessionModel(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "rrweb_bert"}')
    with pytest.raises(ValueError, match=r"modules\.json"):
        SessionModel(tmp_path)
    with pytest.raises(FileNotFoundError):
        SessionModel(tmp_path / "nowhere")


def test_a_folder_without_an_index_and_mixed_files_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no about\.json"):
        SessionIndex(tmp_path)
    folder = copied_index(tmp_path / "index")
    (folder / "vectors.faiss").write_bytes((index_folder(4) / "vectors.faiss").read_bytes())
    with pytest.raises(ValueError, match="Files of two indexes"):
        SessionIndex(folder)


def test_one_writer_at_a_time(tmp_path, model):
    folder = copied_index(tmp_path / "index")
    recordings = json.loads((folder / "about.json").read_text())["recordings"]
    with one_writer(folder), pytest.raises(RuntimeError, match="another process"):
        SessionIndex.create(folder, recordings, model)


# -- kills ----------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from traceformers.apps.sessions import index_tables, session_index
from traceformers.apps.sessions.session_model import SessionModel
module, name, after, folder, recordings, model = sys.argv[1:]
session_index.SHARD_SESSIONS = 1
module = {"session_index": session_index, "index_tables": index_tables}[module]
work, left = getattr(module, name), int(after)
def killed(*arguments):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(*arguments)
setattr(module, name, killed)
session_index.SessionIndex.create(folder, recordings, SessionModel(model))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "after"),
    [
        ("session_index", "write_shard", 2),
        ("session_index", "write_tables", 0),
        ("index_tables", "replace_with", 0),
        ("index_tables", "replace_with", 2),
        ("index_tables", "replace_with", 4),
        ("session_index", "drop_shards", 0),
    ],
)
def test_killed_at_any_moment_the_same_call_goes_on_from_there(tmp_path, model, embedded, module, name, after):
    recordings = write_visits(tmp_path / "in", range(5))
    arguments = [module, name, after, tmp_path / "index", recordings, session_model_folder()]
    run = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], capture_output=True)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()[-2000:]
    if name == "replace_with":  # every session was embedded: the tables heal without a model
        assert len(SessionIndex(tmp_path / "index")) == 5
    index = SessionIndex.create(tmp_path / "index", recordings, model)
    assert len(embedded) == (3 if name == "write_shard" else 0)
    fresh = SessionIndex.create(tmp_path / "fresh", recordings, model)
    assert contents(index.folder) == contents(fresh.folder)
    assert not list(index.folder.rglob("*.half"))
