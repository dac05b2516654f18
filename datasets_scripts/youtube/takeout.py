"""Reading Google Takeout, in any language: a folder, an archive or one file → watches, videos, likes, subscriptions.

    report = read_takeout("takeout-20250907T120000Z-001.zip", time_zone="Europe/Berlin")
    print(report.describe())

Files are found by what is in them, never by their names, which Google translates. Times of watches are whole seconds:
JSON has more digits, HTML has not, and so the two exports of one history are equal.
"""

from collections import Counter
from pathlib import Path

from traceformers.datasets_scripts.feed.feed_records import Feedback, Subscription, Video, Watch
from traceformers.datasets_scripts.youtube.export_json import JsonReader
from traceformers.datasets_scripts.youtube.export_text import CutText, clean_text, text_blocks
from traceformers.datasets_scripts.youtube.takeout_activity import (
    NO_OBJECT,
    NOT_OF_WATCHES,
    NOT_YOUTUBE,
    TWICE,
    activity_of_record,
    is_record,
    judge,
)
from traceformers.datasets_scripts.youtube.takeout_csv import CsvContent, are_likes, likes_titles, read_csv
from traceformers.datasets_scripts.youtube.takeout_dates import DateReader, LocalDate
from traceformers.datasets_scripts.youtube.takeout_files import CSV, EMPTY, HTML, JSON, export_files
from traceformers.datasets_scripts.youtube.takeout_html import HtmlHistory
from traceformers.datasets_scripts.youtube.takeout_report import FileRead, TakeoutReport
from traceformers.datasets_scripts.youtube.takeout_titles import bare_title, title_frame
from traceformers.datasets_scripts.youtube.youtube_links import CHANNEL_ID, SHORT, channel_of_link

SOURCE = "takeout"
NOT_LIKED = "video of a playlist that is not the likes"


def read_takeout(path, time_zone=None, music=False, shorts=False, liked=None, strict=False, sample=None, seed=0):
    """Returns the `TakeoutReport` of an export.

    Args:
        path (`str` or `os.PathLike`): folder, zip, tar, tar.gz, or a single file of history, likes or subscriptions.
        time_zone (`str`, *optional*): IANA name of the account's zone. HTML names zones by letters which several
            countries use; without this the file's other dates decide, and a warning says how.
        music, shorts (`bool`): keep YouTube Music and Shorts.
        liked (`str`, *optional*): part of the name of the file of the likes, where it cannot be told.
        strict (`bool`): refuse files that are cut or damaged; else what is whole before the fault is kept, with a
            warning.
        sample (`int`, *optional*), seed (`int`): see `TakeoutReport.sample`.

    Raises:
        FileNotFoundError: if there is no such path.
        ValueError: if nothing of YouTube's history is in it, or a file is damaged and `strict`.
        OSError: if it cannot be read.
    """
    path = Path(path)
    reading = _Reading(time_zone, music, shorts, liked, strict)
    DateReader(time_zone)  # a wrong name is told before an hour of reading
    seen = Counter()
    for found in export_files(path, reading.report.warnings):
        seen[found.kind] += 1
        reading.read(found)
    report = reading.finish()
    if not report.files:
        _refuse(path, seen, report.warnings)
    watch_like = report.dropped.keys() - NOT_OF_WATCHES
    if not (report.watches or report.videos or report.subscriptions or watch_like) and report.dropped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.dropped.most_common())
        raise ValueError(
            f"Expected watches of videos in {path}, got {reasons}. This looks like another history, perhaps of "
            "searches: choose YouTube, history, in Google Takeout and give the history of watches."
        )
    return report if sample is None else report.sample(sample, seed)


def _refuse(path, seen, warnings):
    if path.is_file() and set(seen) == {EMPTY}:
        raise ValueError(f"Expected a Takeout in {path}, got an empty file. Download it again.")
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in seen.most_common())
    got = f"{kinds} without any of them" if kinds else "no files"
    notes = "".join(" " + warning for warning in warnings[:3])
    raise ValueError(
        f"Expected YouTube's history, likes or subscriptions in {path}, got {got}. "
        f"Choose YouTube in Google Takeout, and give its folder, its zip or one file.{notes}"
    )


