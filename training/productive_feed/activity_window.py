"""What a person was doing before each of many moments: windows of sorted events, as arrays.

Nothing after a moment is seen: an event that was still going on counts up to the moment. An event that shows the very
video that is judged is left out, since a video that is to be chosen has not been opened yet.

    axes: N events, D distinct events (category, app, title, url), B moments, E events of a window, newest first
"""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traceformers.training.productive_feed.local_clock import MS_A_HOUR, MS_A_MINUTE, MS_A_SECOND

#: What makes two events show the same, in the order of `ActivityEvents.distinct`.
DISTINCT = ("category", "app", "title", "url")
UNCATEGORIZED = "Uncategorized"
_SEPARATOR = "\x1f"
_VIDEO_IN_URL = re.compile(r"(?:[?&]v=|youtu\.be/|/shorts/|/embed/|/live/)([\w-]{11})(?![\w-])")
_SITE = " - YouTube"


@dataclass(frozen=True)
class ActivityWindow:
    """Events before B moments; where `mask` is False there is none.

    Attributes:
        event_index (int32 (B, E)): row in `ActivityEvents.distinct`, -1 for none.
        seconds (float32 (B, E)): how long, up to the moment.
        minutes_ago (float32 (B, E)): from its end, or the moment if it goes on, to the moment.
        started_at (int64 (B, E)): ms.
        mask (bool (B, E)).
    """

    event_index: np.ndarray
    seconds: np.ndarray
    minutes_ago: np.ndarray
    started_at: np.ndarray
    mask: np.ndarray

    def __len__(self):
        return len(self.mask)

    def rows(self, rows):
        """Returns the window of some of the moments (indices or a mask), as wide as it has to be."""
        mask = self.mask[rows]
        width = max(1, int(np.flatnonzero(mask.any(axis=0)).max(initial=0)) + 1) if mask.size else 1
        return ActivityWindow(
            *(array[rows][:, :width] for array in (self.event_index, self.seconds, self.minutes_ago, self.started_at)),
            mask[:, :width],
        )

    @classmethod
    def from_table(cls, event_table, moment, hours=6.0, max_events=128):
        """Returns (the window before one moment, B = 1, and the `ActivityEvents` that it points into)."""
        events = ActivityEvents.from_table(event_table)
        return events.windows([moment], hours, max_events), events


class ActivityEvents:
    """Events sorted by their start, what is equal in them stored once.

    Attributes:
        started_at, ended_at (int64 (N,)): ms.
        distinct_index (int32 (N,)): which of the distinct events each is.
        distinct (`dict[str, list[str]]`): category, app, title and url of the D distinct events.
        category_names (list of `str`), category_of (int64 (D,)): the categories there are, and which each has.
    """

    def __init__(self, started_at, ended_at, distinct_index, distinct):
        self.started_at, self.ended_at = started_at, ended_at
        self.distinct_index, self.distinct = distinct_index, distinct
        self.category_names = sorted(set(distinct["category"]))
        code_of = {name: code for code, name in enumerate(self.category_names)}
        self.category_of = np.fromiter(map(code_of.get, distinct["category"]), dtype=np.int64)
        self._shown_videos = None

    def __len__(self):
        return len(self.started_at)

    @property
    def distinct_count(self):
        return len(self.distinct["title"])

    @classmethod
    def from_table(cls, table):
        """Returns the events of a table with the columns of `ActivityEvent`, in any order.

        A million rows take about a second: strings are joined, counted and sorted by Arrow and numpy.
        """
        started = table["started_at"].to_numpy().astype(np.int64, copy=False)
        seconds = pc.fill_null(table["duration"], 0.0).to_numpy().astype(np.float64, copy=False)
        order = np.argsort(started, kind="stable")
        texts = [_filled(table[name], _default(name)) for name in DISTINCT]
        codes = _one_array(pc.binary_join_element_wise(*texts, _SEPARATOR)).dictionary_encode()
        index = codes.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        first = np.zeros(len(codes.dictionary), dtype=np.int64)
        first[index[::-1]] = np.arange(len(index))[::-1]  # where each was seen first
        distinct = {name: text.take(first).to_pylist() for name, text in zip(DISTINCT, texts, strict=True)}
        ended = started + np.rint(np.maximum(seconds, 0) * MS_A_SECOND).astype(np.int64)
        return cls(started[order], ended[order], index[order], distinct)

    def windows(self, moments, hours=6.0, max_events=128, video_ids=None, titles=None):
        """Returns the `ActivityWindow` of the newest events that began in the `hours` before each moment.

        Args:
            moments (int (B,)): ms.
            hours (`float`).
            max_events (`int`).
            video_ids, titles (sequences of B `str`, *optional*): what each moment is about; events that show it are
                left out.
        """
        moments = np.asarray(moments, dtype=np.int64)
        stop = np.searchsorted(self.started_at, moments, side="left")
        start = np.searchsorted(self.started_at, moments - int(hours * MS_A_HOUR), side="left")
        width = int(min(max_events, max(1, (stop - start).max(initial=0))))
        position = stop[:, None] - 1 - np.arange(width)[None, :]  # (B, E), newest first
        mask = position >= start[:, None]
        position = np.where(mask, position, 0)
        if not len(self):
            empty = np.zeros(mask.shape, dtype=np.float32)
            return ActivityWindow(np.full(mask.shape, -1, np.int32), empty, empty, empty.astype(np.int64), mask)
        index = self.distinct_index[position]
        if video_ids is not None:
            mask &= ~self._shows(index, video_ids, titles)
        began, ended = self.started_at[position], np.minimum(self.ended_at[position], moments[:, None])
        return ActivityWindow(
            event_index=np.where(mask, index, -1).astype(np.int32),
            seconds=np.where(mask, (ended - began) / MS_A_SECOND, 0).astype(np.float32),
            minutes_ago=np.where(mask, (moments[:, None] - ended) / MS_A_MINUTE, 0).astype(np.float32),
            started_at=np.where(mask, began, 0),
            mask=mask,
        )

    def _shows(self, index, video_ids, titles):
        """Returns whether each event (B, E) shows the video of its moment, by the id in its URL or by its title."""
        if self._shown_videos is None:
            urls = {i: _VIDEO_IN_URL.search(url) for i, url in enumerate(self.distinct["url"]) if "youtu" in url}
            ids = {i: match[1] for i, match in urls.items() if match}
            names = {i: t.rsplit(_SITE, 1)[0] for i, t in enumerate(self.distinct["title"]) if _SITE in t}
            self._shown_videos = ids, names
        same = np.zeros(index.shape, dtype=bool)
        for shown, asked in zip(self._shown_videos, (video_ids, titles), strict=True):
            if asked is not None and shown:
                codes = {text: code for code, text in enumerate(dict.fromkeys(asked)) if text}
                of_row = np.array([codes.get(text, -2) for text in asked], dtype=np.int64)
                of_event = np.full(self.distinct_count, -1, dtype=np.int64)
                of_event[list(shown)] = [codes.get(text, -1) for text in shown.values()]
                same |= of_event[index] == of_row[:, None]
        return same


def _filled(column, default):
    return _one_array(pc.fill_null(column.cast(pa.string()), default))


def _one_array(column):
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _default(name):
    return UNCATEGORIZED if name == "category" else ""
