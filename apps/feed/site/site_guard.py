"""What every request passes before a page sees it: its host, its origin, the password, and the headers of the answer.

A page elsewhere can make a browser call this machine. It is refused by the `Host` header (DNS rebinding: a name of
theirs that resolves to 127.0.0.1), by `Origin` and `Sec-Fetch-Site` (forged requests), for web sockets as well.
"""

import base64
import binascii
import hmac
import ipaddress
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.websockets import WebSocketClose

from traceformers.apps.feed.site.site_password import entry_mark, password_fits

LOGIN = "/login"
#: The frame is the only thing that may come from elsewhere, and only on the player's pages after it was asked for.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-src https://www.youtube-nocookie.com; "
    "frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class SiteGuard:
    """ASGI middleware; stands inside the one that reads the session cookie.

    Args:
        app: what comes after it.
        options (`SiteOptions`)
        limiter (`AttemptLimiter`): shared with the login page.
    """

    def __init__(self, app, options, limiter):
        self.app, self.limiter = app, limiter
        self.password_hash = options.password_hash
        self.mark = entry_mark(options.password_hash) if options.password_hash else None
        self.names = {"localhost", *(name.lower() for name in options.allowed_hosts)}

    async def __call__(self, scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._foreign(scope, headers) or await self._not_signed_in(scope, headers)
        if refusal is None:
            return await self.app(scope, receive, _with_headers(send))
        if scope["type"] == "websocket":
            return await WebSocketClose(1008)(scope, receive, send)
        return await refusal(scope, receive, _with_headers(send))

    def _foreign(self, scope, headers):
        """Returns the answer to a request that a page elsewhere made, None for one of ours."""
        host = headers.get("host", "")
        if not host_is_ours(host, self.names):
            return _refused(
                403,
                f"Expected a host this site is called by, got {host!r}. Open it by its address, "
                "or add the name to allowed_hosts in the settings.",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return _refused(403, f"Expected a request from a page of this site, got one from {origin!r}. Use the site.")
        writes = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS")
        if writes and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _refused(403, "Expected a request from a page of this site, got one from elsewhere. Use the site.")
        return None

    async def _not_signed_in(self, scope, headers):
        """Returns the answer to who has not given the password, None if they have or none is asked for."""
        if self.mark is None or scope["path"] == LOGIN:
            return None
        if hmac.compare_digest(str(scope.get("session", {}).get("entry", "")), self.mark):
            return None
        if scope["path"].startswith("/api/"):
            return await self._not_basic(scope, headers)
        wanted = quote(scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""))
        return RedirectResponse(f"{LOGIN}?to={wanted}", 303)

    async def _not_basic(self, scope, headers):
        """Returns the answer to a REST call without the password by `Authorization: Basic`; no user name is read."""
        address = (scope.get("client") or ("",))[0]
        if wait := self.limiter.wait_seconds(address):
            return _refused(429, f"Expected a pause after wrong passwords. Try again in {wait:.0f} seconds.")
        password = _basic_password(headers.get("authorization", ""))
        if password is not None:
            if await run_in_threadpool(password_fits, password, self.password_hash):
                self.limiter.fitted(address)
                return None
            self.limiter.failed(address)
        return _refused(401, "Expected the password of this site. Sign in, or send it by Authorization: Basic.")


def host_is_ours(host, names):
    """Returns whether a `Host` header is an address, which no name server can turn, or one of the names.

    Args:
        host (`str`): with or without a port.
        names (`set[str]`): in lower case.
    """
    try:
        name = urlsplit("//" + host).hostname or ""
        urlsplit("//" + host).port  # noqa: B018  raises for a port that is none
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.rstrip(".") in names
    return True


def _basic_password(header):
    kind, _, credentials = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _refused(status, message):
    return JSONResponse({"error": message}, status) if status != 403 else PlainTextResponse(message, status)


def _with_headers(send):
    async def sending(message):
        if message["type"] == "http.response.start":
            known = {name.lower() for name, _ in message.get("headers", ())}
            message["headers"] = [*message.get("headers", ()), *(h for h in HEADERS if h[0] not in known)]
        await send(message)

    return sending
