"""Which of the things that a person said are labels, at which moment.

A taste hardly depends on the moment, so of interest the newest opinion on a video counts. "Right now" is about the
moment: said at noon and denied in the evening, both are true, each for what was being done then. An opinion that
another one follows within `CORRECTED_MS` was a slip, one that was undone was never meant, and None takes back all that
was said of the video and head before it.

    axes: m labels
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traceformers.datasets_scripts.feed.feed_records import HEADS

#: Heads whose opinions are about the moment they were said at.
OF_THE_MOMENT = ("productive",)
#: Within so long the moment is the same, and the later opinion is the one that was meant.
CORRECTED_MS = 30 * 60_000
#: End of the id of a feedback that undoes the one with the id before it.
UNDO = "-undo"


def said_labels(feedback):
    """Returns (video ids list of m `str`, moments int64 (m,), heads int64 (m,), values float32 (m,), about).

    Args:
        feedback (`pa.Table`): columns of `Feedback`, the whole history in any order; of equal times the later row
            counts.
    """
    return _labels(feedback, OF_THE_MOMENT)


def newest_labels(feedback):
    """Returns the same of the newest opinion on each video and head alone: what is said to be true now."""
    return _labels(feedback, ())


def _labels(feedback, of_the_moment):
    if not len(feedback):
        about = {"feedback": 0, "overwritten": 0, "taken_back": 0}
        return [], np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), about
    said = feedback["said_at"].to_numpy().astype(np.int64, copy=False)
    codes = feedback["video_id"].combine_chunks().dictionary_encode()
    video = codes.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    heads = pc.index_in(feedback["head"], value_set=pa.array(HEADS)).to_numpy().astype(np.int64)
    values = feedback["value"].to_numpy().astype(np.float32)  # null is NaN
    rows = np.lexsort((np.arange(len(said)), said, heads, video))
    is_moment = np.isin(heads, [HEADS.index(head) for head in of_the_moment])
    if is_moment.any():
        undone = is_moment & _undone(feedback["feedback_id"])
        rows = rows[~undone[rows]]
    is_last = _differs_from_next(video[rows], heads[rows])
    # Of the moment: all but those that another one follows soon, and those that are taken back later.
    follows_soon = np.append(np.diff(said[rows]) <= CORRECTED_MS, False) & ~is_last
    taken = np.isnan(values[rows])
    counts = np.where(is_moment[rows], ~follows_soon & ~_any_from_here(taken, is_last), is_last & ~taken)
    kept = rows[counts]
    taken_back = int((taken & is_last).sum())
    about = {"feedback": len(said), "overwritten": len(said) - len(kept) - taken_back, "taken_back": taken_back}
    ids = codes.dictionary.take(pa.array(video[kept])).to_pylist()
    return ids, said[kept], heads[kept], values[kept], about


def _undone(ids):
    """Returns which feedback was undone or undoes another, bool (n,): neither says anything of its moment."""
    ids = ids.combine_chunks()
    undoes = pc.ends_with(ids, UNDO)
    meant = pc.utf8_slice_codeunits(ids.filter(undoes), 0, -len(UNDO))
    return pc.or_(undoes, pc.is_in(ids, value_set=meant)).to_numpy(zero_copy_only=False)


def _differs_from_next(video, heads):
    """Returns whether each row is the last of its (video, head), bool (n,)."""
    is_last = np.ones(len(video), dtype=bool)
    is_last[:-1] = (np.diff(video) != 0) | (np.diff(heads) != 0)
    return is_last


def _any_from_here(flags, is_last):
    """Returns whether a flag is set in this row or a later one of its group, bool (n,)."""
    seen = np.cumsum(flags[::-1])[::-1]  # flags from here to the end of all groups
    after_group = np.append(seen, 0)[1:][is_last]
    return seen > np.repeat(after_group, np.diff(np.flatnonzero(is_last), prepend=-1))
