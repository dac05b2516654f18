import pickle

import numpy as np
import pyarrow as pa
import pytest
from session_corpus import SCHEMA, random_sessions, write_store

from traceformers.training.masked_lm.session_store import ARRAY_COLUMNS, SessionStore


@pytest.fixture
def sessions():
    return random_sessions(0, 11)


@pytest.fixture
def folder(tmp_path, sessions):
    write_store(tmp_path, "train", sessions, n_files=3, rows_per_batch=2)
    return tmp_path


def assert_same_session(found, expected):
    for name, dtype in ARRAY_COLUMNS.items():
        array = getattr(found, name)
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, getattr(expected, name))
    assert len(found.contexts) == len(expected.contexts)
    for i in range(len(expected.contexts)):
        np.testing.assert_array_equal(found.contexts[i], expected.contexts[i])


def test_sessions_come_back_in_order_from_all_files_and_batches(folder, sessions):
    store = SessionStore(folder, "train")
    assert len(store) == len(sessions)
    assert store.token_counts.tolist() == [len(session.ids) for session in sessions]
    for i, session in enumerate(sessions):
        assert_same_session(store[i], session)
    assert_same_session(store[-1], sessions[-1])
    assert store.texts("session") == [f"train-{i}" for i in range(len(sessions))]


def test_arrays_are_views_of_the_file(folder):
    store = SessionStore(folder, "train")
    for name in ARRAY_COLUMNS:
        assert np.shares_memory(getattr(store[4], name), getattr(store[4], name))
    with pytest.raises(ValueError, match="read-only"):
        store[0].ids[0] = 1


def test_a_pickled_store_is_its_path(folder, sessions):
    data = pickle.dumps(SessionStore(folder, "train"))
    assert len(data) < 500
    assert_same_session(pickle.loads(data)[7], sessions[7])


def test_a_number_out_of_range_is_an_index_error(folder):
    store = SessionStore(folder, "train")
    for i in (11, -12):
        with pytest.raises(IndexError):
            store[i]
    with pytest.raises(IndexError):
        store[0].contexts[len(store[0].contexts)]


def test_a_missing_split_names_those_there_are(folder):
    with pytest.raises(FileNotFoundError, match=r"\['train'\]"):
        SessionStore(folder, "test")


def test_a_missing_file_is_an_error_and_not_a_smaller_data_set(folder):
    (folder / "train-00001-of-00003.arrow").unlink()
    with pytest.raises(ValueError, match="found 2"):
        SessionStore(folder, "train")


def test_another_integer_type_is_refused(tmp_path):
    schema = SCHEMA.set(SCHEMA.get_field_index("ids"), pa.field("ids", pa.list_(pa.int64())))
    empty = {"contexts": [[1]], **{name: [1] for name in ARRAY_COLUMNS}}
    with pa.OSFile(str(tmp_path / "train-00000-of-00001.arrow"), "wb") as sink, pa.ipc.new_stream(sink, schema) as out:
        out.write_batch(pa.RecordBatch.from_pylist([empty], schema=schema))
    with pytest.raises(ValueError, match=r"uint16 in column 'ids'.*int64"):
        SessionStore(tmp_path, "train")


def test_an_empty_split_has_no_sessions(tmp_path):
    write_store(tmp_path, "train", [])
    assert len(SessionStore(tmp_path, "train")) == 0
