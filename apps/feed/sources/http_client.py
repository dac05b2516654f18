"""HTTP for the sources: bounded in time, in size and in patience, and silent about secrets.

An attempt that fails for a reason that passes (no connection, one that was cut in the middle, a timeout, 429, 5xx) is
made again after an exponentially growing wait with jitter, or after what Retry-After says. Longer waits are left to the
caller: the exception says when to come back.
"""

import email.utils
import json
import math
import random
import time
from dataclasses import dataclass

import requests
from requests.auth import AuthBase

from traceformers.apps.feed.sources.source_report import SourceError

PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
MEBIBYTE = 1024 * 1024


class Unreachable(SourceError):
    """No answer came, after all attempts.

    Attributes:
        reason (`str`): why, a part of a sentence.
    """

    def __init__(self, what, reason):
        super().__init__(f"{what} is out of reach: {reason}. Check the address and the network, then collect again.")
        self.reason = reason


class Refused(SourceError):
    """An answer came, and it is a refusal.

    Attributes:
        status (`int`). body (`bytes`): the beginning of what came. headers (mapping).
    """

    def __init__(self, message, answer, retry_after=None):
        super().__init__(message, retry_after)
        self.status, self.headers, self.body = answer.status, answer.headers, answer.body


class TooLarge(SourceError):
    """An answer has more bytes than the client takes."""


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        """Returns the body as JSON; ValueError when it is not."""
        return json.loads(self.body)


class HeaderAuth(AuthBase):
    """Puts headers on each request. Unlike headers of a session, these are not replaced by those of a .netrc file."""

    def __init__(self, make_headers):
        self.make_headers = make_headers

    def __call__(self, request):
        request.headers.update(self.make_headers())
        return request


