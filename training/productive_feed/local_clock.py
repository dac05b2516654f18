"""The clock on the wall where a person lives, for many moments at once."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

MS_A_SECOND, MS_A_MINUTE, MS_A_HOUR, MS_A_DAY = 1000, 60_000, 3_600_000, 86_400_000
#: Zones change their offset on quarters of an hour.
_STEP = 15 * MS_A_MINUTE
_THURSDAY = 3  # 1 January 1970


def local_clock(moments, time_zone):
    """Returns (hour of the day 0 to 24, day of the week 0 to 7 from Monday), float64 (n,) both, with their fractions.

    Args:
        moments (int (n,)): ms since 1970, UTC.
        time_zone (`str`): IANA name.

    >>> hour, day = local_clock([1_700_000_000_000], "Asia/Tokyo")  # Tuesday 22:13:20 in UTC
    >>> round(float(hour[0]), 2), int(day[0])
    (7.22, 2)
    """
    zone = ZoneInfo(time_zone)
    moments = np.asarray(moments, dtype=np.int64)
    steps, of_moment = np.unique(moments // _STEP, return_inverse=True)
    offsets = [
        datetime.fromtimestamp(int(step) * _STEP / MS_A_SECOND, UTC).astimezone(zone).utcoffset().total_seconds()
        for step in steps
    ]
    local = moments + (np.array(offsets, dtype=np.float64) * MS_A_SECOND).astype(np.int64)[of_moment.reshape(-1)]
    day = (local / MS_A_DAY + _THURSDAY) % 7
    return (local % MS_A_DAY) / MS_A_HOUR, day
