"""Who may ask the embedding service: hosts, keys and pace."""

import pytest
from fastapi.testclient import TestClient
from tiny_encoder_folder import encoder_folder, some_texts

from traceformers.apps.serve.embedding_service import Limits, create_app
from traceformers.apps.serve.query_encoder import QueryEncoder
from traceformers.apps.serve.service_guard import MOST_CLIENTS, RequestPace, checked_key, is_known_host

KEY = "a-key-of-more-than-16-characters"


@pytest.fixture(scope="module")
def encoder():
    return QueryEncoder(encoder_folder())


def client(encoder, base_url="http://127.0.0.1", **options):
    return TestClient(create_app(encoder, "tiny", **options), base_url=base_url)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]:8080", "192.168.1.7", "desk.lan"]
)
def test_addresses_and_known_names_are_hosts_of_the_service(host):
    assert is_known_host(host, {"localhost", "desk.lan"})


@pytest.mark.parametrize(
    "host", ["", "evil.test", "127.0.0.1.evil.test", "localhost.evil.test", "localhost:port", "[::1"]
)
def test_a_name_of_somebody_else_is_refused(encoder, host):
    assert not is_known_host(host, {"localhost"})
    with client(encoder) as service:
        answer = service.get("/health", headers={"host": host})
    assert answer.status_code == 403
    assert "--allow-host" in answer.json()["error"]["message"]


def test_a_name_that_was_allowed_is_answered(encoder):
    with client(encoder, "http://desk.lan", hosts=["Desk.lan"]) as service:
        assert service.get("/health").status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY}"}, {"authorization": KEY}]
)
def test_with_a_key_only_health_is_open(encoder, headers):
    body = {"input": some_texts(1), "model": "tiny"}
    with client(encoder, key=KEY) as service:
        refused = service.post("/v1/embeddings", json=body, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        assert service.get("/metrics", headers=headers).status_code == 401
        assert service.get("/health", headers=headers).status_code == 200
        sent = {"authorization": f"Bearer {KEY}"}
        assert service.post("/v1/embeddings", json=body, headers=sent).status_code == 200
    assert KEY not in refused.text


def test_a_client_that_asks_too_often_is_told_when_to_come_again(encoder):
    with client(encoder, limits=Limits(requests_per_second=0.5)) as service:
        answers = [service.get("/health") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 3


def test_the_pace_of_a_client_is_kept_over_time_and_is_its_own():
    now = [0.0]
    pace = RequestPace(2, clock=lambda: now[0])
    assert [pace.wait_seconds("a") == 0 for _ in range(5)] == [True] * 4 + [False]
    assert pace.wait_seconds("b") == 0
    now[0] = 0.5  # one token has grown
    assert [pace.wait_seconds("a") == 0 for _ in range(2)] == [True, False]


def test_clients_that_were_seen_once_do_not_fill_the_memory():
    pace = RequestPace(1, clock=lambda: 0.0)
    for number in range(MOST_CLIENTS + 10):
        pace.wait_seconds(number)
    assert len(pace.buckets) == MOST_CLIENTS


def test_a_service_that_others_can_reach_needs_a_key():
    with pytest.raises(ValueError, match=r"TRACEFORMERS_API_KEY.*0\.0\.0\.0.*127\.0\.0\.1"):
        checked_key("0.0.0.0", None)
    with pytest.raises(ValueError, match="at least 16 characters"):
        checked_key("127.0.0.1", "short")
    assert [checked_key(host, None) for host in ("127.0.0.1", "::1", "localhost")] == [None] * 3
    assert checked_key("0.0.0.0", KEY) == KEY
