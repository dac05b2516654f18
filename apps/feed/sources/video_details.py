"""What is known of a video, from its id: by the YouTube Data API, or by oEmbed (title and channel, without a key)."""

import re
from dataclasses import replace

from traceformers.apps.feed.sources.http_client import HttpClient, Refused
from traceformers.apps.feed.sources.privacy_filter import PrivacyFilter
from traceformers.apps.feed.sources.source_report import SourceReport, is_recent
from traceformers.apps.feed.sources.youtube_client import PAGE_SIZE
from traceformers.datasets_scripts.feed.feed_records import Video
from traceformers.datasets_scripts.youtube.video_records import video_from_api

VIDEO_ID = re.compile(r"[\w-]{11}")
PARTS = "snippet,contentDetails"
SHORT_SECONDS = 60
GONE_AGAIN_MS = 30 * 86_400_000


def video_of_item(item):
    """Returns the `Video` of an item of videos.list with snippet and contentDetails, None if it names none.

    What is at most a minute long counts as a Short, whatever it is called: the API does not say.
    """
    video = video_from_api(item)
    if video is None or video.is_short is not None or video.is_live or video.duration is None:
        return video
    return replace(video, is_short=True) if video.duration <= SHORT_SECONDS else video


def fetch_videos(client, video_ids):
    """Yields ([asked ids], [`Video`]) for blocks of ids; what was deleted or is private is not among the videos.

    The API leaves out unknown ids and repeats none, so that answers are joined to what was asked by id, never by place.

    Args:
        client (`YouTubeClient`). video_ids (iterable of `str`).
    """
    ids = [video_id for video_id in dict.fromkeys(video_ids) if VIDEO_ID.fullmatch(video_id)]
    for start in range(0, len(ids), PAGE_SIZE):
        asked = ids[start : start + PAGE_SIZE]
        items = client.page("videos", part=PARTS, id=",".join(asked)).get("items") or []
        found = {item["id"]: video_of_item(item) for item in items if item.get("id") in asked}
        yield asked, [found[video_id] for video_id in asked if video_id in found]


class VideoDetails:
    """Fills in videos that are known by their id alone, or without a duration.

    Args:
        client (`YouTubeClient` or None): with a key or a sign-in; None asks oEmbed.
        oembed_url (`str`): where that is.
        privacy (`PrivacyFilter`, *optional*).
        limit (`int`): how many videos at most in one collection.
        recent_days (`float`): videos without a duration are looked for among those published in so many days.
        min_interval (`float`): seconds between two questions to oEmbed.
        http_options: for `HttpClient`, of oEmbed.
    """

    def __init__(
        self,
        client=None,
        oembed_url="https://www.youtube.com/oembed",
        privacy=None,
        limit=2000,
        recent_days=30,
        min_interval=0.2,
        **http_options,
    ):
        self.name = "video details"
        self.client, self.limit, self.recent_days = client, limit, recent_days
        self.privacy = privacy or PrivacyFilter()
        options = {"attempts": 3, "max_bytes": 1024 * 1024, "min_interval": min_interval, **http_options}
        self.oembed = HttpClient(oembed_url, "YouTube's oEmbed", **options)

    def collect(self, db, now):
        """Stores what could be learned; returns a `SourceReport`. Videos that are gone are asked for once a month.

        Args:
            db (`FeedDatabase`). now (`int`): milliseconds since 1970.
        """
        report = SourceReport(self.name)
        gone = {
            key: time
            for key, time in (db.state(self.name, "gone") or {}).items()
            if is_recent(time, now, GONE_AGAIN_MS)
        }
        try:
            wanted = self.wanted(db, now, gone)
            if self.client is None:
                answers = self._from_oembed(wanted)
            else:
                self.client.begin(db, now)
                answers = fetch_videos(self.client, wanted)
            for asked, videos in answers:
                report.count(db.add_videos(self.privacy.videos(videos)))
                missing = set(asked) - {video.video_id for video in videos}
                report.drop("video gone", len(missing))
                still = {video.video_id for video in videos if self.client and video.duration is None}  # live
                gone.update(dict.fromkeys(missing | still, now))
                if missing or still:
                    db.set_state(self.name, "gone", gone)
        except Exception as error:  # what came before it is stored
            report.fail(error)
        for reason, count in self.privacy.take_counts().items():
            report.drop(reason, count)
        return report

    def wanted(self, db, now, gone=()):
        """Returns the ids of videos of which something is missing that can be asked for, at most `limit`, `list`.

        Those that opinions and watches name come first, then new ones.
        """
        named = db.unknown_video_ids(limit=self.limit + len(gone))
        if self.client is None:  # oEmbed knows titles only
            titled = {video_id for video_id, video in db.videos(named).items() if video.title}
            named = [video_id for video_id in named if video_id not in titled]
        else:
            table = db.video_table(since=now - int(self.recent_days * 86_400_000))
            columns = (table.column(name).to_pylist() for name in ("video_id", "duration", "published_at"))
            new = [
                (published, video_id) for video_id, duration, published in zip(*columns, strict=True) if not duration
            ]
            named += [video_id for _, video_id in sorted(new, reverse=True)]
        return [video_id for video_id in dict.fromkeys(named) if video_id not in gone][: self.limit]

    def _from_oembed(self, video_ids):
        for video_id in video_ids:
            if not VIDEO_ID.fullmatch(video_id):
                continue
            query = {"url": f"https://www.youtube.com/watch?v={video_id}", "format": "json"}
            try:
                answer = self.oembed.get("", query)
                said = answer.json()
                said = said if isinstance(said, dict) else {}
            except Refused as error:
                if error.status not in (400, 401, 403, 404, 410):  # gone, private, or not to be embedded
                    raise
                said = {}
            except ValueError:
                said = {}
            title, channel = said.get("title") or "", said.get("author_name") or ""
            yield [video_id], [Video(video_id, title=title, channel=channel, source="oembed")] if title else []
