"""All sources of a home, one after the other: a dead one never stops the others."""

import time

from traceformers.apps.feed.sources.source_report import SourceReport

#: No quota lasts longer. A longer wait was noted by a clock that was ahead, or is no harm to end.
LONGEST_WAIT_MS = 2 * 86_400_000


def collect_all(sources, db, now=None, force=False):
    """Returns what each source did, `list[SourceReport]`, in the order of the sources.

    A source that asked to be left alone until some time (a spent quota, Retry-After) is left alone until then; the time
    is kept in the database, so that a restart knows it.

    Args:
        sources (iterable): objects with a `name` and `collect(db, now) -> SourceReport`.
        db (`FeedDatabase`).
        now (`int`, *optional*): milliseconds since 1970; the clock's if not given.
        force (`bool`): asks the sources that wait too.
    """
    now = int(time.time() * 1000) if now is None else now
    reports = []
    for source in sources:
        report = SourceReport(source.name)
        try:
            waits_until = db.state(source.name, "retry_after")
            if waits_until and now < waits_until <= now + LONGEST_WAIT_MS and not force:
                report.error = "waits, as its server asked"
                report.retry_after = waits_until
            else:
                report = collect_one(source, db, now)
                if report.retry_after != waits_until:
                    db.set_state(source.name, "retry_after", report.retry_after)
        except Exception as error:  # of the database: the next source is asked all the same
            report.fail(error)
        reports.append(report)
    return reports


def collect_one(source, db, now):
    """Returns the report of one source; what it raises becomes part of it."""
    try:
        return source.collect(db, now)
    except Exception as error:  # whatever it is, the next source is asked
        report = SourceReport(source.name)
        report.fail(error)
        return report
