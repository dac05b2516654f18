"""Collecting from a real ActivityWatch server: whole, once, in pieces, and after a kill."""

import json
import random
import signal
import socket
import subprocess
import sys
import textwrap
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from aw_server import AwServer, free_port

from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.sources import activitywatch_client
from traceformers.apps.feed.sources.activitywatch_client import (
    DAY_MS,
    HOUR_MS,
    ActivityWatchClient,
    iso_time,
)
from traceformers.apps.feed.sources.activitywatch_deletion import delete_activity
from traceformers.apps.feed.sources.activitywatch_source import UNSETTLED_MS, ActivityWatchSource
from traceformers.apps.feed.sources.aw_export_source import AwExportSource
from traceformers.apps.feed.sources.privacy_filter import REDACTED, PrivacyFilter
from traceformers.apps.feed.sources.rss_source import RssSource
from traceformers.apps.feed.sources.source_list import collect_all
from traceformers.apps.feed.sources.source_report import SourceError
from traceformers.apps.feed.sources.youtube_access import youtube_sources
from traceformers.datasets_scripts.activitywatch.aw_categories import DEFAULT_CLASSES
from traceformers.datasets_scripts.activitywatch.aw_events import event_time

BEGIN = 1_790_000_000_000
APPS = {
    "Code": ["feed.py - project", "notes.md - project"],
    "Firefox": ["GitHub - Mozilla Firefox", "Talk on YouTube - Mozilla Firefox", "Bank - Mozilla Firefox"],
    "Slack": ["general | Slack"],
}
TABS = {"GitHub": "https://github.com/a/b", "Talk on YouTube": "https://www.youtube.com/watch?v=dQw4w9WgXcQ"}


def event(start_ms, seconds, **data):
    return {"timestamp": iso_time(int(start_ms)), "duration": round(seconds, 3), "data": data}


def bucket(name, kind, events, hostname="desk"):
    about = {"id": name, "name": name, "type": kind, "client": "test", "hostname": hostname, "data": {}}
    return {**about, "created": iso_time(BEGIN), "events": events}


def fake_export(days=3, seed=0, host="desk"):
    """Returns an export in the shape of a real one: windows, presence, and the tabs of a browser, with private ones."""
    draw = random.Random(seed)
    windows, afk, tabs = [], [], []
    for day in range(days):
        now = BEGIN + day * DAY_MS
        for _ in range(3):  # stretches of presence
            begin = now
            for _ in range(draw.randint(5, 25)):
                app = draw.choice(list(APPS))
                title, seconds = draw.choice(APPS[app]), draw.choice([0.0, 2, 40, 300, 1500]) + draw.random()
                windows.append(event(now, seconds, app=app, title=title))
                if app == "Firefox":
                    shown = title.removesuffix(" - Mozilla Firefox")
                    at = now + 700
                    data = {"title": shown, "url": TABS.get(shown, "https://bank.example/account"), "tabCount": 3}
                    tabs.append(
                        event(
                            at, max(0, seconds - 0.7), **data, audible="YouTube" in shown, incognito=draw.random() < 0.1
                        )
                    )
                now += 1000 * seconds + draw.choice([0, 30, 1000, 4000, 8000])
            afk.append(event(begin, (now - begin) / 1000 * draw.choice([1, 0.8]), status="not-afk"))
            now += draw.choice([600_000, 4 * HOUR_MS])
            afk.append(event(afk[-1] and now - 500_000, 400, status="afk"))
    named = {
        f"aw-watcher-window_{host}": bucket(f"aw-watcher-window_{host}", "currentwindow", windows[::-1], host),
        f"aw-watcher-afk_{host}": bucket(f"aw-watcher-afk_{host}", "afkstatus", afk[::-1], host),
        "aw-watcher-web-firefox": bucket("aw-watcher-web-firefox", "web.tab.current", tabs[::-1], "unknown"),
    }
    return {"buckets": named}


END = BEGIN + 6 * DAY_MS


@pytest.fixture(scope="module")
def export():
    return fake_export()


