"""REST, thumbnails, and who may ask: a real site, asked without a browser."""

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from feed_browser import HOSTILE, feed_rows, feed_site, fill_feed, made_videos

JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 200


class Pictures(BaseHTTPRequestHandler):
    """Answers as a server of thumbnails does, and as a bad one."""

    asked = []  # noqa: RUF012

    def do_GET(self):
        video_id = self.path.split("/")[2]
        self.asked.append(video_id)
        status, kind, content = {
            "video-00000": (200, "image/jpeg", JPEG),
            "video-00001": (200, "text/html", b"<script>alert(1)</script>"),
            "video-00002": (200, "image/jpeg", b"<script>alert(1)</script>"),
            "video-00003": (200, "image/jpeg", JPEG + b"\0" * 2_000_000),
            "video-00005": (302, "image/jpeg", b""),
        }.get(video_id, (404, "text/plain", b""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status == 302:
            self.send_header("Location", "/vi/video-00000/mqdefault.jpg")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def pictures():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/vi"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("rest")
    with feed_site(folder, fill_feed, thumbnails="cache", thumbnail_base=pictures, allowed_hosts=["my-laptop"]) as site:
        yield site


def ask(site, path, body=None, **headers):
    """Returns (status, JSON)."""
    status, _, text = site.request(path, body, **headers)
    return status, json.loads(text)


def said(feedback_id="feedback-0001", video_id="video-00000", head="interest", value=1, **more):
    return {"feedback_id": feedback_id, "video_id": video_id, "head": head, "value": value} | more


def test_the_feed_comes_in_pages_that_make_the_whole(site):
    ids, after = [], ""
    while after is not None:
        status, page = ask(site, f"/api/feed?limit=20&after={after}")
        assert status == 200
        ids += [video["video_id"] for video in page["videos"]]
        after = page["next"]
    assert len(ids) == len(set(ids)) == 67
    with site.database() as database:
        assert page["feed_id"] == database.feed_version()


def test_orders_filters_and_search_work_as_on_the_page(site):
    _, page = ask(site, "/api/feed?order=interest&limit=200&max_minutes=5&channel=Channel+1&shorts=1&rated=1&watched=1")
    videos = page["videos"]
    assert videos and {video["channel"] for video in videos} == {"Channel 1"}
    assert max(video["duration"] for video in videos) <= 300
    interests = [video["feed"]["interest"] for video in videos]
    assert interests == sorted(interests, reverse=True)
    assert videos[0]["feed"]["points"]["interest"] == round(100 * interests[0])
    assert [video["video_id"] for video in ask(site, "/api/feed?search=number+33")[1]["videos"]] == ["video-00033"]


@pytest.mark.parametrize(
    "query",
    ["order=best", "limit=0", "limit=9999", "limit=1e3", "after=nobody", "min_minutes=x", "rated=perhaps", "pages=0"],
)
def test_a_wrong_parameter_is_named(site, query):
    status, answer = ask(site, f"/api/feed?{query}")
    assert status == 400
    assert query.partition("=")[0] in answer["error"]


def test_a_video_has_its_place_and_its_opinions(site):
    status, video = ask(site, "/api/videos/hostile0002")
    assert status == 200
    assert video["title"] == HOSTILE[2]
    assert video["feed"]["rank"] == 2
    assert video["feed"]["explored"] is True
    assert video["feed"]["terms"]["diversity"] == -0.01
    status, answer = ask(site, "/api/videos/unknown")
    assert status == 404 and "unknown" in answer["error"]


def test_an_opinion_sent_again_counts_once(site):
    first = ask(site, "/api/feedback", said())
    again = ask(site, "/api/feedback", said())
    assert first == (200, {"saved": True, "repeated": False, "feedback_id": "feedback-0001"})
    assert again == (200, {"saved": True, "repeated": True, "feedback_id": "feedback-0001"})
    assert ask(site, "/api/feedback", said("feedback-0002", value=0))[0] == 200
    assert ask(site, "/api/feedback", said())[1]["repeated"]  # a late repetition does not become the newest
    assert ask(site, "/api/videos/video-00000")[1]["opinions"]["interest"] == 0.0
    assert ask(site, "/api/feedback", said("feedback-0002", value=1))[0] == 409
    assert ask(site, "/api/feedback", said("feedback-0003", value=None))[0] == 200
    assert ask(site, "/api/videos/video-00000")[1]["opinions"]["interest"] is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (said(feedback_id="short"), 400),
        (said(feedback_id=7), 400),
        (said(feedback_id="feedback-\n0001"), 400),
        (said("feedback-0100", video_id=""), 400),
        (said("feedback-0101", video_id="unknown"), 404),
        (said("feedback-0102", head="joy"), 400),
        (said("feedback-0103", value=0.5), 400),
        (said("feedback-0104", value=True), 400),
        (said("feedback-0105", said_at=-1), 400),
        (said("feedback-0106", said_at=10**15), 400),
        ({"feedback_id": "feedback-0107", "video_id": "video-00000", "head": "interest"}, 400),
        ([], 400),
        (b"{", 400),
        (b"[" * 15_000, 400),
        (b" " * 20_000, 413),
    ],
)
def test_what_is_no_opinion_is_refused_with_the_reason(site, body, status):
    answer = ask(site, "/api/feedback", body)
    assert answer[0] == status
    assert answer[1]["error"].startswith("Expected")


