"""One vector a row: the mean of its attended tokens, or of those of some events only.

Most tokens of a session tell what a page holds, and few what a person did; where the few matter, the mean of all drowns
them. An event begins with a gap token, so that ids alone tell which event a token belongs to.

Axes: B rows, T tokens of a row, N tokens of a packed row, W windows of it, H hidden size.
"""

import torch


def tokens_of_events(input_ids, marks, starts, borders=None) -> torch.Tensor:
    """Return a bool tensor (B, T): whether a token belongs to an event that holds one of the ids `marks`.

    Arguments:
        input_ids (B, T): rows, or one packed row.
        marks (list of int): ids of tokens that an event is known by.
        starts (pair of int): first id, and number, of the tokens that events begin with.
        borders (W + 1,): of the windows of a packed row; an event ends where its window does.
    """
    first, count = starts
    begins = (input_ids >= first) & (input_ids < first + count)
    if borders is not None:
        begins[0, borders[:-1].to(begins.device).long()] = True
    event = begins.long().cumsum(1)  # (B, T)
    is_mark = torch.isin(input_ids, input_ids.new_tensor(marks))
    marked = torch.zeros(len(event), event.shape[1] + 1, device=event.device).scatter_add(1, event, is_mark.float())
    return marked.gather(1, event) > 0


def mean_of_tokens(hidden, attention_mask, borders, chosen=None) -> torch.Tensor:
    """Return the mean (B, H) of each row's attended tokens, or (W, H) of a packed row's windows.

    Arguments:
        hidden (B, T, H).
        attention_mask (B, T) or None; borders (W + 1,) or None: of a packed row.
        chosen (B, T) or None: average these alone, in rows that have any.
    """
    if attention_mask is not None and attention_mask.dim() != 2:
        raise ValueError(
            f"Expected attention_mask of shape (B, T) to average over, got {tuple(attention_mask.shape)}; "
            "pass the mask of the tokens, not one of pairs."
        )
    if borders is not None:
        lengths = borders.to(hidden.device).diff().long()
        window = torch.repeat_interleave(torch.arange(len(lengths), device=hidden.device), lengths)
        states, counts = hidden[0], lengths
        if chosen is not None:
            weights = chosen[0].to(hidden.dtype)
            has_any = weights.new_zeros(len(lengths)).index_add(0, window, weights) > 0
            weights = torch.where(has_any[window], weights, 1)
            states = states * weights[:, None]
            counts = weights.new_zeros(len(lengths)).index_add(0, window, weights)
        sums = hidden.new_zeros(len(lengths), hidden.shape[-1]).index_add(0, window, states)
        return sums / counts.clamp(min=1)[:, None]
    if attention_mask is None and chosen is None:
        return hidden.mean(1)
    attended = hidden.new_ones(hidden.shape[:2]) if attention_mask is None else attention_mask.to(hidden.dtype)
    weights = attended
    if chosen is not None:
        weights = attended * chosen.to(hidden.dtype)
        weights = torch.where(weights.sum(1, keepdim=True) > 0, weights, attended)
    weights = weights[..., None]  # (B, T, 1)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


__all__ = ["mean_of_tokens", "tokens_of_events"]
