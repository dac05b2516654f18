"""The clock on the wall, also on the days when it is changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.training.productive_feed.local_clock import local_clock


@given(
    st.lists(st.integers(0, 4_000_000_000_000), min_size=1, max_size=5),
    st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "America/New_York", "UTC", "Australia/Lord_Howe"]),
)
def test_many_moments_are_as_each_by_zoneinfo(moments, zone):
    hours, days = local_clock(moments, zone)
    for moment, hour, day in zip(moments, hours, days, strict=True):
        local = datetime.fromtimestamp(moment // 1000, UTC).astimezone(ZoneInfo(zone))
        assert hour == pytest.approx(local.hour + local.minute / 60 + local.second / 3600, abs=1e-3)
        assert int(day) == local.weekday()


def test_the_hour_that_comes_twice_and_the_one_that_never_comes():
    spring = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # Berlin goes from 2 to 3
    moments = [int((spring + timedelta(hours=h)).timestamp() * 1000) for h in range(2)]
    np.testing.assert_allclose(local_clock(moments, "Europe/Berlin")[0], [1.5, 3.5])
    autumn = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # Berlin goes from 3 back to 2
    moments = [int((autumn + timedelta(hours=h)).timestamp() * 1000) for h in range(2)]
    np.testing.assert_allclose(local_clock(moments, "Europe/Berlin")[0], [2.5, 2.5])