# The memory storage answers with whole events; that in a file, as aw-server-rust, cuts them at the borders of a range.
both_storages = pytest.mark.parametrize("server", ["memory", "peewee"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def server(request, export):
    with AwServer(getattr(request, "param", "memory")) as server:
        server.fill(export["buckets"])
        yield server


@pytest.fixture
def db(tmp_path):
    with FeedDatabase(f"sqlite:///{tmp_path}/feed.sqlite") as database:
        yield database


def source(server, **options):
    events_a_piece = options.pop("events_a_piece", 10_000)
    client = ActivityWatchClient(port=server.port, events_a_piece=events_a_piece, backoff=0)
    return ActivityWatchSource(client=client, **options)


def rows(db):
    return db.event_table().to_pylist()


@pytest.fixture(scope="module")
def exported_rows(export, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    (folder / "export.json").write_text(json.dumps(export))
    with FeedDatabase(f"sqlite:///{folder}/feed.sqlite") as database:
        report = AwExportSource(folder / "export.json").collect(database, END)
        assert report.ok, report
        return rows(database)


@both_storages
def test_a_server_and_its_export_give_the_same_activity(server, db, exported_rows):
    report = source(server).collect(db, END)
    assert report.ok, report
    assert report.added == len(exported_rows) > 100
    assert rows(db) == exported_rows
    assert {row["category"] for row in rows(db)} >= {"Work > Programming", "Comms > IM"}
    assert any(row["url"] for row in rows(db))


@both_storages
@pytest.mark.parametrize("events_a_piece", [20])
def test_pieces_of_any_size_join_to_the_same_activity(server, db, exported_rows, events_a_piece):
    assert source(server, events_a_piece=events_a_piece).collect(db, END).ok
    assert rows(db) == exported_rows


def test_collecting_twice_doubles_nothing(server, db, exported_rows):
    source(server).collect(db, END)
    again = source(server).collect(db, END + HOUR_MS)
    assert (again.added, again.updated, again.ok) == (0, 0, True)
    whole = source(server, again=True).collect(db, END + 2 * HOUR_MS)
    assert (whole.added, whole.updated) == (0, 0)
    assert rows(db) == exported_rows


@both_storages
def test_many_collections_give_what_one_gives(server, db, exported_rows):
    for now in range(BEGIN, END, 7 * HOUR_MS):
        assert source(server).collect(db, now).ok
    source(server).collect(db, END)
    assert rows(db) == exported_rows


def test_no_private_tab_is_stored(server, db, export, exported_rows):
    source(server).collect(db, END)
    tabs = export["buckets"]["aw-watcher-web-firefox"]["events"]
    private = {one["timestamp"] for one in tabs if one["data"]["incognito"]}
    assert private
    assert not {iso_time(row["started_at"]) for row in rows(db) if row["url"]} & private


def test_an_event_that_grows_is_stored_once_with_its_last_length(db):
    """A window that stays open is lengthened by heartbeats: forebears that read by time only saw its beginning."""
    with AwServer() as server:
        name = "aw-watcher-window_desk"
        server.fill({name: bucket(name, "currentwindow", [])})
        for minute in range(0, 10 * 60, 10):
            beat = event(BEGIN + minute * 60_000, 0, app="mpv", title="A long film")
            server.post(f"/api/0/buckets/{name}/heartbeat?pulsetime=1000", beat)
            if minute % 60 == 0:
                source(server).collect(db, BEGIN + minute * 60_000 + UNSETTLED_MS)
        source(server).collect(db, BEGIN + 11 * HOUR_MS)
    (row,) = rows(db)
    assert (row["started_at"], row["duration"]) == (BEGIN, 590 * 60)


def test_the_last_two_minutes_wait_until_the_tab_of_a_window_is_known(db):
    with AwServer() as server:
        window, web = "aw-watcher-window_desk", "aw-watcher-web-firefox"
        shown = event(BEGIN, 100, app="Firefox", title="GitHub - Firefox")
        opened = event(BEGIN, 0, title="GitHub", url=TABS["GitHub"])
        server.fill({window: bucket(window, "currentwindow", [shown]), web: bucket(web, "web.tab.current", [opened])})
        source(server).collect(db, BEGIN + 100_000)
        assert rows(db) == []
        beat = event(BEGIN + 100_000, 0, title="GitHub", url=TABS["GitHub"])
        server.post(f"/api/0/buckets/{web}/heartbeat?pulsetime=1000", beat)
        source(server).collect(db, BEGIN + HOUR_MS)
    assert [(row["title"], row["url"], row["duration"]) for row in rows(db)] == [("GitHub", TABS["GitHub"], 100.0)]


COLLECTOR = """
import os, sys
from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.sources.activitywatch_client import ActivityWatchClient
from traceformers.apps.feed.sources.activitywatch_source import ActivityWatchSource

port, url, now, pieces = sys.argv[1:]
with FeedDatabase(url) as db:
    add, left = db.add_events, [int(pieces)]
    def add_events(events):
        def slowly():
            for number, event in enumerate(events):
                if left[0] <= 0 and number == 1:
                    print("middle", flush=True)
                    sys.stdin.read()  # killed here, in the middle of a write
                yield event
        counts = add(slowly())
        left[0] -= 1
        return counts
    db.add_events = add_events
    client = ActivityWatchClient(port=int(port), events_a_piece=20)
    ActivityWatchSource(client=client).collect(db, int(now))
"""


def test_a_killed_collection_goes_on_to_the_same_activity(server, tmp_path, db, exported_rows):
    url = f"sqlite:///{tmp_path}/feed.sqlite"
    for pieces in (2, 0):
        command = [sys.executable, "-c", textwrap.dedent(COLLECTOR), str(server.port), url, str(END), str(pieces)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "middle\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        process.stdin.close()
    assert len(rows(db)) < len(exported_rows)
    report = source(server).collect(db, END)
    assert report.ok
    assert rows(db) == exported_rows


def test_a_clock_that_was_ahead_does_not_stop_the_collection(server, db, exported_rows):
    source(server).collect(db, END + 900 * DAY_MS)
    db.reset("events")
    late = BEGIN + 2 * DAY_MS + 3 * HOUR_MS
    assert source(server).collect(db, late).added > 0
    assert source(server, again=True).collect(db, END).ok
    assert rows(db) == exported_rows


def test_only_the_last_days_are_read_at_first_if_so_asked(server, db, exported_rows):
    source(server, first_days=5).collect(db, END)
    begin = END - UNSETTLED_MS - 5 * DAY_MS
    assert rows(db) == [row for row in exported_rows if row["started_at"] >= begin] != exported_rows


def test_a_bucket_whose_host_is_unknown_is_found_by_its_type(db):
    export = fake_export(days=1, host="unknown")
    with AwServer() as server:
        server.fill(export["buckets"])
        report = source(server).collect(db, END)
    assert report.ok and report.added
    assert {row["source"] for row in rows(db)} == {"aw-watcher-window_unknown"}


def test_one_computer_of_several_can_be_chosen(db):
    export = fake_export(days=1, host="desk")
    export["buckets"] |= fake_export(days=1, seed=1, host="laptop")["buckets"]
    with AwServer() as server:
        server.fill(export["buckets"])
        assert source(server, hostname="laptop").collect(db, END).ok
        assert {row["source"] for row in rows(db)} == {"aw-watcher-window_laptop"}
        report = source(server, hostname="tower").collect(db, END)
        assert "'tower'" in report.error and "desk, laptop" in report.error
        source(server).collect(db, END)
        assert {row["source"] for row in rows(db)} == {"aw-watcher-window_laptop", "aw-watcher-window_desk"}


def test_patterns_of_the_reader_are_applied_before_storage(server, tmp_path, db):
    privacy = PrivacyFilter(
        [
            {"field": "title", "pattern": "^Bank", "action": "drop"},
            {"field": "url", "pattern": "youtube", "action": "redact"},
            {"field": "app", "pattern": "^Slack$", "action": "redact"},
        ]
    )
    report = source(server, privacy=privacy).collect(db, END)
    assert report.dropped["private"] > 0 and report.dropped["redacted"] > 0
    stored = rows(db)
    assert stored and not any(row["app"] == "Slack" for row in stored)
    assert {row["title"] for row in stored if row["app"] == REDACTED} == {REDACTED}
    db.close()
    for file in tmp_path.iterdir():  # nowhere in the files, not even in free pages
        content = file.read_bytes()
        assert not any(word in content for word in (b"bank.example", b"Bank - M", b"dQw4w9WgXcQ", b"general |")), file


def test_a_title_taken_out_of_a_window_is_not_filled_in_by_its_tab(db):
    window, web = "aw-watcher-window_desk", "aw-watcher-web-firefox"
    private = event(BEGIN, 500, app="Firefox", title="Ward 7 - Clinic - Firefox")
    tab = event(BEGIN, 500, title="Ward 7", url="https://clinic.example/7")
    privacy = PrivacyFilter([{"field": "title", "pattern": "Clinic", "action": "redact"}])
    with AwServer() as server:
        buckets = {window: bucket(window, "currentwindow", [private]), web: bucket(web, "web.tab.current", [tab])}
        server.fill(buckets)
        source(server, privacy=privacy).collect(db, END)
    assert [(row["app"], row["title"], row["url"]) for row in rows(db)] == [("Firefox", REDACTED, None)]


def test_deleting_by_a_word_counts_first_and_deletes_when_confirmed(tmp_path, db):
    with AwServer() as server:
        server.fill(fake_export(days=2)["buckets"])
        source(server).collect(db, END)
        client = ActivityWatchClient(port=server.port, events_a_piece=30)
        raw = [*server.events("aw-watcher-window_desk"), *server.events("aw-watcher-web-firefox")]
        held = [row for row in rows(db) if "bank" in row["title"].lower()]
        expected = [one for one in raw if "Bank" in one["data"]["title"]]
        shown = delete_activity(client, db, "bANK", now=END)
        assert (shown.found_on_server, shown.found_in_database) == (len(expected), len(held))
        assert len(held) > 0 and (shown.deleted_on_server, shown.deleted_in_database) == (0, 0)
        done = delete_activity(client, db, "bANK", confirmed=True, now=END)
        assert (done.deleted_on_server, done.deleted_in_database) == (len(expected), len(held))
        assert not any("Bank" in one["data"]["title"] for one in server.events("aw-watcher-window_desk"))
        assert len(server.events("aw-watcher-afk_desk")) == 12
        source(server, again=True).collect(db, END)
        assert not any("bank" in row["title"].lower() for row in rows(db))
        with pytest.raises(ValueError, match="would delete everything"):
            delete_activity(client, db, "  ", confirmed=True)


def test_no_server_is_said_in_words_and_stops_no_other_source(db):
    dead = ActivityWatchSource(client=ActivityWatchClient(port=free_port(), backoff=0, sleep=lambda _: None))

    class Other:
        name = "other"

        def collect(self, db, now):
            from traceformers.apps.feed.sources.source_report import SourceReport

            return SourceReport("other", added=3)

    first, second = collect_all([dead, Other()], db, END)
    assert "Start ActivityWatch" in first.error and "127.0.0.1" in first.error
    assert (second.added, second.ok) == (3, True)


ANSWERS = {
    "a page": (200, b"<html>router</html>"),
    "other JSON": (200, b'["a", "list"]'),
    "another program": (200, b'{"name": "x"}'),
    "nothing there": (404, b"not found"),
}


class Stub:
    """A server whose answers are given: {path: (status, body)}, "" for all others."""

    def __init__(self, answers):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, body = answers.get(self.path.partition("?")[0], answers.get("", (404, b"")))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    def __enter__(self):
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_no_activitywatch_server_is_told_so(answer, db):
    with Stub({"": ANSWERS[answer]}) as stub:
        report = source(stub).collect(db, END)
    assert "something else answers there" in report.error and "5600" in report.error


def test_a_server_that_answers_to_its_own_name_only_is_explained(db):
    with Stub({"": (400, b'{"message": "host header is invalid (was box)"}')}) as stub:
        report = source(stub).collect(db, END)
    assert "--host" in report.error


@pytest.mark.parametrize(
    "answer", [(200, b"null"), (200, b"{}"), (200, b'{"classes": null}'), (200, b'{"classes": []}'), (404, b"")]
)
def test_classes_that_a_server_does_not_keep_are_the_defaults(answer):
    """The seed's client iterated null; and it asked the default port whatever server was meant."""
    from traceformers.datasets_scripts.activitywatch.aw_categories import Categorizer

    with Stub({"/api/0/settings": answer}) as stub:
        classes = ActivityWatchClient(port=stub.port).classes()
    assert classes is None
    names = Categorizer(classes).names
    assert len(names) == len(DEFAULT_CLASSES) + 1


def test_classes_that_a_server_keeps_are_used(db):
    own = [{"name": ["Deep", "Reading"], "rule": {"type": "regex", "regex": "notes"}}]
    with Stub({"/api/0/settings": (200, json.dumps({"classes": own}).encode())}) as stub:
        assert ActivityWatchClient(port=stub.port).classes() == own


def test_making_sources_asks_nothing_and_a_port_may_be_a_text():
    """The forebear connected when it was imported, and failed on a port that was a text."""
    sources = [ActivityWatchSource("desk.example", "5600"), RssSource(), *youtube_sources(api_key="key")]
    assert sources[0].client.place == "desk.example:5600"
    assert ActivityWatchClient("fd7a::1", 5600).place == "[fd7a::1]:5600"
    with pytest.raises(SourceError, match=r"Start ActivityWatch"):  # no other machine can be reached from here
        ActivityWatchClient("desk.invalid", backoff=0, attempts=1).info()


def test_a_server_without_watchers_says_what_to_start(db):
    with AwServer() as server:
        report = source(server).collect(db, END)
    assert "aw-watcher-window" in report.error


def test_no_proxy_of_the_environment_sees_the_activity(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert ActivityWatchClient(port=server.port).info()["testing"] is True


@both_storages
def test_events_at_the_borders_of_pieces_come_whole_and_once(server, export):
    client = ActivityWatchClient(port=server.port)
    name = "aw-watcher-window_desk"
    expected = sorted(export["buckets"][name]["events"], key=lambda one: one["timestamp"])
    found = []
    for start in range(BEGIN - DAY_MS, END, 4_234_567):
        found += client.events(name, start, start + 4_234_567)
    assert [(one["data"], one["duration"]) for one in found] == [(one["data"], one["duration"]) for one in expected]
    middle = BEGIN + DAY_MS
    assert len({one["id"] for one in found}) == len(found)
    assert client.first_event_time(name, END) <= BEGIN < client.first_event_time(name, END) + DAY_MS
    assert all(event_time(one["timestamp"]) >= middle for one in client.events(name, middle, END))


def test_a_server_that_dies_in_the_middle_keeps_what_came(db):
    with AwServer() as server:
        server.fill(fake_export()["buckets"])
        broken = source(server, events_a_piece=20)
        broken.client.http.attempts = 1
        add, pieces = db.add_events, []

        def add_events(events):
            pieces.append(1)
            counts = add(events)
            if len(pieces) == 3:
                server.process.kill()
                server.process.wait()
            return counts

        db.add_events = add_events
        report = broken.collect(db, END)
    assert "out of reach" in report.error and report.added == len(rows(db)) > 0
    with pytest.raises(SourceError, match="Start ActivityWatch"):
        broken.client.info()


def test_a_host_that_takes_the_question_and_is_silent_is_soon_given_up(monkeypatch):
    monkeypatch.setattr(activitywatch_client, "INFO_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = ActivityWatchClient(port=silent.getsockname()[1], attempts=2, sleep=lambda seconds: None)
        with pytest.raises(SourceError, match=r"got none: it did not answer in time\. Start ActivityWatch"):
            client.info()
