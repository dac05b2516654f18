"""What a reader's patterns keep out of the database."""

import pytest

from traceformers.apps.feed.sources.privacy_filter import REDACTED, PrivacyFilter
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Video


def event(app="Firefox", title="A page", url="https://a.example/x", started_at=1):
    return ActivityEvent("aw-watcher-window_desk", started_at, 10.0, app, title, url, "Work")


def test_dropped_events_leave_no_trace_and_are_counted():
    privacy = PrivacyFilter([{"field": "title", "pattern": "(?i)bank"}])
    assert list(privacy.events([event(title="My BANK"), event()])) == [event()]
    assert privacy.take_counts() == {"private": 1}
    assert privacy.take_counts() == {}


@pytest.mark.parametrize("rule", [{"field": "title", "pattern": "page"}, {"field": "url", "pattern": r"a\.example"}])
def test_redacting_hides_title_and_address_together_and_keeps_the_time(rule):
    (kept,) = PrivacyFilter([{**rule, "action": "redact"}]).events([event()])
    assert (kept.app, kept.title, kept.url) == ("Firefox", REDACTED, None)
    assert (kept.started_at, kept.duration, kept.category) == (1, 10.0, "Work")


def test_a_rule_looks_at_its_own_field_only_and_any_at_all_three():
    pattern = "Firefox|page|example"
    seen = {
        field: PrivacyFilter([{"field": field, "pattern": pattern}]).matches(
            "drop", "Firefox", "A page", "https://example"
        )
        for field in ("app", "title", "url", "any")
    }
    assert seen == {"app": {"app"}, "title": {"title"}, "url": {"url"}, "any": {"app", "title", "url"}}


def test_dropping_goes_before_redacting():
    rules = [{"pattern": "page", "action": "redact"}, {"pattern": "Firefox", "action": "drop"}]
    assert list(PrivacyFilter(rules).events([event()])) == []


def test_patterns_can_be_given_as_two_lists():
    privacy = PrivacyFilter.from_patterns(drop=["Slack"], redact=["page"])
    assert [one.title for one in privacy.events([event("Slack"), event()])] == [REDACTED]


@pytest.mark.parametrize(
    "video",
    [
        Video("aaaaaaaaaaa", title="The secret title"),
        Video("aaaaaaaaaaa", channel="secret channel"),
        Video("secretvideo"),
    ],
)
@pytest.mark.parametrize("action", ["drop", "redact"])
def test_a_video_that_matches_is_not_stored(video, action):
    privacy = PrivacyFilter([{"pattern": "secret", "action": action}])
    other = Video("bbbbbbbbbbb", title="Another")
    assert list(privacy.videos([video, other])) == [other]


@pytest.mark.parametrize(("pattern", "position"), [("a(b", 1), ("x[", 1), ("abc**", 4), ("ab(?P<1>x)", 6)])
def test_a_pattern_that_is_none_is_refused_with_the_position_of_its_fault(pattern, position):
    with pytest.raises(ValueError, match=rf"rule 2.*at position {position}\b") as caught:
        PrivacyFilter([{"pattern": "good"}, {"pattern": pattern}])
    assert repr(pattern) in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"pattern": ""}, "match everything"),
        ({}, "match everything"),
        ({"pattern": "a", "field": "name"}, "one of app, title, url, any"),
        ({"pattern": "a", "action": "hide"}, "drop or redact"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule, said):
    with pytest.raises(ValueError, match=said):
        PrivacyFilter([rule])
