"""What is shown of texts, times and scores; colours; the address of the feed; the balance of labels."""

import unicodedata
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from feed_browser import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from traceformers.apps.feed.database.feed_pages import FEED_ORDERS, FeedFilters
from traceformers.apps.feed.site import display_text, site_theme
from traceformers.apps.feed.site.feed_card import card_of
from traceformers.apps.feed.site.feed_page import address_of
from traceformers.apps.feed.site.feed_query import FeedQuery
from traceformers.apps.feed.site.label_balance import LabelBalance
from traceformers.datasets_scripts.feed.feed_records import FeedRow, Video

DAY = display_text.DAY


@given(st.text())
def test_a_shown_text_is_one_line_that_turns_nothing_around_it(text):
    shown = display_text.shown_text(text)
    assert len(shown) <= display_text.LONGEST_TITLE
    assert not any(unicodedata.category(character) == "Cc" for character in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
    assert display_text.shown_text(shown) == shown


@given(st.text(), st.text())
def test_letters_and_their_ground_are_there_for_every_text(channel, title):
    assert 1 <= len(display_text.letters_of(channel)) <= 6
    assert display_text.ground_of(title) in site_theme.PLACEHOLDERS


def test_names_in_arabic_and_hebrew_stay_as_they_are():
    for text in ("قناة الأخبار", "ערוץ החדשות", "日本語のタイトル", "naïve café 🦊"):
        assert display_text.shown_text(text) == text


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(0.0, 0), (1.0, 100), (0.504, 50), (1.7, 100), (-3.0, 0), (None, None), (float("nan"), None)],
)
def test_scores_are_shown_from_0_to_100(probability, shown):
    assert display_text.points(probability) == shown


def test_durations_and_ages_read_like_a_clock_and_a_sentence():
    durations = [display_text.shown_duration(seconds) for seconds in (5, 245, 3723, None, -1)]
    assert durations == ["0:05", "4:05", "1:02:03", "", ""]
    now = 1_000 * DAY
    pasts = (0, 59_000, 60_000, 7_200_000, DAY, 13 * DAY, 14 * DAY, 400 * DAY, -DAY)
    assert [display_text.shown_age(now - past, now) for past in pasts] == [
        "just now",
        "just now",
        "1 minute ago",
        "2 hours ago",
        "1 day ago",
        "13 days ago",
        "2 weeks ago",
        "1 year ago",
        "announced",
    ]
    assert display_text.shown_age(None, now) == ""


def test_times_are_shown_in_the_persons_zone_over_a_clock_change():
    zone = ZoneInfo("Europe/Berlin")
    before, after = 1_761_436_800_000, 1_761_444_000_000  # 2025-10-26 00:00 and 02:00 UTC
    assert display_text.shown_time(before, zone) == "2025-10-26 02:00"
    assert display_text.shown_time(after, zone) == "2025-10-26 03:00"


@pytest.mark.parametrize("title", HOSTILE)
def test_a_card_holds_texts_and_numbers_only(title):
    video = Video("hostile0000", title, title, description=title, duration=float("nan"), category=title)
    row = FeedRow(video.video_id, 0, float("nan"), 2.0, -1.0, {title: 0.1, "x": float("nan")}, (title,), True, 0.1)
    card = card_of(video, row, "score", 0, True)
    assert card["points"] is None
    assert [meter["points"] for meter in card["meters"]] == [0, 100]
    assert len(card["terms"]) == 1
    assert not any(key.startswith(":") for key in card)


def test_the_number_beside_a_title_is_the_one_of_the_order():
    row = FeedRow("v", 0, 0.9, 0.2, 0.6)
    shown = {order: card_of(Video("v", "t"), row, order, 0, False) for order in FEED_ORDERS}
    assert {order: card["points"] for order, card in shown.items()} == {
        "score": 90,
        "productive": 60,
        "interest": 20,
        "newest": 90,
    }
    assert shown["productive"]["points_of"] == "Right now"


