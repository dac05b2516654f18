"""Signing in to YouTube, to read likes, dislikes and subscriptions: OAuth 2.0 for installed apps (RFC 8252).

The browser comes back to a port of this machine for the length of one sign-in, with PKCE (RFC 7636, S256) and a state;
on a machine without a browser, the address it came back to is pasted. The permission is to read, no more. Tokens are
kept as JSON in a file that only its owner may read; no error, log or `repr` shows them.
"""

import base64
import hashlib
import json
import os
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from traceformers.apps.feed.sources.http_client import HttpClient, Refused
from traceformers.apps.feed.sources.source_report import SourceError
from traceformers.apps.feed.sources.youtube_client import SIGN_IN, CredentialRejected

SCOPE = "https://www.googleapis.com/auth/youtube.readonly"
RENEW_BEFORE_MS = 60_000


@dataclass(frozen=True)
class Token:
    """What a sign-in gave."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: int = 0  # milliseconds since 1970


@dataclass(frozen=True)
class OAuthProject:
    """The Google project in whose name one signs in, and where.

    Attributes:
        client_id, client_secret (`str`): of an OAuth client of the kind "Desktop app".
        auth_url (`str`): where the browser goes.
        token_url, revoke_url (`str`): where tokens are given and taken back.
    """

    client_id: str
    client_secret: str = field(default="", repr=False)
    auth_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    token_url: str = "https://oauth2.googleapis.com/token"
    revoke_url: str = "https://oauth2.googleapis.com/revoke"

    @classmethod
    def from_file(cls, path):
        """Returns the project of the client file that Google's console offers for download.

        Args:
            path (path): JSON.

        Raises:
            ValueError: it is not such a file, or one of another kind of client.
        """
        try:
            said = json.loads(Path(path).read_text(encoding="utf-8"))["installed"]
            return cls(said["client_id"], said.get("client_secret", ""), said["auth_uri"], said["token_uri"])
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(
                f'Expected the client file of a "Desktop app" of a Google project in {path}, got something else. '
                'In the console, make an OAuth client of the kind "Desktop app" and download its JSON.'
            ) from None


class TokenFile:
    """The file of a token: JSON, readable by its owner alone.

    Args:
        path (path): made by `save`, in a folder that is there.
    """

    def __init__(self, path):
        self.path = Path(path)

    def save(self, token):
        """Writes a token beside the file, then puts it in its place."""
        half = self.path.with_name(f"{self.path.name}.{os.getpid()}.half")
        half.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump(asdict(token), file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(half, self.path)
        finally:
            half.unlink(missing_ok=True)

    def load(self):
        """Returns the `Token`, or None if nobody is signed in.

        Raises:
            CredentialRejected: the file cannot be read as one.
        """
        try:
            if os.name == "posix" and self.path.stat().st_mode & 0o077:
                self.path.chmod(0o600)  # a copy or a restored backup may have opened it
            return Token(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            raise CredentialRejected(f"Expected a token in {self.path}, got something else. {SIGN_IN}") from None

    def delete(self):
        """Deletes the file, if there is one."""
        self.path.unlink(missing_ok=True)


class HeldToken:
    """A sign-in of which only the lasting token is known, as secrets.toml has it; what it is renewed to is not kept.

    Args:
        refresh_token (`str`).
    """

    path = "secrets.toml"

    def __init__(self, refresh_token):
        self._token = Token("", refresh_token)

    def load(self):
        """Returns the `Token`."""
        return self._token

    def save(self, token):
        """Keeps a token while this process runs."""
        self._token = token

    def delete(self):
        """Forgets the token."""
        self._token = None


class SignedIn:
    """Who asks: a person, by a token that is renewed when it runs out.

    Args:
        project (`OAuthProject`). tokens (`TokenFile` or `HeldToken`).
        clock (callable): `time.time`. http_options: for `HttpClient`.
    """

    can_see_ratings = True

    def __init__(self, project, tokens, clock=time.time, **http_options):
        self.project, self.tokens, self.clock, self.http_options = project, tokens, clock, http_options
        self._token = None

    def __repr__(self):
        return f"SignedIn({self.tokens.path})"

    def headers(self):
        """Returns the headers that say who asks; renews the token if it is about to run out.

        Raises:
            CredentialRejected: nobody is signed in, or the sign-in is no longer good.
        """
        token = self._token or self.tokens.load()
        if token is None:
            raise CredentialRejected("Nobody is signed in to YouTube. Sign in first.")
        if token.expires_at - self.clock() * 1000 < RENEW_BEFORE_MS:
            token = self._renewed(token)
        self._token = token
        return {"Authorization": f"Bearer {token.access_token}"}

    def renew(self):
        """Returns True after getting a new token; raises CredentialRejected where that cannot be."""
        self._token = self._renewed(self._token or self.tokens.load())
        return True

    def _renewed(self, token):
        if not token.refresh_token:
            raise CredentialRejected(f"The sign-in to YouTube has run out. {SIGN_IN}")
        said = ask_for_token(
            self.project,
            {"grant_type": "refresh_token", "refresh_token": token.refresh_token},
            self.clock,
            **self.http_options,
        )
        # Google sends no new refresh token; the one that was there stays good.
        renewed = Token(said.access_token, said.refresh_token or token.refresh_token, said.expires_at)
        self.tokens.save(renewed)
        return renewed

    def sign_out(self):
        """Deletes the token; returns whether Google took the permission back, too, None if nobody was signed in."""
        taken_back = None
        try:
            if (token := self.tokens.load()) is not None:
                taken_back = False
                with HttpClient(self.project.revoke_url, "Google", **self.http_options) as http:
                    http.request("POST", "", data={"token": token.refresh_token or token.access_token})
                taken_back = True
        except CredentialRejected:  # the file is no token: there is nothing to take back
            taken_back = False
        except Refused as error:  # 400: Google does not know the token any more
            taken_back = error.status == 400
        except SourceError:
            pass
        finally:
            self.tokens.delete()
            self._token = None
        return taken_back


class SignIn:
    """One sign-in: `address` is where the browser goes, `finish` takes what it came back with.

    Args:
        project (`OAuthProject`).
        redirect_uri (`str`): the address of this machine to which the browser comes back.
    """

    def __init__(self, project, redirect_uri):
        self.project, self.redirect_uri = project, redirect_uri
        self._state, self._verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)

    @property
    def address(self):
        """The page of Google on which the permission is given."""
        digest = hashlib.sha256(self._verifier.encode()).digest()
        query = {
            "client_id": self.project.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": SCOPE,
            "state": self._state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",  # without it, a second sign-in gives no refresh token
        }
        return f"{self.project.auth_url}?{urlencode(query)}"

    def code_of(self, came_back_to):
        """Returns the code in the address the browser came back to.

        Raises:
            CredentialRejected: the permission was not given, or the address is not of this sign-in.
        """
        query = {name: values[0] for name, values in parse_qs(urlsplit(came_back_to.strip()).query).items()}
        if not secrets.compare_digest(query.get("state", "").encode(), self._state.encode()):
            raise CredentialRejected(
                "Expected the address of the sign-in that was just begun, got another one. Begin again."
            )
        if "error" in query:
            told = "it was not given" if query["error"] == "access_denied" else "Google refused it"
            raise CredentialRejected(
                f"Expected the permission to read from YouTube, {told}. Begin again, and allow it."
            )
        if not query.get("code"):
            raise CredentialRejected("Expected a code in the address, got none. Copy the whole address.")
        return query["code"]

    def finish(self, came_back_to, clock=time.time, **http_options):
        """Returns the `Token` for the address the browser came back to; errors as of `code_of`."""
        fields = {
            "grant_type": "authorization_code",
            "code": self.code_of(came_back_to),
            "code_verifier": self._verifier,
            "redirect_uri": self.redirect_uri,
        }
        token = ask_for_token(self.project, fields, clock, **http_options)
        if not token.refresh_token:
            raise CredentialRejected(f"Expected a lasting permission from Google, got one for an hour. {SIGN_IN}")
        return token


def ask_for_token(project, fields, clock=time.time, **http_options):
    """Returns the `Token` that the project is given for `fields`.

    Raises:
        CredentialRejected: what was shown is no longer good. SourceError: Google cannot be reached.
    """
    who = {"client_id": project.client_id, "client_secret": project.client_secret}
    with HttpClient(project.token_url, "Google's sign-in", **http_options) as http:
        try:
            said = http.request("POST", "", data={**fields, **who}).json()
        except Refused as error:
            try:
                reason = json.loads(error.body).get("error", "")
            except (ValueError, AttributeError):
                reason = ""
            if reason == "invalid_grant":
                raise CredentialRejected(f"The sign-in to YouTube was revoked or has expired. {SIGN_IN}") from None
            if reason in ("invalid_client", "unauthorized_client"):
                raise CredentialRejected(
                    "Google does not know the OAuth client. Correct youtube_client_id and youtube_client_secret."
                ) from None
            raise SourceError(f"Google's sign-in failed with {error.status}. Collect again later.") from None
        except ValueError:
            said = {}
    if not isinstance(said, dict) or not isinstance(said.get("access_token"), str):
        raise SourceError("Expected a token from Google's sign-in, got something else. Sign in again later.")
    expires_at = int((clock() + float(said.get("expires_in") or 0)) * 1000)
    return Token(said["access_token"], said.get("refresh_token") or "", expires_at)


def sign_in(project, tokens, show, timeout_seconds=300, host="127.0.0.1", **http_options):
    """Signs in with a browser on this machine, and keeps the token.

    Args:
        project (`OAuthProject`). tokens (`TokenFile`).
        show (callable): is given the address to open, such as `webbrowser.open`.
        timeout_seconds (`float`): how long is waited for the browser to come back.
        host (`str`): of the loopback interface. http_options: for `HttpClient`.

    Raises:
        CredentialRejected: the permission was not given, or not in time.
    """
    came_back = []
    arrived = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            # A browser asks for /favicon.ico too, and any page may ask this port: only a right state counts.
            good = False
            with suppress(CredentialRejected):
                good = bool(one.code_of(self.path))
            refused = "error=" in self.path and f"state={one._state}" in self.path
            if (good or refused) and not came_back:
                came_back.append(self.path)
            text = b"You can close this page and go back to the feed." if good or refused else b"Nothing is here."
            self.send_response(200 if good or refused else 404)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            if came_back:
                arrived.set()

        def log_message(self, *_):
            """Says nothing: the address holds the code."""

    with HTTPServer((host, 0), Handler) as server:
        one = SignIn(project, f"http://{host}:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            show(one.address)
            if not arrived.wait(timeout_seconds):
                raise CredentialRejected(
                    f"Expected the browser to come back within {timeout_seconds:g} s, it did not. Begin again, or "
                    "paste the address."
                )
        finally:
            server.shutdown()
            thread.join()
    tokens.save(one.finish(came_back[0], **http_options))


def sign_in_by_paste(project, tokens, ask, **http_options):
    """Signs in with a browser on any machine: it ends on a page that cannot be shown, whose address is pasted.

    Args:
        project (`OAuthProject`). tokens (`TokenFile`).
        ask (callable): is given the address to open, returns the address that was pasted.
        http_options: for `HttpClient`.
    """
    one = SignIn(project, "http://127.0.0.1:1/")
    tokens.save(one.finish(ask(one.address), **http_options))
