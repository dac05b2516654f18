"""Damaged, hostile and wrong Takeouts: a clear message, what is whole is kept, no crash."""

import io
import json
import os
import shutil
import tarfile
import zipfile
from collections import Counter
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_takeout import GOLDEN, REASONS, TITLES, WATCHES, contents, export, history, packed, record

from traceformers.datasets_scripts.feed.feed_records import Watch
from traceformers.datasets_scripts.youtube.takeout import read_takeout


@pytest.mark.parametrize("kind", ["json", "html"])
def test_a_cut_history_gives_what_is_whole_and_says_so_or_is_refused(tmp_path, kind):
    whole = (GOLDEN / f"history.en.{kind}").read_bytes()
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(whole[: whole.index(b"vid08")])
    report = read_takeout(path)
    assert report.watches == WATCHES[2:]
    assert "it is cut" in report.warnings[0]
    assert "8 records" in report.warnings[0]
    with pytest.raises(ValueError, match="it is cut"):
        read_takeout(path, strict=True)


@given(st.sampled_from(["json", "html"]), st.floats(0, 1))
def test_wherever_a_history_is_cut_nothing_is_invented(tmp_path_factory, kind, share):
    whole = (GOLDEN / f"history.de.{kind}").read_bytes()
    path = tmp_path_factory.getbasetemp() / f"cut.{kind}"
    path.write_bytes(whole[: int(share * len(whole))])
    try:
        report = read_takeout(path)
    except ValueError as error:
        assert str(error).startswith("Expected")
    else:
        assert set(report.watches) <= set(WATCHES)
        assert all(report.dropped[reason] <= REASONS.get(reason, 0) for reason in report.dropped)


@given(
    st.sampled_from(["history.de.json", "history.ja.html", "liked.2021.csv"]), st.floats(0, 1), st.binary(max_size=6)
)
def test_damaged_bytes_never_crash_the_reader(tmp_path_factory, name, share, garbage):
    whole = (GOLDEN / name).read_bytes()
    place = int(share * len(whole))
    path = tmp_path_factory.getbasetemp() / "Liked videos"
    path.write_bytes(whole[:place] + garbage + whole[place + len(garbage) :])
    try:
        report = read_takeout(path)
    except ValueError as error:
        assert str(error)
    else:
        assert report.describe()
        assert contents(read_takeout(path)) == contents(report)


@given(st.binary(max_size=300))
def test_a_file_of_any_bytes_is_refused_with_a_message(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="Expected"):
        if read_takeout(path).files[0].records == 0:  # "[]" is a history without records
            raise ValueError("Expected")


lines = st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=60).map(
    lambda text: " ".join(text.replace("\0", "").split()) or "x"
)


@given(lines, lines, lines)
def test_titles_of_every_kind_come_out_of_html_and_json_alike(tmp_path_factory, title, channel, header):
    base = tmp_path_factory.getbasetemp()
    cells = (GOLDEN / "history.en.html").read_text()
    cells = cells.replace(escape(TITLES[0]), escape(title)).replace("Channel 1 &amp; Co", escape(channel))
    (base / "one.html").write_text(cells.replace('title">YouTube<br>', f'title">{escape(header)}<br>', 1))
    rows = json.loads((GOLDEN / "history.en.json").read_text())
    rows[0]["title"], rows[0]["subtitles"][0]["name"], rows[0]["header"] = f"Watched {title}", channel, header
    (base / "one.json").write_text(json.dumps(rows))
    one, other = (read_takeout(base / name) for name in ("one.html", "one.json"))
    assert one.watches == other.watches == WATCHES
    assert one.videos == other.videos
    assert one.videos[0].title == title


@pytest.mark.parametrize("date", ["", "x", "<b>", "32.13.2025, 25:61:61", "7 sep 2025", "&#0;", "9" * 500])
def test_a_date_that_cannot_be_read_keeps_the_watch(tmp_path, date):
    path = tmp_path / "history.html"
    path.write_text((GOLDEN / "history.en.html").read_text().replace("Sep 7, 2025, 8:04:05\u202fAM CDT", date))
    report = read_takeout(path)
    assert set(report.watches) == {*WATCHES[:3], Watch(WATCHES[3].video_id, WATCHES[2].watched_at, "takeout")}
    assert "1 watches" in report.warnings[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"   \n", "empty file"),
        (b"hello", "1 unknown"),
        (b'{"buckets": {}}', "1 JSON without any of them"),
        (b'[{"a": 1}]', "1 JSON without any of them"),
        (b"<html><body>no</body></html>", "1 HTML without any of them"),
        (b"a,b\n1,2\n", "1 CSV without any of them"),
        (b"PK\x03\x04broken", "can be read"),
        (b"[{", "it is cut"),
        ('[{"title": "Möhre"}]'.encode("latin-1"), "UTF-8"),
    ],
)
def test_a_wrong_file_is_refused_with_a_clear_message(tmp_path, content, message):
    path = tmp_path / "wrong.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_takeout(path)


