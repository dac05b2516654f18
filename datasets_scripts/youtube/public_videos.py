"""`Video` records of public sets: the "Trending YouTube" tables and the YouTube sample of 2006.

Rows of the first repeat for each day a video was in the trends: the first row of an id counts, later ones fill in what
it lacks. Neither knows Shorts or live streams; only the second has durations.
"""

import csv
import gzip
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from traceformers.datasets_scripts.activitywatch.aw_events import event_time
from traceformers.datasets_scripts.feed.feed_records import Video
from traceformers.datasets_scripts.youtube.export_json import JsonReader
from traceformers.datasets_scripts.youtube.export_text import CutText, clean_text, text_blocks, text_lines
from traceformers.datasets_scripts.youtube.video_records import CATEGORIES
from traceformers.datasets_scripts.youtube.youtube_links import VIDEO_ID

TRENDING, SAMPLE_2006 = "trending", "yt2006"
COLUMNS = ("video_id", "title", "channel_title", "category_id", "publish_time", "tags", "description")
NO_TAGS = "[none]"
LARGEST_FIELD = 1 << 20


def read_public_videos(path, dropped=None):
    """Returns the `Video` records of a public set, each id once, in the order of the file.

    Args:
        path (`str` or `os.PathLike`): a CSV of trending videos, or the JSON `*_videos_*` of the sample of 2006, whose
            files of tags are read if they lie beside it; each may be packed with gzip.
        dropped (`Counter`, *optional*): reason → count.

    Raises:
        ValueError: if it is neither, or cut.
        OSError: if it cannot be read.
    """
    path, dropped = Path(path), Counter() if dropped is None else dropped
    try:
        with _opened(path) as file:
            start = file.peek(64)[:64].lstrip(b"\xef\xbb\xbf \r\n\t")
            videos = _sample_2006(file, path, dropped) if start.startswith(b"[") else _trending(file, path, dropped)
    except (CutText, csv.Error, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: {error}") from error
    if not videos:
        raise ValueError(f"Expected videos in {path}, got none with an id of eleven characters. Name another file.")
    return list(videos.values())


def read_category_names(path):
    """Returns {number: name} of a JSON answer of `videoCategories.list`, such as US_category_id.json.

    Raises:
        ValueError: if it is none.
    """
    try:
        items = json.loads(Path(path).read_text(encoding="utf-8"))["items"]
        return {str(item["id"]): clean_text(item["snippet"]["title"]) for item in items}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected categories as videoCategories.list gives them in {path}, got {error!r}. Name another file."
        ) from error


def _trending(file, path, dropped):
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_FIELD))
    rows = csv.DictReader(text_lines(text_blocks(file)))
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise ValueError(f"Expected the columns {', '.join(COLUMNS)} in {path}, got none named {missing}.")
    videos = {}
    for row in rows:
        name = (row["video_id"] or "").strip()
        if not VIDEO_ID.fullmatch(name):
            dropped["row without the id of a video"] += 1
            continue
        if name in videos:
            dropped["the same video on another day"] += 1
        video = Video(
            name,
            clean_text(row["title"]),
            clean_text(row["channel_title"]),
            description=_unescaped(clean_text(row["description"])),
            published_at=_time(row["publish_time"]),
            category=CATEGORIES.get((row["category_id"] or "").strip()),
            tags=_tags(clean_text(row["tags"])),
            source=TRENDING,
        )
        videos[name] = _filled(videos[name], video) if name in videos else video
    return videos


def _sample_2006(file, path, dropped):
    tags = _tags_2006(path)
    videos = {}
    for row in JsonReader(text_blocks(file)).items():
        name = row.get("vid_id") if isinstance(row, dict) else None
        if not isinstance(name, str) or not VIDEO_ID.fullmatch(name):
            dropped["row without the id of a video"] += 1
            continue
        if name in videos:
            dropped["the same video again"] += 1
            continue
        seconds, uploaded = row.get("length_seconds"), row.get("upload_time")
        videos[name] = Video(
            name,
            clean_text(row.get("title")),
            clean_text(row.get("author")),
            description=clean_text(row.get("description")),
            published_at=uploaded * 1000 if type(uploaded) is int and uploaded > 0 else None,
            duration=float(seconds) if type(seconds) in (int, float) and seconds > 0 else None,
            tags=tags.get(name, ()),
            is_short=False,
            is_live=False,
            source=SAMPLE_2006,
        )
    return videos


def _tags_2006(path):
    """Returns {video id: tags} of the files beside one of videos, {} if they are not there."""
    beside = [path.with_name(path.name.replace("_videos_", part)) for part in ("_tags_", "_video_tag_key_")]
    if beside[0] == path or not all(file.is_file() for file in beside):
        return {}
    loaded = []
    for each in beside:
        with _opened(each) as file:
            loaded.append([row for row in JsonReader(text_blocks(file)).items() if isinstance(row, dict)])
    names = {row.get("tag_id"): clean_text(row.get("tag")) for row in loaded[0]}
    found = {}
    for row in loaded[1]:
        if tag := names.get(row.get("tag_id")):
            found.setdefault(row.get("vid_id"), []).append(tag)
    return {name: tuple(tags) for name, tags in found.items()}


def _opened(path):
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


def _tags(text):
    if text in ("", NO_TAGS):
        return ()
    return tuple(tag for part in text.split("|") if (tag := part.strip().strip('"').strip()))


def _unescaped(text):
    """Returns a description whose line breaks were written as a backslash and an n."""
    return re.sub(r"\\([nr\\])", lambda found: {"n": "\n", "r": "", "\\": "\\"}[found[1]], text)


def _filled(known, other):
    empty = {name: getattr(other, name) for name in Video.__slots__ if not getattr(known, name)}
    return replace(known, **empty)


def _time(text):
    try:
        return event_time(text)
    except ValueError:
        return None
