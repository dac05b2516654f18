"""Takeout's tables: liked videos, playlists, subscriptions. Headers are translated: rows are told by what is in them.

A video: its id and a time. A channel: its id and its address. A playlist: an id that begins as YouTube's do; the likes
begin with "LL".
"""

import csv
import re
import unicodedata
from dataclasses import dataclass, field
from itertools import chain

from traceformers.datasets_scripts.activitywatch.aw_events import event_time
from traceformers.datasets_scripts.youtube.export_text import CutText, clean_text, text_lines
from traceformers.datasets_scripts.youtube.youtube_links import CHANNEL_ID, VIDEO_ID

PLAYLIST_ID = re.compile(r"(?:LL|PL|FL|WL|OL|RD|UU)[A-Za-z0-9_-]{0,48}")
LIKES = "LL"
SEPARATORS = ",;\t"
#: What the file of the likes is called, where no table of the playlists tells: letters only, see `plain_name`.
LIKED_NAMES = (
    "likedvideos", "likes", "vidéosjaime", "vidéosaimées", "videosquemegustan", "vídeosquemegustan",
    "videopiaciuti", "videocheticipiacciono", "vídeosmarcadoscomgostei", "vídeoscurtidos", "magich",
    "videosdieichmag", "videosdiemirgefallen", "leukgevondenvideos", "gelikedevideos",
    "高く評価した動画", "赞过的视频", "顶过的视频", "喜歡的影片", "좋아요표시한동영상",
    "понравившиеся", "beğenilenvideolar", "polubionefilmy", "gilladevideor", "gillavideor",
)  # fmt: skip


@dataclass
class CsvContent:
    """What a table holds.

    Attributes:
        videos (`list`): (video id, seconds since 1970).
        subscriptions (`list`): (channel id, name).
        playlists (`list`): (playlist id, the other cells).
        rows (`int`): rows with anything in them.
    """

    videos: list = field(default_factory=list)
    subscriptions: list = field(default_factory=list)
    playlists: list = field(default_factory=list)
    rows: int = 0

    def is_known(self):
        """Returns whether there is anything of YouTube in it."""
        return bool(self.videos or self.subscriptions or self.playlists)


def read_csv(blocks, content=None):
    """Returns the `CsvContent` of a table.

    Args:
        blocks: iterable of `str`, the text in pieces.
        content (`CsvContent`, *optional*): to fill, so that what came before a fault is kept.

    Raises:
        CutText: where it is no table.
    """
    content = CsvContent() if content is None else content
    lines = text_lines(blocks)
    first = next(lines, "")
    separator = max(SEPARATORS, key=first.count)
    try:
        for row in csv.reader(chain((first,), lines), delimiter=separator):
            cells = [clean_text(cell).strip(" \ufeff\xa0") for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                content.rows += 1
                _take(cells, content)
    except csv.Error as error:
        raise CutText(f"Expected a table, got a row that is none after row {content.rows:,} ({error}).") from error
    return content


def _take(cells, content):
    first = cells[0]
    if len(cells) >= 6 and PLAYLIST_ID.fullmatch(first):
        content.playlists.append((first, tuple(cells[1:])))
    elif len(cells) in (2, 3) and CHANNEL_ID.fullmatch(first) and "/channel/" in cells[1]:
        content.subscriptions.append((first, cells[2] if len(cells) == 3 else ""))
    elif len(cells) == 2 and VIDEO_ID.fullmatch(first):
        time = csv_time(cells[1])
        if time is not None:  # else a header of eleven letters
            content.videos.append((first, time))


def csv_time(text):
    """Returns a time such as "2021-09-02 12:17:00 UTC" or ISO 8601 in seconds since 1970, None if it is none."""
    try:
        return event_time(text.removesuffix("UTC").strip()) // 1000
    except ValueError:
        return None


def plain_name(name):
    """Returns a file's name or a title in lower case, letters and digits only: Takeout changes the rest in names."""
    name = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in name if letter.isalnum())


def likes_titles(playlists):
    """Returns what the likes are called in the account's language, and perhaps other words of their row.

    Args:
        playlists: (playlist id, the other cells).
    """
    likes, others = set(), set()
    for playlist, cells in playlists:
        (likes if playlist.startswith(LIKES) else others).update(cells)
    return sorted(cell for cell in likes - others if csv_time(cell) is None)


def are_likes(name, content, liked_titles, liked=None):
    """Returns whether a table of videos is that of the likes.

    Args:
        name (`str`): of the file, without folders.
        content (`CsvContent`): its own playlist, if it names one, decides.
        liked_titles: titles of the likes, as tables of playlists name them.
        liked (`str`, *optional*): part of the name of the file of the likes, which then decides.
    """
    if liked:
        return plain_name(liked) in plain_name(name)
    if content.playlists:
        return any(playlist.startswith(LIKES) for playlist, _ in content.playlists)
    plain = plain_name(name.rpartition(".")[0] or name)
    known = [title for title in map(plain_name, liked_titles) if title]
    return plain.startswith((*known, *LIKED_NAMES))
