"""What was hidden is shown again in a real Chromium, long after the toast with Undo has gone."""

from feed_browser import Visit, chromium, feed_site, fill_feed
from playwright.sync_api import expect


def test_what_was_hidden_long_ago_can_be_shown_again(tmp_path):
    with (
        feed_site(tmp_path, lambda database: fill_feed(database, 20)) as site,
        chromium() as browser,
        Visit(browser) as visit,
    ):
        with site.database() as database:
            database.hide_video("video-00002")
            database.hide_channel("Channel 3")
        page = visit.page
        video, of_channel = (page.locator(f"#video-{name}") for name in ("video-00002", "video-00003"))
        visit.open(f"{site.url}/?hidden=1")
        video.locator("[data-do=hide-video][title^='Show this video again']").click()
        expect(video.locator("[data-do=hide-video]")).to_have_attribute("title", "Hide this video (X)")
        of_channel.locator("[data-do=hide-channel][title^='Show this channel again']").click()
        expect(of_channel.locator("[data-do=hide-channel]")).to_have_attribute("title", "Hide this channel (C)")
        with site.database() as database:
            assert (database.hidden_videos(), database.hidden_channels()) == ([], [])
        page.keyboard.press("z")
        expect(of_channel).to_be_hidden()
        visit.open(site.url)
        expect(video).to_be_visible()
        expect(of_channel).to_have_count(0)
        assert visit.errors == [] and visit.outside == []
