"""One run of the whole feed: collect, train when enough was said since the last time, score, tell the site.

Each step is a run in the database and stands alone: a dead source or a training that crashed keeps no feed from being
scored. Training is done in a process of its own, so that not even a crash of the interpreter ends the site.
"""

import base64
import http.client
import json
import logging
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler

from traceformers.apps.feed.feed_home import FeedHome
from traceformers.apps.feed.feed_scoring import FeedScorer
from traceformers.apps.feed.open_feed import open_feed

log = logging.getLogger("traceformers.feed")
TELL_SECONDS = 3.0
LOG_BYTES = 1_000_000


@dataclass
class RunOutcome:
    """What one run did: a line a step. `errors` are those of steps that failed."""

    lines: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    feed_id: int | None = None

    def __str__(self):
        return "; ".join(self.lines)


def run_once(home, now=None, scorer=None, sources=None, steps=("collect", "train", "score"), on_line=None):
    """Returns the `RunOutcome` of one run of a home.

    Args:
        home (`FeedHome` or path). now (`int`, *optional*): ms.
        scorer (`FeedScorer`, *optional*): keeps its model loaded between runs.
        sources (*optional*): instead of those of the settings. steps: which to do.
        on_line (callable, *optional*): is told each line when it is known.

    Raises:
        FeedBusy: another run goes on. SettingsError, FeedDatabaseError: nothing can be done at all.
    """
    home = home if isinstance(home, FeedHome) else FeedHome(home)
    outcome = RunOutcome()

    def say(line, failed=False):
        outcome.lines.append(line)
        if failed:
            outcome.errors.append(line)
        log.log(logging.ERROR if failed else logging.INFO, "%s", line)
        if on_line is not None:
            on_line(line)

    with home.require().only_run(), logged_to(home.logs / "feed.log"), open_feed(home) as feed:
        for run in feed.database.mark_dead_runs():
            say(f"run {run} was killed before it ended; its part is done again")
        for name, step in (("collect", _collect), ("train", _train), ("score", _score)):
            if name not in steps:
                continue
            try:
                for line, failed in step(feed, now, scorer, sources, outcome):
                    say(line, failed)
            except Exception as error:
                log.debug("%s failed", name, exc_info=True)
                say(f"{name} failed: {type(error).__name__}: {' '.join(str(error).split())}", failed=True)
    if outcome.feed_id is not None:
        line = tell_site(feed.settings.site, outcome.feed_id, feed.secrets.site_password)
        if line:
            say(line)
    return outcome


@contextmanager
def logged_to(path):
    """Within it the log is written to a file, too; at `LOG_BYTES` a new one is begun, and two old ones are kept.

    Args:
        path (`Path`).
    """
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=2, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(min(before or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        log.setLevel(before)
        log.removeHandler(handler)
        handler.close()


def _collect(feed, now, scorer, sources, outcome):
    from traceformers.apps.feed.feed_collecting import collect, sources_of

    sources = sources_of(feed) if sources is None else sources
    if not sources:
        yield "no source is switched on", False
        return
    for report in collect(feed, now, sources=sources):
        yield str(report), not report.ok


def _train(feed, now, scorer, sources, outcome):
    from traceformers.apps.feed.training_need import training_need

    due, why = training_need(feed)
    if not due:
        yield f"no training: {why}", False
        return
    yield f"training: {why}", False
    # The settings are those of the home, so the child needs to be told nothing else.
    command = [sys.executable, "-m", "traceformers.apps.feed.feed_training", str(feed.home)]
    ended = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    said = [line for line in ended.stdout.splitlines() if line]
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        feed.database.mark_dead_runs()
        yield f"training failed (exit {ended.returncode}): {last}", True
        return
    yield from ((line, False) for line in said)


def _score(feed, now, scorer, sources, outcome):
    scored = (scorer or FeedScorer()).score(feed, at=now)
    outcome.feed_id = scored.feed_id
    seconds = sum(scored.seconds.values())
    yield f"{len(scored.rows)} videos scored by {scored.model} in {seconds:.1f} s", False


def tell_site(site, feed_id, password=""):
    """Tells a site that runs that there is a new feed; returns a line if one answered or refused, None if none runs.

    Args:
        site (`SiteSettings`), feed_id (`int`), password (`str`): of the site, if it has one.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(site.host, site.host)
    host = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(
        f"http://{host}:{site.port}/api/feed/updated",
        json.dumps({"feed_id": feed_id}).encode(),
        {"Content-Type": "application/json"},
    )
    if password:
        request.add_header("Authorization", "Basic " + base64.b64encode(f":{password}".encode()).decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine needs no proxy
    try:
        with opener.open(request, timeout=TELL_SECONDS):
            return "the site was told"
    except urllib.error.HTTPError as error:
        return f"the site did not take the news ({error.code}); it looks by itself"
    except (OSError, http.client.HTTPException):
        return None  # no site runs, or something else at its port: it will see the feed when it starts
