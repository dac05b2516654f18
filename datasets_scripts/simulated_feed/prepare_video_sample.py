"""Writes samples/videos.parquet from the files of the YouTube Tagging Dataset 2006 (Zenodo 17508119, CC BY 4.0).

    python datasets_scripts/simulated_feed/prepare_video_sample.py FOLDER --output videos.parquet

FOLDER has yt2006_videos_sample_1000.json, yt2006_tags_sample_1000.json and yt2006_video_tag_key_sample_1000.json. The
videos that samples/topics.csv names are kept, the others are left out. Changed: text that was UTF-8 and had been read
as Windows-1252 is put right, and counts of views, ratings and comments, links and pictures are left out.
"""

import argparse
import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SAMPLES = Path(__file__).parent / "samples"
SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("title", pa.string()),
        ("channel", pa.string()),
        ("description", pa.string()),
        ("duration", pa.float64()),  # seconds
        ("uploaded_at", pa.int64()),  # ms, UTC
        ("tags", pa.list_(pa.string())),
    ]
)


def topics_of_videos(path=SAMPLES / "topics.csv"):
    """Returns {video id: topic}, as they were given by reading title, description and tags."""
    with open(path, encoding="utf-8", newline="") as file:
        return {row["video_id"]: row["topic"] for row in csv.DictReader(file)}


def put_right(text):
    """Returns a text that was UTF-8 and had been read as Windows-1252 as what it was; any other text as it is."""
    try:
        return b"".join(_byte(character) for character in text).decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text


def _byte(character):
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")  # the five bytes that Windows-1252 does not define


def sample_rows(videos, tags, keys, kept):
    """Returns the rows of `SCHEMA` (list of `dict`) of the videos that are kept.

    Args:
        videos, tags, keys (list of `dict`): as in the files of the set. kept (container of `str`): video ids.
    """
    names = {tag["tag_id"]: tag["tag"] for tag in tags}
    of_video = {}
    for key in keys:
        if key["tag_id"] in names:
            of_video.setdefault(key["vid_id"], []).append(put_right(names[key["tag_id"]]))
    return [
        {
            "video_id": video["vid_id"],
            "title": put_right(video["title"] or ""),
            "channel": put_right(video["author"] or ""),
            "description": put_right(video["description"] or ""),
            "duration": float(video["length_seconds"]),
            "uploaded_at": video["upload_time"] * 1000,
            "tags": of_video.get(video["vid_id"], []),
        }
        for video in videos
        if video["vid_id"] in kept
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    names = ("videos", "tags", "video_tag_key")
    files = [args.folder / f"yt2006_{name}_sample_1000.json" for name in names]
    parts = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    rows = sample_rows(*parts, topics_of_videos())
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), args.output, compression="zstd", compression_level=19)
    print(f"{args.output}: {len(rows)} videos of {len(parts[0])}, {args.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
