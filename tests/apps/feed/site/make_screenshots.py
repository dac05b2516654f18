"""Makes the pictures of the site that the documentation shows: real pages, real video titles, an invented person.

    PYTHONPATH=tests python tests/apps/feed/site/make_screenshots.py docs

The videos are those of the shipped sample (datasets_scripts/simulated_feed/samples/NOTICE, CC BY 4.0). What the pages
say of them is written by hand here: no model is trained. No picture is fetched: letters stand for thumbnails.
"""

import sys
import tempfile
import time
import zlib
from dataclasses import replace
from pathlib import Path

from feed_browser import DAY, Visit, chromium, feed_site

from traceformers.datasets_scripts.feed.feed_records import Feedback, FeedRow, Watch
from traceformers.datasets_scripts.simulated_feed.video_pool import sample_videos

SHOWN, MOST_BYTES = 80, 300_000
TOPICS = ("folk", "board", "motor", "film", "games", "anime", "sport", "rock", "beats")
REASONS = (
    "You were just editing code for 40 minutes",
    "Like what you rated “Right now” before lunch",
    "New from a channel you often finish",
    "Short enough for a break",
)


def fill(database):
    """Fills a database with the sample's videos, opinions and a feed."""
    now = time.time_ns() // 1_000_000
    found, topics = sample_videos()
    found = sorted(zip(found, topics, strict=True), key=lambda pair: zlib.crc32(pair[0].video_id.encode()))
    chosen = [
        video
        for video, topic in found
        if topic in TOPICS and 60 < (video.duration or 0) < 1500 and len(video.title) > 20
    ]
    videos = [replace(video, published_at=now - (n + 1) * DAY // 9) for n, video in enumerate(chosen[: 3 * SHOWN])]
    database.add_videos(videos)
    database.add_watches(Watch(video.video_id, now - n * 3_600_000) for n, video in enumerate(videos[SHOWN:]))
    said = []
    for n, video in enumerate(videos[SHOWN:][-150:]):
        head, source = ("interest", "labelling") if n % 3 else ("productive", "feed")
        said.append(Feedback(f"shown-{n:05d}", video.video_id, head, float(n % 5 > 1), now - DAY + n, source))
    database.add_feedback(said)
    for kind, counts in (
        ("collect", {"videos": len(videos), "events": 412}),
        ("train", {"labels": 150}),
        ("score", {"videos": SHOWN}),
    ):
        database.finish_run(database.start_run(kind), "ok", counts)
    rows = []
    for rank, video in enumerate(videos[:SHOWN]):  # the numbers fall from card to card, as those of a feed do
        productive, interest = 0.93 - 0.007 * rank, 0.88 - 0.009 * rank + 0.02 * (rank % 2)
        terms = {"productive": 0.6 * productive, "interest": 0.3 * interest, "freshness": 0.08 - 0.0005 * rank}
        if rank % 5 == 4:
            terms["diversity"] = -0.05
        reasons = REASONS[rank % 4], REASONS[(rank + 2) % 4]
        rows.append(
            FeedRow(
                video.video_id, rank, sum(terms.values()), interest, productive, terms, reasons, rank % 9 == 8, 0.11
            )
        )
    database.save_feed(rows, None, "hybrid, minilm", {})


def main(folder):
    """Writes the pictures into a folder."""
    folder = Path(folder)
    with tempfile.TemporaryDirectory() as home, feed_site(Path(home), fill) as site, chromium() as browser:
        with Visit(browser, viewport={"width": 1280, "height": 860}) as visit:
            page = visit.open(site.url)
            page.locator("[data-say=interest1]").nth(1).click()
            page.locator("[data-do=why]").nth(0).click()
            page.wait_for_timeout(9_500)  # the toast goes
            page.mouse.move(0, 0)
            page.screenshot(path=folder / "feed.png")
            visit.open(site.url + "/label")
            page.keyboard.press("i")
            page.wait_for_timeout(1_000)
            page.screenshot(path=folder / "labelling.png")
        phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
        with Visit(browser, **phone, is_mobile=True, has_touch=True) as visit:
            page = visit.open(site.url)
            page.wait_for_timeout(500)
            page.screenshot(path=folder / "feed_phone.png")
    for name in ("feed.png", "labelling.png", "feed_phone.png"):
        size = (folder / name).stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"Expected {name} to have at most {MOST_BYTES} bytes, got {size}. Show less on it.")
        print(f"{name}: {size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
