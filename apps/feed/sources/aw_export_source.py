"""An exported file of ActivityWatch, put into the database; reading it again changes nothing."""

from collections import Counter
from pathlib import Path

from traceformers.apps.feed.sources.privacy_filter import PrivacyFilter
from traceformers.apps.feed.sources.source_report import SourceReport


class AwExportSource:
    """Imports one export ("Export all buckets as JSON").

    Args:
        path (`str` or `os.PathLike`): JSON, or JSON packed with gzip.
        privacy (`PrivacyFilter`, *optional*).
        options: for `read_aw_export`.
    """

    def __init__(self, path, privacy=None, **options):
        self.path = Path(path)
        self.name = f"activitywatch export {self.path.name}"
        self.privacy = privacy or PrivacyFilter()
        self.options = options

    def collect(self, db, now):
        """Stores what the export holds; returns a `SourceReport`, with a warning for a file that is cut.

        Args:
            db (`FeedDatabase`). now (`int`): milliseconds since 1970.
        """
        from traceformers.datasets_scripts.activitywatch.aw_export import read_aw_export

        report, dropped = SourceReport(self.name), Counter()
        try:
            events = read_aw_export(self.path, dropped=dropped, warnings=report.warnings, **self.options)
            report.count(db.add_events(self.privacy.events(events)))
        except Exception as error:
            report.fail(error)
        for reason, count in (dropped + Counter(self.privacy.take_counts())).items():
            if not reason.startswith("seconds"):
                report.drop(reason, count)
        return report
