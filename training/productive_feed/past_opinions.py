"""What was said before of videos of the same channel, and of the same category: numbers for a model, and for reasons.

A number is how much more was liked than usual, sum(label - rate) / (count + 2), over labels said before the moment; the
two stand for what is not known yet, and rate is the share of yes in all that was said before. It is NaN where nothing
was said of that channel or category.

    axes: n labels, B rows that are asked
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traceformers.datasets_scripts.feed.feed_records import HEADS
from traceformers.training.productive_feed.said_labels import said_labels

KINDS = ("channel", "category")
#: Names of the numbers: "channel_interest", ...
PAST_NAMES = tuple(f"{kind}_{head}" for kind in KINDS for head in HEADS)
SHRINKAGE = 2.0


class PastOpinions:
    """Labels that can be asked what was known of a channel or a category at any moment.

    Args:
        moments (int64 (n,)): ms, when each label was said. heads (int64 (n,)): numbers in `HEADS`.
        values (float (n,)): from 0 to 1.
        videos (`pa.Table`): columns channel, channel_id and category of the video of each label, n rows.
    """

    def __init__(self, moments, heads, values, videos):
        self._of = {}
        keys = {kind: keys_of(videos, kind) for kind in KINDS}
        for head, name in enumerate(HEADS):
            rows = np.flatnonzero(heads == head)
            rows = rows[np.argsort(moments[rows], kind="stable")]
            times, labels = moments[rows], np.asarray(values, dtype=np.float64)[rows]
            rates = (_before(labels) + 1) / (np.arange(len(labels) + 1) + 2)  # after so many labels
            surprise = labels - rates[:-1]
            for kind in KINDS:
                codes = keys[kind].take(pa.array(rows)).dictionary_encode()
                code = codes.indices.to_numpy(zero_copy_only=False)
                is_known = ~np.isnan(code.astype(np.float64))
                order = np.flatnonzero(is_known)
                order = order[np.lexsort((times[order], code[order]))]
                starts = np.searchsorted(code[order].astype(np.int64), np.arange(len(codes.dictionary) + 1))
                sums = _before(surprise[order])
                self._of[f"{kind}_{name}"] = codes.dictionary, times[order], starts, sums

    @classmethod
    def from_tables(cls, feedback, videos):
        """Returns the opinions of two tables, columns as of `Feedback` and `Video`.

        Args:
            feedback (`pa.Table`): the whole history; what of it counts, `said_labels` says.
            videos (`pa.Table`): labels on other videos are left out.
        """
        ids, moments, heads, values, _ = said_labels(feedback)
        held = pc.index_in(pa.array(ids, pa.string()), value_set=_flat(videos["video_id"]))
        known = np.flatnonzero(held.is_valid().to_numpy(zero_copy_only=False))
        return cls(moments[known], heads[known], values[known], videos.take(held.take(pa.array(known))))

    def numbers(self, name, videos, moments):
        """Returns one of `PAST_NAMES` for videos at moments, float64 (B,), NaN where nothing was said before.

        Args:
            name (`str`). videos (`pa.Table`): columns channel, channel_id, category; B rows.
            moments (int (B,), or one `int` for all): ms.
        """
        dictionary, times, starts, sums = self._of[name]
        keys = keys_of(videos, name.partition("_")[0])
        code = pc.fill_null(pc.index_in(keys, value_set=dictionary), -1).to_numpy(zero_copy_only=False)
        moments = np.broadcast_to(np.asarray(moments, dtype=np.int64), (len(code),))
        found = np.full(len(code), np.nan)
        asked = np.flatnonzero(code >= 0)
        first, last = starts[code[asked]], starts[code[asked] + 1]
        until = _first_at_or_after(times, first, last, moments[asked])
        count = until - first
        some = count > 0
        found[asked[some]] = (sums[until[some]] - sums[first[some]]) / (count[some] + SHRINKAGE)
        return found


def keys_of(videos, kind):
    """Returns what tells channels (or categories) apart, a string array (n,), null where it is not known."""
    if kind == "category":
        keys = _flat(videos["category"])
    else:
        ids, names = (_flat(videos[name]) for name in ("channel_id", "channel"))
        keys = pc.if_else(pc.equal(pc.fill_null(ids, ""), ""), names, ids)
    return pc.if_else(pc.equal(pc.fill_null(keys, ""), ""), pa.scalar(None, pa.string()), keys)


def _flat(column):
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return column.cast(pa.string())


def _before(values):
    """Returns the sum of what comes before each place, float64 (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _first_at_or_after(times, first, last, moments):
    """Returns for each row the first index in [first, last) whose time is not before the moment, by bisection."""
    low, high = first.copy(), last.copy()
    while (open_rows := low < high).any():
        middle = (low + high) // 2
        earlier = np.zeros(len(low), dtype=bool)
        earlier[open_rows] = times[middle[open_rows]] < moments[open_rows]
        low = np.where(open_rows & earlier, middle + 1, low)
        high = np.where(open_rows & ~earlier, middle, high)
    return low
