"""Whole runs: a dead source and a crash in training keep no feed away, the promoted model scores, the site is told."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from feed_homes import NOW, feed_home, promote
from tiny_feed_model import tiny_feed_model

from traceformers.apps.feed import feed_runs
from traceformers.apps.feed.feed_home import FeedBusy
from traceformers.apps.feed.feed_runs import run_once, tell_site
from traceformers.apps.feed.feed_scheduler import FeedScheduler
from traceformers.apps.feed.feed_settings import SiteSettings
from traceformers.apps.feed.open_feed import open_feed
from traceformers.apps.feed.sources.source_report import SourceReport
from traceformers.apps.feed.training_need import note_training, training_need
from traceformers.datasets_scripts.feed.feed_records import Feedback, Video


class Brings:
    """A source that stores one video."""

    name = "brings"

    def collect(self, db, now):
        report = SourceReport(self.name)
        report.count(db.add_videos([Video("new00000001", title="red cat", published_at=now - 1)]))
        return report


class Dies:
    name = "dies"

    def collect(self, db, now):
        raise ConnectionError("nobody answers")


@pytest.fixture
def home(tmp_path):
    made = feed_home(tmp_path)
    with open_feed(made) as feed:
        note_training(feed.database)
        promote(feed, tiny_feed_model("ngram"))
    return made


def test_a_dead_source_stops_neither_the_others_nor_the_feed(home):
    outcome = run_once(home, now=NOW, sources=[Dies(), Brings()])
    assert outcome.feed_id is not None and len(outcome.errors) == 1
    with open_feed(home) as feed:
        (run,) = feed.database.runs("collect")
        assert run.status == "partial" and "nobody answers" in run.error
        assert run.counts["brings"]["added"] == 1
        assert feed.database.feed_about()["feed_id"] == outcome.feed_id


def test_a_scheduled_run_scores_by_the_promoted_model(home):
    # The forebear's scheduler built its predictor without a model's name: scores of random weights, every time.
    import asyncio

    scheduler = FeedScheduler(home, clock=lambda: NOW, steps=("score",))
    outcome = asyncio.run(scheduler.tick())
    with open_feed(home) as feed:
        name = feed.registry.current()
        assert name in outcome and feed.database.feed_about()["model"] == name


def test_a_crash_of_the_training_process_is_told_and_the_old_model_scores(home, monkeypatch):
    with open_feed(home) as feed:
        said = [Feedback(f"new{i}", f"video{i:06d}", "interest", float(i % 2), NOW + i, "feed") for i in range(60)]
        feed.database.add_feedback(said)
        assert training_need(feed)[0]
        name = feed.registry.current()
    python = home.path / "python"
    python.write_text("#!/bin/sh\nkill -SEGV $$\n")
    os.chmod(python, 0o755)
    monkeypatch.setattr(feed_runs.sys, "executable", str(python))
    outcome = run_once(home, now=NOW, sources=[Brings()])
    assert any("training failed" in error for error in outcome.errors)
    with open_feed(home) as feed:
        assert feed.database.feed_about()["model"] == name == feed.registry.current()


def test_training_is_due_when_enough_is_new_and_not_again_for_the_same_labels(home):
    with open_feed(home) as feed:
        assert training_need(feed) == (False, "0 new labels, 25 are needed")
        said = [Feedback(f"n{i}", f"video{i:06d}", "interest", float(i % 2), NOW + i, "feed") for i in range(30)]
        feed.database.add_feedback(said[:24])
        assert training_need(feed) == (False, "24 new labels, 25 are needed")
        feed.database.add_feedback(said)
        assert training_need(feed) == (True, "30 new labels")
        note_training(feed.database)  # also one that failed is not tried again at once
        assert not training_need(feed)[0]


def test_one_run_at_a_time(home):
    with home.only_run(), pytest.raises(FeedBusy):
        run_once(home, now=NOW, steps=("score",))


def test_a_run_is_written_to_the_log_of_the_home_and_says_no_secret(home, monkeypatch):
    monkeypatch.setenv("TRACEFORMERS_FEED_SITE_PASSWORD", "hunter2hunter2")
    run_once(home, now=NOW, sources=[Dies()], steps=("collect", "score"))
    text = (home.logs / "feed.log").read_text(encoding="utf-8")
    assert "nobody answers" in text and "videos scored by" in text and "hunter2" not in text


class _Site(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, body, self.headers.get("Authorization")))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def site():
    with HTTPServer(("127.0.0.1", 0), _Site) as server:
        server.seen, server.answer = [], 200
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


def test_the_site_is_told_of_a_new_feed_with_its_password(site):
    settings = SiteSettings(port=site.server_port)
    assert tell_site(settings, 7, "a password") == "the site was told"
    ((path, body, signed),) = site.seen
    assert (path, body) == ("/api/feed/updated", {"feed_id": 7}) and signed.startswith("Basic ")
    site.answer = 401
    assert "did not take the news (401)" in tell_site(settings, 8)


def test_a_site_that_is_down_fails_no_run(site, home):
    # The forebear's scheduler ended with the site.
    site.shutdown()
    site.server_close()
    assert tell_site(SiteSettings(port=site.server_port), 1) is None
    assert run_once(home, now=NOW, steps=("score",)).errors == []
