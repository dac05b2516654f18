"""The report as a file: what it holds, what it says is missing, how large it may be, and that it is safe as text."""

import base64
import gzip
import hashlib
import json
import re

import pyarrow.parquet as pq
import pytest
from tiny_report import HOSTILE, tiny_report_folders
from tiny_session_index import index_folder

from traceformers.apps.sessions import report_page
from traceformers.apps.sessions.report_page import script_json, write_report
from traceformers.apps.sessions.report_rows import page_data, ranking, shown_text
from traceformers.apps.sessions.session_index import SessionIndex
from traceformers.apps.sessions.session_ranking import cluster_index


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tiny_report_folders(tmp_path_factory.mktemp("report"))


def data_of(page, name="report-data"):
    """Returns the JSON that a page holds."""
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)[1])


def unpacked(text):
    return json.loads(gzip.decompress(base64.b64decode(text)))


def test_the_first_replays_are_inside_and_the_others_beside(folders, tmp_path):
    written = write_report(*folders, tmp_path, replays=5)
    assert (written.sessions, written.inside, written.beside, written.without) == (12, 5, 7, {})
    page = written.path.read_text("utf-8")
    assert written.size == len(page.encode())
    sessions = data_of(page)["sessions"]
    assert sessions["replay"] == ["inside"] * 5 + ["beside"] * 7
    assert re.findall(r'id="replay-(\d+)"', page) == list("01234")
    assert sorted(path.name for path in (tmp_path / "replays").iterdir()) == sorted(f"{n}.js" for n in range(5, 12))
    beside = (tmp_path / "replays" / "5.js").read_text()
    number, name, packed = json.loads(f"[{beside.strip().removeprefix('sessionReplay(').removesuffix(')')}]")
    assert (number, name) == (5, sessions["id"][5]) and unpacked(packed)["windows"]


def test_a_second_report_leaves_nothing_of_the_first_and_strangers_alone(folders, tmp_path):
    write_report(*folders, tmp_path, replays=0)
    (tmp_path / "replays" / "mine.txt").write_text("kept")
    write_report(*folders, tmp_path, replays=10)
    assert sorted(path.name for path in (tmp_path / "replays").iterdir()) == ["10.js", "11.js", "mine.txt"]


def test_what_does_not_fit_into_the_page_lies_beside_it(folders, tmp_path, monkeypatch):
    small = write_report(*folders, tmp_path / "a", replays=0).size
    monkeypatch.setattr(report_page, "MOST_BYTES", small + 12_000)
    written = write_report(*folders, tmp_path / "b", replays=12)
    assert 0 < written.inside < 12 and written.inside + written.beside == 12
    assert written.size <= report_page.MOST_BYTES


def test_a_recording_that_is_gone_or_broken_has_its_reason_in_the_page(tmp_path):
    folders = tiny_report_folders(tmp_path, sessions=5)
    (folders.recordings / "session-0001.json.gz").unlink()
    (folders.recordings / "session-0002.json.gz").write_bytes(b"{")
    written = write_report(*folders, tmp_path / "report")
    assert sorted(written.without) == ["session-0001", "session-0002"]
    sessions = data_of(written.path.read_text("utf-8"))["sessions"]
    why = dict(zip(sessions["id"], sessions["no_replay"], strict=True))
    assert "no longer in the folder" in why["session-0001"]
    assert "complete JSON" in why["session-0002"]
    assert why["session-0003"] == ""


def test_without_recordings_there_is_a_report_without_replays(folders, tmp_path):
    written = write_report(folders.index, None, tmp_path)
    assert (written.inside, written.beside, len(written.without)) == (0, 0, 12)


def test_files_that_were_left_out_are_listed_with_their_reason(folders, tmp_path):
    page = write_report(folders.index, None, tmp_path).path.read_text("utf-8")
    assert data_of(page)["left_out"] == [["broken.json", "stops before its end"]]


def test_sessions_are_in_the_order_of_what_is_worth_watching(folders, tmp_path):
    page = write_report(folders.index, None, tmp_path).path.read_text("utf-8")
    sessions = data_of(page)["sessions"]
    pairs = zip(sessions["struggle"], sessions["anomaly"], strict=True)
    worth = [1 - (1 - struggle) * (1 - anomaly / 2) for struggle, anomaly in pairs]
    assert worth == sorted(worth, reverse=True) and sessions["id"][0] == "session-0000"
    columns = pq.read_table(folders.index / "sessions.parquet").to_pydict()
    place = {name: row for row, name in enumerate(columns["session_id"])}
    for number, near in enumerate(sessions["nearest"]):
        assert len(near) == 8 and number not in [other for other, _ in near]
        cosines = [cosine for _, cosine in near]
        assert cosines == sorted(cosines, reverse=True)
        # the vectors of the tiny index lie by cluster
        own = columns["cluster"][place[sessions["id"][number]]]
        assert [columns["cluster"][place[sessions["id"][other]]] for other, _ in near[:3]] == [own] * 3


