import pytest
from feed_states import state_of

from traceformers.apps.feed.database.feed_pages import FEED_ORDERS, FeedFilters
from traceformers.datasets_scripts.feed.feed_records import Feedback, FeedRow, Subscription, Video, Watch

pytest_plugins = ("feed_databases",)

ALL = FeedFilters(hide_watched=False, hide_rated=False, shorts=True, hidden_channels=False)


def row(video_id, rank, interest=0.5, productive=0.5):
    return FeedRow(video_id, rank, 1 / rank, interest, productive, {"fresh": 0.25}, ("it is new",), True, 0.125)


def ids(database, **given):
    return [card.video.video_id for card in database.feed_page(**given)]


@pytest.fixture
def feed(database):
    """A database with a feed of a, b, c, d."""
    database.add_videos(
        [
            Video("a", "Alpha 100% tea", "One", "UC1", published_at=10, duration=60.0),
            Video("b", "Beta Über_all", "Two", "UC2", published_at=40, duration=600.0, is_short=False),
            Video("c", "Gamma ＦＵＬＬ width", "Three", None, published_at=30, is_short=True, duration=30.0),
            Video("d", "Delta \\ 1000 tea", "One", "UC1"),
        ]
    )
    rows = [row("a", 1, 0.1, 0.4), row("b", 2, 0.9, 0.3), row("c", 3, 0.5, 0.2), row("d", 4, 0.7, 0.1)]
    database.save_feed(rows, None, "model", {})
    return database


def test_a_row_is_given_back_with_its_terms_and_reasons(feed):
    card = feed.feed_page(limit=1)[0]
    assert card.row == row("a", 1, 0.1, 0.4)
    assert card.video == feed.video("a")
    assert (card.interest_label, card.productive_label, card.watched_at) == (None, None, None)


def test_each_order_puts_its_own_first(feed):
    found = {order: "".join(ids(feed, order=order, filters=ALL)) for order in FEED_ORDERS}
    assert found == {"score": "abcd", "productive": "abcd", "interest": "bdca", "newest": "bcad"}
    with pytest.raises(ValueError, match="score, productive"):
        feed.feed_page(order="best")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "abcd"),
        ({"shorts": False}, "abd"),
        ({"min_duration": 60}, "ab"),
        ({"max_duration": 60}, "ac"),
        ({"since": 30}, "bc"),
        ({"since": -5}, "abc"),
        ({"channel": "UC1"}, "ad"),
        ({"channel": "Three"}, "c"),
        ({"channel": "Nobody"}, ""),
        ({"min_duration": 60, "since": 20}, "b"),
    ],
)
def test_a_filter_lets_only_pass_what_is_known_to_fit(feed, filters, expected):
    filters = FeedFilters(**{"hide_watched": False, "hide_rated": False, "shorts": True} | filters)
    assert "".join(ids(feed, filters=filters)) == expected


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("tea", "ad"),
        ("TEA alpha", "a"),
        ("100%", "a"),
        ("1_0", ""),
        ("%", "a"),
        ("_", "b"),
        ("\\", "d"),
        ("/", ""),
        ("über", "b"),
        ("full", "c"),
        ("ｆｕｌｌ", "c"),
        ("one", "ad"),
        ("  ", "abcd"),
        ("'; --", ""),
        ("a\0b", ""),
        ("\ud800", ""),
        ("x" * 100_000, ""),
        ("tea " * 1_000, "ad"),
    ],
)
def test_a_search_is_for_words_as_they_are_written(feed, search, expected):
    assert "".join(ids(feed, search=search, filters=ALL)) == expected


def test_what_was_watched_or_rated_is_hidden_and_marked(feed):
    feed.add_watches([Watch("a", 5), Watch("a", 7)])
    feed.add_feedback(
        [Feedback("1", "b", "interest", 0.0, 5, "feed"), Feedback("2", "d", "productive", 1.0, 5, "feed")]
    )
    assert ids(feed, filters=FeedFilters(shorts=True)) == ["c"]
    assert ids(feed, filters=FeedFilters(shorts=True, hide_rated=False)) == ["b", "c", "d"]
    cards = {card.video.video_id: card for card in feed.feed_page(filters=ALL)}
    assert (cards["a"].watched_at, cards["b"].interest_label, cards["d"].productive_label) == (7, 0.0, 1.0)
    assert (cards["b"].productive_label, cards["d"].interest_label) == (None, None)
    feed.add_feedback([Feedback("3", "b", "interest", None, 6, "feed")])
    assert ids(feed, filters=FeedFilters(shorts=True)) == ["b", "c"]


def test_what_is_said_between_two_pages_moves_no_page_of_that_time(feed):
    first = ids(feed, limit=2, filters=FeedFilters(shorts=True, as_of=100))
    feed.add_feedback([Feedback("1", "a", "interest", 0.0, 101, "feed")])
    feed.add_watches([Watch("b", 102)])
    second = ids(feed, limit=2, after=first[-1], filters=FeedFilters(shorts=True, as_of=100))
    assert first + second == ["a", "b", "c", "d"]
    assert ids(feed, filters=FeedFilters(shorts=True)) == ["c", "d"]
    feed.add_feedback(
        [Feedback("0", "d", "interest", 1.0, 50, "feed"), Feedback("2", "d", "interest", None, 103, "feed")]
    )
    assert ids(feed, filters=FeedFilters(shorts=True, as_of=100)) == ["a", "b", "c"]


