"""Windows of a recording and the pictures of the page that were taken while it ran, on one clock.

A picture at second t shows what the events up to t did. So the events between two pictures are one window, and the
picture at its end is its picture.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from traceformers.tokenization.rrweb.rrweb_windows import window_header

SCREENS = "_screens"  # the recorder's name of a session's folder of pictures: the session's and this
FEWEST_TOKENS = 8  # what happened between two pictures in fewer tokens is left to the next one


@dataclass(frozen=True)
class Screenshot:
    """A picture of the page, `seconds` after the session's first event."""

    seconds: float
    file: Path


@dataclass(frozen=True)
class ScreenWindow:
    """Ids of a window (uint16, [CLS] and [SEP] included), when it begins and ends, and its picture or None."""

    ids: np.ndarray
    seconds: tuple[float, float]
    screenshot: Path | None


def read_screenshots(recording):
    """Returns the `Screenshot`s beside a recording in the order of time; none where there are none.

    Two pictures in a row that are equal to the byte are one: the first is dropped, for between them nothing was seen.

    Args:
        recording (path): `<session>.json.gz`; the pictures lie in `<session>_screens/` with `screenshots.csv`.

    Raises:
        ValueError: the table has no columns `file` and `seconds`, or names a picture that is not there.
    """
    recording = Path(recording)
    folder = recording.with_name(recording.name.split(".")[0] + SCREENS)
    table = folder / "screenshots.csv"
    if not table.is_file():
        return []
    with open(table, newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    shots = []
    for row in rows:
        if not {"file", "seconds"} <= row.keys():
            raise ValueError(
                f"Expected the columns file and seconds in {table}, got {', '.join(row)}. Record again with "
                "--screenshots."
            )
        file = folder / row["file"]
        if not file.is_file():
            raise ValueError(f"Expected the picture {file} that {table.name} names, found none. Copy the whole folder.")
        shots.append(Screenshot(float(row["seconds"]), file))
    shots.sort(key=lambda shot: shot.seconds)
    contents = [shot.file.read_bytes() for shot in shots]
    last = [i + 1 == len(shots) or contents[i] != contents[i + 1] for i in range(len(shots))]
    return [shot for shot, keep in zip(shots, last, strict=True) if keep]


def screen_windows(session, screenshots, max_length, tokens, extra_windows=1):
    """Returns the `ScreenWindow`s of a session, in order, none of which share a token.

    Between two pictures is one window of at most `max_length` tokens. What does not fit, the lower parts of a long page
    for the most part, gives further windows without a picture.

    Args:
        session (`TokenizedSession`).
        screenshots (list of `Screenshot`): in the order of time.
        max_length (`int`): [CLS], header and [SEP] included.
        tokens (`WindowTokens`).
        extra_windows (`int`): most windows without a picture between two pictures, and after the last.
    """
    offsets, times = session.event_offsets.astype(np.int64), session.event_times_ms.astype(np.int64)
    windows, start = [], 0
    for shot in screenshots:
        events = int(np.searchsorted(times, round(1000 * shot.seconds), side="right"))
        end = int(offsets[events])
        if end - start < FEWEST_TOKENS:
            continue
        windows += _cut(session, start, end, max_length, tokens, shot.file, 1 + extra_windows)
        start = end
    rest = len(session.ids)
    if rest - start >= FEWEST_TOKENS:
        windows += _cut(session, start, rest, max_length, tokens, None, extra_windows)
    return windows


def _cut(session, start, end, max_length, tokens, file, most):
    """Returns at most `most` windows of the tokens from start to end, the first with the picture."""
    windows = []
    while len(windows) < most and end - start >= FEWEST_TOKENS:
        header = window_header(session, start, max_length, tokens)
        stop = _stop(session, start, end, max_length - len(header) - 1)
        ids = np.concatenate([header, session.ids[start:stop], [tokens.sep]]).astype(np.uint16)
        seconds = tuple(_second_of(session, token) for token in (start, stop - 1))
        windows.append(ScreenWindow(ids, seconds, None if windows else file))
        start = stop
    return windows


def _stop(session, start, end, room):
    """Returns where a window ends: after `room` tokens at most, on a border of events or nodes.

    Windows are full, unlike those of the tokenizer, which keep an event whole where they can: then the window of a
    picture would often be the one line that a page was opened, and what it shows would be in the next.
    """
    limit = start + room
    if limit >= end:
        return end
    border = int(session.node_offsets[np.searchsorted(session.node_offsets, limit, side="right") - 1])
    return border if border > start else limit


def _second_of(session, token):
    event = int(np.searchsorted(session.event_offsets, token, side="right")) - 1
    return float(session.event_times_ms[event]) / 1000
