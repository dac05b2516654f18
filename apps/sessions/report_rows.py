"""The rows of an index as the page shows them: short texts without tricks, numbers without NaN, the best first."""

import base64
import gzip
import json
import math
import re
from collections import Counter
from datetime import UTC, datetime
from functools import partial

from traceformers.apps.sessions.report_index import SCORES

LONGEST_TEXT, LONGEST_ACTION, LONGEST_REASON = 160, 240, 300
TERMS = 3  # of a cluster's name
MOST_MOMENTS = 2000  # of one session; more are thinned out, the least surprising first
#: Control characters, and those that turn the direction of what follows (not the marks that Arabic and Hebrew need).
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
COUNTS = ("events", "actions", "pages", "clicks", "inputs", "scrolls", "rage_clicks", "dead_clicks")


def shown_text(text, longest=LONGEST_TEXT):
    """Returns a text on one line, without characters that change what stands around it, cut with "…".

    >>> shown_text("a \u202edesrever\\n b", 12)
    'a desrever b'
    """
    text = " ".join(_UNSEEN.sub(" ", "" if text is None else str(text)).split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def shown_number(value, digits=3):
    """Returns a rounded number, None for what is none: JSON knows no NaN."""
    if value is None or isinstance(value, bool | str) or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else round(float(value), digits)


def ranking(columns):
    """Returns the row numbers, the sessions most worth watching first.

    The index says it in its column `worth`; without that, struggle counts, anomaly at half weight, times quality: where
    there is little to see, nobody need look.

    Args:
        columns (`dict[str, list]`): of `ReportIndex`.

    >>> ranking({"session_id": ["a", "b", "c"], "struggle": [0.1, None, 0.6], "anomaly": [0.2, 0.9, 0.3]})
    [2, 1, 0]
    >>> ranking({"session_id": ["a", "b"], "anomaly": [0.9, 0.8], "quality": [0.5, 1.0]})
    [1, 0]
    >>> ranking({"session_id": ["a", "b"], "struggle": [0.9, 0.8], "worth": [0.1, 0.2]})
    [1, 0]
    """
    n_rows = len(columns["session_id"])

    def known(name, missing):
        numbers = map(partial(shown_number, digits=9), columns.get(name, [None] * n_rows))
        return [missing if number is None else number for number in numbers]

    worth = known("worth", 0.0)
    if "worth" not in columns:
        scores = zip(known("struggle", 0.0), known("anomaly", 0.0), known("quality", 1.0), strict=True)
        worth = [quality * (1 - (1 - struggle) * (1 - anomaly / 2)) for struggle, anomaly, quality in scores]
    return sorted(range(n_rows), key=lambda row: -worth[row])


def page_data(index, order):
    """Returns what the page knows of all sessions at once, JSON-safe, its lists in the order of `order`.

    Args:
        index (`ReportIndex`). order (`list[int]`): of `ranking`.
    """
    columns = index.columns
    place = {row: number for number, row in enumerate(order)}
    sessions = {
        "id": [shown_text(columns["session_id"][row]) for row in order],
        "site": [shown_text(_value(columns, "site", row)) for row in order],
        "start": [shown_text(_value(columns, "start_url", row)) for row in order],
        "time": [shown_moment(_value(columns, "started_at", row)) for row in order],
        "seconds": [shown_number(_value(columns, "duration_s", row), 1) for row in order],
        "cluster": [_cluster(_value(columns, "cluster", row)) for row in order],
        "reasons": [
            [shown_text(text, LONGEST_REASON) for text in _value(columns, "reasons", row) or []] for row in order
        ],
        "x": [shown_number(columns["x"][row], 4) for row in order],
        "y": [shown_number(columns["y"][row], 4) for row in order],
        "nearest": [[[place[near], round(cosine, 3)] for near, cosine in index.nearest[row]] for row in order],
    }
    for name in (*SCORES, *COUNTS):
        if name in columns:
            sessions[name] = [shown_number(columns[name][row]) for row in order]
    return {
        "model": shown_text("/".join(str(index.about.get("model") or "").rstrip("/").split("/")[-2:])),
        "sessions": sessions,
        "clusters": clusters(sessions, index.terms),
        "left_out": [[shown_text(name), shown_text(reason, LONGEST_REASON)] for name, reason in index.left_out],
    }


def clusters(sessions, terms=None):
    """Returns `[[number, name, how many]]` of the clusters, the largest first; -1 is what is in none.

    Args:
        sessions (`dict`): of `page_data`. terms (`dict[int, list[str]]`, *optional*): of `ReportIndex`; where there are
            none, the sites name a cluster.

    >>> clusters({"cluster": [0, 0, -1], "site": ["a.test", "a.test", "b.test"]})
    [[0, 'Cluster 0: all a.test', 2], [-1, 'in no cluster', 1]]
    """
    members = {}
    for number, site in zip(sessions["cluster"], sessions["site"], strict=True):
        members.setdefault(number, Counter())[site] += 1
    found = []
    for number, sites in members.items():
        count = sites.total()
        site, share = sites.most_common(1)[0]
        about = f"all {site}" if share == count else f"mostly {site}" if 2 * share > count else f"{len(sites)} sites"
        said = ", ".join(shown_text(term, 24) for term in (terms or {}).get(number, [])[:TERMS])
        found.append([number, f"Cluster {number}: {said or about}" if number >= 0 else "in no cluster", count])
    return sorted(found, key=lambda row: (row[0] < 0, -row[2], row[0]))


def packed_moments(moments):
    """Returns the time line of a session as base64 of gzipped JSON: rows of seconds, action, target, bits, flags."""
    if len(moments) > MOST_MOMENTS:
        worth = sorted(range(len(moments)), key=lambda i: (not moments[i][4], -(moments[i][3] or 0.0)))
        moments = [moments[i] for i in sorted(worth[:MOST_MOMENTS])]
    rows = [
        [
            shown_number(seconds, 2) or 0.0,
            shown_text(action, LONGEST_ACTION),
            shown_text(target),
            shown_number(bits, 2),
            [shown_text(flag, 40) for flag in flags or []],
        ]
        for seconds, action, target, bits, flags in moments
    ]
    return base64.b64encode(gzip.compress(json.dumps(rows, separators=(",", ":")).encode(), mtime=0)).decode()


def shown_moment(value):
    """Returns a time as "2026-11-20 15:04" UTC, "" for none.

    Args:
        value (`datetime`, `str` or number, *optional*): a number is seconds since 1970, or milliseconds from 1e11 on.

    >>> shown_moment(1_790_000_000_000), shown_moment("2026-09-21T14:13:20+00:00"), shown_moment(None)
    ('2026-09-21 14:13', '2026-09-21 14:13', '')
    """
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, int | float):
            value = datetime.fromtimestamp(value / 1000 if abs(value) >= 1e11 else value, UTC)
        if value is None:
            return ""
        return (value.astimezone(UTC) if value.tzinfo else value).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return shown_text(value, 40)


def _value(columns, name, row):
    return columns[name][row] if name in columns else None


def _cluster(value):
    number = shown_number(value)
    return -1 if number is None else int(number)
