"""The feed and the player page in a real Chromium: every button, by mouse and by key."""

import re
from contextlib import contextmanager

import pytest
from feed_browser import HOSTILE, Visit, chromium, connected, feed_rows, feed_site, fill_feed, made_videos
from playwright.sync_api import expect

from traceformers.apps.feed.site.site_keys import EVERYWHERE, KEYS

COUNT = 70


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with feed_site(tmp_path_factory.mktemp("feed"), lambda database: fill_feed(database, COUNT)) as site:
        yield site


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(site, browser):
    """A new browser; at its end nothing outside was asked for, nothing failed, no title ran."""
    with visiting(site, browser) as visit:
        yield visit


@contextmanager
def visiting(site, browser, **settings):
    with Visit(browser, **settings) as visit:
        visit.open(site.url)
        yield visit
        assert visit.page.evaluate("window.hacked") is None
        assert visit.errors == []
        assert visit.outside == []


@pytest.fixture(autouse=True)
def nothing_said(site):
    """Each test begins with no opinion, no watch but the first, nothing hidden."""
    yield
    with site.database() as database:
        database.reset("feedback")
        for video in [*made_videos(COUNT)]:
            database.hide_video(video.video_id, False)
        for channel in database.hidden_channels():
            database.hide_channel(channel, False)


def cards(page):
    return page.locator(".card:visible")


def card(page, video_id):
    return page.locator(f"#video-{video_id}")


def labels(site):
    with site.database() as database:
        return {row["video_id"]: (row["interest"], row["productive"]) for row in database.labels().to_pylist()}


def shown_ids(page):
    return page.eval_on_selector_all(".card", "cards => cards.map(card => card.dataset.video)")


def test_cards_come_21_at_a_time_to_the_last(visit):
    page = visit.page
    expect(cards(page)).to_have_count(21)
    page.get_by_role("button", name="Load more").click()
    expect(cards(page)).to_have_count(42)
    expect(page.get_by_text("No more videos.")).to_have_count(0)
    page.keyboard.press("m")
    expect(cards(page)).to_have_count(63)
    page.keyboard.press("m")
    expect(page.get_by_text("No more videos.")).to_be_visible()
    ids = shown_ids(page)
    assert len(ids) == len(set(ids)) == COUNT - 7 - 1 + len(HOSTILE)  # no Shorts, not what was watched


def test_cards_stand_in_three_columns_on_a_laptop_and_one_on_a_phone(visit):
    page = visit.page

    def columns():
        return len(
            set(page.eval_on_selector_all(".card", "cards => cards.map(c => Math.round(c.getBoundingClientRect().x))"))
        )

    assert columns() == 3
    for path in ("/", "/watch/hostile0003", "/label", "/health"):
        page.set_viewport_size({"width": 360, "height": 740})
        visit.open(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + path)
        assert page.evaluate("document.scrollingElement.scrollWidth") == 360, path
        if path == "/":
            assert columns() == 1
            page.get_by_role("button", name=re.compile("Filters")).click()
            assert page.evaluate("document.scrollingElement.scrollWidth") == 360


def test_an_opinion_is_on_disk_when_it_is_confirmed_and_can_be_undone(visit, site):
    page, one = visit.page, card(visit.page, "video-00000")
    for say, expected in (
        ("interest1", (1.0, None)),
        ("interest0", (0.0, None)),
        ("productive1", (0.0, 1.0)),
        ("productive0", (0.0, 0.0)),
    ):
        one.locator(f"[data-say={say}]").click()
        expect(one.locator(f"[data-say={say}]")).to_have_attribute("aria-pressed", "true")
        assert labels(site)["video-00000"] == expected
    expect(page.locator(".toast")).to_contain_text("Saved: Not now")
    for expected in ((0.0, 1.0), (0.0, None), (1.0, None), None):
        page.locator("[data-do=undo]").click() if expected else page.keyboard.press("z")
        expect(page.locator(".toast")).to_contain_text("Taken back")
        page.wait_for_timeout(250)
        assert labels(site).get("video-00000") == expected
    expect(one.locator("[aria-pressed=true]")).to_have_count(0)


