"""Invented Takeouts in six languages: one history of ten records, four of them watches."""

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

from traceformers.datasets_scripts.activitywatch.aw_events import event_time
from traceformers.datasets_scripts.feed.feed_records import Watch

GOLDEN = Path(__file__).resolve().parent / "golden" / "takeout"
LANGUAGES = ("de", "en", "es", "ja", "nl", "zh")
#: language → the folder and the names of the history, the subscriptions and the likes
NAMES = {
    "de": ("YouTube und YouTube\xa0Music", "Verlauf/Wiedergabeverlauf", "Abos/Abos", "„Mag ich“-Videos-Videos"),
    "en": ("YouTube and YouTube Music", "history/watch-history", "subs/subscriptions", "Liked videos-videos"),
    "es": ("YouTube y YouTube Music", "historial/historial-de-reproducciones", "suscripciones/suscripciones",
           "Vídeos que me gustan-vídeos"),
    "ja": ("YouTube と YouTube Music", "履歴/watch-history", "登録/登録チャンネル", "高く評価した動画-動画"),
    "nl": ("YouTube en YouTube Music", "geschiedenis/kijkgeschiedenis", "abonnementen/abonnementen",
           "Leuk gevonden video_s-video_s"),
    "zh": ("YouTube 和 YouTube Music", "历史记录/观看记录", "订阅内容/订阅内容", "赞过的视频-视频"),
}  # fmt: skip
REASONS = {
    "advertisement": 1,
    "no link: a removed video, a survey or a tool": 1,
    "private or deleted video": 1,
    "YouTube Music": 1,
    "Short": 1,
    "post": 1,
}
TITLES = [
    'Linear algebra & "vectors" <in> one hour',
    "数学の基礎 — 微分",
    "¿Por qué? – الرياضيات",
    "Watched pots never boil",
]
WATCHES = [
    Watch(f"vid{place:02}_-abcd", event_time(f"2025-09-{time}Z"), "takeout")
    for place, time in ((9, "04T22:03:56"), (8, "05T05:03:57"), (2, "06T23:04:03"), (0, "07T13:04:05"))
]


def export(folder, language, kind):
    """Returns a folder as Takeout makes it in a language, history as JSON or HTML."""
    base, history, subscriptions, liked = NAMES[language]
    root = folder / f"Takeout {language} {kind}" / base
    for source, name in (
        (f"history.{language}.{kind}", f"{history}.{kind}"),
        (f"subscriptions.{language}.csv", f"{subscriptions}.csv"),
        (f"liked.{language}.csv", f"playlists/{liked}.csv"),
        (f"playlists.{language}.csv", "playlists/Playlists.csv"),
        ("playlist.cooking.csv", "playlists/Cooking-videos.csv"),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(GOLDEN / source, path)
    (root / "archive_browser.html").write_text("<html><body>What is in this export</body></html>")
    (root / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)))
    return root.parent


def packed(folder, kind):
    """Returns an archive of a folder."""
    path = folder.with_name(f"{folder.name}.{kind}")
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, file.relative_to(folder.parent))
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, folder.name)
    return path


def contents(report):
    return report.watches, report.videos, report.feedback, report.subscriptions, report.dropped


def record(video="vid00_-abcd", **changes):
    """Returns a record of a JSON history; a field that is None is left out."""
    whole = {
        "header": "YouTube",
        "title": "Watched Something",
        "titleUrl": f"https://www.youtube.com/watch?v={video}",
        "subtitles": [{"name": "Channel", "url": "https://www.youtube.com/channel/UC" + "c" * 22}],
        "time": "2025-09-07T13:04:05.123Z",
        "products": ["YouTube"],
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def history(tmp_path, *records):
    path = tmp_path / "history.json"
    path.write_text(json.dumps(list(records)))
    return path