def test_contrast_is_that_of_the_standard():
    assert site_theme.contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert site_theme.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert site_theme.contrast("#abcdef", "#abcdef") == 1.0


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_every_text_is_readable_on_its_ground(mode):
    pairs = [(site_theme.COLOURS[a][mode], site_theme.COLOURS[b][mode]) for a, b in site_theme.TEXT_PAIRS]
    pairs += [(site_theme.COLOURS["on-veil"][mode], ground) for ground in site_theme.PLACEHOLDERS]
    assert min(site_theme.contrast(*pair) for pair in pairs) >= 4.5


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_controls_and_the_focus_stand_out(mode):
    pairs = [(site_theme.COLOURS[a][mode], site_theme.COLOURS[b][mode]) for a, b in site_theme.SHAPE_PAIRS]
    assert min(site_theme.contrast(*pair) for pair in pairs) >= 3.0


def test_the_style_sheet_uses_colours_that_exist_and_loads_nothing():
    text = site_theme.style_sheet()
    used = set(site_theme.re.findall(r"var\(--([a-z-]+)\)", text))
    assert used == set(site_theme.COLOURS)
    assert "url(" not in text and "@import" not in text


queries = st.builds(
    FeedQuery,
    order=st.sampled_from(FEED_ORDERS),
    search=st.text(max_size=30).map(lambda text: " ".join(text.split())),
    watched=st.booleans(),
    rated=st.booleans(),
    shorts=st.booleans(),
    hidden=st.booleans(),
    min_minutes=st.none() | st.integers(0, 900).map(float),
    max_minutes=st.none() | st.integers(0, 900).map(float),
    since_days=st.none() | st.integers(0, 900).map(float),
    channel=st.text(max_size=30).map(lambda text: " ".join(text.split())),
    unsubscribed=st.booleans(),
    feed=st.none() | st.integers(1, 2**52),
    at=st.none() | st.integers(1, 2**52),
    pages=st.integers(1, 500),
)


@given(queries)
def test_an_address_holds_all_of_a_query(query):
    assert FeedQuery.from_params(query.params()) == query
    assert FeedQuery.lenient(query.params()) == query
    assert FeedQuery().params() == {}


@given(st.dictionaries(st.sampled_from(["order", "search", "pages", "min_minutes", "feed", "at", "rated"]), st.text()))
def test_no_address_breaks_the_page(params):
    query = FeedQuery.lenient(params)
    assert query.order in FEED_ORDERS
    assert address_of(query).startswith("/")


@pytest.mark.parametrize(
    "params",
    [
        {"order": "best"},
        {"rated": "maybe"},
        {"min_minutes": "ten"},
        {"max_minutes": "-1"},
        {"pages": "0"},
        {"at": "nan"},
    ],
)
def test_the_api_says_which_parameter_is_wrong(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        FeedQuery.from_params(params)


def test_filters_say_what_the_page_asked():
    query = FeedQuery(
        min_minutes=2, max_minutes=30, since_days=3, channel="A", hidden=True, unsubscribed=True, at=10 * DAY
    )
    assert query.filters(99 * DAY) == FeedFilters(
        min_duration=120,
        max_duration=1800,
        since=7 * DAY,
        channel="A",
        hidden_channels=False,
        show_hidden=True,
        unsubscribed_only=True,
        as_of=10 * DAY,
    )
    assert replace(query, at=None).filters(99 * DAY).since == 96 * DAY


def test_what_is_short_is_said_for_each_head():
    balance = LabelBalance(
        {("like", "interest", 1.0): 450, ("labelling", "interest", 0.0): 30, ("feed", "productive", 1.0): 600}
    )
    assert balance.short("interest") == "20 more in all, 70 more “Uninterest”"
    assert balance.short("productive") == "100 more “Not now”"
    assert balance.lines() == [
        ("interest", "like", 450, 0),
        ("interest", "labelling", 0, 30),
        ("productive", "feed", 600, 0),
    ]