def test_a_repeated_click_counts_once(visit, site):
    button = card(visit.page, "video-00001").locator("[data-say=interest1]")
    button.dblclick()
    button.evaluate("button => { for (let n = 0; n < 5; n++) button.click() }")
    expect(button).to_have_attribute("aria-pressed", "true")
    visit.page.wait_for_timeout(300)
    with site.database() as database:
        assert len(database.feedback_table()) == 1


def test_why_says_reasons_scores_from_0_to_100_and_terms(visit):
    one = card(visit.page, "hostile0002")
    expect(one.locator(".points")).to_contain_text("96")
    one.get_by_role("button", name="Why this").click()
    expect(one.locator(".why")).to_contain_text("You were just reading about it")
    expect(one.locator(".why")).to_contain_text("chance of 25.0 %")
    expect(one.locator(".why dd b")).to_have_text(["97", "14"])
    expect(one.locator(".why table td")).to_have_text(["+58.4", "+29.2", "+9.7", "−1.0"])
    visit.page.keyboard.press("w")
    expect(one.locator(".why")).to_have_count(0)


def test_a_hidden_video_and_a_hidden_channel_go_and_come_back(visit, site):
    page = visit.page
    card(page, "video-00002").locator("[data-do=hide-video]").click()
    expect(card(page, "video-00002")).to_be_hidden()
    page.keyboard.press("z")
    expect(card(page, "video-00002")).to_be_visible()
    card(page, "video-00003").locator("[data-do=hide-channel]").click()
    expect(card(page, "video-00003")).to_be_hidden()
    expect(card(page, "video-00008")).to_be_hidden()
    with site.database() as database:
        assert database.hidden_channels() == ["UC" + "3".zfill(22)]
    page.keyboard.press("m")
    expect(page.locator(".card:visible .channel", has_text="Channel 3")).to_have_count(0)
    page.reload()
    expect(page.locator(".card:visible .channel", has_text="Channel 3")).to_have_count(0)


def test_order_search_and_every_filter_change_the_list(visit):
    page = visit.page
    page.locator("[data-do=order]").select_option("interest")
    expect(page.locator(".card .points").first).to_contain_text("Interest: 99")
    page.locator("[data-do=order]").select_option("productive")
    expect(cards(page).first).to_have_attribute("data-video", "hostile0000")
    page.locator("[data-do=order]").select_option("newest")
    expect(page.locator(".toolbar [data-do=order]")).to_have_value("newest")
    page.get_by_role("searchbox").fill("NUMBER 12")
    expect(cards(page)).to_have_count(1)
    page.get_by_role("searchbox").fill("")
    expect(cards(page)).to_have_count(21)
    page.keyboard.press("Escape")
    page.keyboard.press("f")

    def narrowed(name, value, count):
        field = page.locator(f".filters [data-do={name}]")
        field.fill(value)
        field.press("Enter")
        expect(cards(page)).to_have_count(count)
        field.fill("")
        field.press("Enter")
        expect(cards(page)).to_have_count(21)

    narrowed("channel", "Channel 4", 6)  # 14 of its videos, 7 of them Shorts, one watched
    narrowed("min", "39", 1)
    narrowed("max", "1", 2)
    page.locator("[data-do=shorts]").check()
    page.locator("[data-do=watched]").check()
    page.locator(".filters [data-do=channel]").fill("Channel 4")
    page.locator(".filters [data-do=channel]").press("Enter")
    expect(cards(page)).to_have_count(14)
    page.locator("[data-do=unsubscribed]").check()
    expect(page.get_by_role("button", name="Filters: 4")).to_be_visible()
    page.locator(".filters [data-do=channel]").fill("Channel 1")
    page.locator(".filters [data-do=channel]").press("Enter")
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()
    page.get_by_role("button", name="Clear search and filters").click()
    expect(cards(page)).to_have_count(21)
    expect(page.get_by_role("button", name=re.compile("^Filters"))).to_have_text(re.compile(r"Filters$"))