def test_hidden_videos_and_channels_are_left_out_and_shown_on_demand(feed):
    feed.hide_channel("UC1")
    feed.hide_channel("Three")
    assert ids(feed, filters=FeedFilters(shorts=True)) == ["b"]
    assert ids(feed, filters=FeedFilters(shorts=True, hidden_channels=False)) == ["a", "b", "c", "d"]
    feed.hide_video("b")
    assert ids(feed, filters=FeedFilters(shorts=True, hidden_channels=False)) == ["a", "c", "d"]
    assert ids(feed, filters=FeedFilters(shorts=True, show_hidden=True)) == ["a", "b", "c", "d"]
    assert feed.hidden_videos() == ["b"]


def test_subscribed_channels_are_left_out_by_id_or_where_there_is_none_by_name(feed):
    only_new = FeedFilters(shorts=True, unsubscribed_only=True)
    feed.set_subscriptions([Subscription("UC1", "Two"), Subscription("UC9", "Three"), Subscription("UC8")], "takeout")
    assert ids(feed, filters=only_new) == ["b"]


def test_pages_are_disjoint_and_complete(database):
    names = [f"v{n:03d}" for n in range(50)]
    database.add_videos(Video(name, name, published_at=5 + n // 20) for n, name in enumerate(names))
    rows = [
        row(name, 1 + n // 30, 0.1 * (n // 10), 0.5) for n, name in enumerate(names)
    ]  # of equal ones the id decides
    database.save_feed(rows, None, "m", {})
    for order in FEED_ORDERS:
        whole, found, after = ids(database, order=order, limit=99), [], None
        while page := ids(database, order=order, limit=7, after=after):
            found, after = found + page, page[-1]
        assert found == whole
        assert sorted(found) == names
    assert ids(database, limit=-3) == []


def test_a_page_begins_behind_any_video_of_its_feed(feed):
    assert ids(feed, after="b", filters=ALL) == ["c", "d"]
    assert ids(feed, after="c", filters=FeedFilters(hide_watched=False)) == ["d"]  # a Short, which is not shown
    feed.hide_video("b")
    assert ids(feed, after="b") == ["d"]
    assert ids(feed, after="d", order="productive", filters=ALL) == []
    assert ids(feed, after="d", order="newest", filters=ALL) == []  # when it was published is not known
    for stranger in ("nobody", "", "'; --", "\0"):
        with pytest.raises(ValueError, match="`after` to be a video of feed"):
            ids(feed, after=stranger)
    assert ids(feed, after="a", feed_id=1) == []  # a feed that is no longer there


def test_a_page_of_a_feed_does_not_change_when_a_newer_one_comes(feed):
    old = feed.feed_version()
    new = feed.save_feed([row("d", 1)], 7, "other", {"at": 5})
    assert new > old
    assert feed.feed_version() == new
    assert ids(feed) == ["d"]
    assert ids(feed, feed_id=old, filters=ALL) == ["a", "b", "c", "d"]
    about = feed.feed_about()
    assert (about["feed_id"], about["run_id"], about["model"], about["context"]) == (new, 7, "other", {"at": 5})


def test_metadata_that_comes_later_moves_no_page(feed):
    feed.add_videos([Video("d", published_at=99), Video("a", is_short=True)])
    assert ids(feed, order="newest", filters=ALL) == ["b", "c", "a", "d"]
    assert "a" in ids(feed)


def test_a_newer_feed_is_newer_even_if_the_clock_went_back(feed, monkeypatch):
    old = feed.feed_version()
    monkeypatch.setattr("traceformers.apps.feed.database.feed_pages.now_ms", lambda: 5)
    assert feed.save_feed([row("d", 1)], None, "m", {}) == feed.feed_version() > old


def test_pruning_keeps_the_newest_feeds_and_what_was_shown_of_the_others(feed):
    first = feed.feed_version()
    assert feed.log_impressions(first, [("a", 0, 0.5), ("b", 1, 1.0)], shown_at=7).added == 2
    assert feed.log_impressions(first, [("a", 0, 0.5)], shown_at=7).unchanged == 1
    kept = [feed.save_feed([row("a", 1)], None, "m", {}) for _ in range(2)]
    assert feed.prune_feeds(keep=2) == 1
    state = state_of(feed)
    assert [each["feed_id"] for each in state["feeds"]] == kept
    assert {each["feed_id"] for each in state["feed_rows"]} == set(kept)
    assert {each["feed_id"] for each in state["impressions"]} == {first}
    assert ids(feed, feed_id=first) == []
    with pytest.raises(ValueError, match="reset"):
        feed.prune_feeds(0)


def test_a_feed_of_an_unknown_video_is_refused_whole(feed):
    version = feed.feed_version()
    with pytest.raises(ValueError, match="'nobody'"):
        feed.save_feed([row("a", 1), row("nobody", 2)], None, "m", {})
    assert feed.feed_version() == version


def test_without_a_feed_there_is_an_empty_page(database):
    assert database.feed_page() == []
    assert database.feed_version() is None
    assert database.feed_about() is None


def test_one_card_is_found_hidden_or_not_in_the_feed_or_not(feed):
    feed.add_videos([Video("e", "New")])
    feed.hide_video("a")
    feed.add_watches([Watch("a", 7)])
    assert feed.feed_card("a").row.rank == 1
    assert feed.feed_card("a").watched_at == 7
    assert feed.feed_card("e").row is None
    assert feed.feed_card("nobody") is None
