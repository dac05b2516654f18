"""What Google Takeout says, put into the database: watches, likes, subscriptions and the videos they name.

Reading the same export again changes nothing: each record has its own key. So an export whose files have the sizes and
times they had when it was last read is not read. Subscriptions are those of all exports
together; what an export at the same path no longer lists is taken out.
"""

import hashlib
import os
from pathlib import Path

from traceformers.apps.feed.sources.privacy_filter import PrivacyFilter
from traceformers.apps.feed.sources.source_report import SourceReport

READ = "read"


def fingerprint(path, options):
    """Returns what tells whether files have changed: a hash of names, sizes and times, and of how they are read."""
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
    told = [(os.fspath(each), each.stat().st_size, each.stat().st_mtime_ns) for each in files if each.exists()]
    return hashlib.sha256(repr((told, sorted(options.items()))).encode("utf-8", "surrogatepass")).hexdigest()


class TakeoutSource:
    """Imports one export.

    Args:
        path (`str` or `os.PathLike`): folder, zip or single file.
        privacy (`PrivacyFilter`, *optional*).
        again (`bool`): read it even if nothing has changed.
        options: for `read_takeout`.
    """

    def __init__(self, path, privacy=None, again=False, **options):
        self.path = Path(path)
        self.name = f"takeout {self.path.name}"
        # Most Takeouts unpack to a folder of the same name: only the whole path tells two accounts apart.
        where = hashlib.sha256(os.fsencode(self.path.absolute())).hexdigest()
        self.subscriber = f"{self.name} {where[:8]}"
        self.privacy = privacy or PrivacyFilter()
        self.again, self.options = again, options

    def collect(self, db, now):
        """Stores what the export holds; returns a `SourceReport`.

        Args:
            db (`FeedDatabase`). now (`int`): milliseconds since 1970.
        """
        from traceformers.datasets_scripts.youtube.takeout import read_takeout

        report = SourceReport(self.name)
        try:
            state = fingerprint(self.path, self.options)
            if not self.again and db.state(self.subscriber, READ) == state:
                return report
            found = read_takeout(self.path, **self.options)
            report.warnings += found.warnings
            kept, private = [], set()
            for video in found.videos:
                if self.privacy.keeps_video(video):
                    kept.append(video)
                else:
                    private.add(video.video_id)
            report.count(db.add_videos(kept))
            report.count(db.add_watches(watch for watch in found.watches if watch.video_id not in private))
            report.count(db.add_feedback(said for said in found.feedback if said.video_id not in private))
            if found.subscriptions:
                db.set_subscriptions(found.subscriptions, self.subscriber)
            for reason, count in {**found.dropped, **self.privacy.take_counts()}.items():
                report.drop(reason, count)
            db.set_state(self.subscriber, READ, state)
        except Exception as error:
            report.fail(error)
        return report
