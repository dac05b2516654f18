"""Peers of the productive feed on one split: probabilities of every example, from what is usually done with few labels.

Each is treated as the feed's own linear model is: C, and how much extras weigh, are chosen by log loss on training and
validation in the order of time, each stretch foretold by a fit on what came before it; what was foretold calibrates;
the chosen one is fitted on all of it. SetFit's encoder is trained on the train part, so validation alone chooses there.

`extras` are hour, weekday, length and age of the video, its category, and minutes and counts of each category of recent
activity. `nearness` adds how near the video's text is to the texts of recent windows, the plainest use that can be made
of what somebody was doing: the mean cosine, weighted by recency and time spent, and the largest of the last hour.

    axes: n examples, F features, H width of a text vector
"""

from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
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
GRID_OF_C = (0.01, 0.1, 1.0, 10.0, 100.0)
HALF_LIVES_MINUTES = (15.0, 60.0, 240.0)
STRETCHES = 4
EXTRAS_WEIGHTS = (1.0, 3.0)  # of the extras beside the text, whose rows have length 1


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
    from traceformers.training.productive_feed.calibration import fit_calibration
    from traceformers.training.productive_feed.feed_baselines import text_features

    said, values = data.examples.said(head), data.examples.labels[:, head]
    labels = values >= 0.5
    train, validation = (rows[said[rows]] for rows in (data.split.train, data.split.validation))
    learned = np.sort(np.concatenate([train, validation]))  # in the order of time
    if options["text"] == "tfidf":
        text = text_features("tfidf_logistic", data.texts, labels, learned)
    elif options["text"] == "setfit":
        text = sparse.csr_matrix(data.setfit_vectors(head, train, labels, seed))
    else:
        text = sparse.csr_matrix(data.video_vectors)
    beside = []
    if options.get("extras"):
        beside.append(data.extras)
    if options.get("nearness"):
        nearness = nearness_features(data)
        beside.append(StandardScaler().fit(nearness[train]).transform(nearness))
    if options["text"] == "setfit":
        stretches = [(train, validation)]
    else:
        edges = np.linspace(len(learned) / 3, len(learned), STRETCHES + 1).astype(int)
        stretches = [(learned[:start], learned[start:end]) for start, end in pairwise(edges)]
    tried = []
    for weight in EXTRAS_WEIGHTS if beside else (0.0,):
        parts = [text, *(sparse.csr_matrix(weight * part / np.sqrt(part.shape[1])) for part in beside)]
        features = sparse.hstack(parts).tocsr()
        for c in GRID_OF_C:
            scores = [_scores(options, c, features, labels, rows, seed)[judged] for rows, judged in stretches]
            foretold, truth = np.concatenate(scores), values[np.concatenate([judged for _, judged in stretches])]
            calibration = fit_calibration(foretold, truth)
            p = np.clip(calibration.probabilities(foretold), 1e-6, 1 - 1e-6)
            loss = -np.mean(truth * np.log(p) + (1 - truth) * np.log(1 - p))
            tried.append((loss, len(tried), c, features, calibration))
    _, _, c, features, calibration = min(tried, key=lambda each: each[:2])
    return calibration.probabilities(_scores(options, c, features, labels, learned, seed))


def _scores(options, c, features, labels, rows, seed):
    from sklearn.svm import LinearSVC

    if len(set(labels[rows].tolist())) < 2:
        return np.zeros(len(labels))
    if options.get("model") == "svm":
        fitted = LinearSVC(C=c, class_weight="balanced", random_state=seed, max_iter=2000)
    else:
        fitted = LogisticRegression(C=c, max_iter=2000)
    return fitted.fit(features[rows], labels[rows]).decision_function(features)


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
