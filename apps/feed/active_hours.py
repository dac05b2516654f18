"""Whether it is a time at which the feed may run by itself, on the clock on the wall."""

from datetime import UTC, datetime


def is_active(now_ms, zone, active_from, active_until):
    """Returns whether a moment lies in the active hours of its zone.

    The hours are those the clock shows, so on the days of a change they are an hour shorter or longer, and an hour that
    comes twice is active twice.

    Args:
        now_ms (`int`): ms. zone (`ZoneInfo`).
        active_from, active_until (`str`): "07:00"; the end is not in it; an end before the start is on the next day;
            equal ones: always.

    >>> from zoneinfo import ZoneInfo
    >>> is_active(0, ZoneInfo("UTC"), "22:00", "06:00")
    True
    """
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone)
    minute = local.hour * 60 + local.minute
    start, end = _minutes(active_from), _minutes(active_until)
    if start % 1440 == end % 1440:
        return True
    if start < end:
        return start <= minute < end
    return minute >= start or minute < end


def _minutes(clock):
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
