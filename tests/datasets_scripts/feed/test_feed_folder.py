import os
import resource
import stat

import pyarrow as pa
import pytest
import tiny_feed_folder as tiny

from traceformers.datasets_scripts.feed import feed_folder
from traceformers.datasets_scripts.feed.feed_folder import (
    CORE_TABLES,
    SCHEMAS,
    read_feed_folder,
    records_of,
    table_of,
    write_feed_folder,
)
from traceformers.datasets_scripts.feed.feed_records import Feedback, FeedRow, Video

FORMATS = pytest.mark.parametrize("format", ["parquet", "json"])


@FORMATS
def test_what_is_written_reads_back_equal(tmp_path, format):
    tables = tiny.tiny_tables()
    about = write_feed_folder(tmp_path / "feed", tables, tiny.ABOUT, format)
    back = read_feed_folder(tmp_path / "feed")
    assert back.about == about
    assert set(back.tables) == set(CORE_TABLES)
    for name, table in tables.items():
        assert back.tables[name].equals(table)
        assert about["counts"][name] == len(table) > 0
    assert back.time_zone == "Europe/Berlin"


@FORMATS
def test_records_survive_the_folder(tmp_path, format):
    hostile = Video(
        "x" * 11, title="<script>alert(1)</script>\n\u202e\u05d0 \U0001f600", tags=("a,b", '"'), duration=0.0
    )
    videos = [*tiny.tiny_videos(), hostile]
    row = FeedRow(hostile.video_id, 1, 0.5, 0.25, 0.75, {"productive": 0.5, "fresh": -0.25}, ("you code",), True, 0.125)
    rows = table_of("feed_rows", [{**{name: getattr(row, name) for name in row.__slots__}, "feed_id": 7}])
    tables = {"videos": table_of("videos", videos), "feed_rows": rows}
    write_feed_folder(tmp_path / "feed", tables, tiny.ABOUT, format)
    back = read_feed_folder(tmp_path / "feed")
    assert list(back.records("videos")) == videos
    assert list(back.records("feed_rows")) == [row]
    assert back.tables["feed_rows"].column("feed_id").to_pylist() == [7]
    assert list(back.records("events")) == []


@FORMATS
def test_a_complete_export_keeps_every_table(tmp_path, format):
    filled = {name: _one_row(name) for name in SCHEMAS}
    write_feed_folder(tmp_path / "feed", filled, tiny.ABOUT, format)
    back = read_feed_folder(tmp_path / "feed").tables
    assert set(back) == set(SCHEMAS)
    for name, table in filled.items():
        assert back[name].equals(table)


def _one_row(name):
    samples = {pa.string(): "interest", pa.int64(): 2**53 + 1, pa.float64(): 0.1, pa.bool_(): True}
    samples |= {pa.list_(pa.string()): ["a", ""], pa.map_(pa.string(), pa.float64()): {"term": 0.1}}
    return table_of(name, [{kind.name: samples[kind.type] for kind in SCHEMAS[name]}])


def test_both_formats_hold_the_same(tmp_path):
    parquet, rows = (
        read_feed_folder(tiny.tiny_feed_folder(tmp_path / kind, format=kind)) for kind in ("parquet", "json")
    )
    assert all(parquet.tables[name].equals(rows.tables[name]) for name in CORE_TABLES)


@FORMATS
@pytest.mark.parametrize("name", CORE_TABLES)
def test_a_cut_file_is_refused(tmp_path, format, name):
    folder = tmp_path / "feed"
    tiny.tiny_feed_folder(folder, format=format)
    path = folder / (name + feed_folder.SUFFIXES[format])
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=f"{path.name}.*cut short or edited"):
        read_feed_folder(folder)


def test_an_edited_value_is_refused(tmp_path):
    folder = tmp_path / "feed"
    tiny.tiny_feed_folder(folder, format="json")
    path = folder / "feedback.jsonl"
    path.write_text(path.read_text().replace('"value": 1.0', '"value": 0.0', 1))
    with pytest.raises(ValueError, match="edited"):
        read_feed_folder(folder)


