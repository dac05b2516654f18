"""Links on YouTube: what they lead to, told from the address alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.datasets_scripts.youtube.youtube_links import (
    MUSIC,
    OTHER,
    OUTSIDE,
    POST,
    SEARCH,
    SHORT,
    VIDEO,
    channel_of_link,
    read_link,
)

ID = "dQw4w9WgXc-"


@pytest.mark.parametrize(
    "address",
    [
        f"https://www.youtube.com/watch?v={ID}",
        f"http://m.youtube.com/watch?v={ID}&t=42s",
        f"https://www.youtube.com/watch?list=PL1&v={ID}#comments",
        f"https://youtu.be/{ID}?t=3",
        f"https://www.youtube.com/live/{ID}?feature=share",
        f"https://www.youtube-nocookie.com/embed/{ID}",
        f"http://www.youtube.com/?v={ID}",
        f"  https://YouTube.com/watch?v={ID}",
    ],
)
def test_every_address_of_a_video_names_it(address):
    assert read_link(address) == (VIDEO, ID)


@pytest.mark.parametrize(
    ("address", "link"),
    [
        (f"https://www.youtube.com/shorts/{ID}", (SHORT, ID)),
        (f"https://music.youtube.com/watch?v={ID}&feature=share", (MUSIC, ID)),
        ("https://www.youtube.com/post/UgkxABC", (POST, None)),
        ("https://www.youtube.com/channel/UCabc/community?lb=Ugkx", (POST, None)),
        ("https://www.youtube.com/results?search_query=cats", (SEARCH, None)),
        ("https://www.youtube.com/channel/UCabc", (OTHER, None)),
        ("https://www.youtube.com/playables/UgkxQ", (OTHER, None)),
        ("https://www.youtube.com/watch?v=", (VIDEO, None)),
        (f"https://www.youtube.com/watch?v={ID}longer", (VIDEO, None)),
        (f"https://youtube.com.evil.example/watch?v={ID}", (OUTSIDE, None)),
        (f"https://evilyoutube.com/watch?v={ID}", (OUTSIDE, None)),
        (f"https://evil.example/?u=youtube.com/watch?v={ID}", (OUTSIDE, None)),
        ("https://[broken", (OUTSIDE, None)),
        ("", (OUTSIDE, None)),
    ],
)
def test_other_addresses_are_told_apart(address, link):
    assert read_link(address) == link


def test_a_channel_is_named_by_its_id_only():
    assert channel_of_link("https://www.youtube.com/channel/UC" + "a" * 22) == "UC" + "a" * 22
    assert channel_of_link("https://www.youtube.com/@name") is None
    assert channel_of_link(None) is None


@given(st.text() | st.text(alphabet="htps:/.w?v=&#youtbecm").map("https://www.youtube.com/".__add__))
def test_no_text_makes_it_fail_and_an_id_has_eleven_characters(text):
    named = read_link(text).video_id
    assert named is None or len(named) == 11
