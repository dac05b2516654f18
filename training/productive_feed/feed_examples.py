"""What a person said of videos, as examples: one a video and moment, with what they were doing before that moment.

Of interest the newest opinion on a video counts; each "right now" and "not now" counts at its moment (said_labels.py).
What was taken back makes no label. Feedback is joined to videos by their id; feedback on a video that is not in the
table is counted and left out, never shifted to another.

    axes: n examples, V videos that are judged, E events of a window
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traceformers.datasets_scripts.feed.feed_folder import read_feed_folder
from traceformers.datasets_scripts.feed.feed_records import HEADS
from traceformers.training.productive_feed.activity_window import ActivityEvents, ActivityWindow
from traceformers.training.productive_feed.past_opinions import PastOpinions
from traceformers.training.productive_feed.said_labels import said_labels


@dataclass(frozen=True)
class FeedExamples:
    """Examples in the order of their moments.

    Attributes:
        videos (`pa.Table`): the V videos, columns as of `Video`, in the order of their ids.
        video_row (int64 (n,)): which of them.
        moments (int64 (n,)): ms, when it was said.
        labels (float32 (n, 2)): of `HEADS`, from 0 to 1; NaN where nothing was said then.
        events (`ActivityEvents`): all activity.
        window (`ActivityWindow`): of n moments.
        time_zone (`str`).
        past (`PastOpinions`): all labels; what is asked of it at a moment is what was said before.
        about (`dict`): what was left out, and counts.
    """

    videos: pa.Table
    video_row: np.ndarray
    moments: np.ndarray
    labels: np.ndarray
    events: ActivityEvents
    window: ActivityWindow
    time_zone: str
    past: PastOpinions
    about: dict

    def __len__(self):
        return len(self.moments)

    @property
    def video_ids(self):
        """The video id of each example, list of n `str`."""
        return self.videos["video_id"].take(pa.array(self.video_row)).to_pylist()

    def rows(self, rows):
        """Returns some of the examples (indices or a mask); videos and events stay as they are."""
        return replace(
            self,
            video_row=self.video_row[rows],
            moments=self.moments[rows],
            labels=self.labels[rows],
            window=self.window.rows(rows),
        )

    def said(self, head):
        """Returns whether each example has a label of a head, by its number, bool (n,)."""
        return ~np.isnan(self.labels[:, head])


def read_examples(folder, hours=6.0, max_events=128):
    """Returns the `FeedExamples` of a feed folder.

    Args:
        folder (path, or `FeedFolder`): see feed_folder.py.
        hours (`float`), max_events (`int`): of the window before each moment.

    Raises:
        FileNotFoundError, ValueError: not a whole feed folder.
    """
    if not hasattr(folder, "tables"):
        folder = read_feed_folder(folder, ("videos", "events", "feedback"))
    tables = folder.tables
    return build_examples(
        tables["videos"], tables["events"], tables["feedback"], folder.about["time_zone"], hours, max_events
    )


def build_examples(videos, events, feedback, time_zone, hours=6.0, max_events=128):
    """Returns the `FeedExamples` of three tables, see `read_examples`; arrays, no loop over rows."""
    ids, moments, heads, values, about = said_labels(feedback)
    held = pc.index_in(pa.array(ids, pa.string()), value_set=videos["video_id"].combine_chunks()).to_numpy(
        zero_copy_only=False
    )
    known = ~np.isnan(held.astype(np.float64))
    about |= {"labels_without_video": int((~known).sum())}
    rows, moments, heads, values = held[known].astype(np.int64), moments[known], heads[known], values[known]
    past = PastOpinions(moments, heads, values, videos.take(pa.array(rows)))
    used, video_row = np.unique(rows, return_inverse=True)
    videos = videos.take(pa.array(used))

    # one example a (moment, video): two heads said at once are one
    order = np.lexsort((video_row, moments))
    moments, video_row, heads, values = moments[order], video_row.reshape(-1)[order], heads[order], values[order]
    is_new = np.ones(len(moments), dtype=bool)
    is_new[1:] = (np.diff(moments) != 0) | (np.diff(video_row) != 0)
    example = np.cumsum(is_new) - 1
    labels = np.full((int(is_new.sum()), len(HEADS)), np.nan, dtype=np.float32)
    labels[example, heads] = values
    moments, video_row = moments[is_new], video_row[is_new]

    activity = ActivityEvents.from_table(events)
    judged = pa.array(video_row)
    window = activity.windows(
        moments,
        hours,
        max_events,
        video_ids=videos["video_id"].take(judged).to_pylist(),
        titles=videos["title"].take(judged).to_pylist(),
    )
    about |= {"videos": len(videos), "events": len(activity), "examples": len(moments), "labels": label_counts(labels)}
    about |= {"examples_with_activity": int(window.mask.any(axis=1).sum())}
    return FeedExamples(videos, video_row, moments, labels, activity, window, time_zone, past, about)


def label_counts(labels):
    """Returns {head: {"yes": int, "no": int}} of labels (n, 2), NaN where nothing was said.

    >>> label_counts(np.array([[1, np.nan], [0, 1], [1, np.nan]]))
    {'interest': {'yes': 2, 'no': 1}, 'productive': {'yes': 1, 'no': 0}}
    """
    labels = np.asarray(labels)
    return {
        head: {"yes": int((labels[:, i] >= 0.5).sum()), "no": int((labels[:, i] < 0.5).sum())}
        for i, head in enumerate(HEADS)
    }
