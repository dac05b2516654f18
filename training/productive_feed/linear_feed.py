"""The default for few labels: logistic regression on a frozen encoder, written into a model whose heads are linear.

Features are those of the model itself (`ProductiveFeedModel.linear_rows`): text, numbers, activity, and how much the
text is like the activity. Which blocks of them are read, and how strongly weights are held (C), is chosen head by head
on training and validation in the order of time: by log loss, each stretch foretold by a fit on what was said before it
of other videos, since a feed is of videos of which nothing was said. More blocks have to be clearly better than fewer.
What was foretold calibrates the probabilities. Then the chosen one is fitted on training and validation together.
"Right now" may be said of a video at many moments: a video counts once all the same.

Features are standardised and each block is scaled by its width, so that a thousand dimensions of text do not outweigh
three numbers; both is undone in the weights that are written, so the model reads features as they are.

    axes: n examples, F features
"""

import math
from itertools import pairwise

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from traceformers.datasets_scripts.feed.feed_records import HEADS
from traceformers.modeling.productive_feed.feed_heads import linear_feature_sizes
from traceformers.training.productive_feed.calibration import Calibration, fit_calibration

GRID_OF_C = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
#: Stretches of time that are foretold, after a first third that is only learned from.
STRETCHES, FIRST = 4, 1 / 3
#: Standard errors by which a choice with more blocks has to be better.
CLEARLY = 0.5
#: Blocks of features that are read together; what is not in the config is left out.
BLOCKS = {
    "text": ("text",),
    "text and numbers": ("text", "numbers"),
    "text, numbers and likeness": ("text", "numbers", "likeness", "categories"),
    "all": ("text", "numbers", "activity", "match", "likeness", "categories"),
}
#: Strength of a block beside the text's 1: its features' common deviation.
STRENGTH = {"text": 2.0, "numbers": 2.0, "activity": 1.0, "match": 2.0, "likeness": 2.0, "categories": 1.0}
MOST_ITERATIONS = 2000


