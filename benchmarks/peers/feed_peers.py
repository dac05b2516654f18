"""Peers of the productive feed on one split: probabilities of every example, from what is usually done with few labels.

Each is treated as the feed's own linear model is, by `fitted_peer` of training/productive_feed/feed_baselines.py.
SetFit's encoder is trained on the train part, so validation alone chooses there.

`extras` are hour, weekday, length and age of the video, its category, and minutes and counts of each category of recent
activity. `nearness` adds how near the video's text is to the texts of recent windows, the plainest use that can be made
of what somebody was doing: the mean cosine, weighted by recency and time spent, and the largest of the last hour.

    axes: n examples, F features, H width of a text vector
"""

import numpy as np
from scipy import sparse
from sklearn.preprocessing import StandardScaler

SYSTEMS = {
    "base rate": {},
    "tf-idf + logistic": {"text": "tfidf"},
    "tf-idf + logistic, extras": {"text": "tfidf", "extras": True},
    "tf-idf + svm": {"text": "tfidf", "model": "svm"},
    "tf-idf + svm, extras": {"text": "tfidf", "model": "svm", "extras": True},
    "setfit": {"text": "setfit"},
    "setfit, extras": {"text": "setfit", "extras": True},
    "encoder + logistic": {"text": "encoder"},
    "encoder + logistic, extras": {"text": "encoder", "extras": True},
    "encoder + logistic, extras, nearness": {"text": "encoder", "extras": True, "nearness": True},
}
HALF_LIVES_MINUTES = (15.0, 60.0, 240.0)


def peer_probabilities(system, data, seed):
    """Returns probabilities of yes (n, 2) of one of `SYSTEMS`.

    Args:
        data (`FeedData` of feed_quality.py). seed (`int`).
    """
    from traceformers.training.productive_feed.feed_scalers import base_rates

    options = SYSTEMS[system]
    labels = data.examples.labels
    found = np.tile(np.array(base_rates(labels[data.split.train])), (len(labels), 1))
    for head in range(labels.shape[1] if options else 0):
        found[:, head] = _of_head(options, data, head, seed)
    return found


def _of_head(options, data, head, seed):
    from traceformers.training.productive_feed.feed_baselines import fitted_peer, tfidf_rows

    said, values = data.examples.said(head), data.examples.labels[:, head]
    train, validation = (rows[said[rows]] for rows in (data.split.train, data.split.validation))
    if options["text"] == "tfidf":
        text = tfidf_rows(data.texts, np.sort(np.concatenate([train, validation])))
    elif options["text"] == "setfit":
        text = sparse.csr_matrix(data.setfit_vectors(head, train, values >= 0.5, seed))
    else:
        text = sparse.csr_matrix(data.video_vectors)
    beside = []
    if options.get("extras"):
        beside.append(data.extras)
    if options.get("nearness"):
        nearness = nearness_features(data)
        beside.append(StandardScaler().fit(nearness[train]).transform(nearness))
    model, by_stretches = options.get("model", "logistic"), options["text"] != "setfit"
    return fitted_peer(model, text, beside, values, train, validation, seed, by_stretches)[0]


def nearness_features(data):
    """Returns cosines of each video with the windows before its moment, float64 (n, F): by recency, and the largest."""
    vectors = data.event_vectors  # one a distinct event, and zeros for none
    window = data.examples.window
    videos = data.video_vectors / np.linalg.norm(data.video_vectors, axis=1, keepdims=True)
    found = []
    for row in range(len(window)):
        seen = window.mask[row]
        near = vectors[window.event_index[row][seen]] @ videos[row]
        ago, seconds = window.minutes_ago[row][seen], window.seconds[row][seen]
        weights = [seconds * 0.5 ** (ago / half) + 1e-9 for half in HALF_LIVES_MINUTES]
        means = [float(near @ weight / weight.sum()) if len(near) else 0.0 for weight in weights]
        found.append([*means, float(near[ago < 60].max(initial=0.0))])
    return np.array(found)