class HttpClient:
    """A session with one host.

    Args:
        base_url (`str`): scheme, host and port, and a path if all requests have it.
        what (`str`): how errors name the host.
        auth (callable, *optional*): returns the headers that say who asks, for each attempt.
        attempts (`int`): how often a request is made at most.
        timeout (`tuple`): seconds to connect, and between two parts of an answer.
        deadline (`float`): seconds a whole answer may take.
        patience (`float`, *optional*): seconds all attempts at a request may take together, waits included.
        max_bytes (`int`): of an answer, unpacked.
        backoff (`float`): seconds before the second attempt; doubles with each.
        max_wait (`float`): seconds; a server that asks for a longer wait is not waited for.
        min_interval (`float`): seconds between the beginnings of two requests.
        environment_proxies (`bool`): whether HTTP_PROXY and its kin count.
        before_attempt (callable, *optional*): called before each attempt; may raise.
        sleep, clock (callables): `time.sleep` and `time.time`.
    """

    def __init__(
        self,
        base_url,
        what=None,
        auth=None,
        attempts=4,
        timeout=(5, 30),
        deadline=300,
        patience=None,
        max_bytes=64 * MEBIBYTE,
        backoff=0.5,
        max_wait=60,
        min_interval=0,
        environment_proxies=True,
        before_attempt=None,
        sleep=time.sleep,
        clock=time.time,
    ):
        self.base_url = base_url.rstrip("/")
        self.what = what or self.base_url
        self.attempts, self.timeout, self.deadline, self.max_bytes = attempts, timeout, deadline, max_bytes
        self.patience = math.inf if patience is None else patience
        self.backoff, self.max_wait, self.min_interval = backoff, max_wait, min_interval
        self.before_attempt, self.sleep, self.clock = before_attempt, sleep, clock
        self.last_request = None
        self.session = requests.Session()
        self.session.trust_env = environment_proxies
        self.session.headers["User-Agent"] = "traceformers (a personal feed reader)"
        self.session.auth = HeaderAuth(auth or dict)

    def close(self):
        self.session.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def get(self, path, params=None, headers=None, accept=(200,), passes=None, timeout=None):
        """Returns the `Answer` to a GET; see `request`."""
        return self.request("GET", path, params, headers, accept=accept, passes=passes, timeout=timeout)

    def request(
        self, method, path, params=None, headers=None, data=None, body=None, accept=(200,), passes=None, timeout=None
    ):
        """Returns the `Answer` to a request whose status is in `accept`.

        Args:
            method (`str`), path (`str`): of the request, below `base_url`.
            params, headers, data (mappings), body (JSON): of the request.
            accept (container of `int`): statuses that are answers; every other is a refusal.
            passes (callable, *optional*): whether the refusal in an `Answer` will pass, besides the usual statuses.
            timeout (`tuple`, *optional*): instead of that of the client.

        Raises:
            Unreachable, Refused, TooLarge.
        """
        end = time.monotonic() + self.patience
        for attempt in range(1, self.attempts + 1):
            if self.before_attempt:
                self.before_attempt()
            self._keep_interval()
            try:
                answer = self._attempt(method, path, params, headers, data, body, timeout or self.timeout, end)
            except requests.RequestException as error:
                wait = self._wait(attempt)
                last = attempt == self.attempts or time.monotonic() + wait >= end
                if last or not isinstance(error, PASSING_FAULTS):
                    raise Unreachable(self.what, _reason(error)) from None
                self.sleep(wait)
                continue
            if answer.status in accept:
                return answer
            retry_after = self._retry_after(answer)
            wait = self._wait(attempt) if retry_after is None else retry_after
            last = attempt == self.attempts or time.monotonic() + wait >= end
            too_long = retry_after is not None and retry_after > self.max_wait
            will_pass = answer.status in PASSING_STATUSES or (passes is not None and passes(answer))
            if not will_pass or last or too_long:
                when = None if retry_after is None else int((self.clock() + retry_after) * 1000)
                raise Refused(f"{self.what} answered {answer.status} to {method} {path}.", answer, when)
            self.sleep(wait)
        raise AssertionError("no attempt was made")

    def _keep_interval(self):
        now = self.clock()
        if self.min_interval and self.last_request is not None:
            self.sleep(max(0.0, min(self.min_interval, self.last_request + self.min_interval - now)))
        self.last_request = self.clock()

    def _attempt(self, method, path, params, headers, data, body, timeout, end):
        url = f"{self.base_url}{path}"
        begin = time.monotonic()
        allowed = min(self.deadline, max(end - begin, 0.001))
        timeout = tuple(min(seconds, allowed) for seconds in timeout)
        arguments = {"params": params, "headers": headers, "data": data, "json": body, "timeout": timeout}
        with self.session.request(method, url, stream=True, **arguments) as response:
            parts, size = [], 0
            for part in response.iter_content(65536):
                size += len(part)
                if size > self.max_bytes:
                    raise TooLarge(
                        f"Expected at most {self.max_bytes:,} bytes from {self.what} for {path}, more came. "
                        "Nothing of this answer was taken."
                    )
                if time.monotonic() - begin > allowed:
                    raise requests.Timeout(f"not done after {allowed:.0f} s")
                parts.append(part)
            return Answer(response.status_code, response.headers, b"".join(parts))

    def _wait(self, attempt):
        """Returns the seconds to wait after the `attempt`th attempt, half of it by chance."""
        return min(self.max_wait, self.backoff * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)

    def _retry_after(self, answer):
        """Returns the seconds that Retry-After asks for, or None."""
        value = answer.headers.get("Retry-After")
        if value is None:
            return None
        if value.strip().isdigit():
            return float(value)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - self.clock())
        except ValueError:
            return None


def _reason(error):
    """Returns why there is no answer; never the error's own text, which may hold an address."""
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate was not accepted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "it cut the connection in the middle of an answer"
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return "its address is not one"
    if not isinstance(error, requests.ConnectionError):
        return f"its answer could not be read ({type(error).__name__})"
    return "it cannot be connected to"


PASSING_FAULTS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
