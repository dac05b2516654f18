"""One layout of texts, for training and for scoring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.modeling.productive_feed.feed_texts import event_text, plain_text, site_of, video_text


def test_category_title_channel_and_description_are_all_read_in_this_order():
    assert video_text("A title", "A channel", "About", "Music") == "Music\nA title\nA channel\nAbout"
    assert video_text("A title", "A channel", "What it\nis about") == "A title\nA channel\nWhat it is about"


@pytest.mark.parametrize(
    ("fields", "text"),
    [(("t", "", "d"), "t\nd"), (("t",), "t"), ((None, None, None), ""), (("", "c", None), "c")],
)
def test_an_empty_field_leaves_no_line(fields, text):
    assert video_text(*fields) == text


def test_case_and_script_stay_as_they_are():
    text = "Straße 東京 مرحبا می‌خواهم 👩‍💻"  # with the joiners of Persian and of emoji
    assert plain_text(text) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("see https://a.example/b?c=d now", "see now"),
        ("WWW.EXAMPLE.ORG rest", "rest"),
        ("a\u202eb\u200ec\x00d", "a b c d"),
        ("a\ud800b", "a b"),
        (" a \t\r\n b ", "a b"),
    ],
)
def test_addresses_and_control_characters_are_not_read(text, plain):
    assert plain_text(text) == plain


@given(st.text())
def test_a_plain_text_is_plain(text):
    once = plain_text(text)
    assert plain_text(once) == once
    assert "\n" not in once


def test_an_event_is_its_title_and_site_and_its_app_where_there_is_no_title():
    assert event_text("Work > Mail", "firefox", "Inbox", "https://www.mail.example/u/0?token=secret") == (
        "Inbox | mail.example"
    )
    assert event_text("Work", "editor", "", None) == "editor"
    assert event_text("", None, "", None) == ""


@pytest.mark.parametrize("url", [None, "", "no address", "http://[", "file:///letters/secret"])
def test_what_has_no_host_has_no_site(url):
    assert site_of(url) == ""