def test_only_json_is_read(site):
    assert site.request("/api/feedback", said("feedback-0200"), Content_Type="text/plain")[0] == 415


def test_status_tells_runs_labels_and_drift(site):
    status, answer = ask(site, "/api/status")
    assert status == 200
    assert answer["runs"][0]["status"] == "ok"
    assert {one["head"] for one in answer["drift"]} == {"interest", "productive"}
    assert sum(answer["drift"][0]["bins"]) == 75


def test_a_new_feed_is_told_by_a_post(site):
    with site.database() as database:
        new = database.save_feed(feed_rows(made_videos(70)), None, "linear-1", {})
    assert ask(site, "/api/feed/updated", {}) == (200, {"feed_id": new})
    assert ask(site, "/api/feed?limit=1")[1]["feed_id"] == new


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", ""])
def test_a_name_that_was_turned_to_this_machine_is_refused(site, host):
    for path, body in (
        ("/api/feed", None),
        ("/", None),
        ("/api/feedback", said("feedback-0300")),
        ("/_nicegui_ws/socket.io/", None),
    ):
        assert site.request(path, body, Host=host)[0] == 403


def test_addresses_and_allowed_names_are_answered(site):
    for host in ("localhost:1", "192.168.0.9", "my-laptop:8090", "[::1]:8090"):
        assert site.request("/api/status", Host=host)[0] == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
def test_another_origin_neither_writes_nor_listens(site, origin):
    assert site.request("/api/feedback", said("feedback-0400"), Origin=origin)[0] == 403
    assert site.request("/_nicegui_ws/socket.io/?EIO=4&transport=polling", Origin=origin)[0] == 403
    assert site.request("/api/feed/updated", {}, Sec_Fetch_Site="cross-site")[0] == 403
    assert site.request("/api/feedback", said("feedback-0401"), Origin=site.url)[0] == 200
    with site.database() as database:
        assert "feedback-0400" not in database.feedback_table()["feedback_id"].to_pylist()


def test_a_web_socket_is_opened_by_pages_of_this_site_only(site):
    assert site.upgrade(Origin=site.url) == 101
    assert site.upgrade(Origin="https://evil.example") == 403
    assert site.upgrade(Host="evil.example") == 403


def test_pages_tell_the_browser_what_it_may_load(site):
    for path in ("/", "/watch/video-00000", "/label", "/health", "/api/feed", "/login"):
        status, headers, _ = site.request(path)
        headers = {name.lower(): value for name, value in headers.items()}
        assert status == 200
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert headers["x-content-type-options"] == "nosniff"
        cookie = headers.get("set-cookie", "httponly; samesite=lax").lower()
        assert "httponly" in cookie and "samesite=lax" in cookie


def test_a_picture_is_fetched_once_and_kept(site):
    for _ in range(3):
        status, headers = picture(site, "video-00000")
        assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert Pictures.asked.count("video-00000") == 1


def picture(site, video_id):
    """Returns (status, headers) of a picture, which is the right one."""
    try:
        with urllib.request.urlopen(f"{site.url}/thumbnails/{video_id}.jpg", timeout=30) as answer:
            assert answer.read() == JPEG
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}


@pytest.mark.parametrize("video_id", ["video-00001", "video-00002", "video-00003", "video-00005", "video-00006"])
def test_what_is_no_picture_is_not_passed_on_and_not_asked_for_again(site, video_id):
    assert picture(site, video_id)[0] == 404
    assert picture(site, video_id)[0] == 404
    assert Pictures.asked.count(video_id) == 1


@pytest.mark.parametrize(
    "video_id", ["unknown0000", "..%2Ffeed.sqlite", "%2e%2e%2fsite_secret", "a" * 5000, "video-00000.jpg%00"]
)
def test_only_known_videos_are_asked_for(site, video_id):
    before = list(Pictures.asked)
    assert picture(site, video_id)[0] == 404
    assert Pictures.asked == before


def test_requests_at_once_are_answered_while_the_database_works(site):
    answers = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(ask(site, "/api/feedback", said(f"feedback-1{n:03d}"))[0]))
        for n in range(20)
    ] + [threading.Thread(target=lambda: answers.append(ask(site, "/api/feed?limit=200")[0])) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 30
    with site.database() as database:
        ids = database.feedback_table()["feedback_id"].to_pylist()
    assert {f"feedback-1{n:03d}" for n in range(20)} <= set(ids)
