"""The labelling page, the health page and the empty pages in a real Chromium; what a `kill -9` leaves."""

import re
import sqlite3
from contextlib import closing

import pytest
from feed_browser import NOW, Visit, chromium, connected, feed_site, fill_feed, made_videos
from playwright.sync_api import expect

from traceformers.datasets_scripts.feed.feed_records import Feedback, Watch

SETTLE_MS = 400  # longer than SETTLED_MS of the buttons


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with feed_site(tmp_path_factory.mktemp("label"), fill_labels) as site:
        yield site


def fill_labels(database):
    database.add_videos(made_videos(60, hostile=False))
    # The order of labelling is that of the watches: video-00000, video-00001, ...
    database.add_watches(Watch(f"video-{n:05d}", NOW - 1000 * n, "takeout") for n in range(60))


@pytest.fixture
def site(home):
    """The site with no label, and labelling at its beginning."""
    with home.database() as database:
        database.reset("feedback")
        database.set_state("site", "labelling", None)
    return home


@pytest.fixture
def visit(site, browser):
    with Visit(browser) as visit:
        visit.open(site.url + "/label")
        yield visit
        assert visit.errors == []
        assert visit.outside == []


def history(site):
    with site.database() as database:
        rows = database.feedback_table().to_pylist()
    return [(row["video_id"], row["head"], row["value"], row["source"]) for row in rows]


def at(page, number):
    expect(page.locator("h2.video-title")).to_have_text(re.compile(f"Video number {number} about"))
    page.wait_for_timeout(SETTLE_MS)


def test_every_button_and_key_of_labelling(visit, site):
    page = visit.page
    at(page, 0)
    expect(page.locator(".position")).to_have_text("Video 1")
    page.get_by_role("button", name="Interest", exact=True).click()
    at(page, 1)
    expect(page.locator(".toast")).to_contain_text("Saved: Interest")
    expect(page.locator(".last")).to_have_text("Video number 0 about gardens")
    expect(page.locator(".count")).to_have_text("1 of 500 labels")
    page.keyboard.press("u")
    at(page, 2)
    expect(page.locator("[data-balance='interest labelling']")).to_contain_text("1 yes, 1 no")
    page.get_by_role("button", name="Skip").click()
    at(page, 3)
    page.keyboard.press("s")
    at(page, 4)
    page.keyboard.press("ArrowRight")
    at(page, 5)
    page.get_by_role("button", name="Previous").click()
    at(page, 4)
    page.keyboard.press("ArrowLeft")
    at(page, 3)
    said = [("video-00000", "interest", 1.0, "labelling"), ("video-00001", "interest", 0.0, "labelling")]
    assert history(site) == said
    page.locator("[data-do=undo-last]").click()
    at(page, 1)
    expect(page.locator(".count")).to_have_text("1 of 500 labels")
    assert history(site) == [*said, ("video-00001", "interest", None, "labelling")]
    page.keyboard.press("z")
    at(page, 0)
    assert history(site)[3] == ("video-00000", "interest", None, "labelling")
    expect(page.locator("[data-balance]")).to_have_count(0)
    page.keyboard.press("i")
    at(page, 1)
    assert history(site)[4:] == [("video-00000", "interest", 1.0, "labelling")]
    saves = (
        page.locator("[data-do=save]").click,
        lambda: page.keyboard.press("v"),
        lambda: page.keyboard.press("Control+s"),
    )
    for n, save in enumerate(saves):
        save()
        expect(page.locator(".toast")).to_contain_text(f"Saved: video {2 + n}. You can go on here any time.")
        with site.database() as database:
            assert database.state("site", "labelling")["index"] == 1 + n
        page.keyboard.press("s")
        at(page, 2 + n)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Save the position")


def test_labelling_goes_on_where_it_was_left(visit, site, browser):
    page = visit.page
    for n, key in enumerate("isiu"):
        at(page, n)
        page.keyboard.press(key)
    at(page, 4)
    with Visit(browser) as other:
        later = other.open(site.url + "/label")
        at(later, 4)
        expect(later.locator(".position")).to_have_text("Video 5")
        later.get_by_role("button", name="Start over").click()
        at(later, 1)  # the one that was skipped
        expect(later.locator(".count")).to_have_text("3 of 500 labels")


