"""Attention over what a person was doing: from the events before a moment to one vector, for each video.

After "Deep Interest Network for Click-Through Rate Prediction" (Zhou, Zhu, Song, Fan, Zhu, Ma, Yan, Jin, Li, Gai, KDD
2018, arXiv 1706.06978): the video asks which of the events matter to it. Differences from the paper:
- softmax and not unnormalised weights, beside a learned "no activity" that is always there: it takes what the events
  do not, and is all there is where there are none;
- queries of their own beside the video's, which say what was going on whatever the video is;
- a bias by the time since an event, -slope * log(1 + minutes), with a slope a head: what is recent counts more.

Events are a set: only their times tell them apart. Those of one moment can be shared by many videos (G = 1).

Axes: B videos, G sets of events (1 or B), E events of a set, H width of texts, W width of an event, D width of the
result, Q learned queries, A heads.
"""

import math

import torch
from torch import nn
from transformers import initialization as init

from .configuration_productive_feed import ProductiveFeedConfig

#: What is below this in a bias has no weight.
NEVER = -1e9
#: Slope of the recency bias at first: after an hour an event counts e^(-0.5 log 61), about an eighth.
FIRST_SLOPE = 0.5


class EventEmbedding(nn.Module):
    """Events to vectors: the text, the category and the numbers of each, added and normalised."""

    def __init__(self, config: ProductiveFeedConfig):
        super().__init__()
        W = config.event_size
        self.text = nn.Linear(config.text_size, W)
        self.category = nn.Embedding(1 + len(config.categories), W)  # 0: any other
        self.numbers = nn.Linear(config.num_event_features, W)
        self.norm = nn.LayerNorm(W)

    def forward(self, vectors, categories, features) -> torch.Tensor:
        """Return (G, E, W) of text vectors (G, E, H) or None, categories (G, E) or None, features (G, E, F)."""
        events = self.numbers(features)
        if vectors is not None:
            # Unit vectors have small values: scaled, they weigh as much as the rest at first.
            events = events + self.text(vectors * math.sqrt(vectors.shape[-1]))
        if categories is not None:
            events = events + self.category(categories)
        return self.norm(events)


class EventAttention(nn.Module):
    """One layer: queries look at the events, then each goes through a small network."""

    def __init__(self, config: ProductiveFeedConfig):
        super().__init__()
        D, W = config.activity_hidden_size, config.event_size
        self.num_heads = config.activity_heads
        self.query_norm = nn.LayerNorm(D)
        self.query = nn.Linear(D, D)
        self.key = nn.Linear(W, D)
        self.value = nn.Linear(W, D)
        self.out = nn.Linear(D, D)
        self.network = nn.Sequential(nn.LayerNorm(D), nn.Linear(D, D), nn.GELU(), nn.Linear(D, D))
        self.dropout = nn.Dropout(config.activity_dropout)

    def heads(self, rows):
        """Return (G, A, L, D / A) of rows (G, L, D)."""
        return rows.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def forward(self, queries, events, bias):
        """Return (queries (G, L, D), weights (G, L, E)) of queries (G, L, D), events (G, E, W), bias (G, A, 1, E)."""
        asked, keys = self.heads(self.query(self.query_norm(queries))), self.heads(self.key(events))
        scores = asked @ keys.transpose(-1, -2) / math.sqrt(keys.shape[-1]) + bias  # (G, A, L, E)
        weights = scores.float().softmax(-1).to(scores.dtype)
        found = (weights @ self.heads(self.value(events))).transpose(1, 2).flatten(2)  # (G, L, D)
        queries = queries + self.dropout(self.out(found))
        return queries + self.dropout(self.network(queries)), weights.mean(1)


class ActivityPooler(nn.Module):
    """Events before a moment to one vector a video."""

    def __init__(self, config: ProductiveFeedConfig):
        super().__init__()
        D, Q = config.activity_hidden_size, config.activity_queries
        self.events = EventEmbedding(config)
        self.nothing = nn.Parameter(torch.empty(config.event_size))  # "no activity"
        self.slopes = nn.Parameter(torch.empty(config.activity_layers, config.activity_heads))
        self.queries = nn.Parameter(torch.empty(Q, D))
        self.layers = nn.ModuleList([EventAttention(config) for _ in range(config.activity_layers)])
        self.from_queries = nn.Linear(Q * D, D)
        # With a token in the text there is no vector of the video yet that could ask.
        has_target = config.activity_fusion == "film"
        self.target = nn.Linear(config.text_size, D) if has_target else None
        self.from_target = nn.Linear(D, D) if has_target else None
        self.norm = nn.LayerNorm(D)

    def reset(self):
        """Give the parameters that are no linear map their first values."""
        init.normal_(self.nothing)
        init.normal_(self.queries)
        init.normal_(self.events.category.weight)
        init.constant_(self.slopes, math.log(math.expm1(FIRST_SLOPE)))  # softplus of it is the slope

    def forward(self, vectors, categories, features, log_minutes, mask, texts=None):
        """Return (activity (B, D), weights (B, E)).

        Without texts there is one row a set of events, B = G. Weights are those of the last layer and sum to one with
        that of "no activity", which is left out.

        Arguments:
            vectors (G, E, H) or None, categories (G, E) or None, features (G, E, F): see `EventEmbedding`.
            log_minutes (G, E): log(1 + minutes ago). mask (G, E): True where there is an event.
            texts (B, H): vectors of the videos.
        """
        events = self.events(vectors, categories, features)
        G = len(events)
        nothing = self.events.norm(self.nothing).expand(G, 1, -1)
        events = torch.cat([nothing, events], 1)  # (G, 1 + E, W)
        slopes = nn.functional.softplus(self.slopes)
        ages = nn.functional.pad(log_minutes, (1, 0))
        hidden = nn.functional.pad(~mask, (1, 0)).unsqueeze(1).unsqueeze(1)  # (G, 1, 1, 1 + E)

        shared = texts is not None and G == 1
        queries = self.queries.expand(G, -1, -1)  # (G, Q, D)
        Q = queries.shape[1]
        if texts is not None:
            asked = self.target(texts * math.sqrt(texts.shape[-1]))
            # Videos that share their events are queries of one set; they do not see each other.
            queries = torch.cat([queries, asked[None] if shared else asked[:, None]], 1)  # (G, Q + L, D)
        for layer, slope in zip(self.layers, slopes, strict=True):
            bias = (-slope[:, None, None] * ages[:, None, None]).masked_fill(hidden, NEVER)  # (G, A, 1, 1 + E)
            queries, weights = layer(queries, events, bias)
        activity = self.from_queries(queries[:, :Q].flatten(1))  # (G, D)
        if texts is None:
            return self.norm(activity), weights[:, :Q, 1:].mean(1)
        found, weights = queries[:, Q:], weights[:, Q:, 1:]  # (1, B, ·) or (B, 1, ·)
        found, weights = (found[0], weights[0]) if shared else (found[:, 0], weights[:, 0])
        return self.norm(activity + self.from_target(found)), weights
