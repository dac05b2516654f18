"""What YouTube knows of one person: likes, dislikes and subscriptions (signed in), and new videos of the channels.

Everything is stored as it comes, page by page, so that a spent quota or a kill loses nothing; the channels that were
asked longest ago come first, so that the next day goes on where this one stopped. A like is told apart from what was
known by the id of its video, and its time is that of the first collection that saw it: the API does not say when.
"""

from traceformers.apps.feed.sources.privacy_filter import PrivacyFilter
from traceformers.apps.feed.sources.source_report import SourceReport, is_recent
from traceformers.apps.feed.sources.video_details import PARTS, fetch_videos, video_of_item
from traceformers.apps.feed.sources.youtube_client import PAGE_SIZE, ApiRefused
from traceformers.datasets_scripts.feed.feed_records import Feedback, Subscription
from traceformers.datasets_scripts.youtube.video_records import video_from_api

PARTS_OF_IT = ("subscriptions", "ratings", "uploads")
OF_A_PERSON = ("subscriptions", "ratings")  # a key cannot see them
RATINGS = {"like": 1.0, "dislike": 0.0}
RATING_PAGES = 100
ALL_RATINGS_MS = 86_400_000
GONE_REASONS = {"playlistNotFound", "channelNotFound", "notFound", "playlistItemsNotAccessible"}


