import errno
import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from tiny_rrweb import GOLDEN, SOURCE, click, element, page, tokenizer_folder, typed

from traceformers.datasets_scripts.rrweb_sessions import prepare_rrweb_sessions
from traceformers.datasets_scripts.rrweb_sessions.prepare_rrweb_sessions import main, prepare
from traceformers.datasets_scripts.rrweb_sessions.session_shards import SPLITS, read_arrow
from traceformers.tokenization.rrweb.rrweb_windows import TokenizedSession, cut_windows
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer

TOKENIZER = tokenizer_folder()


def session(number):
    nodes = [element(10, "p", f"Order {number}"), element(12, "input", type="text"), element(13, "button", "Pay")]
    events = page(*nodes, href=f"https://www.shop{number % 4}.test/cart")
    return [*events, *(click(13, 100 * i) for i in range(1, 2 + number % 5)), typed(12, f"secret {number}", 900)]


@pytest.fixture
def recordings(tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(12):
        (folder / f"s{number:02d}.json").write_text(json.dumps(session(number)))
    return folder


def prepared(data, folder, **options):
    return prepare(data, TOKENIZER, folder, **{"num_proc": 1, "progress": False, **options})


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def rows(folder, info, split):
    return [row for name in info["splits"][split]["files"] for row in read_arrow(Path(folder) / name).to_pylist()]


def test_every_session_is_in_one_split_with_its_tokens(recordings, tmp_path):
    info = prepared(recordings, tmp_path / "out", validation_share=0.2, test_share=0.2)
    tok = RRWebTokenizer.from_pretrained(tmp_path / "out" / "tokenizer")
    found = {split: rows(tmp_path / "out", info, split) for split in SPLITS}
    names = [row["session"] for split in SPLITS for row in found[split]]
    assert sorted(names) == [f"s{n:02d}" for n in range(12)] and all(found.values())
    for row in [row for split in SPLITS for row in found[split]]:
        expected = tok.tokenize_session(recordings / f"{row['session']}.json")
        assert row["ids"] == expected.ids.tolist() and row["site"] == f"shop{int(row['session'][1:]) % 4}.test"
        arrays = {
            k: row[k]
            for k in ("ids", "event_offsets", "event_times_ms", "node_offsets", "contexts", "context_of_event")
        }
        assert len(cut_windows(as_session(**arrays), 64, tok.window_tokens)[0]) >= 1
    assert info["vocab_size"] == len(tok) and info["files"] == 12 and info["rejected"] == 0
    assert json.loads((tmp_path / "out" / "dataset_info.json").read_text()) == info
    assert not (tmp_path / "out" / "parts").exists()


def as_session(contexts, **arrays):
    return TokenizedSession(
        contexts=[np.array(c, dtype=np.uint16) for c in contexts], **{k: np.array(v) for k, v in arrays.items()}
    )


def test_no_session_is_in_two_splits_whatever_wraps_it(recordings, tmp_path):
    shutil.copytree(GOLDEN, recordings / "wrapped")
    (recordings / "copy.json").write_text(json.dumps({"events": session(3)}))
    info = prepared(recordings, tmp_path / "out", validation_share=0.3, test_share=0.3)
    marks = [row["fingerprint"] for split in SPLITS for row in rows(tmp_path / "out", info, split)]
    assert len(marks) == len(set(marks)) == 13
    n_wrapped = len(list(GOLDEN.iterdir())) - 2  # three files are one session
    assert len(info["duplicates"]) == n_wrapped - 1 + 1 and info["rejected"] == 0
    assert all(pair["file"] != pair["kept"] for pair in info["duplicates"])


def test_what_cannot_be_read_is_listed_with_its_reason_and_place(recordings, tmp_path):
    bad = {
        "cut.json": b'[{"type": 4, "timestamp": 1,',
        "empty.json": b"",
        "no.json": b'{"log": []}',
        "gz.json": b"\x1f\x8b\x08junk",
    }
    for name, content in bad.items():
        (recordings / name).write_bytes(content)
    info = prepared(recordings, tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert {Path(line["file"]).name for line in lines} == set(bad) and info["rejected"] == 4
    assert all(line["reason"].startswith("expected") for line in lines)
    (cut,) = (line for line in lines if line["file"].endswith("cut.json"))
    assert cut["offset"] == len(bad["cut.json"])
    assert sum(info["splits"][s]["sessions"] for s in SPLITS) == 12


def test_strict_stops_at_the_first_and_names_it(recordings, tmp_path):
    (recordings / "s05.json").write_text("[1")
    with pytest.raises(ValueError, match=r"s05\.json: expected a complete JSON text"):
        prepared(recordings, tmp_path / "out", strict=True)
    assert prepared(recordings, tmp_path / "out")["rejected"] == 1, "without strict the same folder goes on"


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "a.json").write_text("[1")
    with pytest.raises(ValueError, match="none of 1 could be read"):
        prepared(tmp_path / "a.json", tmp_path / "out")


def test_by_site_whole_sites_are_held_out(recordings, tmp_path):
    info = prepared(recordings, tmp_path / "out", split_by="site", validation_share=0.3, test_share=0.3)
    sites = [set(info["splits"][split]["sites"]) for split in SPLITS]
    assert all(sites) and len(set.union(*sites)) == sum(map(len, sites)) == 4


def test_the_number_of_processes_does_not_change_a_byte(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_rrweb_sessions, "SESSIONS_A_PART", 4)
    (recordings / "bad.json").write_text("[1")
    prepared(recordings, tmp_path / "one")
    prepared(recordings, tmp_path / "two", num_proc=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def prepare_until_killed(data, folder, function, call):
    """Runs in a process of its own, which is killed with SIGKILL at the n-th call of a function."""
    original, calls = getattr(prepare_rrweb_sessions, function), []

    def counted(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(prepare_rrweb_sessions, function, counted)
    prepared(data, folder)


@pytest.mark.parametrize(
    "function, call",
    [
        ("tokenize_files", 6), ("write_arrow", 2), ("write_json", 1), ("write_json", 2), ("write_json", 4),
        ("write_splits", 1), ("write_json", 5),
    ],
)  # fmt: skip
def test_after_a_kill_the_same_command_ends_with_the_same_bytes(recordings, tmp_path, monkeypatch, function, call):
    monkeypatch.setattr(prepare_rrweb_sessions, "SESSIONS_A_PART", 4)
    (recordings / "bad.json").write_text("[1")
    prepared(recordings, tmp_path / "whole")
    arguments = (recordings, tmp_path / "killed", function, call)
    process = multiprocessing.get_context("fork").Process(target=prepare_until_killed, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "dataset_info.json").exists()
    done = {p: p.stat().st_mtime_ns for p in (tmp_path / "killed").rglob("part-*.json")}
    read = []
    original = prepare_rrweb_sessions.tokenize_files
    monkeypatch.setattr(prepare_rrweb_sessions, "tokenize_files", lambda *args: read.append(args) or original(*args))
    prepared(recordings, tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert len(read) == max(13 - 4 * len(done), 0), "finished parts are not read again"


def test_a_finished_folder_is_left_as_it_is(recordings, tmp_path):
    info = prepared(recordings, tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    assert prepared(recordings, tmp_path / "out") == info
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == before


def test_another_plan_is_refused(recordings, tmp_path):
    prepared(recordings, tmp_path / "out")
    with pytest.raises(ValueError, match="holds another preparation"):
        prepared(recordings, tmp_path / "out", split_by="site")
    (recordings / "new.json").write_text(json.dumps(session(99)))
    with pytest.raises(ValueError, match="Give another --output-dir"):
        prepared(recordings, tmp_path / "out")


def test_another_tokenizer_at_the_same_place_is_another_plan(recordings, tmp_path):
    shutil.copytree(TOKENIZER, tmp_path / "tokenizer")
    options = {"num_proc": 1, "progress": False}
    first = prepare(recordings, tmp_path / "tokenizer", tmp_path / "one", **options)
    shutil.rmtree(tmp_path / "tokenizer")
    shutil.copytree(tokenizer_folder(256), tmp_path / "tokenizer")
    with pytest.raises(ValueError, match="holds another preparation"):
        prepare(recordings, tmp_path / "tokenizer", tmp_path / "one", **options)
    second = prepare(recordings, tmp_path / "tokenizer", tmp_path / "two", **options)
    assert (first["vocab_size"], second["vocab_size"]) == (len(RRWebTokenizer.from_pretrained(TOKENIZER)), 776)


def test_typed_text_is_in_no_file(recordings, tmp_path):
    (recordings / "one.json").write_text(json.dumps([*session(1), typed(12, "quokka", 1000)]))
    prepared(recordings, tmp_path / "out")
    tok, found = RRWebTokenizer.from_pretrained(TOKENIZER), ""
    for path in (tmp_path / "out").glob("*.arrow"):
        for row in read_arrow(path).to_pylist():
            found += tok.decode(row["ids"]) + "".join(tok.decode(context) for context in row["contexts"])
    assert "Order" in found and "secret" not in found and "quokka" not in found


def test_the_command_prints_counts_and_ends_with_one_line_on_errors(recordings, tmp_path, capsys):
    arguments = [str(recordings), str(SOURCE), "--tokenizer", str(TOKENIZER), "--num-proc", "1"]
    main([*arguments, "--output-dir", str(tmp_path / "out"), "--validation-share", "0.2", "--test-share", "0.2"])
    out = capsys.readouterr().out.splitlines()
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    for line, split in zip(out, SPLITS, strict=False):
        counts = info["splits"][split]
        assert line.split() == [
            split,
            *(word for name in ("sessions", "events", "tokens") for word in (str(counts[name]), name)),
        ]
    assert out[-1] == "rejected 0 of 13 files, 0 duplicates"
    for wrong, reason in (
        ([*arguments, "--output-dir", str(tmp_path / "out")], "another preparation"),
        (["nowhere", *arguments[2:], "--output-dir", str(tmp_path / "x")], "found none"),
        ([*arguments[:3], "nowhere", "--output-dir", str(tmp_path / "x")], "nowhere"),
        ([*arguments, "--output-dir", str(tmp_path / "y"), "--test-share", "1"], "less than 1"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(wrong)
        assert reason in stopped.value.code and "\n" not in stopped.value.code


def test_file_names_that_are_no_utf8_are_read_too(recordings, tmp_path):
    name = os.fsdecode(b"caf\xe9.json")
    try:
        (recordings / name).write_text(json.dumps(session(50)))
        (recordings / os.fsdecode(b"bad\xe9.json")).write_text("[1")
    except OSError as error:  # macOS takes no such names, so there are none to read
        assert error.errno == errno.EILSEQ
        return
    info = prepared(recordings, tmp_path / "out")
    assert info["files"] == 14 and sum(info["splits"][s]["sessions"] for s in SPLITS) == 13


def test_a_tokenizer_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere.*train_rrweb_tokenizer"):
        prepare(str(tmp_path), tmp_path / "nowhere", tmp_path / "out")
