"""The two questions about a video, is it of interest and is it productive now: heads, their features and their loss.

Axes: B rows, H width of a text vector, D width of the activity, E events, F features, 2 heads in the order of `HEADS`.
"""

import math

import torch
from torch import nn

from .configuration_productive_feed import ProductiveFeedConfig
from .film_conditioning import ZeroStartLinear


class FeedHead(nn.Module):
    """One hidden layer and one logit; with `zero_start` the logit is zero until it has learned."""

    def __init__(self, width: int, hidden_width: int, dropout: float, zero_start: bool = False):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(width, hidden_width)
        self.activation = nn.GELU()
        self.out = (ZeroStartLinear if zero_start else nn.Linear)(hidden_width, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return logits (B, 1) of rows (B, H)."""
        return self.out(self.dropout(self.activation(self.hidden(self.dropout(rows)))))


def linear_feature_sizes(config: ProductiveFeedConfig) -> dict[str, int]:
    """Return {name: width} of the parts of `linear_features`, in their order."""
    sizes = {"text": config.text_size}
    if config.num_features:
        sizes |= {"numbers": config.num_features}
    if config.use_activity:
        sizes |= {"activity": config.text_size, "match": config.text_size, "likeness": 3}
        sizes |= {"categories": 1 + len(config.categories)}
    return sizes


def linear_features(config, texts, features, events=None) -> torch.Tensor:
    """Return features (B, F) without a parameter: what a linear head, or any other linear model, is fitted on.

    Arguments:
        texts (B, H), features (B, N): text vectors, and numbers as `ProductiveFeedModel.number_features` gives them.
        events: None, or a dict of vectors (G, E, H) or None, categories (G, E) or None, weights (G, E): how much each
            event counts, zero where there is none. G is 1 or B.
    """
    parts = [texts, features]
    if config.use_activity:
        B, H = texts.shape
        if events is None:
            events = {"vectors": None, "categories": None, "weights": texts.new_zeros(1, 0)}
        weights = events["weights"].to(texts.dtype)
        G, E = weights.shape
        share = weights / weights.sum(1, keepdim=True).clamp(min=1e-9)  # (G, E)
        vectors = events["vectors"]
        vectors = texts.new_zeros(G, E, H) if vectors is None else vectors
        mean = (share[:, None] @ vectors)[:, 0]  # (G, H)
        # One set of events for all videos: a product of two matrices.
        cosines = texts @ vectors[0].T if G == 1 else (vectors @ texts[:, :, None])[:, :, 0]  # (B, E)
        nearest = cosines.masked_fill(weights <= 0, -math.inf).amax(1, keepdim=True) if E else texts.new_zeros(B, 1)
        none = (weights.sum(1, keepdim=True) <= 0).to(texts.dtype).expand(B, 1)
        nearest = torch.where(none > 0, 0, nearest)
        likeness = [(texts * mean).sum(1, keepdim=True), nearest, none]
        categories = texts.new_zeros(G, 1 + len(config.categories))
        if events["categories"] is not None:
            categories = categories.scatter_add(1, events["categories"], share)
        parts += [mean.expand(B, H), texts * mean * math.sqrt(H), *likeness, categories.expand(B, -1)]
    return torch.cat(parts, 1)


def feed_loss(config: ProductiveFeedConfig, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the loss: for each head its weight times the mean cross-entropy over the labels that are there.

    A label of 1 or 0 counts with its class weight and is smoothed towards 1/2. NaN is no label: it changes nothing,
    and a head without any label in the batch adds nothing.

    Arguments:
        logits (B, 2), labels (B, 2): from 0 to 1, or NaN.
    """
    logits, labels = logits.float(), labels.float()
    known = ~labels.isnan()
    labels = torch.where(known, labels, 0.0)
    smoothing = logits.new_tensor([config.interest_label_smoothing, config.productive_label_smoothing])
    smoothed = labels * (1 - smoothing) + smoothing / 2
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")  # (B, 2)
    of_no, of_yes = logits.new_tensor([list(pair) for pair in config.class_weights]).unbind(1)
    entropy = torch.where(known, entropy * (of_no + (of_yes - of_no) * labels), 0.0)
    means = entropy.sum(0) / known.sum(0).clamp(min=1)
    return (means * logits.new_tensor([config.interest_loss_weight, config.productive_loss_weight])).sum()