def test_the_history_of_searches_is_refused_by_what_it_is(tmp_path):
    rows = [record(titleUrl=f"https://www.youtube.com/results?search_query={place}") for place in range(3)]
    with pytest.raises(ValueError, match=r"3 search.*another history"):
        read_takeout(history(tmp_path, *rows))


def test_the_activity_of_another_product_is_passed_over(tmp_path):
    (tmp_path / "Search.json").write_text(
        json.dumps(
            [
                {
                    "header": "Search",
                    "title": "Searched for x",
                    "titleUrl": "https://google.com",
                    "time": "2025-01-01T00:00:00Z",
                }
            ]
        )
    )
    with pytest.raises(ValueError, match="without any of them"):
        read_takeout(tmp_path)
    shutil.copy(GOLDEN / "history.en.json", tmp_path)
    report = read_takeout(tmp_path)
    assert report.dropped == REASONS
    assert report.ignored == 1


def test_an_empty_history_is_no_fault(tmp_path):
    report = read_takeout(history(tmp_path))
    assert report.watches == []
    assert report.describe().startswith("Read 0 watches")


def test_a_path_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="got no such file or folder"):
        read_takeout(tmp_path / "nowhere")


def test_members_with_unsafe_names_are_passed_over_and_nothing_is_written(tmp_path):
    content = (GOLDEN / "history.en.json").read_bytes()
    box = tmp_path / "box"
    box.mkdir()
    with zipfile.ZipFile(box / "t.zip", "w") as archive:
        archive.writestr("../outside.json", content)
        archive.writestr("/etc/history.json", content)
        archive.writestr("Takeout/history.json", content)
    report = read_takeout(box / "t.zip")
    assert report.watches == WATCHES
    assert len(report.warnings) == 2
    assert os.listdir(tmp_path) == ["box"]
    assert os.listdir(box) == ["t.zip"]


def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("history.json", "w") as file:
        file.write(b"[")
        for _ in range(40):
            file.write(b" " * (1 << 20))
    with pytest.raises(ValueError, match="no export is as large"):
        read_takeout(path)


def test_an_archive_in_an_archive_is_told(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(GOLDEN / "history.en.json", "history.json")
    path = tmp_path / "outer.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
    with pytest.raises(ValueError, match="an archive within an archive"):
        read_takeout(path)


def test_a_damaged_archive_in_a_folder_does_not_keep_the_rest_from_being_read(tmp_path):
    shutil.copy(GOLDEN / "history.en.json", tmp_path)
    whole = packed(export(tmp_path / "x", "de", "json"), "zip").read_bytes()
    shutil.rmtree(tmp_path / "x")
    (tmp_path / "broken.zip").write_bytes(whole[: len(whole) // 2])
    report = read_takeout(tmp_path)
    assert report.watches == WATCHES
    assert "broken.zip" in report.warnings[0]


def test_a_pipe_in_a_folder_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path)
    shutil.copy(GOLDEN / "history.en.json", tmp_path)
    assert read_takeout(tmp_path).watches == WATCHES


def test_a_cell_without_end_does_not_fill_the_memory(tmp_path):
    whole = (GOLDEN / "history.en.html").read_text()
    first = whole.index('<div class="outer-cell')
    endless = '<div class="outer-cell"><div class="content-cell' + "<a " * 200_000
    path = tmp_path / "history.html"
    path.write_text(whole[:first] + endless + whole[first:])
    report = read_takeout(path)
    assert report.watches == WATCHES
    assert report.dropped == Counter(REASONS) + Counter(["no link: a removed video, a survey or a tool"])


def test_a_cut_tar_gives_the_files_before_the_cut(tmp_path):
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(GOLDEN / "history.en.json", "history.json")
        archive.add(GOLDEN / "liked.en.csv", "Liked videos.csv")
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"Liked videos.csv") + 520])
    report = read_takeout(path)
    assert report.watches == WATCHES
    assert not report.feedback
    assert any("t.tar" in warning or "Liked" in warning for warning in report.warnings)


def test_an_encrypted_member_is_told(tmp_path):
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(GOLDEN / "history.en.json", "history.json")
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the member's own header, and in the list of members
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"history\.json.*cannot be read"):
        read_takeout(path)


def test_a_table_whose_line_never_ends_is_refused(tmp_path):
    path = tmp_path / "likes.csv"
    path.write_text("vid00_-abcd,2025-01-01T00:00:00Z\n" + "a," * (3 << 20))
    assert len(read_takeout(path).feedback) == 1
    with pytest.raises(ValueError, match="this is no table"):
        read_takeout(path, strict=True)


def test_an_archive_of_another_product_is_no_empty_file_though_it_holds_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("Takeout/Photos/empty.json", "")
        archive.writestr("Takeout/Photos/album.json", '{"title": "Sea"}')
    with pytest.raises(ValueError, match="got 1 JSON, 1 empty without any of them"):
        read_takeout(tmp_path / "photos.zip")
