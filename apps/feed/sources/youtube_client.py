"""The YouTube Data API v3 by plain requests: one page a call, each counted against the day's quota before it is made.

The key or token goes in a header, so that no address, log or error holds it. A list costs one unit a page, whether the
answer is of use or not; the day of the quota begins at midnight Pacific time.
"""

from datetime import datetime

from traceformers.apps.feed.feed_clock import PACIFIC, next_quota_day, quota_day
from traceformers.apps.feed.sources.http_client import HttpClient, Refused
from traceformers.apps.feed.sources.source_report import SourceError

DAILY_UNITS = 10_000
PAGE_SIZE = 50  # the most the API gives
QUOTA_SOURCE = "youtube"
QUOTA_REASONS = {"quotaExceeded", "dailyLimitExceeded"}
RATE_REASONS = {"rateLimitExceeded", "userRateLimitExceeded"}
SIGN_IN = "Sign in to YouTube again."


class QuotaSpent(SourceError):
    """Today's units are spent."""


class CredentialRejected(SourceError):
    """The key or the token is not, or no longer, good for what was asked."""


class ApiRefused(SourceError):
    """The API refused one question.

    Attributes:
        status (`int`). reason (`str`): as the API names it, such as "playlistNotFound".
    """

    def __init__(self, message, status, reason):
        super().__init__(message)
        self.status, self.reason = status, reason


class ApiKey:
    """Who asks: a project, by its key. Sees what is public."""

    can_see_ratings = False

    def __init__(self, key):
        self._key = key

    def __repr__(self):
        return "ApiKey(...)"

    def headers(self):
        """Returns the headers that say who asks."""
        return {"X-Goog-Api-Key": self._key}

    def renew(self):
        """Returns whether new headers may help where the last were rejected."""
        return False


class YouTubeClient:
    """A connection to the API. Making one connects to nothing.

    Args:
        credential (`ApiKey` or `youtube_oauth.SignedIn`).
        base_url (`str`): of the API.
        daily_units (`int`): the most units to spend in a day.
        http_options: for `HttpClient`.
    """

    def __init__(self, credential, base_url="https://www.googleapis.com", daily_units=DAILY_UNITS, **http_options):
        self.credential, self.daily_units = credential, daily_units
        self.db = self.now = None
        options = {"attempts": 4, "max_bytes": 16 * 1024 * 1024, **http_options}
        self.http = HttpClient(base_url, "YouTube", auth=credential.headers, before_attempt=self._spend_one, **options)

    def begin(self, db, now):
        """Says where units are counted, and what time it is.

        Args:
            db (`FeedDatabase`). now (`int`): milliseconds since 1970.
        """
        self.db, self.now = db, now

    def _spend_one(self):
        if not self.db.spend_quota(QUOTA_SOURCE, quota_day(self.now), 1, self.daily_units):
            raise self._quota_spent(f"the {self.daily_units:,} units of today are spent")

    def _quota_spent(self, why):
        when = next_quota_day(self.now)
        clock = datetime.fromtimestamp(when / 1000, PACIFIC).strftime("%Y-%m-%d %H:%M %Z")
        return QuotaSpent(f"YouTube's quota: {why}. What came is stored; it goes on from {clock}.", when)

    def page(self, resource, **params):
        """Returns one page of a list, `dict` as the API gives it.

        Args:
            resource (`str`): such as "videos". params: of the question.

        Raises:
            QuotaSpent, CredentialRejected, ApiRefused, SourceError.
        """
        path = f"/youtube/v3/{resource}"
        for renewed in (False, True):
            try:
                answer = self.http.get(path, params, passes=lambda answer: reason_of(answer.body) in RATE_REASONS)
            except Refused as error:
                if error.status == 401 and not renewed and self.credential.renew():
                    continue
                raise self._refusal(resource, error) from None
            try:
                page = answer.json()
            except ValueError:
                page = None
            if not isinstance(page, dict):
                raise SourceError(
                    f"Expected JSON from YouTube for {resource}, got something else. Collect again later."
                )
            return page
        raise AssertionError("an expired token is renewed once")

    def pages(self, resource, max_pages=1000, **params):
        """Yields the pages of a list, one after the other; args as of `page`."""
        token = None
        for _ in range(max_pages):
            page = self.page(resource, **params, **({"pageToken": token} if token else {}))
            yield page
            last, token = token, page.get("nextPageToken")
            if not token or token == last:
                return

    def _refusal(self, resource, error):
        reason = reason_of(error.body)
        if reason in QUOTA_REASONS:
            # The project is used elsewhere too: here the day is over as well.
            left = self.daily_units - self.db.quota(QUOTA_SOURCE, quota_day(self.now))
            if left > 0:
                self.db.spend_quota(QUOTA_SOURCE, quota_day(self.now), left, self.daily_units)
            return self._quota_spent("YouTube says that it is spent")
        if reason in RATE_REASONS:
            return SourceError("YouTube asks for fewer questions a minute. Collect again later.", error.retry_after)
        if error.status == 401:
            return CredentialRejected(f"YouTube no longer accepts the sign-in ({reason or 401}). {SIGN_IN}")
        if error.status == 400 and (b"API key" in error.body or reason in ("keyInvalid", "API_KEY_INVALID")):
            return CredentialRejected("YouTube does not know the API key. Correct youtube_api_key in secrets.toml.")
        if reason in ("accessNotConfigured", "SERVICE_DISABLED"):
            return CredentialRejected(
                "The YouTube Data API v3 is not switched on in the Google project of the key. Switch it on there."
            )
        if reason in ("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
            return CredentialRejected(f"The sign-in does not allow to read from YouTube. {SIGN_IN}")
        if error.status in (500, 502, 503, 504, 429):
            return SourceError(f"YouTube failed with {error.status}. Collect again later.", error.retry_after)
        return ApiRefused(f"YouTube refused {resource}: {error.status} {reason}.", error.status, reason)


def reason_of(body):
    """Returns the reason of an error that the API answered, "" if it says none."""
    import json

    try:
        error = json.loads(body)["error"]
        return str(error["errors"][0]["reason"]) if error.get("errors") else str(error.get("status") or "")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""
