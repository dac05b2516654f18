import json

import datasets
import pytest
from tiny_rrweb import GOLDEN, SOURCE, click, element, page, tiny_tokenizer, tokenizer_folder

from traceformers.datasets_scripts.rrweb_sessions.rrweb_sessions import RRWebSessions


@pytest.fixture
def recordings(tmp_path):
    for number in range(4):
        events = [*page(element(10, "p", f"Order {number}")), *(click(10, 100 * i) for i in range(1, 2 + number))]
        (tmp_path / f"s{number}.json").write_text(json.dumps(events))
    return tmp_path


def builder(recordings, files, **options):
    options = {"tokenizer": str(tokenizer_folder()), **options}
    return RRWebSessions(cache_dir=str(recordings / "cache"), data_files=files, **options)


def expected(path):
    return tiny_tokenizer().tokenize_session(path)


def test_rows_of_a_dataset_are_tokenized_sessions(recordings):
    files = {"train": [str(recordings / "s*.json")], "test": [str(SOURCE)]}
    made = builder(recordings, files)
    made.download_and_prepare()
    train, test = made.as_dataset(split="train"), made.as_dataset(split="test")
    assert train["session"][:] == ["s0", "s1", "s2", "s3"] and len(test) == 1
    for i, row in enumerate(train):
        session = expected(recordings / f"s{i}.json")
        assert row["ids"] == session.ids.tolist() and row["event_times_ms"] == session.event_times_ms.tolist()
        assert row["contexts"] == [c.tolist() for c in session.contexts] and row["site"] == "shop.test"
    assert train.features["ids"].feature.dtype == "uint16"


def test_streaming_gives_the_same_rows(recordings):
    files = {"train": [str(recordings / "s*.json")]}
    streamed = list(builder(recordings, files).as_streaming_dataset(split="train"))
    made = builder(recordings, files)
    made.download_and_prepare()
    assert streamed == list(made.as_dataset(split="train"))


def test_rows_go_through_parquet_unchanged(recordings):
    made = builder(recordings, {"train": [str(recordings / "s*.json")]})
    made.download_and_prepare()
    train = made.as_dataset(split="train")
    train.to_parquet(recordings / "train.parquet")
    back = datasets.Dataset.from_parquet(str(recordings / "train.parquet"), cache_dir=str(recordings / "cache"))
    assert back.features == train.features and list(back) == list(train)


def test_segments_are_one_row(recordings):
    made = builder(recordings, {"train": [str(GOLDEN / "sentry_segment_*.bin")]})
    (row,) = made.as_streaming_dataset(split="train")
    assert row["session"] == "sentry" and row["ids"] == expected(SOURCE).ids.tolist()


def test_what_cannot_be_read_is_left_out_with_a_warning_or_stops(recordings, caplog):
    (recordings / "s1.json").write_text("[1")
    files = {"train": [str(recordings / "s*.json")]}
    rows = list(builder(recordings, files).as_streaming_dataset(split="train"))
    assert [row["session"] for row in rows] == ["s0", "s2", "s3"]
    assert "left out s1: expected a complete JSON text" in caplog.text
    with pytest.raises(ValueError, match="s1: expected"):
        list(builder(recordings, files, strict=True).as_streaming_dataset(split="train"))


@pytest.mark.parametrize("missing", ["tokenizer", "data_files"])
def test_what_is_missing_is_asked_for(recordings, missing):
    options = {"tokenizer": str(tokenizer_folder()), "data_files": {"train": [str(SOURCE)]}} | {missing: None}
    with pytest.raises(ValueError, match="Expected tokenizer= and data_files="):
        RRWebSessions(cache_dir=str(recordings / "cache"), **options).download_and_prepare()


def test_two_processes_give_the_same_rows(recordings):
    files = {"train": [str(recordings / "s*.json")]}
    one = builder(recordings, files)
    one.download_and_prepare()
    two = RRWebSessions(cache_dir=str(recordings / "other"), data_files=files, tokenizer=str(tokenizer_folder()))
    two.download_and_prepare(num_proc=2)
    assert list(two.as_dataset(split="train")) == list(one.as_dataset(split="train"))
