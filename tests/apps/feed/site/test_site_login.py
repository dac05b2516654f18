"""A site with a password: nothing is shown or written without it; sessions last over a restart."""

import base64
import stat

import pytest
from feed_browser import Visit, chromium, connected, feed_site, fill_feed
from playwright.sync_api import expect

from traceformers.apps.feed.site.site_password import FREE_ATTEMPTS, hash_password

PASSWORD = "a long pässword"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with feed_site(tmp_path_factory.mktemp("login"), fill_feed, password_hash=hash_password(PASSWORD)) as site:
        yield site


def basic(password):
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


def test_nothing_is_answered_without_the_password(site):
    for path in ("/api/feed", "/api/videos/video-00000", "/api/status"):
        status, _, text = site.request(path)
        assert status == 401 and "password" in text
    said = {"feedback_id": "feedback-0001", "video_id": "video-00000", "head": "interest", "value": 1}
    assert site.request("/api/feedback", said)[0] == 401
    for path in (
        "/",
        "/label",
        "/watch/video-00000",
        "/health",
        "/thumbnails/video-00000.jpg",
        "/_nicegui_ws/socket.io/",
    ):
        status, _, text = site.request(path)
        assert status == 200 and "<h1>Productive feed</h1>" in text and "Video number" not in text, path


def test_a_web_socket_without_the_password_is_refused(site):
    assert site.upgrade(Origin=site.url) == 403


def test_programs_send_the_password_by_basic_authorization(site):
    assert site.request("/api/feed", Authorization=basic(PASSWORD))[0] == 200
    assert site.request("/api/feed", Authorization=basic("another password"))[0] == 401
    assert site.request("/api/feed", Authorization="Basic %%%")[0] == 401


def test_the_secret_and_the_sessions_are_private(site):
    home = site.log.parent
    assert stat.S_IMODE((home / "site_secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "sessions").stat().st_mode) == 0o700


def test_signing_in_lasts_over_a_restart_and_ends_with_signing_out(site):
    with chromium() as browser, Visit(browser) as visit, Visit(browser) as other:
        page = visit.page
        page.goto(site.url + "/watch/video-00003")
        page.get_by_label("Password").fill("wrong password")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That is not the password.")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/watch/video-00003")  # where it was going
        connected(page)
        visit.errors.clear()  # the answer 401
        page.keyboard.press("i")
        expect(page.locator(".toast")).to_contain_text("Saved")
        other.page.goto(site.url)
        expect(other.page.get_by_label("Password")).to_be_visible()
        page.evaluate("window.before = true")
        site.kill()
        site.start()
        page.wait_for_function("window.before === undefined && window.did_handshake === true", timeout=60_000)
        visit.open(site.url)
        expect(page.locator(".card")).to_have_count(21)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Password")).to_be_visible()
        page.goto(site.url)
        expect(page.get_by_label("Password")).to_be_visible()
        assert visit.outside == other.outside == []


def test_the_login_leads_to_pages_of_this_site_only(site):
    for target in (
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "%0d%0aSet-Cookie:a=b",
    ):
        status, _, text = site.request(f"/login?to={target}")
        assert status == 200 and "evil" not in text and "javascript" not in text and 'to=/"' in text


def test_wrong_passwords_in_a_row_have_to_wait(site):
    """Last: the address of these tests has to wait afterwards."""
    answers = [
        site.request("/login", b"password=guess", Content_Type="application/x-www-form-urlencoded")[0]
        for _ in range(FREE_ATTEMPTS + 2)
    ]
    assert 429 in answers and set(answers) <= {401, 429}
    assert site.request("/login", b"password=" + PASSWORD.encode())[0] == 429  # even the right one
    assert site.request("/api/feed", Authorization=basic(PASSWORD))[0] == 429
