"""Requests that fail: which are made again, how long they wait, and what is said in the end."""

import pytest
from aw_server import free_port
from loopback_youtube import LoopbackYouTube, video_id

from traceformers.apps.feed.sources.http_client import HttpClient, Refused, TooLarge, Unreachable

PATH = "/oembed"
QUERY = {"url": f"https://www.youtube.com/watch?v={video_id(1)}", "format": "json"}


@pytest.fixture
def youtube():
    with LoopbackYouTube() as server:
        server.add_videos([server.video(video_id(1), "A title")])
        yield server


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self):
        self.now, self.slept = 1_790_000_000.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def client(youtube, clock, **options):
    return HttpClient(youtube.url, "The server", sleep=clock.sleep, clock=clock, **options)


@pytest.mark.parametrize("how", ["answer", "cut"])
def test_a_fault_that_passes_is_tried_again_with_growing_waits(youtube, clock, how):
    youtube.fail(PATH, times=3, how=how)
    answer = client(youtube, clock, backoff=1).get(PATH, QUERY)
    assert answer.json()["title"] == "A title"
    assert len(youtube.requests) == 4
    assert [0.5 <= wait / scale <= 1 for wait, scale in zip(clock.slept, (1, 2, 4), strict=True)] == [True] * 3


def test_waits_differ_by_chance(youtube, clock):
    youtube.fail(PATH, times=30)
    for _ in range(10):
        with pytest.raises(Refused):
            client(youtube, clock, backoff=1, attempts=2).get(PATH, QUERY)
    assert len(set(clock.slept)) > 1


def test_a_server_that_stays_broken_is_told_with_its_status(youtube, clock):
    youtube.fail(PATH, times=9)
    with pytest.raises(Refused, match="The server answered 503") as caught:
        client(youtube, clock, attempts=3).get(PATH, QUERY)
    assert (caught.value.status, len(youtube.requests)) == (503, 3)


def test_a_refusal_that_does_not_pass_is_not_tried_again(youtube, clock):
    youtube.fail(PATH, status=403, times=9)
    with pytest.raises(Refused):
        client(youtube, clock).get(PATH, QUERY)
    assert (len(youtube.requests), clock.slept) == (1, [])


def test_retry_after_in_seconds_is_waited_for_exactly(youtube, clock):
    youtube.fail(PATH, status=429, headers={"Retry-After": "7"})
    client(youtube, clock).get(PATH, QUERY)
    assert clock.slept == [7.0]


def test_retry_after_as_a_date_is_waited_for(youtube, clock):
    youtube.fail(PATH, status=503, headers={"Retry-After": "Mon, 21 Sep 2026 14:13:30 GMT"})
    clock.now = 1_790_000_000.0  # 14:13:20
    client(youtube, clock).get(PATH, QUERY)
    assert clock.slept == [10.0]


def test_a_long_wait_is_left_to_the_caller(youtube, clock):
    youtube.fail(PATH, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(Refused) as caught:
        client(youtube, clock).get(PATH, QUERY)
    assert caught.value.retry_after == int((clock.now + 3600) * 1000)
    assert clock.slept == []


def test_a_server_that_hangs_is_given_up(youtube, clock):
    youtube.fail(PATH, how="hang", times=9)
    with pytest.raises(Unreachable, match="did not answer in time"):
        client(youtube, clock, timeout=(1, 0.05), attempts=2).get(PATH, QUERY)


def test_all_attempts_together_take_no_longer_than_the_patience(youtube, clock):
    youtube.fail(PATH, how="hang", times=99)
    with pytest.raises(Unreachable, match="did not answer in time"):
        client(youtube, clock, timeout=(1, 0.1), patience=0.35, backoff=0.001, attempts=50).get(PATH, QUERY)
    assert 1 <= len(youtube.requests) <= 4


def test_a_wait_that_is_longer_than_the_patience_is_left_to_the_caller(youtube, clock):
    youtube.fail(PATH, status=503, headers={"Retry-After": "30"})
    with pytest.raises(Refused):
        client(youtube, clock, patience=20).get(PATH, QUERY)
    assert clock.slept == []


def test_an_answer_cut_in_the_middle_is_no_answer(youtube, clock):
    youtube.fail(PATH, how="cut", times=9)
    with pytest.raises(Unreachable, match=r"cut the connection|cannot be connected"):
        client(youtube, clock, attempts=2).get(PATH, QUERY)


def test_nothing_listening_is_told_without_the_address_of_the_request(clock):
    broken = HttpClient(f"http://127.0.0.1:{free_port()}", "The server", sleep=clock.sleep, clock=clock)
    with pytest.raises(Unreachable, match="cannot be connected") as caught:
        broken.get("/path", {"key": "hidden"})
    assert "hidden" not in str(caught.value) and caught.value.__cause__ is None


def test_an_answer_beyond_the_limit_is_not_taken(youtube, clock):
    youtube.add_videos([youtube.video(video_id(1), "x" * 200_000)])
    with pytest.raises(TooLarge, match="at most 1,000 bytes"):
        client(youtube, clock, max_bytes=1000).get(PATH, QUERY)


def test_requests_keep_their_distance(youtube, clock):
    polite = client(youtube, clock, min_interval=2)
    for _ in range(3):
        polite.get(PATH, QUERY)
    assert clock.slept == [2.0, 2.0]


def test_a_netrc_file_does_not_replace_who_asks(youtube, clock, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client(youtube, clock, auth=lambda: {"Authorization": "Bearer mine"}).get(PATH, QUERY)
    assert youtube.requests[0][3]["Authorization"] == "Bearer mine"
