"""Why a video is where it is, in plain words, most important first.

What is said of activity names what the model attended to and what is nearest in meaning; it is a sign, not a proof.

    axes: N videos, E events
"""

import numpy as np

from traceformers.training.productive_feed.said_labels import newest_labels

MOST_CHARACTERS = 70
ENOUGH_OPINIONS = 2
#: A video is said to be like an event if its likeness lies so many standard deviations above that of all videos.
UNUSUAL = 2.0


def channel_opinions(feedback, channel_of):
    """Returns `{channel: (liked, rated)}` of what was said on interest.

    Args:
        feedback (`pa.Table`): the history. channel_of (`{video id: channel}`): of the rated videos.
    """
    found = {}
    ids, _, heads, values = newest_labels(feedback)[:4]
    for video_id, head, value in zip(ids, heads.tolist(), values.tolist(), strict=True):
        channel = channel_of.get(video_id)
        if head == 0 and channel:
            liked, rated = found.get(channel, (0, 0))
            found[channel] = (liked + (value >= 0.5), rated + 1)
    return found


def nearest_events(text_vectors, event_vectors, weights):
    """Returns (which event each video is like, int64 (N,); how much, float64 (N,); -1 and 0 where there is none).

    How much is in standard deviations of the cosines of all videos with that event: an event that is a little like
    everything explains nothing. What the model attends to counts more.

    Args:
        text_vectors (`float32 (N, H)`), event_vectors (`float32 (E, H)`).
        weights (`float32 (N, E)` or (1, E)): how much the model attended to each.
    """
    n = len(text_vectors)
    if not len(event_vectors):
        return np.full(n, -1), np.zeros(n)
    cosines = _unit(text_vectors) @ _unit(event_vectors).T
    likeness = (cosines - cosines.mean(0)) / np.maximum(cosines.std(0), 1e-6)
    weights = np.maximum(np.broadcast_to(weights, cosines.shape), 0)
    weights = np.sqrt(weights / np.maximum(weights.max(1, keepdims=True), 1e-12))
    best = np.where(weights > 0, likeness * weights, -np.inf).argmax(1)
    rows = np.arange(n)
    return best, np.where(weights[rows, best] > 0, likeness[rows, best], 0).astype(np.float64)


def reasons_of(candidates, ranked, productive, base_rates, opinions, like, likeness, event_names):
    """Returns for each place of a feed its reasons, list of tuples of `str`.

    Args:
        candidates (`FeedCandidates`): N videos.
        ranked: with `order`, `explored` and `terms` by place; `order` are indices of candidates.
        productive (`float (N,)`): probabilities. base_rates (`(interest, productive)`): what is usual.
        opinions (`{channel: (liked, rated)}`).
        like (`int (N,)`), likeness (`float (N,)`): of `nearest_events`. event_names (list of E `str`).
    """
    told = []
    for place, index in enumerate(ranked.order.tolist()):
        reasons = []
        if ranked.explored[place]:
            reasons.append("drawn by chance from further down, to learn what you think of it")
        if like[index] >= 0 and likeness[index] >= UNUSUAL and productive[index] >= base_rates[1]:
            reasons.append(f"like what you are doing now: {short(event_names[like[index]])}")
        liked, rated = opinions.get(candidates.channels[index], (0, 0))
        if rated >= ENOUGH_OPINIONS or liked:
            if 2 * liked >= rated:
                reasons.append(f"you liked {liked} of {rated} of this channel")
            elif rated >= ENOUGH_OPINIONS:
                reasons.append(f"you liked only {liked} of {rated} of this channel")
        if candidates.subscribed[index]:
            reasons.append("you subscribed to this channel")
        if candidates.ages_days[index] < 1:
            reasons.append("published today" if candidates.ages_days[index] >= 1 / 24 else "published this hour")
        if ranked.terms["diversity"][place] < 0:
            reasons.append("lower, for there is more of this channel above")
        told.append(tuple(reasons))
    return told


def short(text):
    """Returns a text of at most `MOST_CHARACTERS` on one line.

    >>> short("feed.py  -\\n editor")
    'feed.py - editor'
    """
    text = " ".join(str(text).split())
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def _unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
