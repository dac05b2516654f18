"""A feed's site as people meet it: a process of its own on a loopback port, a filled database, and a real Chromium.

with feed_site(folder, fill=fill_feed) as site, chromium() as browser:
    page = visit(browser, site.url)
    page.page.get_by_role("button", name="Load more").click()
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from chromium_page import CHROMIUM
from playwright.sync_api import sync_playwright

from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.datasets_scripts.feed.feed_records import FeedRow, Subscription, Video, Watch

NOW = 1_790_000_000_000
DAY = 86_400_000
HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror=window.hacked=1>",
    "\u202edehsup si siht\u202c \u2067right to left\u2069",
    "`${window.hacked=1}` {{ window.hacked = 1 }} </script><b>bold</b>",
    "A" * 500,
    "🦊" * 60 + ' é \u0000\u0007 "quoted" \'single\' :onclick="window.hacked=1" style=color:red',
)
SERVE = """
import json, sys
from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.site.site_app import run_site
from traceformers.apps.feed.site.site_options import SiteOptions
url, options = json.loads(sys.argv[1])
run_site(SiteOptions(**options), FeedDatabase(url))
"""


def free_port():
    """Returns a loopback port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def site_environment():
    """Returns the environment of a site's process: NiceGUI serves differently where pytest has left its mark."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | {
        "OMP_NUM_THREADS": "1"
    }


class RunningSite:
    """A site in a process of its own.

    Args:
        folder (`Path`): its home. options: of `SiteOptions`.
    """

    def __init__(self, folder, **options):
        self.database_url = f"sqlite:///{folder}/feed.sqlite"
        self.options = {"home": str(folder), "port": free_port(), "thumbnails": "off", "poll_seconds": 0.2} | options
        self.url, self.log = f"http://127.0.0.1:{self.options['port']}", folder / "site.log"

    def start(self):
        """Returns this site, ready for requests."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE, json.dumps([self.database_url, self.options])],
                stdout=log,
                stderr=log,
                env=site_environment(),
            )
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                self.request("/login")
                return self
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"the site did not start:\n{self.log.read_text()}")

    def kill(self):
        """Ends the process as `kill -9` does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Ends the process as a user does."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def request(self, path, body=None, **headers):
        """Returns (status, headers, text) of a request; `body` is sent as JSON.

        Args:
            headers: "_" stands for "-".
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            named = {"Content-Type": "application/json"} | named
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, named), timeout=30) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read().decode()

    def upgrade(self, **headers):
        """Returns the status with which the site answers who wants to open a web socket: 101 if it does."""
        wanted = {
            "Host": urlsplit(self.url).netloc,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.options["port"], timeout=30)
        try:
            connection.request("GET", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket", headers=wanted | headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def database(self):
        """Returns the database, opened once more: what is read from it is on disk."""
        return FeedDatabase(self.database_url)


@contextmanager
def feed_site(folder, fill=None, **options):
    """A site that runs, over a database that `fill` filled.

    Args:
        folder (`Path`), fill (callable, *optional*): takes the `FeedDatabase`. options: of `SiteOptions`.
    """
    site = RunningSite(folder, **options)
    with site.database() as database:
        if fill:
            fill(database)
    site.start()
    try:
        yield site
    finally:
        if site.process.poll() is None:
            site.stop()


@contextmanager
def chromium():
    """Debian's Chromium, driven by playwright."""
    if not CHROMIUM:
        pytest.fail("Expected Chromium, found none: the pages are tested in a real browser. apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A browser of its own (cookies, storage) with one page; all that is not on this machine is refused and noted.

    Attributes:
        page: playwright's. outside (`list[str]`): addresses that were asked for elsewhere. errors (`list[str]`)
    """

    def __init__(self, browser, **settings):
        self.context = browser.new_context(**({"viewport": {"width": 1366, "height": 850}} | settings))
        self.outside, self.errors = [], []
        self.context.route("**/*", self._only_loopback)
        self.page = self.new_page()

    def new_page(self):
        """Returns one more tab."""
        page = self.context.new_page()
        page.set_default_timeout(float(os.environ.get("FEED_BROWSER_MS", 15_000)))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        return page

    def _only_loopback(self, route):
        if urlsplit(route.request.url).hostname in ("127.0.0.1", "localhost", None):
            return route.continue_()
        self.outside.append((route.request.url, route.request.headers.get("referer")))
        return route.abort()

    def open(self, url):
        """Returns the page at an address, connected to its server."""
        self.page.goto(url)
        return connected(self.page)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def connected(page):
    """Returns a page whose buttons reach the server."""
    page.wait_for_function("window.did_handshake === true")
    return page


def made_videos(count, hostile=True):
    """Returns invented `Video`s: of five channels, one Short in ten, the last ones with hostile titles."""
    videos = [
        Video(
            f"video-{n:05d}",
            f"Video number {n} about {('gardens', 'trains', 'bread', 'stars', 'proofs')[n % 5]}",
            f"Channel {n % 5}",
            f"UC{n % 5:022d}",
            f"What number {n} is about.\nhttps://example.org/{n}",
            NOW - n * DAY // 4,
            60.0 * (1 + n % 40),
            "Education",
            is_short=n % 10 == 9,
            source="rss",
        )
        for n in range(count)
    ]
    if hostile:
        videos += [
            Video(f"hostile{n:04d}", title, title, f"UCx{n:021d}", title, NOW, 90.0, title[:50], source="rss")
            for n, title in enumerate(HOSTILE)
        ]
    return videos


def feed_rows(videos, best_first=True):
    """Returns `FeedRow`s in the order of `videos`, or turned round."""
    rows = []
    for rank, video in enumerate(videos if best_first else reversed(videos)):
        share = 1 - rank / (len(videos) + 1)
        terms = {"productive": 0.6 * share, "interest": 0.3 * share, "freshness": 0.1 * share, "diversity": -0.01}
        reasons = (f"Like “{video.title}”", "You were just reading about it")
        rows.append(
            FeedRow(
                video.video_id,
                rank,
                sum(terms.values()),
                (7 * rank % 100) / 100,
                share,
                terms,
                reasons,
                rank == 2,
                0.25,
            )
        )
    return rows


def fill_feed(database, count=70, hostile=True):
    """Fills a database with videos, two subscriptions, a watch and one scored feed."""
    videos = made_videos(count, hostile)
    database.add_videos(videos)
    database.set_subscriptions([Subscription(f"UC{n:022d}", f"Channel {n}") for n in (0, 1)], "takeout")
    database.add_watches([Watch("video-00004", NOW - DAY, "takeout")])
    run = database.start_run("score")
    database.save_feed(feed_rows([*videos[count:], *videos[:count]]), run, "linear-1", {})
    database.finish_run(run, "ok", {"videos": len(videos)})
