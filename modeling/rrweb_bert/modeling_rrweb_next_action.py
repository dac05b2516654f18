"""The next action of a session, told by what came before it: its names, its head, and the window that is read.

An action is what a person does: a press or tap with the click it ends in, typing into one field, scrolling one way.
Its kind is one of `config.action_kinds`. Its target is one of `config.action_targets`: the tag of the element, with the
type of a field or the role if it has one. Both heads read the last token of the window, which has seen all of it, and
the mean. `RRWebBertForNextAction`, in modeling_rrweb_bert.py, puts them on the encoder.

Axes: B rows or windows, H hidden size, K kinds, C targets.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.utils import ModelOutput

#: Kinds of a config that names none.
ACTION_KINDS = ("click", "type", "scroll down", "scroll up", "menu", "resize", "media", "drag")
#: Targets of a config that names none: `other`, then the commonest of web pages.
ACTION_TARGETS = (
    "other", "none", "#document", "a", "button", "input", "input:text", "input:checkbox", "select", "textarea", "label",
    "li", "div", "span", "a role=button", "img", "td", "p", "h1", "h2",
)  # fmt: skip


@dataclass
class NextActionOutput(ModelOutput):
    """What `RRWebBertForNextAction` returns.

    Arguments:
        loss (): with labels; the mean over all of them, of kinds and targets alike.
        kind_logits (B, K), target_logits (B, C).
        hidden_states, attentions: of the encoder, when asked for.
    """

    loss: torch.FloatTensor | None = None
    kind_logits: torch.FloatTensor | None = None
    target_logits: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None


@dataclass(frozen=True)
class NextAction:
    """A forecast: (name, probability) of the likeliest kinds and targets, the likeliest first."""

    kinds: list
    targets: list


class NextActionHead(nn.Module):
    """Logits of kinds and targets, from the last token of a window and the mean of all."""

    def __init__(self, config):
        super().__init__()
        H, dropout = config.hidden_size, config.classifier_dropout
        self.dense = nn.Linear(2 * H, H)
        self.activation = ACT2FN[config.hidden_act]
        self.norm = nn.LayerNorm(H, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob if dropout is None else dropout)
        self.kind = nn.Linear(H, len(config.action_kinds or ACTION_KINDS))
        self.target = nn.Linear(H, len(config.action_targets or ACTION_TARGETS))

    def forward(self, last: torch.Tensor, mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (kind logits (B, K), target logits (B, C)) of last tokens (B, H) and means (B, H)."""
        hidden = self.norm(self.activation(self.dense(torch.cat([last, mean], dim=-1))))  # (B, H)
        hidden = self.dropout(hidden)
        return self.kind(hidden), self.target(hidden)


def last_tokens(hidden, attention_mask, borders) -> torch.Tensor:
    """Return the last attended token (B, H) of each row of hidden (B, T, H), or of each window of a packed row."""
    if borders is not None:
        ends = borders.to(hidden.device)[1:].long() - 1
        return hidden[0].index_select(0, ends.clamp(min=0))
    if attention_mask is None:
        return hidden[:, -1]
    places = torch.arange(hidden.shape[1], device=hidden.device)
    ends = (attention_mask.ne(0) * places).argmax(1)  # padding may stand on either side
    return hidden[torch.arange(len(hidden), device=hidden.device), ends]


def next_action_loss(kind_logits, target_logits, labels, num_items_in_batch=None) -> torch.Tensor:
    """Return the mean cross-entropy of labels (B, 2), kind and target; -100 counts for nothing.

    Arguments:
        num_items_in_batch (int or tensor): labels of all accumulated batches; divides the sum instead of those here.
    """
    count = labels.ne(-100).sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
    total = sum(
        nn.functional.cross_entropy(logits.float(), labels[:, i].to(logits.device), ignore_index=-100, reduction="sum")
        for i, logits in enumerate((kind_logits, target_logits))
    )
    return total / count.to(total.device).clamp(min=1)


def window_before(session, event, max_length, tokens) -> np.ndarray:
    """Return the ids (uint16) of the longest window that ends right before an event: nothing of it or later is in it.

    It begins on the border of an event, or of a node where the event before does not fit, with the header that the
    tokenizer gives to a window that begins there.

    Arguments:
        session (TokenizedSession): what `tokenizer.tokenize_session` returns.
        event (int): number of the event; that of events in all reads the session to its end.
        max_length (int): W, [CLS], header and [SEP] included; at least 16.
        tokens (WindowTokens): `tokenizer.window_tokens`.

    Raises:
        ValueError: there is no such event, or no room for a header.
    """
    offsets, borders = np.asarray(session.event_offsets, dtype=np.int64), np.asarray(session.node_offsets, np.int64)
    if not 0 <= event < len(offsets):
        raise ValueError(f"Expected an event between 0 and {len(offsets) - 1}, got {event}; that is all there are.")
    if max_length < 16:
        raise ValueError(f"Expected max_length >= 16, got {max_length}: a window needs room for its header.")
    end = int(offsets[event])
    for border in (offsets, borders):
        for start in border[(border >= end - max_length) & (border < end)].tolist() or [end] * (end == 0):
            header = _header(session, offsets, start, max_length, tokens)
            if len(header) + end - start + 1 <= max_length:
                return np.array([*header, *session.ids[start:end].tolist(), tokens.sep], dtype=np.uint16)
    header = _header(session, offsets, max(end - max_length // 2, 0), max_length, tokens)
    start = end - min(end, max_length - len(header) - 1)  # inside a node longer than a window
    return np.array([*header, *session.ids[start:end].tolist(), tokens.sep], dtype=np.uint16)


def _header(session, offsets, start, max_length, tokens):
    """Return `[CLS] header [body]` as the tokenizer's `window_header` does, which is in no file beside this one."""
    if start == 0:
        return [tokens.cls, tokens.body]
    event = int(np.searchsorted(offsets, start, side="right")) - 1
    gap = min(int(session.event_times_ms[event]).bit_length(), tokens.n_gaps - 1)
    context = session.contexts[int(session.context_of_event[event])]
    header = [tokens.cls, tokens.elapsed, tokens.first_gap + gap, *context[: max_length // 4].tolist()]
    if offsets[event] != start:
        kind = session.ids[offsets[event] + 1 : offsets[event] + 4].tolist()
        header += [tokens.continued, *(kind if kind[0] == tokens.switch else kind[:1])]
    return [*header, tokens.body]


def likeliest(names, logits, k) -> list:
    """Return the k likeliest (name, probability) of logits (n,), the likeliest first."""
    values, places = torch.softmax(logits.float(), -1).topk(min(k, len(names)))
    return [(names[place], value) for place, value in zip(places.tolist(), values.tolist(), strict=True)]


__all__ = [
    "ACTION_KINDS",
    "ACTION_TARGETS",
    "NextAction",
    "NextActionHead",
    "NextActionOutput",
    "last_tokens",
    "likeliest",
    "next_action_loss",
    "window_before",
]
