"""An index folder made by hand, and the recordings it is of: what a report needs, without a model.

folders = tiny_report_folders(tmp_path, sessions=12)
write_report(folders.index, folders.recordings, tmp_path / "report")
"""

import csv
import gzip
import json
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tiny_rrweb import add, attribute_change, click, element, moved, mutation, page, text, typed

SITES = ("shop.test", "blog.test", "bank.test")
HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked = 1</script><!-- <b>bold</b>",
    "\u202edesrever\u202c \u2067right to left\u2069 \u0000\u0007\ud800",
    '" onmouseover="window.hacked=1" \' autofocus onfocus=\'window.hacked=1\' x="{{ 7*7 }} ${window.hacked=1}',
    "A" * 500,
    "javascript:window.hacked=1",
)


class ReportFolders(NamedTuple):
    """Where an index and its recordings lie."""

    index: Path
    recordings: Path


def shop_events(number=0, seconds=20):
    """Returns the events of a visit to a page whose heading says how far it is."""
    form = element(6, "input", type="text", value="", placeholder="Search")
    style = element(8, "style", "h1 { background: url(http://elsewhere.test/a.png) #fed }")
    body = [style, element(5, "h1", f"Shop {number}"), form, element(7, "button", "Pay now")]
    body.append(element(9, "img", src="http://elsewhere.test/b.png", alt="A picture"))
    steps = [moved([(100, 100, 5), (400, 300, 7)], time=400)]
    for step in range(1, seconds):
        time = step * 1000
        steps.append(click(7, time))
        steps.append(mutation(time + 10, texts=[{"id": 1005, "value": f"Shop {number}, step {step}"}]))
    steps.insert(4, typed(6, "walrus tusk", time=2500))
    return [*page(*body, href=f"https://{SITES[number % 3]}/cart?q=walrus+tusk"), *steps]


def hostile_events():
    """Returns the events of a page that tries to run scripts and to reach other machines."""
    bad = "window.top.hacked=1;window.hacked=1"
    nodes = [
        element(10, "script", bad),
        element(11, "SCRIPT", bad),
        element(12, "img", src="x", onerror=bad),
        element(13, "a", "Go", href=f"javascript:{bad}", target="_top"),
        element(14, "iframe", src="http://elsewhere.test/", srcdoc=f"<script>{bad}</script>"),
        element(15, "meta", http_equiv="refresh", content="0;url=http://elsewhere.test/"),
        element(16, "base", href="http://elsewhere.test/"),
        element(17, "link", rel="stylesheet", href="http://elsewhere.test/a.css"),
        element(
            18, "form", element(19, "button", "Send", formaction="http://elsewhere.test/"), action="//elsewhere.test"
        ),
        element(20, "object", data="http://elsewhere.test/a.swf"),
        element(
            21,
            "video",
            src="http://elsewhere.test/a.mp4",
            autoplay=True,
            rr_mediaState="played",
            poster="http://elsewhere.test/p.png",
        ),
        element(
            22, "style", "@import 'http://elsewhere.test/b.css'; p { background: URL( 'http://elsewhere.test/c' ) }"
        ),
        element(23, "p", "</script><script>window.hacked=1</script>", style="background:url(//elsewhere.test/d)"),
        element(24, "input", autofocus=True, type="text", onfocus=bad),
        *(element(30 + i, "p", words, title=words) for i, words in enumerate(HOSTILE)),
    ]
    late = [
        mutation(
            1500,
            adds=[
                add(3, element(50, "img", src="http://elsewhere.test/late.png", onload=bad)),
                add(3, text(51, HOSTILE[0])),
            ],
            attributes=[attribute_change(12, src="http://elsewhere.test/e.png", onclick=bad)],
            texts=[{"id": 1022, "value": "b { background: url(http://elsewhere.test/f) }"}],
        ),
        mutation(
            1600,
            attributes=[{"id": 23, "attributes": {"style": {"background": ["url(//elsewhere.test/g)", "important"]}}}],
        ),
        click(13, 2000),
    ]
    return [*page(*nodes, href="https://shop.test/</script><script>window.hacked=1</script>"), *late]


def tiny_report_folders(folder, sessions=12, hostile=False, seconds=20):
    """Returns the `ReportFolders` of so many sessions in three clusters, the first of them the most worth watching.

    Args:
        hostile (`bool`): the second session's page and all its texts attack who looks at them.
    """
    folders = ReportFolders(folder / "index", folder / "recordings")
    folders.index.mkdir(parents=True)
    folders.recordings.mkdir()
    rows, moments = [], []
    generator = np.random.default_rng(0)
    vectors = np.eye(3, 8)[np.arange(sessions) % 3] + generator.normal(0, 0.1, (sessions, 8))
    for number in range(sessions):
        attack = hostile and number == 1
        events = hostile_events() if attack else shop_events(number, seconds)
        name = f"session-{number:04d}"
        path = folders.recordings / f"{name}.json.gz"
        path.write_bytes(gzip.compress(json.dumps({"events": events}).encode(), 1))
        bad = HOSTILE[number % len(HOSTILE)] if attack else ""
        rows.append(
            {
                "session_id": name,
                "file": path.name,
                "site": SITES[number % 3] + bad,
                "start_url": f"https://{SITES[number % 3]}/{bad or 'cart'}",
                "started_at": 1_700_000_000_000 + 60_000 * number,
                "duration_s": float(seconds - 1),
                "events": len(events),
                "actions": seconds,
                "clicks": seconds - 1,
                "struggle": 1 - number / sessions,
                "anomaly": (7 * number % sessions) / sessions,
                "quality": 1.0,
                "reasons": list(HOSTILE) if attack else [f"{4 + number} clicks on “Pay now” within 0.9 s at 0:07"],
                "cluster": number % 3,
                "x": float(vectors[number, 0] + number / 5),
                "y": float(vectors[number, 1] + number % 4),
            }
        )
        for step in range(1, seconds):
            action = HOSTILE[step % len(HOSTILE)] if attack else f"click button “Pay now” {step}"
            flags = [HOSTILE[3] if attack else "rage click"] if step == 7 else []
            moments.append((name, float(step), action, "button", 9.0 if step == 7 else step % 5 / 2, flags))
    names = ("session_id", "seconds", "action", "target", "surprise_bits", "flags")
    pq.write_table(_table(rows), folders.index / "sessions.parquet")
    pq.write_table(
        _table([dict(zip(names, moment, strict=True)) for moment in moments]), folders.index / "timeline.parquet"
    )
    index = faiss.IndexFlatIP(8)
    index.add(vectors.astype(np.float32))
    faiss.write_index(index, str(folders.index / "vectors.faiss"))
    (folders.index / "about.json").write_text(json.dumps({"model": HOSTILE[1] if hostile else "runs/tiny/model"}))
    with (folders.index / "left_out.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("file", "reason"), ("broken.json", HOSTILE[0] if hostile else "stops before its end")]
        )
    return folders


def _table(rows):
    """Returns a table; Parquet holds no lone surrogates."""
    return pa.Table.from_pylist(json.loads(json.dumps(rows).replace("\\ud800", "")))