def test_a_label_can_be_changed_after_going_back(visit, site):
    page = visit.page
    at(page, 0)
    page.keyboard.press("i")
    at(page, 1)
    page.keyboard.press("ArrowLeft")
    at(page, 0)
    expect(page.locator("[data-say=interest1]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("u")
    at(page, 1)
    assert [value for *_, value, _ in history(site)] == [1.0, 0.0]
    page.keyboard.press("z")
    at(page, 0)
    expect(page.locator("[data-say=interest1]")).to_have_attribute("aria-pressed", "true")


def test_the_second_press_of_two_is_not_said_of_the_next_video(visit, site):
    page = visit.page
    at(page, 0)
    page.get_by_role("button", name="Interest", exact=True).dblclick()
    at(page, 1)
    page.keyboard.press("u")
    page.keyboard.press("u")
    at(page, 2)
    button = page.locator("[data-say=interest1]")
    button.evaluate("button => { for (let n = 0; n < 9; n++) button.click() }")
    at(page, 3)
    assert len(history(site)) == 3


def test_the_other_head_and_every_order_can_be_chosen(visit, site):
    page = visit.page
    at(page, 0)
    page.locator("[data-do=head]").select_option("productive")
    expect(page.locator("[data-say=productive1]")).to_be_visible()
    expect(page.locator("[data-say=interest1]")).to_have_count(0)
    page.locator("[data-do=head]").press("Escape")
    at(page, 0)
    page.keyboard.press("n")
    at(page, 1)
    assert history(site) == [("video-00000", "productive", 0.0, "labelling")]
    for order in ("newest", "uncertain", "random", "newest_watch"):
        page.locator("[data-do=label-order]").select_option(order)
        page.wait_for_timeout(SETTLE_MS)
        with site.database() as database:
            first = database.to_label(1, order=order, head="productive")[0]
            assert database.state("site", "labelling") == {
                "order": order,
                "head": "productive",
                "index": 0,
                "after": None,
            }
        expect(page.locator("h2.video-title")).to_have_text(first.title)


def test_the_player_of_the_next_video_waits_for_its_own_click(site, browser):
    with Visit(browser) as visit:
        page = visit.open(site.url + "/label")
        at(page, 0)
        page.keyboard.press("p")
        expect(page.locator("iframe")).to_have_attribute("src", re.compile("video-00000"))
        page.keyboard.press("s")
        at(page, 1)
        expect(page.locator("iframe")).to_have_count(0)
        assert {address.split("/")[2] for address, _ in visit.outside} <= {"www.youtube-nocookie.com"}


def test_two_browsers_label_without_disturbing_each_other(visit, site, browser):
    with Visit(browser) as other:
        theirs = other.open(site.url + "/label")
        at(visit.page, 0)
        at(theirs, 0)
        visit.page.keyboard.press("s")
        at(visit.page, 1)
        expect(theirs.locator("h2.video-title")).to_have_text(re.compile("number 0 "))
        theirs.keyboard.press("i")
        visit.page.keyboard.press("u")
        at(visit.page, 2)
        at(theirs, 1)
        assert sorted(history(site)) == [
            ("video-00000", "interest", 1.0, "labelling"),
            ("video-00001", "interest", 0.0, "labelling"),
        ]


def test_a_kill_right_after_the_confirmation_loses_nothing_and_the_page_comes_back(tmp_path, browser):
    with feed_site(tmp_path, fill_labels) as site, Visit(browser) as visit:
        page = visit.open(site.url + "/label")
        at(page, 0)
        page.keyboard.press("i")
        page.wait_for_function("document.querySelector('.toast .said').textContent === 'Saved: Interest'", polling=5)
        site.kill()
        assert history(site) == [("video-00000", "interest", 1.0, "labelling")]
        page.evaluate("window.before = true")
        site.start()
        page.wait_for_function("window.before === undefined && window.did_handshake === true", timeout=60_000)
        at(page, 1)  # it goes on after what was said
        page.keyboard.press("u")
        at(page, 2)
        assert len(history(site)) == 2


def test_what_could_not_be_written_is_not_confirmed(site, browser):
    def rename(old, new):
        with closing(sqlite3.connect(site.log.parent / "feed.sqlite", timeout=30)) as database:
            database.execute(f"ALTER TABLE {old} RENAME TO {new}")

    with Visit(browser) as visit:
        page = visit.open(site.url + "/label")
        at(page, 0)
        rename("feedback", "feedback_away")
        try:
            page.keyboard.press("i")
            expect(page.locator(".toast")).to_contain_text("Not done: ")
            expect(page.locator(".opinions [aria-pressed=true], .opinions [aria-busy=true]")).to_have_count(0)
            visit.page.goto(site.url)
            expect(page.get_by_role("heading", name="This page cannot be shown")).to_be_visible()
            expect(page.locator(".empty")).to_contain_text("no such table")
            assert site.request("/api/feed")[0] == 503
        finally:
            rename("feedback_away", "feedback")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("heading", name="Nothing is scored yet")).to_be_visible()
        visit.open(site.url + "/label")
        at(page, 0)
        page.keyboard.press("i")
        at(page, 1)
        assert len(history(site)) == 1


def test_empty_pages_say_what_to_do_next(tmp_path, browser):
    with feed_site(tmp_path) as site, Visit(browser) as visit:
        page = visit.open(site.url)
        expect(page.get_by_role("heading", name="No videos yet")).to_be_visible()
        expect(page.get_by_text("traceformers feed demo")).to_be_visible()
        visit.open(site.url + "/label")
        with site.database() as database:
            database.save_feed([], None, "cold start", {})  # as a schedule does over an empty database
        visit.open(site.url)
        expect(page.get_by_role("heading", name="No videos yet")).to_be_visible()
        with site.database() as database:
            database.reset("feed")
        visit.open(site.url + "/label")
        expect(page.get_by_role("heading", name="Nothing to label")).to_be_visible()
        visit.open(site.url + "/health")
        expect(page.get_by_text("There is no feed yet")).to_be_visible()
        expect(page.get_by_text("Nothing ran yet")).to_be_visible()
        with site.database() as database:
            database.add_videos(made_videos(2, hostile=False))
            database.add_watches([Watch("video-00000", NOW)])
        visit.open(site.url)
        expect(page.get_by_role("heading", name="Nothing is scored yet")).to_be_visible()
        page.get_by_role("button", name="Label videos").click()
        page.wait_for_url("**/label")
        connected(page)
        at(page, 0)
        page.keyboard.press("s")
        at(page, 1)
        page.keyboard.press("i")
        expect(page.get_by_role("heading", name="The end of the list")).to_be_visible()
        page.locator("[data-do=again]").click()
        at(page, 0)
        page.keyboard.press("u")
        page.locator("[data-do=again]").click()
        expect(page.get_by_role("heading", name="Nothing to label")).to_be_visible()
        assert visit.errors == []


def test_health_shows_runs_labels_and_drift_and_what_was_rated_can_be_shown_again(tmp_path, browser):
    def fill(database):
        fill_feed(database, 60, hostile=False)
        run = database.start_run("collect")
        database.finish_run(run, "failed", None, "ActivityWatch <b>does not</b> answer")
        database.add_feedback(
            Feedback(f"feedback-{n}", f"video-{n:05d}", "interest", float(n > 1), NOW, "like") for n in range(60)
        )

    with feed_site(tmp_path, fill) as site, Visit(browser) as visit:
        page = visit.open(site.url + "/health")
        expect(page.locator("tr[data-run=failed]")).to_contain_text("ActivityWatch <b>does not</b> answer")
        expect(page.locator("tr[data-run=ok]")).to_contain_text("videos 60")
        expect(page.locator(".tile", has_text="Next run")).to_contain_text("none is scheduled")
        expect(page.locator("[data-balance='interest like']")).to_contain_text("58 yes, 2 no")
        expect(page.locator("[data-drift=productive] dd b")).to_have_count(10)
        expect(page.get_by_text("Train again")).to_be_visible()  # it expects half as much as was said
        page.evaluate("window.before = true")
        page.get_by_role("button", name="Look again").click()
        page.wait_for_function("window.before === undefined")
        expect(page.locator("tr[data-run=failed]")).to_be_visible()
        visit.open(site.url)
        expect(page.get_by_role("heading", name="All done")).to_be_visible()
        page.get_by_role("button", name="Show watched and rated").click()
        expect(page.locator(".card")).to_have_count(21)
        assert visit.errors == []
