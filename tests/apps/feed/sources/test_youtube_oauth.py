"""Signing in to YouTube: by a browser of this machine or by a pasted address, and keeping what it gave."""

import http.client
import json
import stat
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from loopback_youtube import LoopbackYouTube

from traceformers.apps.feed.sources.youtube_client import CredentialRejected
from traceformers.apps.feed.sources.youtube_oauth import (
    OAuthProject,
    SignedIn,
    Token,
    TokenFile,
    sign_in,
    sign_in_by_paste,
)


@pytest.fixture
def youtube():
    with LoopbackYouTube() as server:
        yield server


@pytest.fixture
def project(youtube):
    return OAuthProject("client-id", "client-secret", youtube.auth_url, youtube.token_url, youtube.revoke_url)


@pytest.fixture
def tokens(tmp_path):
    return TokenFile(tmp_path / "youtube_token.json")


def visit(address):
    """Asks for an address; returns (status, where it leads, body)."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    try:
        connection.request("GET", f"{url.path}?{url.query}")
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location"), answer.read().decode()
    finally:
        connection.close()


class Browser:
    """A person who gives the permission, or acts `instead`."""

    def __init__(self, instead=None):
        self.instead, self.seen = instead, []

    def __call__(self, address):
        def act():
            _, back, _ = visit(address)
            for one in self.instead(back) if self.instead else [back]:
                self.seen.append(visit(one))

        Thread(target=act, daemon=True).start()


def test_a_browser_signs_in_and_the_token_is_kept_for_its_owner_alone(youtube, project, tokens):
    browser = Browser()
    sign_in(project, tokens, browser, timeout_seconds=20)
    token = tokens.load()
    assert token.access_token in youtube.access_tokens and token.refresh_token in youtube.refresh_tokens
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    assert sorted(json.loads(tokens.path.read_text())) == ["access_token", "expires_at", "refresh_token"]
    assert [path.name for path in tokens.path.parent.iterdir()] == [tokens.path.name]


def test_the_permission_is_to_read_and_the_code_is_bound_to_this_sign_in(youtube, project, tokens):
    sign_in(project, tokens, Browser(), timeout_seconds=20)
    asked = next(query for _, path, query, _ in youtube.requests if path == "/auth")
    assert asked["scope"] == "https://www.googleapis.com/auth/youtube.readonly"
    assert asked["code_challenge_method"] == "S256" and len(asked["state"]) >= 32
    assert urlsplit(asked["redirect_uri"]).hostname == "127.0.0.1"
    given = next(query for _, path, query, _ in youtube.requests if path == "/token")
    assert len(given["code_verifier"]) >= 43 and given["code_verifier"] not in json.dumps(asked)


def test_another_page_cannot_slip_in_a_code_of_its_own(youtube, project, tokens):
    def instead(back):
        base = back.partition("?")[0]
        return [f"{base}?code=theirs&state=guessed", f"{base}?code=theirs", f"{base}favicon.ico", back]

    browser = Browser(instead)
    sign_in(project, tokens, browser, timeout_seconds=20)
    assert [status for status, *_ in browser.seen][:3] == [404, 404, 404]
    assert tokens.load().access_token in youtube.access_tokens


def test_a_permission_that_was_not_given_is_told(project, tokens):
    def instead(back):
        state = parse_qs(urlsplit(back).query)["state"][0]
        return [f"{back.partition('?')[0]}?error=access_denied&state={state}"]

    with pytest.raises(CredentialRejected, match="it was not given"):
        sign_in(project, tokens, Browser(instead), timeout_seconds=20)
    assert tokens.load() is None


def test_a_browser_that_never_comes_back_is_waited_for_so_long_only(project, tokens):
    with pytest.raises(CredentialRejected, match=r"within 0\.1 s"):
        sign_in(project, tokens, lambda address: None, timeout_seconds=0.1)


def test_a_pasted_address_signs_in_too(youtube, project, tokens):
    sign_in_by_paste(project, tokens, lambda address: f"  {visit(address)[1]}\n")
    assert tokens.load().access_token in youtube.access_tokens


@pytest.mark.parametrize("pasted", ["", "http://127.0.0.1:1/?code=x", "http://127.0.0.1:1/?code=x&state=é", "what?"])
def test_another_address_than_that_of_this_sign_in_is_refused(project, tokens, pasted):
    with pytest.raises(CredentialRejected, match="Begin again"):
        sign_in_by_paste(project, tokens, lambda _: pasted)
    assert tokens.load() is None


def test_a_wrong_client_is_told_without_its_secret(youtube, tokens):
    project = OAuthProject("client-id", "wrong-secret", youtube.auth_url, youtube.token_url, youtube.revoke_url)
    with pytest.raises(CredentialRejected, match="does not know the OAuth client") as caught:
        sign_in_by_paste(project, tokens, lambda address: visit(address)[1])
    assert "wrong-secret" not in str(caught.value) + repr(project)


def test_signing_out_takes_the_permission_back_and_forgets_the_token(youtube, project, tokens):
    sign_in_by_paste(project, tokens, lambda address: visit(address)[1])
    SignedIn(project, tokens).sign_out()
    assert youtube.refresh_tokens == set() and tokens.load() is None
    with pytest.raises(CredentialRejected, match="Nobody is signed in"):
        SignedIn(project, tokens).headers()


def test_a_token_file_that_others_could_read_is_closed(tokens):
    tokens.save(Token("a", "b", 1))
    tokens.path.chmod(0o644)
    assert tokens.load() == Token("a", "b", 1)
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"access_token": "a"}', '{"other": 1}'])
def test_a_token_file_that_is_none_is_told(tokens, text):
    tokens.path.write_text(text)
    with pytest.raises(CredentialRejected, match="Sign in to YouTube again"):
        tokens.load()


def test_the_client_file_of_the_console_is_read_and_others_are_refused(tmp_path):
    path = tmp_path / "client.json"
    said = {"client_id": "i", "client_secret": "s", "auth_uri": "https://a", "token_uri": "https://t"}
    path.write_text(json.dumps({"installed": said}))
    assert OAuthProject.from_file(path) == OAuthProject("i", "s", "https://a", "https://t")
    path.write_text(json.dumps({"web": said}))
    with pytest.raises(ValueError, match="Desktop app"):
        OAuthProject.from_file(path)