class YouTubeSource:
    """Collects by the YouTube Data API.

    Args:
        client (`YouTubeClient`).
        channels (iterable of `str`): ids of channels besides the subscriptions.
        privacy (`PrivacyFilter`, *optional*).
        pages_a_channel (`int`): of 50 videos; how far back a channel is read that was never read.
        channel_interval_hours (`float`): a channel is not asked again before.
        parts (iterable of `str`): which of `PARTS_OF_IT` to ask for.
    """

    def __init__(
        self, client, channels=(), privacy=None, pages_a_channel=1, channel_interval_hours=1.0, parts=PARTS_OF_IT
    ):
        self.name = "youtube"
        self.client = client
        self.channels = tuple(channels)
        self.privacy = privacy or PrivacyFilter()
        self.pages_a_channel, self.parts = pages_a_channel, tuple(parts)
        self.channel_interval_ms = int(channel_interval_hours * 3_600_000)

    def collect(self, db, now):
        """Stores all of it; returns a `SourceReport`. A part that is refused does not keep the others from coming.

        Args:
            db (`FeedDatabase`). now (`int`): milliseconds since 1970.
        """
        report = SourceReport(self.name)
        self.client.begin(db, now)
        collecting = (self._collect_subscriptions, self._collect_ratings, self._collect_uploads)
        try:
            for part, collect in zip(PARTS_OF_IT, collecting, strict=True):
                if part not in self.parts or (part in OF_A_PERSON and not self.client.credential.can_see_ratings):
                    continue
                try:
                    collect(db, now, report)
                except ApiRefused as error:
                    report.fail(error)
        except Exception as error:  # what came before it is stored
            report.fail(error)
        for reason, count in self.privacy.take_counts().items():
            report.drop(reason, count)
        return report

    def _collect_subscriptions(self, db, now, report):
        found = {}
        complete = False
        try:
            for page in self.client.pages("subscriptions", part="snippet", mine="true", maxResults=PAGE_SIZE):
                for item in page.get("items") or []:
                    snippet = item.get("snippet") or {}
                    channel_id = (snippet.get("resourceId") or {}).get("channelId")
                    if channel_id:
                        found[channel_id] = Subscription(channel_id, snippet.get("title") or "")
            complete = True
        finally:
            if not complete:  # those that were not listed may be on the pages that did not come
                found = {each.channel_id: each for each in db.subscriptions()} | found
            if complete or found:
                db.set_subscriptions(list(found.values()), "youtube")

    def _collect_ratings(self, db, now, report):
        known = known_ratings(db)
        # What is rated last is listed first: but for once a day, the pages of what is known are left out.
        thorough = not is_recent(db.state(self.name, "all ratings at"), now, ALL_RATINGS_MS)
        listed, complete = {}, True
        for rating, value in RATINGS.items():
            pages = self.client.pages(
                "videos", max_pages=RATING_PAGES, part=PARTS, myRating=rating, maxResults=PAGE_SIZE
            )
            for page in pages:
                videos = list(filter(None, map(video_of_item, page.get("items") or [])))
                fresh = [video for video in videos if video.video_id not in listed]
                listed.update({video.video_id: value for video in fresh})
                kept = list(self.privacy.videos(fresh))
                new = [video.video_id for video in kept if known.get(video.video_id) != value]
                report.count(db.add_videos(kept))
                said = (
                    Feedback(f"youtube:{video_id}:{rating}:{now}", video_id, "interest", value, now, rating)
                    for video_id in new
                )
                report.count(db.add_feedback(said))
                known.update(dict.fromkeys(new, value))
                more = bool(page.get("nextPageToken"))
                if more and not new and not thorough:
                    break
            complete = complete and not more  # else what is not listed need not have been taken back
        if complete:
            self._take_back(db, now, report, listed)
        if thorough:
            db.set_state(self.name, "all ratings at", now)

    def _take_back(self, db, now, report, listed):
        """Takes back ratings that came from here, are no longer listed, and whose video still exists."""
        held = {key: value for key, value in known_ratings(db, "youtube:").items() if key not in listed}
        for _, videos in fetch_videos(self.client, [key for key, value in held.items() if value is not None]):
            for video in videos:
                rating = "like" if held[video.video_id] else "dislike"
                identity = f"youtube:{video.video_id}:none:{now}"
                report.count(db.add_feedback([Feedback(identity, video.video_id, "interest", None, now, rating)]))

    def _collect_uploads(self, db, now, report):
        listed = [*(subscription.channel_id for subscription in db.subscriptions()), *self.channels]
        listed = [channel_id for channel_id in dict.fromkeys(listed) if channel_id.startswith("UC")]
        asked_at = {channel_id: db.state(self.name, f"asked {channel_id}") or 0 for channel_id in listed}
        due = [each for each in listed if not is_recent(asked_at[each], now, self.channel_interval_ms)]
        waiting = db.state(self.name, "waiting for details") or []
        for channel_id in sorted(due, key=lambda each: (asked_at[each], each)):
            try:
                new = self._new_uploads(db, channel_id, report)
            except ApiRefused as error:
                if error.status != 404 and error.reason not in GONE_REASONS:
                    raise
                report.drop("channel gone")
                new = []
            if new:
                waiting = list(dict.fromkeys([*waiting, *new]))
                db.set_state(self.name, "waiting for details", waiting)
            db.set_state(self.name, f"asked {channel_id}", now)
            if len(waiting) >= PAGE_SIZE:
                waiting = self._fetch_details(db, waiting, report)
        while waiting:
            waiting = self._fetch_details(db, waiting, report)

    def _fetch_details(self, db, waiting, report):
        """Stores the details of the first videos that wait for them; returns those that go on waiting."""
        for _, videos in fetch_videos(self.client, waiting[:PAGE_SIZE]):
            report.count(db.add_videos(self.privacy.videos(videos)))
        db.set_state(self.name, "waiting for details", waiting[PAGE_SIZE:] or None)
        return waiting[PAGE_SIZE:]

    def _new_uploads(self, db, channel_id, report):
        """Stores what a channel's list of uploads says of its new videos; returns the ids whose details are missing."""
        new = []
        pages = self.client.pages(
            "playlistItems",
            max_pages=self.pages_a_channel,
            part="snippet,contentDetails",
            playlistId="UU" + channel_id[2:],
            maxResults=PAGE_SIZE,
        )
        for page in pages:
            videos = [upload_of_item(item) for item in page.get("items") or []]
            report.drop("video deleted or private", videos.count(None))
            videos = list(self.privacy.videos(filter(None, videos)))
            known = db.videos([video.video_id for video in videos])
            if videos:
                report.count(db.add_videos(videos))
            complete = {key for key, video in known.items() if video.duration is not None}
            new += [video.video_id for video in videos if video.video_id not in complete]
            if complete:  # further back there is nothing new
                break
        return new


def upload_of_item(item):
    """Returns the `Video` of an item of playlistItems.list, None for one that was deleted or is private."""
    video = video_from_api(item)
    # The API gives no time of publication for what nobody can see.
    return video if video is not None and video.published_at is not None else None


def known_ratings(db, prefix=""):
    """Returns {video id: 1.0, 0.0 or None} of the newest like or dislike that is stored of each video.

    Args:
        db (`FeedDatabase`). prefix (`str`): of the ids of the feedback to look at.
    """
    table = db.feedback_table()
    names = ("feedback_id", "video_id", "value", "said_at", "source")
    rows = sorted(
        zip(*(table.column(name).to_pylist() for name in names), strict=True), key=lambda row: (row[3], row[0])
    )
    return {row[1]: row[2] for row in rows if row[4] in RATINGS and row[0].startswith(prefix)}
