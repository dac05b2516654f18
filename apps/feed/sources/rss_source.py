"""New videos of the subscribed channels from the public feeds of YouTube: no key, no account, no quota.

A channel UC... has a feed of its long videos alone, that of the playlist UULF... (undocumented; Shorts and live streams
have lists of their own). Where there is none, the feed of the channel is read, and the address of an entry tells a
Short. A feed holds the 15 newest, without durations. What has not changed is not sent again (ETag, Last-Modified).
"""

import re
from dataclasses import replace

from traceformers.apps.feed.sources.http_client import HttpClient, Refused, TooLarge, Unreachable
from traceformers.apps.feed.sources.privacy_filter import PrivacyFilter
from traceformers.apps.feed.sources.source_report import SourceError, SourceReport, is_recent
from traceformers.datasets_scripts.youtube.video_records import video_from_feed

CHANNEL_ID = re.compile(r"UC[\w-]{22}")
FEED_BYTES = 4 * 1024 * 1024
GONE_AGAIN_MS = 7 * 86_400_000
DEAD_AFTER = 3  # channels in a row without an answer: the host is away, not the channels


class RssSource:
    """Collects the feeds of the subscriptions in the database.

    Args:
        url (`str`): of the feeds, without a query.
        channels (iterable of `str`): ids of channels besides the subscriptions.
        privacy (`PrivacyFilter`, *optional*).
        min_interval (`float`): seconds between two requests.
        http_options: for `HttpClient`.
    """

    def __init__(
        self,
        url="https://www.youtube.com/feeds/videos.xml",
        channels=(),
        privacy=None,
        min_interval=0.2,
        **http_options,
    ):
        self.name = "rss"
        self.channels = tuple(channels)
        self.privacy = privacy or PrivacyFilter()
        options = {"attempts": 3, "max_bytes": FEED_BYTES, "min_interval": min_interval, **http_options}
        self.http = HttpClient(url, "The host of the feeds", **options)

    def collect(self, db, now):
        """Stores the videos of all feeds; returns a `SourceReport`. A channel without a feed is counted, no error.

        Args:
            db (`FeedDatabase`). now (`int`): milliseconds since 1970.
        """
        report = SourceReport(self.name)
        listed = [*(subscription.channel_id for subscription in db.subscriptions()), *self.channels]
        if not listed:
            report.warnings.append(
                "no subscriptions are known: collect a Takeout, or name channels under [rss] in the settings"
            )
        silent, last_fault = 0, None
        for channel_id in dict.fromkeys(listed):
            if not CHANNEL_ID.fullmatch(channel_id):
                report.drop("not a channel id")
                continue
            known = db.state(self.name, channel_id) or {}
            if is_recent(known.get("gone_at"), now, GONE_AGAIN_MS):
                report.drop("channel gone")
                continue
            try:
                known = self._collect_channel(db, channel_id, known, now, report)
                silent = 0
            except Refused as error:
                if error.status == 429 or error.retry_after is not None:
                    report.fail(error)
                    break
                report.drop("feed refused")
                last_fault, silent = error, silent + 1
            except (Unreachable, TooLarge, NoFeed) as error:
                report.drop("feed not readable" if isinstance(error, NoFeed) else "feed out of reach")
                last_fault, silent = error, silent + 1
            else:
                db.set_state(self.name, channel_id, known)  # after the videos: a kill between them reads the feed again
            if silent == DEAD_AFTER:
                break
        if last_fault is not None:
            report.fail(last_fault)
        for reason, count in self.privacy.take_counts().items():
            report.drop(reason, count)
        return report

    def _collect_channel(self, db, channel_id, known, now, report):
        """Stores the videos of one channel; returns what is to be known of it the next time, `dict`."""
        queries = {"long": {"playlist_id": "UULF" + channel_id[2:]}, "channel": {"channel_id": channel_id}}
        for kind, query in queries.items():
            if (
                known.get("kind") == "channel"
                and kind == "long"
                and is_recent(known.get("kind_at"), now, GONE_AGAIN_MS)
            ):
                continue
            same = known.get("kind") == kind
            headers = {"If-None-Match": known.get("etag"), "If-Modified-Since": known.get("modified")} if same else {}
            answer = self.http.get("", query, {k: v for k, v in headers.items() if v}, accept=(200, 304, 404, 410))
            if answer.status in (404, 410):
                continue
            kind_at = known.get("kind_at", now) if same else now
            learned = {"kind": kind, "kind_at": kind_at, "read_at": now}
            if answer.status == 304:
                return {**known, **learned}
            videos = list(read_feed(answer.body, channel_id, long_only=kind == "long"))
            report.count(db.add_videos(self.privacy.videos(videos)))
            learned["etag"], learned["modified"] = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
            return learned
        report.drop("channel gone")
        return {"gone_at": now}


class NoFeed(SourceError):
    """What came is no feed."""


def read_feed(body, channel_id=None, long_only=False):
    """Yields the `Video` of each entry of a feed of YouTube; entries without a video id are left out.

    Args:
        body (`bytes`): what the server sent.
        channel_id (`str`, *optional*): of the channel, where an entry does not say.
        long_only (`bool`): the feed holds no Shorts.

    Raises:
        NoFeed: it is not one.
    """
    import feedparser

    # Titles are texts; the site escapes them. Cleaning them as HTML would take "<b>" out of a title on HTML.
    parsed = feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)
    if not parsed.entries and (parsed.bozo or not parsed.get("version")):
        raise NoFeed(
            f"Expected a feed of the channel {channel_id}, got {len(body)} bytes that are none. Collect again."
        )
    for entry in parsed.entries:
        video = video_from_feed(entry)
        if video is not None:
            yield replace(
                video, channel_id=video.channel_id or channel_id, is_short=False if long_only else video.is_short
            )
