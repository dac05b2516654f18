"""A process that writes to the feed's database and ends as by `kill -9` in the middle.

python killed_writer.py URL          reads lines "OPERATION STATEMENT [BYTES]" and answers each with a line of JSON
python killed_writer.py URL endless  says one opinion after the other, and prints the id of each that was written

For each line a child is forked, which does the operation and kills itself before its STATEMENT-th statement (0: never).
With BYTES, files may not grow beyond so many. The answer: {"signal": 9 or 0, "reported": what was said to be written,
"error": class and message}.
"""

import json
import os
import resource
import signal
import sys

from sqlalchemy import event

from traceformers.apps.feed.database import record_merging
from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback, FeedRow, Video, Watch

VIDEOS = [Video(f"v{n}", f"Title {n}", description="About " * n) for n in range(7)]


def opinion(number):
    """Returns an opinion with a number."""
    return Feedback(f"f{number}", f"v{number % 7}", "interest", float(number % 2), number, "feed")


def events(database):
    for block in range(3):
        counts = database.add_events(ActivityEvent("window", 10 * block + n, 5.0, "app", "x" * 50) for n in range(5))
        yield [block, counts.added]


def many_events(database):
    counts = database.add_events(ActivityEvent("window", n, 5.0, "app", "x" * 500) for n in range(5_000))
    yield counts.added


def feedback(database):
    for number in range(4):
        database.add_feedback([opinion(number)])
        yield number


def videos(database):
    yield database.add_videos(VIDEOS).added


def watches(database):
    yield database.add_watches(Watch(f"v{n}", n) for n in range(7)).added


def feed(database):
    yield database.save_feed(
        (FeedRow(video.video_id, n, 1.0, 0.5, 0.5) for n, video in enumerate(VIDEOS)), None, "m", {}
    )


def opening(database):
    yield "opened"


OPERATIONS = {each.__name__: each for each in (events, many_events, feedback, videos, watches, feed, opening)}


def child(url, operation, statement, limit, report):
    """Does an operation in this process; tells through the file descriptor `report`."""
    left = [statement]

    def count(*_):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def say(**line):
        os.write(report, (json.dumps(line) + "\n").encode())

    record_merging.BLOCK_RECORDS = 3 if operation != "many_events" else 500
    try:
        if operation == "opening":
            from sqlalchemy.engine import Engine

            event.listen(Engine, "before_cursor_execute", count)
        database = FeedDatabase(url)
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        if operation != "opening":
            event.listen(database._engine, "before_cursor_execute", count)
            event.listen(database._engine, "commit", count)
        for reported in OPERATIONS[operation](database):
            say(reported=reported)
    except Exception as error:
        say(error=f"{type(error).__name__}: {error}")
    os._exit(0)


def main(url):
    """Answers the lines of the standard input."""
    for line in sys.stdin:
        operation, statement, *limit = line.split()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            child(url, operation, int(statement), int(limit[0]) if limit else 0, write)
        os.close(write)
        with os.fdopen(read) as said:
            lines = [json.loads(each) for each in said]
        answer = {"signal": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) * -1}
        answer["reported"] = [each["reported"] for each in lines if "reported" in each]
        answer["error"] = next((each["error"] for each in lines if "error" in each), None)
        print(json.dumps(answer), flush=True)


def endless(url):
    """Says opinions until it is killed."""
    database, number = FeedDatabase(url), 0
    while True:
        database.add_feedback([opinion(number)])
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    (endless if sys.argv[2:] == ["endless"] else main)(sys.argv[1])