def test_an_index_as_the_embed_command_makes_it_is_shown_in_its_own_order(tmp_path):
    index = SessionIndex(index_folder())
    written = write_report(index.folder, index.about["recordings"], tmp_path)
    assert (written.sessions, written.inside, written.without) == (len(index), len(index), {})
    sessions = data_of(written.path.read_text("utf-8"))["sessions"]
    assert sessions["id"] == index.columns["session_id"] and sessions["cluster"] == index.columns["cluster"]
    assert sessions["reasons"] == index.columns["reasons"] and sessions["struggle"][0] > 0
    for number, near in enumerate(sessions["nearest"]):
        expected = [cosine for row, cosine in index.nearest(index.vectors[number], 9) if row != number]
        assert [cosine for _, cosine in near] == pytest.approx(expected[: len(near)], abs=2e-3)
    moments = [unpacked(packed) for packed in data_of(written.path.read_text("utf-8"), "report-moments")]
    assert [len(rows) for rows in moments] == [len(steps) for steps in index.timelines]
    names = {number: name for number, name, _ in data_of(written.path.read_text("utf-8"))["clusters"]}
    described = {row["cluster"]: row["terms"] for row in cluster_index(index)[1]}
    assert any(described.values())
    for number in set(index.columns["cluster"]) - {-1}:
        assert not described[number] or names[number] == f"Cluster {number}: {', '.join(described[number][:3])}"
    assert moments[0][0][1] == index.timelines[0][0]["action"]


def test_time_lines_of_all_sessions_are_inside(folders, tmp_path):
    page = write_report(folders.index, None, tmp_path).path.read_text("utf-8")
    moments = [unpacked(packed) for packed in data_of(page, "report-moments")]
    assert len(moments) == 12 and {len(rows) for rows in moments} == {19}
    assert moments[0][6] == [7.0, "click button “Pay now” 7", "button", 9.0, ["rage click"]]


def test_hostile_texts_end_no_script_and_make_no_tag(tmp_path):
    folders = tiny_report_folders(tmp_path, sessions=4, hostile=True)
    page = write_report(*folders, tmp_path / "report", replays=2).path.read_text("utf-8")
    player = re.search(r"<script>/\*! # rrweb-player.*?</script>", page, re.DOTALL)[0]
    rest = page.replace(player, "")
    assert "<script>window" not in rest and "<b>" not in rest and "<img" not in rest and "<!--" not in rest
    opened = len(re.findall(r"<script\b", rest))
    assert opened == len(re.findall(r"</script>", rest)) == 2 + 2 + 1  # tables, replays, the page's own script
    for beside in (tmp_path / "report" / "replays").iterdir():
        assert "<" not in beside.read_text()


def test_the_policy_names_the_hashes_of_the_scripts_that_are_there(folders, tmp_path):
    page = write_report(*folders, tmp_path).path.read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert re.findall(r"'sha256-([^']*)'", policy) == hashes and len(hashes) == 2
    assert "default-src 'none'" in policy and "connect-src" not in policy and "http" not in policy


def test_the_player_carries_its_licence(folders, tmp_path):
    page = write_report(folders.index, None, tmp_path).path.read_text("utf-8")
    assert "rrweb-player 2.1.7" in page and "Permission is hereby granted" in page and "SmartX" in page


def test_the_same_index_gives_the_same_page(folders, tmp_path):
    first, second = (write_report(*folders, tmp_path / name).path.read_bytes() for name in "ab")
    assert first == second


def test_texts_lose_what_turns_or_hides_their_surroundings():
    assert shown_text(HOSTILE[2]) == "desrever right to left"
    assert shown_text("x" * 500, 10) == "x" * 9 + "…"
    assert shown_text(None) == "" and shown_text("שלום") == "שלום"


def test_json_in_a_script_reads_back_and_has_no_angle():
    for text in HOSTILE:
        made = script_json([text])
        assert json.loads(made) == [text] and not set(made) & set("<>&")


def test_scores_that_are_missing_rank_last_and_are_shown_as_none(folders):
    index = report_page.read_report_index(folders.index)
    index.columns["struggle"] = [float("nan"), None, *index.columns["struggle"][2:]]
    index.columns["anomaly"] = [None, float("nan"), *index.columns["anomaly"][2:]]
    order = ranking(index.columns)
    assert set(order[-2:]) == {0, 1}
    assert page_data(index, order)["sessions"]["struggle"][-2:] == [None, None]


@pytest.mark.parametrize(
    ("break_it", "error", "message"),
    [
        (lambda folder: (folder / "about.json").unlink(), FileNotFoundError, "Expected an index .* Make one with"),
        (lambda folder: _drop(folder, "x"), ValueError, "but x is missing; it has session_id"),
        (lambda folder: _cut(folder), ValueError, "Expected a vector for each of the 3 sessions, got 4"),
        (lambda folder: _cut(folder, 0), ValueError, "Expected sessions to report on"),
    ],
)
def test_an_index_that_is_not_whole_is_refused(tmp_path, break_it, error, message):
    folders = tiny_report_folders(tmp_path, sessions=4)
    break_it(folders.index)
    with pytest.raises(error, match=message):
        write_report(*folders, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_negative_number_of_replays_is_refused(folders, tmp_path):
    with pytest.raises(ValueError, match="Expected 0 or more replays"):
        write_report(*folders, tmp_path, replays=-1)


def _drop(folder, name):
    path = folder / "sessions.parquet"
    pq.write_table(pq.read_table(path).drop_columns([name]), path)


def _cut(folder, rows=3):
    path = folder / "sessions.parquet"
    pq.write_table(pq.read_table(path).slice(0, rows), path)