def test_since_and_what_is_hidden_and_rated_can_be_asked_for(visit, site):
    page = visit.page
    with site.database() as database:
        database.hide_video("video-00022")
    card(page, "video-00012").locator("[data-say=interest1]").click()
    expect(page.locator(".toast")).to_contain_text("Saved")
    page.get_by_role("searchbox").fill("gardens trains")  # one title has one of them
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()
    page.get_by_role("searchbox").fill("number 12 about")
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()  # it was rated
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.locator("[data-do=rated]").check()
    expect(card(page, "video-00012").locator("[data-say=interest1]")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("searchbox").fill("number 22 about")
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()
    page.locator("[data-do=hidden]").check()
    expect(card(page, "video-00022")).to_be_visible()
    page.locator("[data-do=since]").select_option("1")
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()  # all videos are older


def test_back_from_a_video_finds_the_same_cards_at_the_same_place(visit, site):
    page = visit.page
    page.keyboard.press("m")
    expect(cards(page)).to_have_count(42)
    before = shown_ids(page)
    card(page, "video-00020").scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    assert place > 500
    card(page, "video-00020").locator("a.title").click()
    page.wait_for_url("**/watch/video-00020")
    connected(page)
    page.keyboard.press("i")
    expect(page.locator(".toast")).to_contain_text("Saved: Interest")
    page.keyboard.press("b")
    page.wait_for_selector("html[data-restored=yes]")
    assert shown_ids(page) == before  # what was just rated stays where it was
    assert abs(page.evaluate("scrollY") - place) < 3
    expect(card(page, "video-00020").locator("[data-say=interest1]")).to_have_attribute("aria-pressed", "true")
    card(page, "video-00020").locator("a.title").click()
    page.wait_for_url("**/watch/*")
    page.go_back()
    page.wait_for_selector("html[data-restored=yes]")
    assert shown_ids(page) == before
    assert abs(page.evaluate("scrollY") - place) < 3
    visit.open(site.url)
    assert "video-00020" not in shown_ids(page)


def test_the_player_is_loaded_after_a_click_only_and_sends_the_right_referrer(site, browser):
    with Visit(browser) as visit:
        page = visit.open(f"{site.url}/watch/video-00005")
        assert visit.outside == []
        page.keyboard.press("p")
        frame = page.locator("iframe")
        expect(frame).to_have_attribute("referrerpolicy", "strict-origin-when-cross-origin")
        expect(frame).to_have_attribute("src", re.compile(r"^https://www\.youtube-nocookie\.com/embed/video-00005\?"))
        page.wait_for_timeout(300)
        hosts = {address.split("/")[2] for address, _ in visit.outside}
        assert hosts == {"www.youtube-nocookie.com"}
        assert {referrer for _, referrer in visit.outside} == {site.url + "/"}
        with site.database() as database:
            assert "video-00005" in database.watch_table()["video_id"].to_pylist()


def test_every_button_of_the_player_page_works(visit, site):
    page = visit.open(f"{site.url}/watch/video-00006")
    for key, name, expected in (
        ("u", "Uninterest", (0.0, None)),
        ("i", "Interest", (1.0, None)),
        ("r", "Right now", (1.0, 1.0)),
        ("n", "Not now", (1.0, 0.0)),
    ):
        page.keyboard.press(key)
        expect(page.locator(".toast")).to_contain_text(f"Saved: {name}")
        assert labels(site)["video-00006"] == expected
        page.wait_for_timeout(50)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-say=productive1]")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Take back what I said").click()
    expect(page.locator(".opinions [aria-pressed=true]")).to_have_count(0)
    assert labels(site) == {}
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".opinions [aria-pressed=true]")).to_have_count(2)
    expect(page.locator("aside")).to_contain_text("You were just reading about it")
    expect(page.locator("[data-do=open]")).to_have_attribute("rel", "noopener noreferrer")
    page.get_by_role("button", name="Back to the feed").click()
    page.wait_for_url(re.compile(r"/(\?.*)?$"))
    visit.open(f"{site.url}/watch/unknown")
    expect(page.get_by_role("heading", name="This video is not known")).to_be_visible()


