"""A transformer over a user's items, for models that read histories in order.

After "Attention Is All You Need" (Vaswani et al., NeurIPS 2017, arXiv 1706.03762), normalised before each part as in
"On Layer Normalization in the Transformer Architecture" (Xiong et al., ICML 2020, arXiv 2002.04745). Differences:
- positions count from the end: 0 is the newest item. Where a row is padded, and what older items were cut off, changes
  nothing then;
- the last layer computes only the positions that are asked. The others serve as keys and values and no more: with 15 %
  of the items masked that saves a third of a training step of two layers, with one position asked nearly half;
- where few positions are asked, keys and values are never made: q.(K h) = (K'q).h, and a mean of V h is V of the mean.

Axes: B users, T items of a padded row, Q asked positions of a row, H width, A heads, D width of a head.
"""

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer


def recency(attention_mask):
    """Returns how many items of its row are newer than each, int64 (B, T), of a mask (B, T) with 1 for items.

    >>> recency(torch.tensor([[1, 1, 1, 0], [0, 0, 1, 1]]))[:, 2].tolist()
    [0, 1]
    """
    mask = attention_mask.long()
    return mask.flip(1).cumsum(1).flip(1) - mask


class SelfAttention(nn.Module):
    """Multi-head attention of some positions of a row to all of them."""

    def __init__(self, config):
        super().__init__()
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key_value = nn.Linear(config.hidden_size, 2 * config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, asked, states, mask, is_causal=False):
        """Return (B, Q, H): what asked (B, Q, H) finds in states (B, T, H) where mask (B, 1, Q or 1, T) is True."""
        B, Q, H = asked.shape
        if not self.training and not is_causal and 2 * Q * self.heads <= H:
            return self._few(asked, states, mask)
        query = self.query(asked).view(B, Q, self.heads, -1).transpose(1, 2)  # (B, A, Q, D)
        pairs = self.key_value(states).view(B, states.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(
            query,
            pairs[0],
            pairs[1],
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=is_causal and mask is None,
        )
        return self.output(mixed.transpose(1, 2).reshape(B, Q, H))

    def _few(self, asked, states, mask):
        """Return `forward` of few positions, in 4QAHT steps for a row where keys and values alone take 4HHT.

        The bias of the keys adds the same to all scores of a position, which the softmax takes away; that of the values
        is added whole, as shares sum to one.
        """
        B, Q, H = asked.shape
        to_key, to_value = self.key_value.weight.view(2, self.heads, -1, H)  # (A, D, H) each
        query = self.query(asked).view(B, Q, self.heads, -1)
        query = torch.einsum("bqad,adh->baqh", query, to_key).reshape(B, self.heads * Q, H)
        scores = (query @ states.transpose(1, 2)).view(B, self.heads, Q, -1) * (H // self.heads) ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        shares = scores.softmax(-1).view(B, self.heads * Q, -1)
        found = (shares @ states).view(B, self.heads, Q, H)
        mixed = torch.einsum("baqh,adh->bqad", found, to_value).reshape(B, Q, H)
        return self.output(mixed + self.key_value.bias[H:])


class SequenceLayer(GradientCheckpointingLayer):
    """One layer: attention, then feed-forward, each on the normalised input and added to it."""

    def __init__(self, config):
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = SelfAttention(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.down = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden, mask, asked=None, is_causal=False):
        """Return (B, T, H), or (B, Q, H) at the positions asked int64 (B, Q)."""
        states = self.attention_norm(hidden)
        queries = states
        if asked is not None:
            where = asked[:, :, None].expand(-1, -1, hidden.shape[-1])
            queries, hidden = states.gather(1, where), hidden.gather(1, where)
        hidden = hidden + self.dropout(self.attention(queries, states, mask, is_causal))
        return hidden + self.dropout(self.down(self.activation(self.up(self.feed_forward_norm(hidden)))))


class SequenceEncoder(nn.Module):
    """Item vectors of a history to states of its positions."""

    def __init__(self, config, causal):
        super().__init__()
        self.causal = causal
        self.max_history = config.max_history
        self.position_embeddings = nn.Embedding(config.max_history, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.layers = nn.ModuleList([SequenceLayer(config) for _ in range(config.num_hidden_layers)])
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, vectors, attention_mask=None, asked=None):
        """Return states (B, T, H), or (B, Q, H) at the positions asked int64 (B, Q) alone.

        Arguments:
            vectors (B, T, H): of the items, oldest first.
            attention_mask (B, T): 1 for items, 0 for padding on any side; None if there is no padding. Items older
                than the newest `max_history` are not read.
            asked int64 (B, Q): columns of the row.
        """
        T = vectors.shape[1]
        if attention_mask is None and self.max_history < T:
            attention_mask = vectors.new_ones(vectors.shape[:2], dtype=torch.long)
        if attention_mask is None:
            ages = torch.arange(T - 1, -1, -1, device=vectors.device)[None]
            readable = None
        else:
            ages = recency(attention_mask)
            readable = attention_mask.bool() & (ages < self.max_history)
            ages = ages.clamp(max=self.max_history - 1)
            if self._needs_no_mask(readable):
                readable = None
        hidden = self.dropout(vectors + self.position_embeddings(ages))
        every = self._mask(readable, T, None, vectors.device)
        for layer in self.layers[:-1]:
            hidden = layer(hidden, every, is_causal=self.causal)
        last = every if asked is None else self._mask(readable, T, asked, vectors.device)
        hidden = self.layers[-1](hidden, last, asked, is_causal=self.causal and asked is None)
        return self.norm(hidden)

    def _needs_no_mask(self, readable):
        """Return whether items see the right ones without a mask; not looked at where that would make a GPU wait."""
        if readable.device.type != "cpu":
            return False
        if self.causal:  # what is padded comes after all items, and nothing looks ahead
            return bool((readable[:, 1:] <= readable[:, :-1]).all())
        return bool(readable.all())

    def _mask(self, readable, T, asked, device):
        """Return which (position, item) pairs attend, (B or 1, 1, Q or 1, T); None for all (or all before)."""
        if not self.causal:
            return None if readable is None else readable[:, None, None, :]
        if readable is None and asked is None:
            return None
        columns = torch.arange(T, device=device)
        queries = columns[None] if asked is None else asked
        # A padded position has nothing to attend to: it attends to itself, so that no row is empty (NaN).
        before = queries[:, :, None] >= columns  # (B or 1, Q, T)
        if readable is not None:
            before = before & readable[:, None, :] | (queries[:, :, None] == columns)
        return before[:, None]
