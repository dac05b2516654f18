"""A report as people open it: from the disk, in a real Chromium, with no network.

with chromium() as browser, ReportVisit(browser, folder / "report.html") as visit:
    visit.page.locator("#list .row").nth(1).click()
"""

import time
from urllib.parse import unquote, urlsplit

from feed_browser import Visit


class ReportVisit(Visit):
    """A visit to a report; see `Visit`.

    Args:
        browser: of `chromium`. path (`Path`): of the page. settings: of playwright's new_context.

    Attributes:
        asked (`list[str]`): what was asked for: names of files in the report's folder, whole addresses otherwise.
    """

    def __init__(self, browser, path, **settings):
        self.folder, self.asked = path.parent, []
        super().__init__(browser, **settings)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")

    def new_page(self):
        """Returns one more tab."""
        page = super().new_page()
        page.on("request", lambda request: self.asked.append(self._name(request.url)))
        return page

    def _name(self, url):
        path = unquote(urlsplit(url).path)
        inside = urlsplit(url).scheme == "file" and path.startswith(f"{self.folder}/")
        return path.removeprefix(f"{self.folder}/") if inside else url

    def until(self, expression):
        """Waits until a JavaScript expression is true; playwright's own wait needs eval, which the page forbids."""
        end = time.monotonic() + 15
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"{expression} is not true after 15 s"
            self.page.wait_for_timeout(50)

    def replay_ready(self):
        """Returns the frame of the replay, once it is there."""
        self.page.wait_for_selector("#replay iframe")
        return self.page.frame_locator("#replay iframe").first

    def player_seconds(self):
        """Returns where the replay is, by the player's own clock."""
        shown = self.page.locator("#replay .rr-timeline__time").first.inner_text()
        minutes, seconds = shown.split(":")
        return 60 * int(minutes) + int(seconds)

    def chosen(self):
        """Returns the id of the session that is shown."""
        return self.page.locator("#session-facts bdi").first.inner_text()

    def listed(self):
        """Returns the ids of the sessions in the list."""
        return self.page.locator("#list .row > .soft > bdi").all_inner_texts()
