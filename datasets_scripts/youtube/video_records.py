"""`Video` records from what YouTube answers: items of its Data API and entries of its RSS feeds.

What neither says stays None. There is no field for Shorts; the rule: a video longer than three minutes is none (the
limit since 15 October 2024), a link to /shorts/ makes it one, and so does "#shorts" in the title, the description or
the tags of a video of at most three minutes. Anything else is not known.
"""

import math
import re
from html import unescape

from traceformers.datasets_scripts.activitywatch.aw_events import event_time
from traceformers.datasets_scripts.feed.feed_records import Video
from traceformers.datasets_scripts.youtube.export_text import clean_text
from traceformers.datasets_scripts.youtube.youtube_links import SHORT, VIDEO_ID, read_link

LONGEST_SHORT_SECONDS = 180
SHORT_TAG = re.compile(r"#shorts?\b", re.IGNORECASE)
DURATION = re.compile(
    r"P(?:(?P<W>\d+)W)?(?:(?P<D>\d+)D)?(?:T(?:(?P<H>\d+)H)?(?:(?P<M>\d+)M)?(?:(?P<S>\d+(?:[.,]\d+)?)S)?)?"
)
SECONDS = {"W": 604_800, "D": 86_400, "H": 3_600, "M": 60, "S": 1}

#: YouTube's categories by number; those that can be given to videos today, and old ones.
CATEGORIES = {
    "1": "Film & Animation",
    "2": "Autos & Vehicles",
    "10": "Music",
    "15": "Pets & Animals",
    "17": "Sports",
    "18": "Short Movies",
    "19": "Travel & Events",
    "20": "Gaming",
    "21": "Videoblogging",
    "22": "People & Blogs",
    "23": "Comedy",
    "24": "Entertainment",
    "25": "News & Politics",
    "26": "Howto & Style",
    "27": "Education",
    "28": "Science & Technology",
    "29": "Nonprofits & Activism",
    "30": "Movies",
    "31": "Anime/Animation",
    "32": "Action/Adventure",
    "33": "Classics",
    "34": "Comedy",
    "35": "Documentary",
    "36": "Drama",
    "37": "Family",
    "38": "Foreign",
    "39": "Horror",
    "40": "Sci-Fi/Fantasy",
    "41": "Thriller",
    "42": "Shorts",
    "43": "Shows",
    "44": "Trailers",
}


def duration_seconds(text):
    """Returns an ISO 8601 duration such as "PT1H2M3S" or "P1DT2H" in seconds, None for anything else.

    "P0D", which a live stream has, is no duration: None.
    """
    found = DURATION.fullmatch(text) if isinstance(text, str) else None
    if not found:
        return None
    seconds = sum(float(given.replace(",", ".")) * SECONDS[unit] for unit, given in found.groupdict().items() if given)
    return seconds if seconds > 0 and math.isfinite(seconds) else None


def short_by_rule(duration, texts=(), is_live=None):
    """Returns whether a video is a Short, by the rule above; None if it cannot be told.

    Args:
        duration (`float`, *optional*): in seconds.
        texts: title, description, tags.
        is_live (`bool`, *optional*): a live stream is no Short.
    """
    if is_live or (duration is not None and duration > LONGEST_SHORT_SECONDS):
        return False
    if duration is not None and any(SHORT_TAG.search(text) for text in texts):
        return True
    return None


def video_from_api(item, source="youtube"):
    """Returns the `Video` of an item of `videos.list`, `playlistItems.list` or `search.list`, or None.

    None is an item that names no video, and one of a playlist whose video was deleted or made private: it has no owner.

    Args:
        item (`dict`): with "snippet" and, for videos, "contentDetails" and "liveStreamingDetails".
        source (`str`): to record.
    """
    if not isinstance(item, dict):
        return None
    snippet, details, live = (_object(item.get(name)) for name in ("snippet", "contentDetails", "liveStreamingDetails"))
    resource = snippet.get("resourceId")
    kind = item.get("kind")
    in_playlist = isinstance(resource, dict) or kind == "youtube#playlistItem"
    video_id = item.get("id")
    if isinstance(video_id, dict):  # of a search
        video_id = video_id.get("videoId")
    if in_playlist:
        video_id = _object(resource).get("videoId") or details.get("videoId")
        if snippet and not snippet.get("videoOwnerChannelId"):
            return None
    if not isinstance(video_id, str) or not VIDEO_ID.fullmatch(video_id):
        return None
    title, description = clean_text(snippet.get("title")), clean_text(snippet.get("description"))
    channel = clean_text(snippet.get("videoOwnerChannelTitle" if in_playlist else "channelTitle"))
    if kind == "youtube#searchResult":  # the only answer whose texts are escaped
        title, description, channel = map(unescape, (title, description, channel))
    duration = duration_seconds(details.get("duration"))
    is_live = _is_live(snippet.get("liveBroadcastContent"), live)
    tags = snippet.get("tags")
    tags = tuple(clean_text(tag) for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return Video(
        video_id,
        title,
        channel,
        clean_text(snippet.get("videoOwnerChannelId" if in_playlist else "channelId")) or None,
        description,
        _time(details.get("videoPublishedAt") if in_playlist else snippet.get("publishedAt")),
        duration,
        CATEGORIES.get(str(snippet.get("categoryId", ""))),
        tags,
        short_by_rule(duration, (title, description, *("#" + tag for tag in tags)), is_live),
        is_live,
        source,
    )


def video_from_feed(entry, source="rss"):
    """Returns the `Video` of an entry of a YouTube RSS feed as `feedparser` gives it; None if it names no video.

    Args:
        entry (mapping): with yt_videoid or a link, title, author, yt_channelid, published, summary.
        source (`str`): to record.
    """
    link = read_link(clean_text(entry.get("link")))
    video_id = entry.get("yt_videoid") or clean_text(entry.get("id")).removeprefix("yt:video:") or ""
    if not isinstance(video_id, str) or not VIDEO_ID.fullmatch(video_id):
        video_id = link.video_id
    if not video_id:
        return None
    channel_id = clean_text(entry.get("yt_channelid"))
    if len(channel_id) == 22:  # the feed's own id lacks the "UC"
        channel_id = "UC" + channel_id
    return Video(
        video_id,
        clean_text(entry.get("title")),
        clean_text(entry.get("author")),
        channel_id or None,
        clean_text(entry.get("summary") or entry.get("media_description")),
        _time(entry.get("published")),
        is_short=True if link.kind == SHORT else None,
        source=source,
    )


def _is_live(content, live):
    """Returns whether a video is live or to come; a stream that has ended is a video as any other."""
    if content in ("live", "upcoming"):
        return True
    if live.get("actualEndTime") or content == "none":
        return False
    return None


def _time(text):
    try:
        return event_time(text)
    except ValueError:
        return None


def _object(value):
    return value if isinstance(value, dict) else {}
