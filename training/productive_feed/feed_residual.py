"""What base and hybrid add to the linear model: trained against honest logits, kept only where validation is better.

A linear model knows the answers that it was fitted on: its own logits on them are too good, and nothing would be left
to learn. So training adds to the logits of the linear part what leads from them to those of fits that had not seen the
example: of the other stretches of time in training, of the fit on training alone in validation. The linear part itself
stays the one that was fitted on both, so without a residual the model is the linear model, to the bit.

After "Fine-tuning can distort pretrained features and underperform out-of-distribution" (Kumar, Raghunathan, Jones, Ma,
Liang, ICLR 2022, arXiv 2202.10054), who begin fine-tuning with a linear probe, and "Stacked generalization" (Wolpert,
Neural Networks 1992), who has each level learn from what the one before foretold unseen. Differences: the linear part
is not trained any more, and validation may refuse the rest head by head.

    axes: n examples, F features
"""

import numpy as np
import torch

from traceformers.datasets_scripts.feed.feed_records import HEADS
from traceformers.modeling.productive_feed.feed_heads import linear_feature_sizes
from traceformers.training.productive_feed.linear_feed import (
    block_scaling,
    fit_scaled,
    linear_feature_rows,
    once_a_video,
)

#: Stretches of time, each of which is foretold by a fit on all others.
FOLDS = 8
#: Standard errors by which validation has to be better: the checkpoint was chosen there, among several.
SURELY = 1.0


def honest_offsets(model, inputs, train, chosen, judged):
    """Returns what makes the logits of the linear part those of fits without the example, float32 (n, 2).

    Args:
        model (`ProductiveFeedModel`): its linear heads fitted. inputs (`FeedInputs`).
        train (int array): rows that were trained on.
        chosen (`dict`): {head: {"blocks", "c"}}, as of `fit_linear`.
        judged (float64 (n, 2)): logits of the fit on training alone.
    """
    features = linear_feature_rows(model, inputs)
    with torch.no_grad():
        rows = torch.from_numpy(features).to(model.device)
        own = torch.cat([getattr(model, f"{head}_head")(rows) for head in HEADS], 1).double().cpu().numpy()
    honest = np.array(judged, dtype=np.float64)
    for i, head in enumerate(HEADS):
        if chosen[head]["blocks"]:
            said = train[~np.isnan(inputs.examples.labels[train, i])]
            is_yes = inputs.examples.labels[said, i] >= 0.5
            sizes = linear_feature_sizes(model.config)
            videos = inputs.examples.video_row[said]
            honest[said, i] = foretold_by_others(features[said].astype(np.float64), is_yes, sizes, chosen[head], videos)
    return (honest - own).astype(np.float32)


def foretold_by_others(features, is_yes, sizes, chosen, videos):
    """Returns logits (n,) of examples in the order of time, each by a fit on other stretches and other videos.

    Args:
        features (float64 (n, F)), is_yes (bool (n,)). sizes (`dict`): {block: width}. chosen: {"blocks", "c"}.
        videos (int (n,)): which video each row judges.
    """
    stretch = np.arange(len(features)) * FOLDS // len(features)
    found = np.zeros(len(features))
    for number in np.unique(stretch):
        here = stretch == number
        others = ~here & ~np.isin(videos, videos[here])
        if len(set(is_yes[others].tolist())) < 2:
            rate = (is_yes[others].sum() + 1) / (others.sum() + 2)
            found[here] = np.log(rate / (1 - rate))
            continue
        scaling = block_scaling(features[others], sizes, chosen["blocks"])
        once = once_a_video(videos[others])
        weights, bias = fit_scaled(features[others], is_yes[others], scaling, chosen["c"], once)
        found[here] = features[here] @ weights + bias
    return found


def adjusted_logits(config, logits, offsets=None):
    """Returns the logits of calibrated probabilities (B, 2), float32, that training compares with the labels.

    Args:
        config (`ProductiveFeedConfig`). logits (B, 2): of the model. offsets (B, 2): of `honest_offsets`, or None.
    """
    logits = logits.float() if offsets is None else logits.float() + offsets
    return logits / logits.new_tensor(config.temperatures) + logits.new_tensor(config.calibration_biases)


def log_losses(labels, probabilities):
    """Returns -log of the probability that was given to each label, float64 (n, 2); NaN where there is none."""
    p = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-7, 1 - 1e-7)
    labels = np.asarray(labels, dtype=np.float64)
    return -(labels * np.log(p) + (1 - labels) * np.log(1 - p))


def better_heads(losses, than, weights, together=False):
    """Returns the heads whose residual stays, list of `str`: those with surely lower losses on validation.

    Args:
        losses, than (float64 (n, 2)): of the model and of the linear one; NaN for no label.
        weights (two `float`): of the heads, where they stay or go `together`.
    """
    gains = than - losses
    said = ~np.isnan(gains)
    if together:
        rows = np.where(said, gains, 0) * np.asarray(weights) / np.maximum(1, said.mean(axis=0) * len(weights))
        rows = rows[said.any(axis=1)].sum(axis=1)
        return list(HEADS) if surely_gains(rows) else []
    return [head for i, head in enumerate(HEADS) if surely_gains(gains[said[:, i], i])]


def surely_gains(gains):
    """Returns whether the mean of gains (m,) is above zero by `SURELY` standard errors or more."""
    return bool(len(gains) > 1 and gains.mean() > SURELY * gains.std(ddof=1) / np.sqrt(len(gains)))


def forget_residual(model, heads=HEADS):
    """Makes heads those of the linear model again, in place; the adapter goes where none is left of both."""
    with torch.no_grad():
        for head in heads:
            for name, parameter in getattr(model, f"{head}_residual").named_parameters():
                if "out." in name:
                    parameter.zero_()
        if set(heads) == set(HEADS):
            for name, parameter in model.named_parameters():
                if ".lora_B." in name:
                    parameter.zero_()
