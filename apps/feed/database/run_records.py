"""What the program notes about itself: where a source stopped, the quota that was spent, what ran and how it ended."""

import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from traceformers.apps.feed.database import feed_tables as tables
from traceformers.apps.feed.database.record_merging import storable
from traceformers.apps.feed.database.record_store import RecordStore
from traceformers.apps.feed.feed_clock import now_ms

ENDINGS = ("ok", "partial", "failed", "killed")


@dataclass(frozen=True)
class Run:
    """One run of "collect", "train", "score" ...; `status` is "running" or one of `ENDINGS`, times are ms."""

    run_id: int
    kind: str
    started_at: int
    finished_at: int | None
    status: str
    detail: Any
    counts: Any
    error: str | None


def as_json(value, what):
    """Returns JSON of a value, in ASCII; raises ValueError if it is not one."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Expected a JSON value as {what}, got {value!r:.200}: {error}. Convert it first.") from error


def this_process():
    """Returns what names this process and no later one with its id."""
    return _process(os.getpid())


def _process(pid):
    started = ""
    with suppress(OSError, IndexError):  # not on Linux: the id alone has to do
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{socket.gethostname()} {pid} {started}".strip()


def _is_dead(process):
    """Returns whether a process is known to have ended; of another machine's nothing is known."""
    if not process:
        return True
    host, pid, *_ = process.split()
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _process(int(pid)) != process


class RunRecords(RecordStore):
    """The part of `FeedDatabase` that keeps states, quota and runs."""

    def state(self, source, key):
        """Returns the JSON value that `set_state` gave, or None."""
        table = tables.states
        here = (table.c.source == storable(source), table.c.key == storable(key))
        statement = select(table.c.value).where(*here)
        with self._reading() as connection:
            found = connection.execute(statement).scalar()
        return None if found is None else json.loads(found)

    def set_state(self, source, key, value):
        """Keeps a JSON value for a source, such as where it stopped; None forgets it."""
        table = tables.states
        row = {"source": storable(source), "key": storable(key), "value": as_json(value, f"state {key!r} of {source}")}
        with self._writing() as connection:
            connection.execute(delete(table).where(table.c.source == row["source"], table.c.key == row["key"]))
            if value is not None:
                connection.execute(insert(table), row)

    def quota(self, source, day):
        """Returns the units that a source spent on a day (`str`, as the source counts days)."""
        with self._reading() as connection:
            return self._spent(connection, source, day)

    def _spent(self, connection, source, day):
        table = tables.quota
        return (
            connection.execute(select(table.c.units).where(table.c.source == source, table.c.day == str(day))).scalar()
            or 0
        )

    def spend_quota(self, source, day, units, limit):
        """Returns whether `units` were added to those spent on a day: not if that would pass `limit`."""
        table = tables.quota
        with self._writing() as connection:
            spent = self._spent(connection, source, day)
            if spent + units > limit:
                return False
            row = {"source": source, "day": str(day), "units": spent + units}
            self._merge_block(connection, table, [row], lambda _, new: new)
            return True

    def start_run(self, kind, detail=None):
        """Returns the id of a run that begins now.

        Args:
            kind (`str`): "collect", "train", "score" ... detail (JSON value, optional).
        """
        detail = None if detail is None else as_json(detail, "detail")
        with self._writing() as connection:
            last = connection.execute(select(func.max(tables.runs.c.run_id))).scalar() or 0
            now = now_ms()
            row = {"run_id": max(now, last + 1), "kind": storable(kind), "started_at": now, "status": "running"}
            connection.execute(insert(tables.runs), row | {"detail": detail, "process": this_process()})
        return row["run_id"]

    def finish_run(self, run_id, status="ok", counts=None, error=None):
        """Notes how a run ended: "ok", "partial" (some of it came) or "failed"; `counts` is a JSON value."""
        if status not in ENDINGS:
            raise ValueError(f"Expected a status of {', '.join(ENDINGS)}, got {status!r}. Name one of these.")
        values = {
            "status": status,
            "finished_at": now_ms(),
            "counts": None if counts is None else as_json(counts, "counts"),
            "error": None if error is None else storable(str(error)),
        }
        with self._writing() as connection:
            done = connection.execute(update(tables.runs).where(tables.runs.c.run_id == run_id).values(values))
            if not done.rowcount:
                raise ValueError(f"Expected the id of a run that started, got {run_id!r}. Call start_run first.")

    def runs(self, kind=None, limit=20):
        """Returns the last `Run`s, newest first, of one kind if given."""
        statement = select(tables.runs).order_by(tables.runs.c.run_id.desc()).limit(limit)
        if kind is not None:
            statement = statement.where(tables.runs.c.kind == kind)
        with self._reading() as connection:
            return [_as_run(row) for row in connection.execute(statement).mappings()]

    def mark_dead_runs(self):
        """Returns the ids of runs that a process left behind as it was killed; they are "killed" from now on."""
        table = tables.runs
        with self._writing() as connection:
            running = connection.execute(select(table.c.run_id, table.c.process).where(table.c.status == "running"))
            dead = [run_id for run_id, process in running if _is_dead(process)]
            ended = {"status": "killed", "finished_at": now_ms(), "error": "its process ended before the run did"}
            connection.execute(update(table).where(table.c.run_id.in_(dead)).values(ended))
        return dead


def _as_run(row):
    kept = {name: row[name] for name in Run.__dataclass_fields__}
    return Run(**kept | {name: row[name] and json.loads(row[name]) for name in ("detail", "counts")})
