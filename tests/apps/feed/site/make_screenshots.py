"""Makes the pictures of the site that the documentation shows: the demo's invented person, its model, its feed.

    PYTHONPATH=tests python tests/apps/feed/site/make_screenshots.py docs

The videos are those of the shipped sample (datasets_scripts/simulated_feed/samples/NOTICE, CC BY 4.0). No picture is
fetched: letters stand for thumbnails.
"""

import sys
import tempfile
from pathlib import Path

from feed_browser import RunningSite, Visit, chromium

from traceformers.apps.feed.feed_demo import run_demo

MOST_BYTES = 300_000


def main(folder):
    """Writes the pictures into a folder."""
    folder = Path(folder)
    with tempfile.TemporaryDirectory() as home, chromium() as browser:
        for line in run_demo(Path(home) / "feed"):
            print(line)
        site = RunningSite(Path(home) / "feed").start()
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
        site.stop()
    for name in ("feed.png", "labelling.png", "feed_phone.png"):
        size = (folder / name).stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"Expected {name} to have at most {MOST_BYTES} bytes, got {size}. Show less on it.")
        print(f"{name}: {size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
