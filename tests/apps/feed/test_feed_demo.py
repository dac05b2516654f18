"""The demo without account or network, and the site as `feed serve` starts it."""

import json
import os
import subprocess
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from feed_homes import NOW, feed_home

from traceformers.apps.feed import feed_demo
from traceformers.apps.feed.feed_demo import demo_home, free_port, run_demo, simulated_tables_until
from traceformers.apps.feed.feed_home import FeedHome
from traceformers.apps.feed.feed_scoring import score_feed
from traceformers.apps.feed.feed_secrets import write_secrets
from traceformers.apps.feed.feed_serving import health_of, site_options
from traceformers.apps.feed.feed_settings import FeedSettings
from traceformers.apps.feed.open_feed import open_feed

COMMAND = "from traceformers.apps.feed.feed_commands import app; app()"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The lines of a small demo with an encoder made on the spot, and its home."""
    folder = tmp_path_factory.mktemp("demo") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed_demo, "offline_minilm", lambda: False)
        *lines, path = run_demo(folder, days=8, feedbacks=260, seed=1)
    assert path == folder
    return lines, FeedHome(folder)


def test_the_demo_trains_scores_and_tells_each_step(demo):
    lines, home = demo
    text = "\n".join(lines)
    for step in ("a simulated person of 8 days", "in the database", "trained", "scored for", "scored again", "ready"):
        assert step in text
    with open_feed(home) as feed:
        name = feed.registry.current()
        assert feed.database.feed_about()["model"] == name and name.endswith("-linear")
        assert [run.kind for run in feed.database.runs()] == ["score", "train"]
        page = feed.database.feed_page()
        assert page and all(sum(card.row.terms.values()) == pytest.approx(card.row.score) for card in page)


def test_the_demo_can_be_run_again_and_never_over_something_else(demo, tmp_path):
    _, home = demo
    (tmp_path / "mine.txt").write_text("my own")
    with pytest.raises(FileExistsError, match="--home"):
        demo_home(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "my own"
    (home.path / "old").write_text("")
    assert not (demo_home(home.path).path / "old").exists()


@pytest.mark.slow
def test_a_demo_shows_a_feed_without_activity_and_writes_none_if_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(feed_demo, "offline_minilm", lambda: False)
    *lines, path = run_demo(tmp_path / "home", days=5, feedbacks=200, seed=1, activity=False, dry_run=True)
    text = "\n".join(lines)
    assert "as if no activity had been recorded" in text and "before it: no activity recorded" in text
    assert "no feed was written" in text
    with open_feed(FeedHome(path)) as feed:
        assert feed.registry.current() and feed.database.feed_version() is None


def test_nothing_in_the_simulated_life_is_later_than_now():
    settings = FeedSettings().changed("general", time_zone="America/New_York")
    tables = simulated_tables_until(NOW, settings.zone, 5, 200, 0)
    for name, column in (("videos", "published_at"), ("watches", "watched_at"), ("feedback", "said_at")):
        assert max(at for at in tables[name][column].to_pylist() if at is not None) <= NOW
    ends = [at + 1000 * seconds for at, seconds in zip(*(tables["events"][c].to_pylist()
            for c in ("started_at", "duration")), strict=True)]  # fmt: skip
    assert max(ends) <= NOW and len(tables["feedback"]) > 100


def test_the_site_asks_for_a_password_where_others_can_reach_it(tmp_path):
    home = feed_home(tmp_path, tables={})
    with open_feed(home) as feed:
        assert site_options(home, feed.settings, feed.secrets).port == 8090
        assert site_options(home, feed.settings, feed.secrets, port=9000, host=None).port == 9000
        with pytest.raises(ValueError, match="password"):
            site_options(home, feed.settings, feed.secrets, host="0.0.0.0")
    write_secrets(home, site_password="a long password")
    with open_feed(home) as feed:
        options = site_options(home, feed.settings, feed.secrets, host="0.0.0.0")
        assert "a long password" not in repr(options)


def test_the_health_page_tells_of_drifting_scores(tmp_path):
    with open_feed(feed_home(tmp_path)) as feed:
        score_feed(feed, at=NOW)
        for at, histogram in ((1, [90, 10]), (2, [10, 90])):
            run = feed.database.start_run("score", {"at": at})
            both = {"interest": histogram, "productive": [50, 50]}
            feed.database.finish_run(run, "ok", counts={"model": "m", "histogram": both})
        notes = " ".join(health_of(feed)(feed.database).notes)
        assert "interest: the probabilities of the newest feed differ" in notes and "large change" in notes
        assert "productive: the probabilities" not in notes


def test_the_served_site_shows_the_feed_takes_the_news_and_scores_by_itself(tmp_path):
    home = feed_home(tmp_path, site={"thumbnails": "off"})
    with open_feed(home) as feed:
        scored = score_feed(feed, at=NOW)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "serve", "--home", str(home), "--port", str(port), "--schedule"],
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "NICEGUI"))},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(1500):  # on a busy machine, training begins late
            assert process.poll() is None, process.stderr.read()[-2000:]
            try:
                urlopen(address, timeout=5).close()
                break
            except (URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        body = json.dumps({"feed_id": scored.feed_id}).encode()
        news = Request(f"{address}/api/feed/updated", body, {"Content-Type": "application/json"})
        with urlopen(news, timeout=20) as answer:
            assert answer.status < 300
        with urlopen(f"{address}/api/status", timeout=20) as answer:
            assert json.load(answer)["feed"]["feed_id"] >= scored.feed_id
        with open_feed(home) as feed:
            for _ in range(1500):  # on a busy machine, training begins late
                if feed.database.feed_version() > scored.feed_id:
                    break
                time.sleep(0.2)
            assert feed.database.feed_version() > scored.feed_id
    except HTTPError as error:
        pytest.fail(f"{error.code} {error.read()[:300]!r}")
    finally:
        process.terminate()
        process.communicate(timeout=60)
