"""What is known of a video, from its id: by the YouTube Data API, or by oEmbed (title and channel, without a key)."""

import re
from datetime import datetime

from traceformers.apps.feed.sources.http_client import HttpClient, Refused
from traceformers.apps.feed.sources.privacy_filter import PrivacyFilter
from traceformers.apps.feed.sources.source_report import SourceReport
from traceformers.apps.feed.sources.youtube_client import PAGE_SIZE
from traceformers.datasets_scripts.feed.feed_records import Video

DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
UNIT_SECONDS = (604_800, 86_400, 3_600, 60, 1)
VIDEO_ID = re.compile(r"[\w-]{11}")
PARTS = "snippet,contentDetails"
SHORT_SECONDS, LONGEST_SHORT_SECONDS = 60, 180
SHORTS_TAG = re.compile(r"#shorts?\b", re.IGNORECASE)
GONE_AGAIN_MS = 30 * 86_400_000
#: The categories that YouTube assigns, by their numbers.
CATEGORIES = {
    "1": "Film & Animation", "2": "Autos & Vehicles", "10": "Music", "15": "Pets & Animals", "17": "Sports",
    "19": "Travel & Events", "20": "Gaming", "22": "People & Blogs", "23": "Comedy", "24": "Entertainment",
    "25": "News & Politics", "26": "Howto & Style", "27": "Education", "28": "Science & Technology",
    "29": "Nonprofits & Activism", "30": "Movies", "43": "Shows", "44": "Trailers",
}  # fmt: skip


def iso_duration(text):
    """Returns an ISO 8601 duration in seconds, None if it is none or 0 (a live stream has "P0D")."""
    match = DURATION.fullmatch(text or "")
    if not match:
        return None
    return (
        float(sum(float(count or 0) * unit for count, unit in zip(match.groups(), UNIT_SECONDS, strict=True))) or None
    )


def api_time(text):
    """Returns a time of the API in milliseconds since 1970, None if there is none."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (TypeError, ValueError):
        return None


def video_of_item(item):
    """Returns the `Video` of an item of videos.list with snippet and contentDetails."""
    snippet, details = item.get("snippet") or {}, item.get("contentDetails") or {}
    title, duration = snippet.get("title") or "", iso_duration(details.get("duration"))
    live = snippet.get("liveBroadcastContent")
    return Video(
        item["id"],
        title=title,
        channel=snippet.get("channelTitle") or "",
        channel_id=snippet.get("channelId"),
        description=snippet.get("description") or "",
        published_at=api_time(snippet.get("publishedAt")),
        duration=duration,
        category=CATEGORIES.get(snippet.get("categoryId")),
        tags=tuple(snippet.get("tags") or ()),
        is_short=looks_short(title, duration),
        is_live=live in ("live", "upcoming") if live else None,
        source="youtube",
    )


def looks_short(title, duration):
    """Returns whether a video is a Short, None if neither its length nor its title says so: the API does not."""
    if duration is None:
        return None
    if duration > LONGEST_SHORT_SECONDS:
        return False
    return True if duration <= SHORT_SECONDS or SHORTS_TAG.search(title) else None


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
        gone = {key: time for key, time in (db.state(self.name, "gone") or {}).items() if now - time < GONE_AGAIN_MS}
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
