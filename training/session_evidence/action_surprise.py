"""How unexpected each action of a session is to a masked language model: pseudo-perplexity by action.

After "Masked Language Model Scoring" (Salazar, Liang, Nguyen, Kirchhoff, ACL 2020, arXiv 1910.14659).
Differences from the paper:
- all tokens of one action are masked at once, not one after the other: they name the same target and would tell it;
- what is summed is a mean over the tokens of the action, in bits, so that long labels do not stand out by length;
- the context is a window of the session around the action, with the header that every window has.

Axes: B rows, T tokens of a row, n masked tokens.
"""

import numpy as np
import torch

from traceformers.tokenization.rrweb.rrweb_windows import window_header
from traceformers.training.session_evidence.session_actions import MOST_ACTIONS, session_actions
from traceformers.training.session_evidence.session_trace import trace_of

CONTEXT_TOKENS = 256
MASKED_SHARE = 3  # at most one token in so many of a row belongs to the action
BEFORE_SHARE = 2 / 3  # of the context lies before the action


def action_surprise(
    model, tokenizer, session, context_tokens=CONTEXT_TOKENS, most_actions=MOST_ACTIONS, rows_per_forward=32
):
    """Returns the `SessionAction`s of a session with `surprise_bits` and `n_tokens` set.

    Args:
        model (`PreTrainedModel`): with a head for masked tokens, as AutoModelForMaskedLM loads it.
        tokenizer (`RRWebTokenizer`): of the same folder.
        session: a session in any form, or its `SessionTrace`, made with this tokenizer.
        context_tokens (`int`): T, at most the model's longest window.
        most_actions (`int`): of a longer session so many are given, evenly spaced.
        rows_per_forward (`int`): actions the model sees at once.

    Raises:
        ValueError: if the context is too small or longer than the model takes, or the trace is of another tokenizer.
    """
    longest = model.config.max_position_embeddings
    if not 64 <= context_tokens <= longest:
        raise ValueError(f"Expected context_tokens between 64 and {longest}, got {context_tokens}; leave it out.")
    trace = trace_of(session, tokenizer)
    if trace.tokenizer is not tokenizer:
        raise ValueError("Expected a trace made with the model's tokenizer, got another's; call trace_of with both.")
    actions = session_actions(trace, most_actions=most_actions)
    for start in range(0, len(actions), rows_per_forward):
        part = actions[start : start + rows_per_forward]
        rows = [masked_row(trace, action.events, context_tokens) for action in part]
        for action, bits in zip(part, _mean_bits(model, tokenizer, rows), strict=True):
            action.surprise_bits, action.n_tokens = round(float(bits.mean()), 4), len(bits)
    return actions


def masked_row(trace, events, context_tokens):
    """Returns `(ids, first, last)`: a row of at most T ids, the action at `ids[first:last]`, and context around it.

    Of an action of very many tokens the first are kept and the others left out, as is what lies between its events:
    pointer and page would tell what was done.
    """
    session, window = trace.tokens, trace.tokenizer.window_tokens
    borders = session.event_offsets.astype(np.int64)
    own = np.concatenate([session.ids[borders[i] : borders[i + 1]] for i in events])
    own = own[: context_tokens // MASKED_SHARE]
    begin, end = int(borders[events[0]]), int(borders[events[-1] + 1])
    room = context_tokens - len(own) - context_tokens // 4 - 8  # a header takes at most a quarter and its frame
    first_token = max(begin - int(room * BEFORE_SHARE), 0)
    start = int(session.node_offsets[np.searchsorted(session.node_offsets, first_token)])
    start = min(start, begin)
    header = window_header(session, start, context_tokens, window)
    left = session.ids[start:begin]
    room = context_tokens - len(header) - len(left) - len(own) - 1
    right = session.ids[end : end + max(room, 0)]
    ids = np.concatenate([header, left, own, right, [window.sep]]).astype(np.int64)
    first = len(header) + len(left)
    return ids, first, first + len(own)


@torch.inference_mode()
def _mean_bits(model, tokenizer, rows):
    """Returns the bits of each masked token, an array a row."""
    width = max(len(ids) for ids, _, _ in rows)
    input_ids = np.full((len(rows), width), tokenizer.pad_token_id)  # (B, T)
    for row, (ids, _, _) in enumerate(rows):
        input_ids[row, : len(ids)] = ids
    attention_mask = np.arange(width) < np.array([[len(ids)] for ids, _, _ in rows])
    token_types = input_ids >= tokenizer.structural_vocab_size  # of the true ids, as in training
    places = np.concatenate([np.arange(first, last) + row * width for row, (_, first, last) in enumerate(rows)])
    true = torch.from_numpy(input_ids.reshape(-1)[places])
    input_ids.reshape(-1)[places] = tokenizer.mask_token_id
    device = model.device
    logits = model(
        input_ids=torch.from_numpy(input_ids).to(device),
        attention_mask=torch.from_numpy(attention_mask.astype(np.int64)).to(device),
        token_type_ids=torch.from_numpy(token_types.astype(np.int64)).to(device),
        masked_positions=torch.from_numpy(places).to(device),
    ).logits  # (n, V)
    nats = torch.nn.functional.cross_entropy(logits.float(), true.to(device), reduction="none")
    bits = (nats / np.log(2)).cpu().numpy()
    return np.split(bits, np.cumsum([last - first for _, first, last in rows])[:-1])
