"""Who may ask the embedding service: its host's name, a key where others can reach it, and how often.

A page elsewhere can make a browser call this machine under a name of theirs that resolves to 127.0.0.1 (DNS rebinding):
a `Host` that is neither an address nor a known name is refused. Off the loopback interface every path but /health
asks for `Authorization: Bearer KEY`, as OpenAI's clients send it.
"""

import hmac
import ipaddress
import time
from collections import OrderedDict
from urllib.parse import urlsplit

#: Clients whose pace is remembered; more would be a way to fill the memory.
MOST_CLIENTS = 10_000
OPEN_PATHS = {"/health"}


class RequestPace:
    """A token bucket a client: so many requests a second on average, twice as many at once.

    Args:
        per_second (`float`): 0 lets everything pass.
        clock (callable): seconds that only grow.
    """

    def __init__(self, per_second, clock=time.monotonic):
        if per_second < 0:
            raise ValueError(f"Expected requests a second of at least 0, got {per_second}. 0 sets no limit.")
        self.per_second, self.clock, self.buckets = per_second, clock, OrderedDict()

    def wait_seconds(self, client):
        """Returns how long a client must wait, 0.0 where its request may pass now; such a request is counted."""
        if not self.per_second:
            return 0.0
        now, most = self.clock(), max(2 * self.per_second, 1.0)
        tokens, seen = self.buckets.pop(client, (most, now))
        tokens = min(most, tokens + (now - seen) * self.per_second)
        wait = max(0.0, (1 - tokens) / self.per_second)
        self.buckets[client] = (tokens if wait else tokens - 1, now)
        if len(self.buckets) > MOST_CLIENTS:
            self.buckets.popitem(last=False)
        return wait


class ServiceGuard:
    """ASGI middleware before all else.

    Args:
        app: what comes after it.
        refuse (callable): of (status, message, headers) to a response.
        hosts (iterable of `str`): names besides localhost that clients call the service by.
        key (`str` or None): what clients must send; None asks for nothing.
        pace (`RequestPace`)
    """

    def __init__(self, app, refuse, hosts=(), key=None, pace=None):
        self.app, self.refuse, self.key = app, refuse, key.encode() if key else None
        self.names = {"localhost", *(name.lower() for name in hosts)}
        self.pace = pace or RequestPace(0)

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        refusal = self._refusal(scope, dict(scope["headers"]))
        return await (refusal or self.app)(scope, receive, send)

    def _refusal(self, scope, headers):
        host = headers.get(b"host", b"").decode("latin-1")
        if not is_known_host(host, self.names):
            return self.refuse(
                403, f"Expected a host this service is called by, got {host[:100]!r}. Add it with --allow-host.", {}
            )
        if wait := self.pace.wait_seconds((scope.get("client") or ("",))[0]):
            seconds = max(1, round(wait + 0.5))
            return self.refuse(
                429, f"Too many requests. Try again in {seconds} seconds.", {"Retry-After": str(seconds)}
            )
        if self.key and scope["path"] not in OPEN_PATHS:
            kind, _, sent = headers.get(b"authorization", b"").partition(b" ")
            if kind.lower() != b"bearer" or not hmac.compare_digest(sent.strip(), self.key):
                return self.refuse(
                    401,
                    "Expected the key of this service as Authorization: Bearer KEY.",
                    {"WWW-Authenticate": "Bearer"},
                )
        return None


def is_known_host(host, names):
    """Returns whether a `Host` header is an address, which no name server can turn, or one of `names`."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname or ""
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.rstrip(".") in names
    return True


def checked_key(host, key):
    """Returns the key, or None where no key is needed.

    Args:
        host (`str`): what the service listens at.
        key (`str` or None): what the user set.

    Raises:
        ValueError: others can reach the service and there is no key, or one that can be guessed.
    """
    if key is not None and len(key) < 16:
        raise ValueError(f"Expected a key of at least 16 characters, got {len(key)}. Make one: openssl rand -hex 32.")
    if key is None and not is_loopback(host):
        raise ValueError(
            f"Expected a key in TRACEFORMERS_API_KEY for a service that others can reach at {host}, got none. Set it, "
            "or listen at 127.0.0.1."
        )
    return key


def is_loopback(host):
    """Returns whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
