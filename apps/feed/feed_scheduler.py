"""The feed by itself: a run every so many minutes of the active hours, inside the site or alone.

APScheduler keeps the time: what was missed is run once (`coalesce`), a run never starts while the last one goes on
(`max_instances=1`), and starts are spread by a jitter. The interval is an interval: 45 minutes are 45 minutes, which
a cron minute of `*/45` is not. Runs are in a thread, so a site stays awake; nothing that a run does ends the scheduler.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from traceformers.apps.feed.active_hours import is_active
from traceformers.apps.feed.feed_clock import now_ms
from traceformers.apps.feed.feed_home import FeedBusy, FeedHome
from traceformers.apps.feed.feed_settings import FeedSettings

log = logging.getLogger("traceformers.feed")
JOB = "feed"


class FeedScheduler:
    """Runs a feed in an asyncio loop.

    Args:
        home (`FeedHome` or path): whose settings say when; they are read again before every run.
        run (callable, *optional*): what is run, with the home and keyword arguments; `run_once` without one.
        clock (callable, *optional*): returns now in ms.
        first_after (`float`): seconds until the first run.
        options: for `run`.
    """

    def __init__(self, home, run=None, clock=None, first_after=2.0, **options):
        self.home = home if isinstance(home, FeedHome) else FeedHome(home)
        self.run, self.clock = run, clock or now_ms
        self.first_after, self.options = first_after, options
        self.scheduler = None
        self.last_outcome = None  # a text for people: what came of the last start

    def start(self):
        """Begins, in the loop that is running now; returns itself.

        Raises:
            SettingsError: the settings are wrong.
        """
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        schedule = FeedSettings.load(self.home).schedule
        self.scheduler = AsyncIOScheduler(timezone=UTC)
        self.scheduler.add_job(
            self.tick,
            interval_trigger(schedule),
            id=JOB,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=schedule.misfire_grace_minutes * 60,
            next_run_time=datetime.now(UTC) + timedelta(seconds=self.first_after),
        )
        self.scheduler.start()
        return self

    def shutdown(self):
        """Ends it; a run that goes on is let finish by its thread."""
        if self.scheduler is not None and self.scheduler.running:
            self.scheduler.shutdown(wait=False)

    def next_run_at(self):
        """Returns when it starts next, ms, or None."""
        job = self.scheduler.get_job(JOB) if self.scheduler is not None else None
        return int(job.next_run_time.timestamp() * 1000) if job and job.next_run_time else None

    async def tick(self):
        """Runs once, if it is a time for that; returns what came of it, a text. Raises nothing."""
        try:
            self.last_outcome = await asyncio.to_thread(self._tick)
        except FeedBusy as error:
            self.last_outcome = f"left out: {error}"
        except Exception as error:
            log.exception("the scheduled run failed")
            self.last_outcome = f"failed: {type(error).__name__}: {error}"
        log.info("scheduled run: %s", self.last_outcome)
        return self.last_outcome

    def _tick(self):
        settings, now = FeedSettings.load(self.home), self.clock()
        self._follow(settings.schedule)
        if not is_active(now, settings.zone, settings.schedule.active_from, settings.schedule.active_until):
            return "left out: not in the active hours"
        run = self.run
        if run is None:
            from traceformers.apps.feed.feed_runs import run_once as run
        return str(run(self.home, now=now, **self.options))

    def _follow(self, schedule):
        """Takes a changed interval over."""
        job = self.scheduler.get_job(JOB) if self.scheduler is not None else None
        if job is not None and job.trigger.interval != timedelta(minutes=schedule.interval_minutes):
            self.scheduler.reschedule_job(JOB, trigger=interval_trigger(schedule))


def interval_trigger(schedule):
    """Returns the APScheduler trigger of `ScheduleSettings`; the jitter is at most a quarter of the interval."""
    from apscheduler.triggers.interval import IntervalTrigger

    jitter = min(schedule.jitter_seconds, schedule.interval_minutes * 15)
    return IntervalTrigger(minutes=schedule.interval_minutes, jitter=jitter or None, timezone=UTC)


def run_forever(home, **options):
    """Runs a feed until the process is told to end by Ctrl-C or SIGTERM.

    Args:
        home (`FeedHome`), **options: of `FeedScheduler`.
    """
    import signal

    async def forever():
        scheduler = FeedScheduler(home, **options).start()
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                asyncio.get_running_loop().add_signal_handler(number, ended.set)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda *_: ended.set())
        await ended.wait()
        scheduler.shutdown()

    asyncio.run(forever())
