"""The schedule: intervals that are intervals, active hours on the clock on the wall, and no run that ends it."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.apps.feed.active_hours import is_active
from traceformers.apps.feed.feed_home import FeedBusy, FeedHome
from traceformers.apps.feed.feed_scheduler import FeedScheduler, interval_trigger
from traceformers.apps.feed.feed_serving import health_of
from traceformers.apps.feed.feed_settings import FeedSettings, ScheduleSettings, write_settings
from traceformers.apps.feed.open_feed import open_feed

BERLIN = ZoneInfo("Europe/Berlin")


def ms(*when, zone=UTC):
    return int(datetime(*when, tzinfo=zone).timestamp() * 1000)


def home_with(tmp_path, **schedule):
    home = FeedHome(tmp_path).create()
    settings = FeedSettings().changed("general", time_zone="Europe/Berlin").changed("schedule", **schedule)
    write_settings(home, settings)
    return home


def fire_times(trigger, start, count):
    times, previous, now = [], None, start
    for _ in range(count):
        previous = trigger.get_next_fire_time(previous, now)
        times.append(previous)
        now = previous
    return times


@pytest.mark.parametrize("minutes", [30, 45, 7, 90])
def test_every_so_many_minutes_means_so_many_minutes(minutes):
    # A cron minute of */45 fires at :00 and :45, that is after 45 and 15 minutes.
    schedule = ScheduleSettings(interval_minutes=minutes, jitter_seconds=0)
    times = fire_times(interval_trigger(schedule), datetime(2026, 3, 28, 22, 0, tzinfo=UTC), 60)
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=minutes)}


def test_the_jitter_never_reaches_the_next_start():
    from apscheduler.triggers.interval import IntervalTrigger

    trigger = interval_trigger(ScheduleSettings(interval_minutes=1, jitter_seconds=3600))
    assert isinstance(trigger, IntervalTrigger) and trigger.jitter == 15


@pytest.mark.parametrize(
    "clock,expected",
    [((6, 59), False), ((7, 0), True), ((22, 59), True), ((23, 0), False), ((0, 0), False)],
)
def test_active_hours_begin_with_their_first_minute_and_end_before_their_last(clock, expected):
    assert is_active(ms(2026, 7, 1, *clock, zone=BERLIN), BERLIN, "07:00", "23:00") is expected


@pytest.mark.parametrize(
    "clock,expected",
    [((21, 59), False), ((22, 0), True), ((23, 59), True), ((0, 0), True), ((5, 59), True), ((6, 0), False)],
)
def test_active_hours_go_over_midnight(clock, expected):
    assert is_active(ms(2026, 7, 1, *clock, zone=BERLIN), BERLIN, "22:00", "06:00") is expected


@given(st.integers(0, 2**41), st.sampled_from(["UTC", "Asia/Hong_Kong", "America/New_York", "Australia/Lord_Howe"]),
       st.integers(0, 1439), st.integers(0, 1439))  # fmt: skip
def test_a_moment_is_in_the_hours_or_in_the_other_hours(now, name, start, end):
    zone = ZoneInfo(name)
    clocks = [f"{minute // 60:02}:{minute % 60:02}" for minute in (start, end)]
    if start == end:
        assert is_active(now, zone, *clocks)
    else:
        assert is_active(now, zone, *clocks) is not is_active(now, zone, *reversed(clocks))


def test_the_hours_are_those_of_the_zone_and_not_of_this_machine():
    moment = ms(2026, 1, 1, 23, 30)
    assert not is_active(moment, ZoneInfo("UTC"), "07:00", "23:00")
    assert is_active(moment, ZoneInfo("Asia/Hong_Kong"), "07:00", "23:00")  # half past seven there


def test_a_change_of_the_clock_neither_doubles_nor_loses_the_active_hours():
    # On 29 March 2026 the clock in Berlin goes from 02:00 to 03:00, on 25 October from 03:00 to 02:00.
    for day, hours in (((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)):
        start = ms(*day, zone=BERLIN)
        minutes = range(0, hours * 60, 10)
        active = [m for m in minutes if is_active(start + m * 60_000, BERLIN, "01:00", "04:00")]
        assert len(active) * 10 == (hours - 24 + 3) * 60


def test_nothing_runs_outside_of_the_active_hours(tmp_path):
    home, ran = home_with(tmp_path, active_from="07:00", active_until="23:00"), []
    for moment, runs in ((ms(2026, 7, 1, 3, zone=BERLIN), 0), (ms(2026, 7, 1, 12, zone=BERLIN), 1)):
        scheduler = FeedScheduler(home, run=lambda home, **_: ran.append(home) or "done", clock=lambda at=moment: at)
        outcome = asyncio.run(scheduler.tick())
        assert len(ran) == runs
        assert outcome == ("done" if runs else "left out: not in the active hours")


def test_a_run_that_fails_or_finds_the_feed_busy_ends_nothing(tmp_path):
    home = home_with(tmp_path, active_from="00:00", active_until="24:00")

    def fails(home, **_):
        raise RuntimeError("a crash in training")

    def is_busy(home, **_):
        raise FeedBusy("another process is at work")

    assert asyncio.run(FeedScheduler(home, run=fails).tick()) == "failed: RuntimeError: a crash in training"
    assert asyncio.run(FeedScheduler(home, run=is_busy).tick()).startswith("left out: another process")


def test_the_scheduler_starts_in_a_running_loop_and_keeps_it_free_while_it_runs(tmp_path):
    import time

    home, turns = home_with(tmp_path, active_from="00:00", active_until="00:00", jitter_seconds=0), []

    def slow(home, **_):
        time.sleep(0.3)
        return "done"

    async def main():
        scheduler = FeedScheduler(home, run=slow, first_after=0.0).start()
        try:
            while scheduler.last_outcome is None:
                await asyncio.sleep(0.02)
                turns.append(1)
            job = scheduler.scheduler.get_jobs()[0]
            return scheduler.last_outcome, job.max_instances, job.coalesce, scheduler.next_run_at()
        finally:
            scheduler.shutdown()

    outcome, instances, coalesce, following = asyncio.run(asyncio.wait_for(main(), 30))
    assert (outcome, instances, coalesce) == ("done", 1, True)
    assert len(turns) > 3
    assert following / 60_000 == pytest.approx(datetime.now(UTC).timestamp() / 60 + 30, abs=1)


def test_the_health_page_says_when_the_next_run_is_and_why_the_last_one_was_none(tmp_path):
    home = home_with(tmp_path, active_from="00:00", active_until="00:00", jitter_seconds=0)

    def is_busy(home, **_):
        raise FeedBusy("another process is at work there")

    async def main():
        scheduler = FeedScheduler(home, run=is_busy, first_after=3600.0).start()
        try:
            with open_feed(home) as feed:
                before = health_of(feed, scheduler)(feed.database)
                await scheduler.tick()
                return before, health_of(feed, scheduler)(feed.database), health_of(feed)(feed.database)
        finally:
            scheduler.shutdown()

    before, after, alone = asyncio.run(asyncio.wait_for(main(), 30))
    in_an_hour = datetime.now(UTC).timestamp() / 60 + 60
    assert before.next_run_at / 60_000 == pytest.approx(in_an_hour, abs=1) and before.as_json()["next_run_at"]
    assert alone.next_run_at is None
    said = "The last scheduled run: left out: another process is at work there"
    assert said in after.notes and said not in before.notes + alone.notes


def test_a_changed_interval_is_taken_over_at_the_next_run(tmp_path):
    home = home_with(tmp_path, active_from="00:00", active_until="00:00")

    async def main():
        scheduler = FeedScheduler(home, run=lambda home, **_: "done", first_after=600).start()
        try:
            home_with(tmp_path, active_from="00:00", active_until="00:00", interval_minutes=5)
            await scheduler.tick()
            return scheduler.scheduler.get_jobs()[0].trigger.interval
        finally:
            scheduler.shutdown()

    assert asyncio.run(main()) == timedelta(minutes=5)


def test_wrong_settings_are_told_when_the_schedule_starts_and_survived_later(tmp_path):
    home = home_with(tmp_path, active_from="00:00", active_until="00:00")
    home.settings.write_text("[schedule]\ninterval_minutes = 'often'\n")
    with pytest.raises(ValueError, match="interval_minutes"):
        asyncio.run(_started(home))
    assert "interval_minutes" in asyncio.run(FeedScheduler(home).tick())


async def _started(home):
    return FeedScheduler(home).start()
