import gzip
import json

import pytest
from tiny_rrweb import GOLDEN, page

from traceformers.datasets_scripts.rrweb_sessions import session_files
from traceformers.datasets_scripts.rrweb_sessions.session_files import SUFFIXES, list_session_files


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"[]")


def listed(data):
    return [files.name for files in list_session_files(data)]


def test_a_folder_gives_recordings_at_any_depth_and_nothing_else(tmp_path):
    write(
        tmp_path, *(f"s{i}{suffix}" for i, suffix in enumerate(SUFFIXES)), "deep/er/x.JSON", "labels.csv", "README.md"
    )
    assert listed(tmp_path) == sorted([*(f"s{i}" for i in range(len(SUFFIXES))), "x"])


def test_a_file_and_a_glob_are_taken_as_they_are_named(tmp_path):
    write(tmp_path, "a.txt", "b.json", "c.json")
    assert listed(tmp_path / "a.txt") == ["a.txt"]
    assert listed(f"{tmp_path}/*.json") == ["b", "c"]
    assert listed([tmp_path / "a.txt", f"{tmp_path}/b*", tmp_path, f"file://{tmp_path}/b.json"]) == ["a.txt", "b", "c"]


def test_segments_are_one_session(tmp_path):
    write(
        tmp_path, "a_segment_0.bin", "a_segment_10.bin", "a_segment_2.bin", "b-segment-1.json.gz", "b-segment-2.json.gz"
    )
    write(tmp_path, "deep/a_segment_0.bin", "segment.json", "segmented.json")
    found = list_session_files(tmp_path)
    assert sorted(len(files.paths) for files in found) == [1, 1, 1, 2, 3]
    assert sum(files.size for files in found) == 2 * 8
    assert [files.name for files in list_session_files(f"{GOLDEN}/sentry_segment_*.bin")] == ["sentry"]


def test_names_are_unique(tmp_path):
    write(tmp_path, "a/x/s.json", "b/x/s.json", "a/y/s.json", "a/y/s.json.gz", "t.json", "x/s.json", "x/s.jsonl")
    names = listed(tmp_path)
    assert len(names) == len(set(names)) == 7
    assert "t" in names and "y/s.json" in names


def test_fifty_thousand_files_are_named_in_seconds(monkeypatch):
    monkeypatch.setattr(
        session_files, "_list_one", lambda entry: {f"/{i // 10}/s{i % 1000}.json": 1 for i in range(50_000)}
    )
    assert len(list_session_files("anything")) == 50_000


def test_content_is_read_as_stored(tmp_path):
    text = json.dumps(page()).encode()
    (tmp_path / "a_segment_1.json.gz").write_bytes(gzip.compress(text))
    (tmp_path / "a_segment_2.json.gz").write_bytes(b"second")
    (files,) = list_session_files(tmp_path)
    assert [gzip.decompress(files.read()[0]), files.read()[1]] == [text, b"second"]


@pytest.mark.parametrize("name", ["with space.json", "[1].json", "a#b.json", "naïve é.json", "50%.json", "a?b*.json"])
def test_files_with_any_name_can_be_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"content")
    (files,) = list_session_files(tmp_path)
    assert files.read() == [b"content"]


@pytest.mark.parametrize("data", ["nowhere", "nowhere/*.json", []])
def test_nothing_found_is_an_error_that_says_what_to_do(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"Expected recordings .* found none. Give"):
        list_session_files(data)
    with pytest.raises(ValueError, match="found none"):
        list_session_files(tmp_path)