class _Reading:
    """The state of one call of `read_takeout`."""

    def __init__(self, time_zone, music, shorts, liked, strict):
        self.report = TakeoutReport()
        self._time_zone, self._liked, self._strict = time_zone, liked, strict
        self._keep = {"music": music, "shorts": shorts}
        self._videos, self._watched = {}, set()
        self._subscriptions, self._likes = {}, {}
        self._tables, self._playlists = [], []  # tables of videos, until the playlists are known

    def read(self, found):
        """Takes in one file."""
        reader = {JSON: self._read_json, HTML: self._read_html, CSV: self._read_csv}.get(found.kind)
        if reader is None or not reader(found):
            self.report.ignored += 1

    def finish(self):
        """Returns the report, after the last file."""
        report = self.report
        self._sort_tables()
        report.watches = [Watch(name, time * 1000, SOURCE) for time, name in sorted(self._watched)]
        report.videos = list(self._videos.values())
        report.subscriptions = [Subscription(*pair) for pair in self._subscriptions.items()]
        report.feedback = [
            Feedback(f"takeout-like-{name}", name, "interest", 1.0, time * 1000, "like")
            for name, time in self._likes.items()
        ]
        return report

    def _fault(self, found, error, count):
        """Notes a fault in a file, or refuses it."""
        if self._strict:
            raise ValueError(f"{found.name}: {error}") from error
        self.report.warnings.append(f"{found.name}: {error} Read before it: {count:,} records.")

    # -- histories -------------------------------------------------------------------------------------------------

    def _read_json(self, found):
        """Returns whether the file is of YouTube."""
        reader = JsonReader(text_blocks(found.file))
        history, subscribed, count = _History(self._time_zone, self._keep), [], 0
        try:
            if reader.peek() != "[":
                return False
            for value in reader.items():
                count += 1
                if is_record(value):
                    history.add(activity_of_record(value))
                elif (pair := _subscription(value)) is not None:
                    subscribed.append(pair)
                elif not isinstance(value, dict):
                    history.dropped[NO_OBJECT] += 1
                if count == 1_000 and not history.is_youtube and not subscribed:
                    return False  # another product's
        except CutText as error:
            if count or self._strict:
                self._fault(found, error, count)
            else:
                self.report.warnings.append(f"{found.name}: {error}")
                return False
        self._subscriptions.update(dict(subscribed))
        if subscribed:
            self.report.files.append(FileRead(found.name, "subscriptions in JSON", count, len(subscribed)))
            return True
        return self._take(history, found, "history in JSON", count, sentences=True)

    def _read_html(self, found):
        history = _History(self._time_zone, self._keep)
        cells = HtmlHistory(text_blocks(found.file), history.dates)
        try:
            for activity in cells:
                history.add(activity)
            if cells.is_cut:
                raise CutText("Expected </html> at its end, got the end of the file within a record: it is cut.")
        except CutText as error:
            if not cells.cells and not self._strict:
                self.report.warnings.append(f"{found.name}: {error}")
                return False
            self._fault(found, error, cells.cells)
        return self._take(history, found, "history in HTML", cells.cells, sentences=False)

    def _take(self, history, found, kind, count, sentences):
        """Returns whether a history is of YouTube; then it is in the report."""
        if not history.is_youtube and count:
            return False
        if not count and kind.endswith("HTML"):
            return False
        kept = 0
        for time, name in history.finish(self.report, found.name):
            if (time, name) in self._watched:
                history.dropped[TWICE] += 1
            else:
                self._watched.add((time, name))
                kept += 1
        self.report.dropped.update(history.dropped)
        self.report.files.append(FileRead(found.name, kind, count, kept))
        frame = history.frame() if sentences else ("", "")
        for name, (title, channel, channel_id, is_short) in history.videos.items():
            title = bare_title(title, frame)
            known = self._videos.get(name)
            if known is None or not known.title or not known.channel:
                self._videos[name] = Video(
                    name,
                    (known and known.title) or title,
                    (known and known.channel) or channel,
                    (known and known.channel_id) or channel_id,
                    is_short=True if is_short else known and known.is_short,
                    source=SOURCE,
                )
        return True

    # -- tables ----------------------------------------------------------------------------------------------------

    def _read_csv(self, found):
        content = CsvContent()
        try:
            read_csv(text_blocks(found.file), content)
        except CutText as error:
            if content.is_known() or self._strict:
                self._fault(found, error, content.rows)
        if not content.is_known():
            return False
        self._subscriptions.update(dict(content.subscriptions))
        self._playlists.extend(content.playlists)
        if content.videos:
            self._tables.append((found.name, content))
        else:
            kind = "subscriptions" if content.subscriptions else "playlists"
            kept = len(content.subscriptions or content.playlists)
            self.report.files.append(FileRead(found.name, kind, content.rows, kept))
        return True

    def _sort_tables(self):
        """Tells the likes from other playlists, when all tables were seen."""
        others, titles = [], likes_titles(self._playlists)
        for name, content in self._tables:
            likes = are_likes(name.rpartition("/")[2], content, titles, self._liked)
            for video, time in content.videos:
                self._videos.setdefault(video, Video(video, source=SOURCE))
                if likes and video in self._likes:
                    self.report.dropped[TWICE] += 1
                if likes:
                    self._likes[video] = max(time, self._likes.get(video, time))
            kept = len(content.videos) if likes else 0
            if not likes:
                self.report.dropped[NOT_LIKED] += len(content.videos)
                others.append(name)
            self.report.files.append(FileRead(name, "likes" if likes else "playlist", content.rows, kept))
        if others and not self._likes:
            self.report.warnings.append(
                f"None of these could be told to be the likes: {', '.join(others[:5])}. If one is, name it: liked = ..."
            )


