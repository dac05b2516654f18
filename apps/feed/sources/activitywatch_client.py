"""The REST interface of an ActivityWatch server, as far as the feed needs it: aw-server, and aw-server-rust.

The server cuts events at the borders of the range that was asked for. `events` gives them whole, each once; `pieces`
says which ranges to ask for, so that each holds a bounded number of them, whatever the server has.
"""

from datetime import UTC, datetime
from urllib.parse import quote

from traceformers.apps.feed.sources.http_client import HttpClient, Refused, TooLarge, Unreachable
from traceformers.apps.feed.sources.source_report import SourceError
from traceformers.datasets_scripts.activitywatch.aw_events import event_time

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SHORTEST_PIECE_MS, LONGEST_PIECE_MS = 60_000, 64 * DAY_MS
#: ActivityWatch is older than no event.
EARLIEST_MS = 1_262_304_000_000  # 2010-01-01
EVENTS_A_PIECE = 10_000
INFO_SECONDS = 10
PATIENCE_SECONDS = 90  # for one answer, all attempts together: a server that hangs keeps nobody for minutes


class ActivityWatchClient:
    """A connection to an ActivityWatch server. Making one connects to nothing.

    Args:
        host (`str`), port (`int`): of the server.
        base_url (`str`, *optional*): instead of them.
        events_a_piece (`int`): how many events are asked for at once, about.
        http_options: for `HttpClient`.
    """

    def __init__(self, host="127.0.0.1", port=5600, base_url=None, events_a_piece=EVENTS_A_PIECE, **http_options):
        if base_url is None:
            named = f"[{host}]" if ":" in host and not host.startswith("[") else host
            base_url = f"http://{named}:{int(port)}"
        self.place = base_url.split("://", 1)[-1].rstrip("/")
        self.events_a_piece = events_a_piece
        # A proxy of the environment cannot reach this machine, and must not see what is on its screen.
        options = {"timeout": (5, 60), "attempts": 3, "patience": PATIENCE_SECONDS, "environment_proxies": False}
        options |= http_options
        connect, read = options["timeout"]
        self.info_timeout = connect, min(read, INFO_SECONDS)
        self.http = HttpClient(base_url, f"ActivityWatch at {self.place}", **options)

    def close(self):
        self.http.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def info(self):
        """Returns what the server says of itself, `dict` with hostname and version.

        Raises:
            SourceError: nothing answers there, or something else than ActivityWatch.
        """
        try:
            # It knows that by heart: what takes longer is no server that one wants to wait for.
            answer = self.http.get("/api/0/info", timeout=self.info_timeout)
        except Unreachable as error:
            raise SourceError(
                f"Expected an ActivityWatch server at {self.place}, got none: {error.reason}. Start ActivityWatch on "
                "that computer, or correct host and port of [activitywatch] in the settings."
            ) from None
        except Refused as error:
            raise SourceError(self._refusal(error), error.retry_after) from None
        info = self._json(answer, dict)
        if "hostname" not in info and "version" not in info:
            raise self._stranger()
        return info

    def buckets(self):
        """Returns what the server says of each bucket, `dict` id → `dict` with type, hostname, last_updated."""
        listed = self._json(self._get("/api/0/buckets/"), dict)
        if not all(isinstance(bucket, dict) for bucket in listed.values()):
            raise self._stranger()
        return listed

    def classes(self):
        """Returns the classes (categories) that the server keeps, `list`, or None where it keeps none.

        A server that was never asked to keep any answers null, [] or 404, by its kind and version: all three are None.
        """
        answer = self._get("/api/0/settings", accept=(200, 404))
        if answer.status == 404:
            return None
        try:
            settings = answer.json()
        except ValueError:
            return None
        classes = settings.get("classes") if isinstance(settings, dict) else None
        return classes if isinstance(classes, list) and classes else None

    def count(self, bucket, start=None, end=None):
        """Returns how many events of a bucket lie between two times (milliseconds), or None if it does not say."""
        answer = self._get(f"{_path(bucket)}/count", _range(start, end), accept=(200, 404, 405))
        try:
            count = answer.json() if answer.status == 200 else None
        except ValueError:
            count = None
        return count if type(count) is int else None

    def event(self, bucket, event_id):
        """Returns one event, or None if the server has no such one."""
        answer = self._get(f"{_path(bucket)}/{int(event_id)}", accept=(200, 404, 405))
        try:
            event = answer.json() if answer.status == 200 else None
        except ValueError:
            event = None
        return event if isinstance(event, dict) else None

    def delete_event(self, bucket, event_id):
        """Deletes one event; returns whether there was one."""
        answer = self._ask("DELETE", f"{_path(bucket)}/{int(event_id)}", accept=(200, 404))
        if answer.status == 404:
            return False
        said = answer.json() if answer.body.strip() else None
        return bool(said.get("success", True)) if isinstance(said, dict) else True

    def first_event_time(self, bucket, end):
        """Returns a time before which a bucket has no event, at most a day before its first one; `end` if it is empty.

        There is no question for the oldest event: counts up to a time are asked for, a dozen, halving the range.
        """
        if self.count(bucket, end=end) == 0:
            return end
        low, high = EARLIEST_MS, end
        while high - low > DAY_MS:
            middle = (low + high) // 2
            count = self.count(bucket, end=middle)
            if count is None:
                return low
            low, high = (middle, high) if count == 0 else (low, middle)
        return low

    def pieces(self, buckets, start, end):
        """Yields (piece start, piece end) that follow one another from `start` to `end`, each with a bounded number of
        events of any of the buckets.

        Args:
            buckets (list of `str`): ids.
            start, end (`int`): milliseconds since 1970.
        """
        length = DAY_MS
        while start < end:
            length = min(length, end - start)
            counts = [self.count(bucket, start, start + length) or 0 for bucket in buckets]
            while max(counts, default=0) > self.events_a_piece and length > SHORTEST_PIECE_MS:
                length = max(SHORTEST_PIECE_MS, length // 2)
                counts = [self.count(bucket, start, start + length) or 0 for bucket in buckets]
            yield start, start + length
            start += length
            if max(counts, default=0) * 3 < self.events_a_piece:
                length = min(LONGEST_PIECE_MS, length * 2)

    def events(self, bucket, start, end, overlapping=False):
        """Returns the raw events of a bucket that begin in [start, end), each whole, `list` of `dict`, oldest first.

        Args:
            bucket (`str`): id. start, end (`int`): milliseconds since 1970.
            overlapping (`bool`): those too that begin before `start` and end after it.
        """
        try:
            raw = self._json(self._get(_path(bucket), _range(start, end)), list)
        except TooLarge:
            if end - start <= SHORTEST_PIECE_MS:
                raise
            middle = (start + end) // 2
            return self.events(bucket, start, middle, overlapping) + self.events(bucket, middle, end)
        found = []
        for event in raw:
            begin, finish = _extent(event)
            if begin is None:
                found.append((start, event))  # without a readable time: who reads it counts that
                continue
            if begin <= start or finish >= end:  # the server may have cut it here
                event = self._whole(bucket, event)
                begin, finish = _extent(event)
                if begin is None:
                    continue
            if start <= begin < end or (overlapping and begin < start <= finish):
                found.append((begin, event))
        found.sort(key=lambda pair: pair[0])
        return [event for _, event in found]

    def _whole(self, bucket, event):
        identity = event.get("id")
        return (self.event(bucket, identity) if type(identity) is int else None) or event

    def _get(self, path, params=None, accept=(200,)):
        return self._ask("GET", path, params=params, accept=accept)

    def _ask(self, method, path, **arguments):
        try:
            return self.http.request(method, path, **arguments)
        except Refused as error:
            raise SourceError(self._refusal(error), error.retry_after) from None

    def _json(self, answer, kind):
        try:
            value = answer.json()
        except ValueError:
            value = None
        if not isinstance(value, kind):
            raise self._stranger()
        return value

    def _stranger(self):
        return SourceError(
            f"Expected an ActivityWatch server at {self.place}, something else answers there. Correct host and port of "
            "[activitywatch] in the settings; 5600 is the usual port."
        )

    def _refusal(self, error):
        if b"host header is invalid" in error.body:
            return (
                f"ActivityWatch at {self.place} answers to its own address only. Start it with --host and the address "
                "by which it is asked, or ask it by the name it was started with."
            )
        if error.status in (401, 403):
            return f"ActivityWatch at {self.place} refuses to answer ({error.status}). Allow this computer to ask it."
        if error.status == 404:
            return str(self._stranger())
        return f"ActivityWatch at {self.place} failed with {error.status}. Look at its log, then collect again."


def _path(bucket):
    return f"/api/0/buckets/{quote(bucket, safe='')}/events"


def _range(start, end):
    named = {"start": start, "end": end}
    return {name: iso_time(value) for name, value in named.items() if value is not None}


def iso_time(milliseconds):
    """Returns a time as ISO 8601 text in UTC."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds")


def _extent(event):
    """Returns (start, end) of a raw event in milliseconds, (None, None) if it cannot be read."""
    try:
        start = event_time(event["timestamp"])
        return start, start + 1000 * float(event.get("duration") or 0)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None, None
