"""Makes the pictures of the report that the documentation shows, from the recordings in this package.

    traceformers quickstart --output-dir runs/quickstart
    PYTHONPATH=tests python tests/apps/sessions/make_report_pictures.py runs/quickstart/run/model docs

Equal models give equal pictures: nothing in a report depends on when it is made.
"""

import sys
import tempfile
from pathlib import Path

from feed_browser import chromium
from report_visitor import ReportVisit

from traceformers.apps.sessions.quickstart import SAMPLES
from traceformers.apps.sessions.report_page import write_report
from traceformers.apps.sessions.session_index import SessionIndex
from traceformers.apps.sessions.session_model import SessionModel

MOST_BYTES = 300_000
LAPTOP = {"viewport": {"width": 1440, "height": 1000}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "color_scheme": "dark"}


def main(model, folder):
    """Writes sessions_report.png and sessions_report_phone.png into a folder."""
    folder = Path(folder)
    with tempfile.TemporaryDirectory() as made, chromium() as browser:
        made = Path(made)
        SessionIndex.create(made / "index", SAMPLES, SessionModel(model))
        page = write_report(made / "index", SAMPLES, made / "report").path
        for name, settings in (("sessions_report.png", LAPTOP), ("sessions_report_phone.png", PHONE)):
            with ReportVisit(browser, page, **settings) as visit:
                visit.replay_ready()
                flagged = visit.page.locator("#moments .row", has=visit.page.locator(".tag")).first
                flagged.click()
                visit.page.evaluate("document.activeElement.blur()")
                if settings is PHONE:
                    visit.page.locator("#session-title").evaluate("title => title.scrollIntoView()")
                else:
                    visit.page.evaluate("scrollTo(0, 0); document.getElementById('session').scrollTop = 0")
                visit.page.mouse.move(0, 0)
                visit.page.wait_for_timeout(1_500)
                visit.page.screenshot(path=folder / name)
            size = (folder / name).stat().st_size
            if size > MOST_BYTES:
                raise ValueError(f"Expected {name} to have at most {MOST_BYTES} bytes, got {size}. Show less on it.")
            print(f"{name}: {size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