@pytest.mark.parametrize("n", range(len(HOSTILE)))
def test_hostile_titles_are_texts(visit, site, n):
    page = visit.page
    expected = {0: HOSTILE[0], 2: HOSTILE[2], 3: "A" * 299 + "…"}.get(n)
    title = card(page, f"hostile{n:04d}").locator("a.title")
    if expected:
        assert title.evaluate("title => title.textContent") == expected
    assert title.evaluate("title => title.children.length") == 0
    box = card(page, f"hostile{n:04d}").bounding_box()
    assert box["width"] < 450 and box["height"] < 600
    card(page, f"hostile{n:04d}").locator("[data-do=why]").click()
    visit.open(f"{site.url}/watch/hostile{n:04d}")
    assert page.locator("h1 *, .description *").count() == 0
    assert page.evaluate("document.scrollingElement.scrollWidth") == page.viewport_size["width"]


def test_keys_alone_reach_everything(visit, site):
    page = visit.page
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("k")
    focused = page.evaluate("document.activeElement.closest('.card').dataset.video")
    assert focused == shown_ids(page)[1]
    for key, expected in (("i", (1.0, None)), ("r", (1.0, 1.0))):
        page.keyboard.press(key)
        expect(page.locator(".toast")).to_contain_text("Saved")
        page.wait_for_timeout(200)
        assert labels(site)[focused] == expected
    page.evaluate("document.querySelector('.toast').classList.add('hidden')")  # as after some seconds
    page.keyboard.press("z")
    expect(page.locator(".toast")).to_contain_text("Taken back")
    page.keyboard.press("r")
    expect(page.locator(".toast")).to_contain_text("Saved")
    page.keyboard.press("x")
    expect(card(page, focused)).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Hide the channel")
    page.get_by_role("button", name="Close").press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("imx")  # letters are letters in a field
    expect(page.get_by_role("searchbox")).to_have_value("imx")
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()
    page.keyboard.press("Escape")
    assert labels(site)[focused] == (1.0, 1.0)
    page.keyboard.press("o")
    assert page.evaluate("document.activeElement.dataset.do") == "order"


def test_every_key_of_the_help_presses_something(visit, site):
    page = visit.page
    moves = {"J", "K", "Enter", "Tab", "→", "←", "Ctrl+S"}
    for name, path in (("feed", "/"), ("watch", "/watch/video-00007"), ("label", "/label")):
        visit.open(site.url + path)
        keys = {key for listed, _ in (*KEYS[name], *EVERYWHERE) for key in re.split(r", | or ", listed)} - moves
        found = page.eval_on_selector_all("[data-key]", "all => all.flatMap(e => e.dataset.key.split(' '))")
        missing = {key for key in keys if key.lower() not in found}
        assert missing == ({"R", "N"} if name == "label" else set())  # it asks about one head at a time


def test_single_keys_can_be_turned_off(visit, site):
    page = visit.page
    page.keyboard.press("?")
    page.locator("#keys-on").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("i")
    page.wait_for_timeout(200)
    assert labels(site) == {}
    page.keyboard.press("?")
    page.locator("#keys-on").check()


def test_the_focus_can_be_seen_on_everything_that_takes_it(visit):
    page = visit.page
    seen = set()
    for _ in range(22):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " const name = e.tagName + (e.dataset.do ?? e.dataset.say ?? e.className);"
            " return [name, parseFloat(s.outlineWidth), s.outlineStyle] })()"
        )
        assert focused[1] >= 2 and focused[2] == "solid", focused
        seen.add(focused[0])
    assert {"BUTTONmode", "INPUTsearch", "SELECTorder", "Atitle", "BUTTONinterest1", "BUTTONwhy"} <= seen


