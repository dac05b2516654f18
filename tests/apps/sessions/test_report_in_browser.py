"""The report in a real Chromium, opened from a disk: what people do with it, and what a hostile recording cannot do."""

import pytest
from feed_browser import chromium
from playwright.sync_api import expect
from report_visitor import ReportVisit
from tiny_report import HOSTILE, tiny_report_folders
from tiny_session_index import session_model_folder

from traceformers.apps.sessions.quickstart import SAMPLES
from traceformers.apps.sessions.report_page import write_report
from traceformers.apps.sessions.session_index import SessionIndex
from traceformers.apps.sessions.session_model import SessionModel

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
CONTRAST = """() => {
  const light = (text) => {
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = text.match(/[\\d.]+/g).map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (!/, 0\\)|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.offsetParent || node.closest("#replay")) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push([node.id || node.className, node.textContent.slice(0, 30), ratio]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return write_report(*tiny_report_folders(folder), folder / "report", replays=4).path


@pytest.fixture
def visit(browser, report):
    with ReportVisit(browser, report) as visit:
        yield visit
        assert visit.errors == []
        assert all(name == "report.html" or name.startswith("replays/") for name in visit.asked)
        assert visit.outside == []


def test_the_first_session_is_open_with_its_replay_reasons_and_time_line(visit):
    frame = visit.replay_ready()
    expect(frame.locator("h1")).to_have_text("Shop 0")
    assert visit.chosen() == "session-0000"
    expect(visit.page.locator("#reasons")).to_contain_text("4 clicks on “Pay now” within 0.9 s")
    expect(visit.page.locator("#timeline .bar")).to_have_count(19)
    expect(visit.page.locator("#title")).to_have_text("12 sessions")
    assert visit.asked == ["report.html"]  # nothing else was needed


def test_a_click_on_the_map_selects_and_the_pointer_shows_a_session(visit):
    page = visit.page
    point = page.locator("#map .point[data-session='5']").bounding_box()
    x, y = point["x"] + point["width"] / 2, point["y"] + point["height"] / 2
    page.mouse.move(x, y)
    expect(page.locator("#tip")).to_be_visible()
    page.mouse.click(x, y)
    name = page.evaluate("JSON.parse(document.getElementById('report-data').textContent).sessions.id[5]")
    expect(page.locator("#session-facts")).to_contain_text(name)
    expect(page.locator("#map .point.chosen")).to_have_attribute("data-session", "5")


def test_the_map_goes_by_keys_and_zooms(visit):
    page = visit.page
    before = visit.chosen()
    page.locator("#map").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert visit.chosen() != before
    other = page.locator("#map .point:not(.chosen)").first
    where = other.get_attribute("transform")
    page.locator("#zoom-in").click()
    assert other.get_attribute("transform") != where
    page.locator("#zoom-reset").click()
    assert other.get_attribute("transform") == where


def test_the_list_sorts_and_filters_by_text_site_and_cluster(visit):
    page = visit.page
    assert len(visit.listed()) == 12
    page.locator("#sort").select_option("newest")
    assert visit.listed() == [f"session-{n:04d}" for n in reversed(range(12))]
    page.locator("#sort").select_option("struggle")
    assert visit.listed() == [f"session-{n:04d}" for n in range(12)]
    page.locator("#site").select_option("blog.test")
    assert visit.listed() == [f"session-{n:04d}" for n in (1, 4, 7, 10)]
    page.locator("#text").fill("pay NOW 8 clicks")
    assert visit.listed() == ["session-0004"]
    expect(page.locator("#shown")).to_have_text("1 of 12")
    expect(page.locator("#map .point.faint")).to_have_count(11)
    page.locator("#text").fill("nothing is like that")
    expect(page.locator("#list")).to_contain_text("No session is like that")
    page.locator("#clear").click()
    expect(page.locator("#shown")).to_have_text("12 in all")
    page.locator("#legend button").nth(2).click()
    assert len(visit.listed()) == 4
    expect(page.locator("#legend button").nth(2)).to_have_attribute("aria-pressed", "true")


def test_a_moment_takes_the_replay_there(visit):
    frame, page = visit.replay_ready(), visit.page
    assert visit.player_seconds() == 0
    page.locator("#timeline .bar[data-moment='11']").click()
    expect(frame.locator("h1")).to_have_text("Shop 0, step 11")
    assert visit.player_seconds() == 12
    expect(page.locator("#moment")).to_contain_text("click button “Pay now” 12")
    page.locator("#moments .row", has_text="rage click").click()
    expect(frame.locator("h1")).to_have_text("Shop 0, step 6")
    assert visit.player_seconds() == 7
    page.locator("#timeline").focus()
    page.keyboard.press("ArrowRight")
    expect(frame.locator("h1")).to_have_text("Shop 0, step 7")
    page.keyboard.press("End")
    expect(frame.locator("h1")).to_have_text("Shop 0, step 18")
    page.locator("#reasons button", has_text="at 0:07").click()
    expect(frame.locator("h1")).to_have_text("Shop 0, step 6")


def test_the_replay_plays_and_moves_the_play_head(visit):
    visit.replay_ready()
    page = visit.page
    before = float(page.locator("#playhead").get_attribute("x1"))
    page.get_by_label("Speed 8").click()
    page.get_by_label("Play or pause").click()
    visit.until(f"Number(document.getElementById('playhead').getAttribute('x1')) > {before + 20}")


def test_what_was_typed_is_stars_in_the_replay(visit):
    frame, page = visit.replay_ready(), visit.page
    page.locator("#timeline .bar[data-moment='5']").click()
    expect(frame.locator("input")).to_have_value("****** ****")


def test_a_replay_beside_the_page_is_loaded_when_it_is_wanted(visit):
    page = visit.page
    page.locator("#list .row").nth(9).click()
    frame = visit.replay_ready()
    expect(frame.locator("h1")).to_contain_text("Shop")
    assert visit.asked == ["report.html", "replays/9.js"]
    assert page.locator("head script").count() == 0


def test_a_replay_that_is_not_beside_the_page_says_where_it_should_be(browser, tmp_path):
    written = write_report(*tiny_report_folders(tmp_path, 3), tmp_path / "report", replays=1)
    (tmp_path / "report" / "replays" / "2.js").unlink()
    (tmp_path / "report" / "replays" / "1.js").write_text('sessionReplay(1,"another","AAAA")')
    with ReportVisit(browser, written.path) as visit:
        visit.page.locator("#list .row").nth(2).click()
        expect(visit.page.locator("#replay-note")).to_contain_text("replays/2.js, which is not beside this page")
        visit.page.locator("#list .row").nth(1).click()
        expect(visit.page.locator("#replay-note")).to_contain_text("belongs to another report")


def test_the_nearest_lead_from_one_to_the_next(visit):
    page = visit.page
    first = page.locator("#nearest .row").first
    name = first.locator("bdi").nth(1).inner_text()
    first.click()
    expect(page.locator("#session-facts")).to_contain_text(name)
    expect(page.locator("#list .row[aria-current]")).to_contain_text(name)


def test_an_address_names_a_session_and_the_list_is_usable_by_keys(browser, report):
    with ReportVisit(browser, report) as visit:
        page = visit.page
        page.goto(report.as_uri() + "#session-0007")
        page.reload()
        expect(page.locator("#session-facts")).to_contain_text("session-0007")
        row = page.locator("#list .row").nth(3)
        row.focus()
        page.keyboard.press("Enter")
        name = row.locator("bdi").nth(1).inner_text()
        expect(page.locator("#session-facts")).to_contain_text(name)
        assert page.evaluate("location.hash") == f"#{name}"
        assert page.evaluate("document.activeElement.id") == "session"


def test_left_out_files_are_shown_with_their_reason(visit):
    visit.page.locator("#about a").click()
    expect(visit.page.locator("#left-out tbody tr")).to_have_text(["broken.jsonstops before its end"])


def test_on_a_phone_nothing_scrolls_sideways_and_a_tap_opens_the_session(browser, report):
    with ReportVisit(browser, report, **PHONE) as visit:
        page = visit.page
        visit.replay_ready()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator("#list .row").nth(2).tap()
        visit.until("Math.abs(document.getElementById('session').getBoundingClientRect().y) < 40")
        visit.replay_ready()
        assert page.locator("#replay").bounding_box()["width"] <= 390
        page.locator("#timeline .bar[data-moment='6']").tap()
        visit.until("document.querySelector('#replay .rr-timeline__time').textContent === '00:07'")
        page.locator("#back").tap()
        visit.until("document.getElementById('list-part').getBoundingClientRect().y > -400")
        point = page.locator("#map .point[data-session='4']").bounding_box()
        page.touchscreen.tap(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
        expect(page.locator("#open")).to_be_visible()
        page.locator("#open").tap()
        visit.until("Math.abs(document.getElementById('session').getBoundingClientRect().y) < 40")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_modes(browser, report, scheme):
    with ReportVisit(browser, report, color_scheme=scheme) as visit:
        visit.replay_ready()
        assert visit.page.evaluate(CONTRAST) == []


def test_a_hostile_recording_does_nothing(browser, tmp_path):
    written = write_report(*tiny_report_folders(tmp_path, 4, hostile=True), tmp_path / "report", replays=4)
    for settings in ({}, PHONE):
        with ReportVisit(browser, written.path, **settings) as visit:
            page = visit.page
            page.locator("#list .row", has_text="session-0001").click()
            frame = visit.replay_ready()
            expect(frame.locator("p").first).to_have_text("</script><script>window.hacked=1</script>")
            for moment in range(0, 18, 3):
                page.locator(f"#timeline .bar[data-moment='{moment}']").click()
            page.locator("#all-moments summary").click()
            page.locator("#about a").click()
            page.wait_for_timeout(500)
            assert page.evaluate("window.hacked") is None
            expect(page.locator("#reasons li").nth(1)).to_have_text(HOSTILE[1])
            page.locator("#more-reasons summary").click()
            expect(page.locator("#more-reasons li").last).to_have_text(HOSTILE[-1])
            assert page.locator("#session img, #session script, #list img, #list script").count() == 0
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert visit.errors == [] and visit.outside == []
            assert set(visit.asked) == {"report.html"} and page.url.startswith(written.path.as_uri())


def test_the_replay_stands_in_a_sandbox_without_scripts(visit):
    visit.replay_ready()
    assert visit.page.locator("#replay iframe").get_attribute("sandbox") == "allow-same-origin"
    assert visit.page.evaluate("document.querySelector('#replay iframe').inert")
    # and what would be added to it by another way is refused by the policy
    visit.page.evaluate(
        """() => {
          const inside = document.querySelector('#replay iframe').contentDocument;
          const script = inside.createElement('script');
          script.textContent = 'window.top.hacked = 1';
          inside.body.append(script);
          const own = document.createElement('script');
          own.textContent = 'window.hacked = 1';
          document.body.append(own);
        }"""
    )
    assert visit.page.evaluate("window.hacked") is None
    assert len(visit.errors) == 2
    visit.errors.clear()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_recording_in_this_package_replays_to_its_end_without_an_error_or_a_request(browser, tmp_path):
    index = SessionIndex.create(tmp_path / "index", SAMPLES, SessionModel(session_model_folder()), surprise=False)
    written = write_report(index.folder, SAMPLES, tmp_path / "report", replays=20)
    assert written.without == {} and written.sessions == written.inside + written.beside > 90
    with ReportVisit(browser, written.path) as visit:
        page = visit.page
        while page.locator("#more").is_visible():
            page.locator("#more").click()
        for number, name in enumerate(index.columns["session_id"]):
            page.locator(f"#list .row[data-session='{number}']").click()
            expect(page.locator("#session-facts")).to_contain_text(name)
            expect(page.locator("#replay-note")).to_have_text("")
            frame = visit.replay_ready()
            page.locator("#timeline").focus()
            page.keyboard.press("End")
            assert len(frame.locator("body").inner_text()) > 20, name
            assert visit.errors == [], name
        assert len(visit.asked) == 1 + written.beside
        assert all(asked == "report.html" or asked.startswith("replays/") for asked in visit.asked)