class _History:
    """The watches of one file, until all of its dates were seen."""

    def __init__(self, time_zone, keep):
        self.dates = DateReader(time_zone)
        self.dropped, self.videos = Counter(), {}
        self.is_youtube = False
        self._keep = keep
        self._times, self._names = [], []
        self._sentences = {}  # channel → the first title of it

    def add(self, activity):
        """Takes in an `Activity`."""
        reason, link = judge(activity, **self._keep)
        self.is_youtube = self.is_youtube or (
            activity.header.startswith("YouTube") or (link is not None and reason != NOT_YOUTUBE)
        )
        if reason is not None:
            self.dropped[reason] += 1
            return
        name, channel = link.video_id, activity.channel
        self._times.append(activity.time)
        self._names.append(name)
        known = self.videos.get(name)
        if known is None or (not known[1] and channel):
            title = activity.title if known is None else known[0] or activity.title
            self.videos[name] = title, channel, channel_of_link(activity.channel_url), link.kind == SHORT
            if "://" not in title:
                self._sentences.setdefault(channel, title)

    def finish(self, report, name):
        """Returns (seconds in UTC, video id) of each watch, in the order of the file.

        A watch without a readable time has that of the watch before it in the file (the next later one: histories run
        backwards), at the beginning that of the first one that has a time; without any, 0.
        """
        missing = sum(time is None for time in self._times)
        times = [self.dates.utc(time) if isinstance(time, LocalDate) else time for time in self._times]
        last = next((time for time in times if time is not None), 0)
        for place, time in enumerate(times):
            last = times[place] = max(0, last if time is None else time)
        if missing:
            rule = "the time of the watch beside it stands for it" if missing < len(times) else "0 stands for it"
            report.warnings.append(f"{name}: no time could be read of {missing:,} watches; {rule}.")
        for guess, count in self.dates.guessed.items():
            report.warnings.append(
                f"{name}: took {guess}, in {count:,} dates. Give time_zone to say which one you live in."
            )
        return list(zip(times, self._names, strict=True))

    def frame(self):
        """Returns the words around the titles, see `title_frame`."""
        return title_frame(self._sentences.values())


def _subscription(value):
    """Returns (channel id, name) of a subscription as Takeout wrote it until 2020, None for anything else."""
    snippet = value.get("snippet") if isinstance(value, dict) else None
    resource = snippet.get("resourceId") if isinstance(snippet, dict) else None
    channel = resource.get("channelId") if isinstance(resource, dict) else None
    if not isinstance(channel, str) or not CHANNEL_ID.fullmatch(channel):
        return None
    return channel, clean_text(snippet.get("title"))
