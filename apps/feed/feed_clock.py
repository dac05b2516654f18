"""The time, and the days of YouTube's quota."""

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")  # where a day of YouTube's quota begins


def now_ms():
    """Returns the time, whole milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


def quota_day(now):
    """Returns the day of the quota at a time (milliseconds since 1970), "YYYY-MM-DD" in Pacific time."""
    return datetime.fromtimestamp(now / 1000, PACIFIC).date().isoformat()


def next_quota_day(now):
    """Returns when the next day of the quota begins, milliseconds since 1970."""
    local = datetime.fromtimestamp(now / 1000, PACIFIC)
    tomorrow = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), PACIFIC)
    return int(tomorrow.timestamp() * 1000)