def linear_feature_rows(model, inputs, batch_size=512):
    """Returns what the linear heads see of all examples, float32 (n, F)."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(inputs), batch_size):
            batch = inputs.batch(np.arange(start, min(start + batch_size, len(inputs))), labels=False)
            batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
            parts.append(model.linear_rows(**batch).float().cpu().numpy())
    return np.concatenate(parts)


def fit_linear(model, inputs, train, validation, grid=None, refit=True):
    """Fits the heads of a model, in place; returns ({head: what was chosen}, logits (n, 2), two `Calibration`).

    The logits are those of the fit on training alone, so that validation can judge and calibrate it.

    A head that has one answer only in training says its base rate, whatever the video.

    Args:
        model (`ProductiveFeedModel`): with head "linear".
        inputs (`FeedInputs`). train, validation (int arrays): rows of its examples; those of the gap are in neither.
        grid (list of `float`, *optional*): C to choose from.
        refit (`bool`): fit the chosen one on training and validation together at the end.
    """
    features = linear_feature_rows(model, inputs).astype(np.float64)
    sizes = linear_feature_sizes(model.config)
    found, calibrations = {}, []
    logits = np.zeros((len(features), len(HEADS)))
    for head, name in enumerate(HEADS):
        labels = inputs.examples.labels[:, head]
        rows = [each[~np.isnan(labels[each])] for each in (train, validation)]
        weights, bias, found[name], logits[:, head], calibration = fit_head(
            features, labels, *rows, sizes, grid or GRID_OF_C, model.config.base_rates[head], refit,
            inputs.examples.video_row,
        )  # fmt: skip
        calibrations.append(calibration)
        layer = getattr(model, f"{name}_head")
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weights)[None])
            layer.bias.fill_(bias)
    return found, logits, calibrations


def fit_head(features, labels, train, validation, sizes, grid, base_rate, refit=True, videos=None):
    """Returns (weights (F,), bias, what was chosen, logits (n,) of a fit on `train` alone, `Calibration`).

    Args:
        features (float64 (n, F)). labels (float (n,)): from 0 to 1. train, validation (int arrays): rows with a label.
        sizes (`dict`): {block: width}. grid (floats). base_rate (`float`).
        videos (int (n,), *optional*): which video each row judges; without them each is another one.
    """
    is_yes = labels >= 0.5
    videos = np.arange(len(features)) if videos is None else videos
    if len(set(is_yes[train].tolist())) < 2:
        bias = math.log(base_rate / (1 - base_rate))
        return (
            np.zeros(features.shape[1]),
            bias,
            {"blocks": None, "tried": []},
            np.full(len(features), bias),
            Calibration(),
        )
    rows = np.sort(np.concatenate([train, validation]))  # examples are in the order of time
    tried, best = [], None
    for blocks in dict.fromkeys(tuple(name for name in each if name in sizes) for each in BLOCKS.values()):
        told = {c: foretold(features[rows], is_yes[rows], sizes, blocks, c, videos[rows]) for c in grid}
        truth, judged = is_yes[rows][-len(told[grid[0]]) :], videos[rows][-len(told[grid[0]]) :]
        once = once_a_video(judged)
        losses = {c: (np.logaddexp(0, logits) - truth * logits) * once for c, logits in told.items()}
        tried += [{"blocks": list(blocks), "c": c, "log_loss": float(each.mean())} for c, each in losses.items()]
        c = min(losses, key=lambda c: losses[c].mean())
        if best is None or clearly_less(losses[c], best[2]):
            best = blocks, c, losses[c], fit_calibration(told[c], truth)
    blocks, c, _, calibration = best

    def fit(some):
        scaling = block_scaling(features[some], sizes, blocks)
        return fit_scaled(features[some], is_yes[some], scaling, c, once_a_video(videos[some]))

    weights, bias = fit(train)
    logits = features @ weights + bias
    if refit and len(validation):
        weights, bias = fit(rows)
    return weights, bias, {"blocks": list(blocks), "c": c, "tried": tried}, logits, calibration


def foretold(features, is_yes, sizes, blocks, c, videos):
    """Returns the logits of the last m rows, the later stretches, by fits on all before each stretch, float64 (m,).

    What was said of a video of the stretch is not learned from, or the text would know the answer.

    Args:
        features (float64 (n, F)), is_yes (bool (n,)): in the order of time. sizes, blocks, c: see `fit_head`.
        videos (int (n,)): which video each row judges.
    """
    edges = np.linspace(round(len(features) * FIRST), len(features), STRETCHES + 1).astype(int)
    found = []
    for start, stop in pairwise(edges):
        before = np.flatnonzero(~np.isin(videos[:start], videos[start:stop]))
        if 0 < is_yes[before].sum() < len(before):
            scaling = block_scaling(features[before], sizes, blocks)
            weights, bias = fit_scaled(features[before], is_yes[before], scaling, c, once_a_video(videos[before]))
            found.append(features[start:stop] @ weights + bias)
        else:  # one answer so far
            rate = (is_yes[before].sum() + 1) / (len(before) + 2)
            found.append(np.full(stop - start, math.log(rate / (1 - rate))))
    return np.concatenate(found)


def clearly_less(losses, than):
    """Returns whether paired losses are less by `CLEARLY` standard errors or more."""
    gain = than - losses
    return bool(gain.mean() > CLEARLY * gain.std() / math.sqrt(len(gain)))


def block_scaling(features, sizes, blocks):
    """Returns (means (F,), factors (F,)): what features are less and times; the factor of what is not read is 0."""
    means, deviations = features.mean(axis=0), features.std(axis=0)
    factors = np.zeros(features.shape[1])
    start = 0
    for name, width in sizes.items():
        here = slice(start, start + width)
        if name in blocks:
            usable = deviations[here] > 1e-6
            strength = STRENGTH[name] / math.sqrt(max(1, width))
            # Rare flags must not become large: deviations are at least a tenth of the block's mean one.
            floor = max(1e-6, 0.1 * float(deviations[here].mean()))
            factors[here] = np.where(usable, strength / np.maximum(deviations[here], floor), 0)
        start += width
    return means, factors


def once_a_video(videos):
    """Returns weights (n,) by which each video counts once, however often it was judged.

    >>> once_a_video(np.array([7, 7, 8])).tolist()
    [0.5, 0.5, 1.0]
    """
    _, which, counts = np.unique(videos, return_inverse=True, return_counts=True)
    return 1.0 / counts[which]


def fit_scaled(features, is_yes, scaling, c, once=None):
    """Returns (weights (F,), bias) of a logistic regression on scaled features, for features as they are.

    Args:
        once (float (n,), *optional*): weights of the rows.
    """
    means, factors = scaling
    read = np.flatnonzero(factors)
    if not len(read):  # nothing differs between the rows: the share of yes is all there is to say
        rate = (is_yes.sum() + 1) / (len(is_yes) + 2)
        return np.zeros(features.shape[1]), math.log(rate / (1 - rate))
    rows, turn = (features[:, read] - means[read]) * factors[read], None
    if len(rows) < len(read):  # weights lie in the span of the rows: turned into it there are fewer of them
        turn = np.linalg.qr(rows.T)[0]  # (F, n)
        rows = rows @ turn
    model = LogisticRegression(C=c, max_iter=MOST_ITERATIONS).fit(rows, is_yes, sample_weight=once)
    found = model.coef_[0] if turn is None else turn @ model.coef_[0]
    weights = np.zeros(features.shape[1])
    weights[read] = found * factors[read]
    return weights, float(model.intercept_[0] - weights @ means)