def test_a_missing_file_is_named(tmp_path):
    folder = tmp_path / "feed"
    tiny.tiny_feed_folder(folder)
    (folder / "events.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"events\.parquet"):
        read_feed_folder(folder)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ('{"format_version": 2}', "format_version 1.*got 2"),
        ('{"format_version": 1, "format": "parquet"}', "time_zone"),
        ('{"format_ver', "Expected JSON"),
        ("[]", "format_version"),
    ],
)
def test_another_about_is_refused(tmp_path, about, said):
    folder = tmp_path / "feed"
    tiny.tiny_feed_folder(folder)
    (folder / "about.json").write_text(about)
    with pytest.raises(ValueError, match=said):
        read_feed_folder(folder)


def test_only_the_tables_asked_for_are_opened(tmp_path):
    folder = tmp_path / "feed"
    tiny.tiny_feed_folder(folder)
    (folder / "events.parquet").write_bytes(b"broken")
    assert set(read_feed_folder(folder, tables=["videos", "feedback"]).tables) == {"videos", "feedback"}


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    folder = tmp_path / "feed"
    tiny.tiny_feed_folder(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FileExistsError, match="name another"):
        tiny.tiny_feed_folder(folder, days=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@FORMATS
def test_a_folder_is_for_its_owner_alone_whatever_the_umask(tmp_path, format):
    before = os.umask(0)
    try:
        tiny.tiny_feed_folder(tmp_path / "below" / "feed", format=format, days=1)
    finally:
        os.umask(before)
    folder = tmp_path / "below" / "feed"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # a longer file is an OSError, as on a full disk
    try:
        with pytest.raises(OSError, match=r"Expected to write .*Nothing was left behind"):
            tiny.tiny_feed_folder(tmp_path / "feed", format="json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_written_over(tmp_path):
    half = tmp_path / "feed.half"
    half.mkdir()
    (half / "videos.parquet").write_text("half a file")
    tiny.tiny_feed_folder(tmp_path / "feed")
    assert [path.name for path in tmp_path.iterdir()] == ["feed"]


@pytest.mark.parametrize(
    ("tables", "about", "said"),
    [
        ({}, {}, "IANA time zone"),
        ({}, {"time_zone": "Berlin"}, "IANA time zone.*'Berlin'"),
        ({"people": pa.table({"name": ["a"]})}, tiny.ABOUT, "'people'"),
        ({"watches": pa.table({"video_id": ["a"], "watched_at": [1], "seen": [1]})}, tiny.ABOUT, "seen"),
        ({"watches": pa.table({"video_id": ["a"]})}, tiny.ABOUT, "watched_at in every row"),
        ({"watches": pa.table({"video_id": ["a"], "watched_at": ["noon"]})}, tiny.ABOUT, "int64.*watched_at"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, tables, about, said):
    with pytest.raises(ValueError, match=said):
        write_feed_folder(tmp_path / "feed", tables, about)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("head", "value", "said"), [("liked", 1.0, "liked"), ("interest", 2.0, "0 to 1")])
def test_heads_and_values_of_feedback_are_checked(tmp_path, head, value, said):
    table = table_of("feedback", [Feedback("a", "b", head, value, 0, "import")])
    with pytest.raises(ValueError, match=said):
        write_feed_folder(tmp_path / "feed", {"feedback": table}, tiny.ABOUT)


@FORMATS
def test_nulls_become_what_the_record_says(tmp_path, format):
    taken_back = Feedback("a", "b", "interest", None, 5, "feed")
    rows = pa.table({"feed_id": [1], "video_id": ["b"], "rank": [1], "score": [0.5], "interest": [0.5]})
    rows = rows.append_column("productive", pa.array([0.5]))
    tables = {"feedback": table_of("feedback", [taken_back]), "feed_rows": rows}
    write_feed_folder(tmp_path / "feed", tables, tiny.ABOUT, format)
    back = read_feed_folder(tmp_path / "feed")
    assert list(back.records("feedback")) == [taken_back]
    assert list(back.records("feed_rows")) == [FeedRow("b", 1, 0.5, 0.5, 0.5)]


@FORMATS
def test_not_a_number_is_not_known(tmp_path, format):
    tables = {"videos": table_of("videos", [Video("a", duration=float("nan"))])}
    write_feed_folder(tmp_path / "feed", tables, tiny.ABOUT, format)
    assert next(read_feed_folder(tmp_path / "feed").records("videos")).duration is None


def test_records_of_takes_any_number_of_rows(monkeypatch):
    monkeypatch.setattr(feed_folder, "BLOCK", 5)
    events = tiny.tiny_events()
    assert list(records_of("events", table_of("events", iter(events)))) == events