def test_a_newer_feed_is_offered_and_moves_nothing_before_it_is_asked_for(visit, site):
    page = visit.page
    before = shown_ids(page)
    button = page.get_by_role("button", name="New feed available")
    expect(button).to_be_hidden()
    with site.database() as database:
        old = database.feed_version()
        new = database.save_feed(feed_rows(made_videos(COUNT), best_first=False), None, "linear-2", {})
    status, _, text = site.request("/api/feed/updated", {})
    assert (status, text) == (200, f'{{"feed_id":{new}}}')
    expect(button).to_be_visible()
    assert shown_ids(page) == before
    page.keyboard.press("m")
    expect(cards(page)).to_have_count(42)
    assert shown_ids(page)[:21] == before
    page.keyboard.press("g")
    expect(button).to_be_hidden()
    expect(cards(page)).to_have_count(21)
    assert shown_ids(page) != before
    page.reload()
    assert f"feed={new}" in page.url
    with site.database() as database:  # the polling finds it without being told
        rows = feed_rows([*made_videos(COUNT)[COUNT:], *made_videos(COUNT)[:COUNT]])
        assert database.save_feed(rows, None, "linear-1", {}) > new > old
    expect(button).to_be_visible()


def test_two_browsers_do_not_disturb_each_other(visit, site, browser):
    with visiting(site, browser) as other:
        page, theirs = visit.page, other.page
        page.keyboard.press("m")
        theirs.locator("[data-do=order]").select_option("newest")
        expect(cards(page)).to_have_count(42)
        expect(cards(theirs)).to_have_count(21)
        theirs.keyboard.press("Escape")
        theirs.locator("[data-do=mode]").click()
        expect(theirs.locator("body")).to_have_class(re.compile("body--dark"))
        expect(page.locator("body")).to_have_class(re.compile("body--light"))
        tab = visit.new_page()
        tab.goto(site.url)
        connected(tab)
        expect(cards(tab)).to_have_count(21)
        page.reload()
        expect(cards(page)).to_have_count(42)
        card(page, "video-00010").locator("[data-say=interest1]").click()
        card(theirs, "video-00011").locator("[data-say=interest0]").click()
        expect(page.locator(".toast")).to_contain_text("Saved: Interest")
        expect(theirs.locator(".toast")).to_contain_text("Saved: Uninterest")
        theirs.keyboard.press("z")
        expect(theirs.locator(".toast")).to_contain_text("Taken back")
        assert labels(site) == {"video-00010": (1.0, None)}


def test_colours_follow_the_system_until_a_choice_is_made(site, browser):
    with visiting(site, browser, color_scheme="dark") as visit:
        page, mode = visit.page, visit.page.locator("[data-do=mode]")
        expect(page.locator("body")).to_have_class(re.compile("body--dark"))
        expect(mode).to_have_attribute("data-mode", "system")
        page.keyboard.press("d")
        expect(mode).to_have_attribute("data-mode", "dark")
        page.keyboard.press("d")
        expect(page.locator("body")).to_have_class(re.compile("body--light"))
        page.reload()
        expect(page.locator("body")).to_have_class(re.compile("body--light"))


CONTRASTS = """() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const linear = (v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
  };
  const bad = [];
  for (const e of document.querySelectorAll("body *")) {
    if (!e.getClientRects().length || e.closest(".unseen, .skip, iframe") || e.disabled) continue;
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const text = parse(getComputedStyle(e).color).slice(0, 3), behind = ground(e);
    const [high, low] = [luminance(text), luminance(behind)].sort((a, b) => b - a);
    if ((high + .05) / (low + .05) < 4.5) bad.push([e.tagName, e.className, e.textContent.trim().slice(0, 30)]);
  }
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_texts_that_are_seen_have_the_contrast_of_aa(site, browser, scheme):
    with visiting(site, browser, color_scheme=scheme) as visit:
        page = visit.page
        page.keyboard.press("f")
        card(page, "hostile0002").locator("[data-do=why]").click()
        for say in ("interest1", "productive0"):
            card(page, "video-00000").locator(f"[data-say={say}]").click()
            expect(page.locator(".toast")).to_contain_text("Saved")
            page.wait_for_timeout(300)
        assert page.evaluate(CONTRASTS) == []
        for path in ("/watch/video-00000", "/label", "/health"):
            visit.open(site.url + path)
            assert page.evaluate(CONTRASTS) == [], path
