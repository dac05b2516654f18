"""The rank of each target among all items that a user has not had, in batches of like length: full ranking.

Nothing is sampled: a target is ranked against the whole catalogue (Krichene and Rendle 2020, "On Sampled Metrics for
Item Recommendation", KDD: sampled ranks order models differently). Two rules make a rank a fact and not a choice:

* Candidates are all items but those in `seen`, by default the user's whole history, also the part older than the
  model reads. A target is always a candidate, even if the user has had it: a repeat can be found.
* Of two candidates with equal scores, the lower token id comes first.

Both hold for the recommended items too, so that "its rank is at most k" and "it is in the top k" say the same.

Axes: U users, N items of all histories, n targets of all users, B users of a batch, T items of its longest history,
V tokens, k recommended items.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from traceformers.modeling.recommender.configuration_recommender import FIRST_ITEM_ID
from traceformers.modeling.recommender.item_ranking import pad_rows, take_rows
from traceformers.modeling.recommender.item_ranking import top_k as best_columns
from traceformers.modeling.recommender.recommendation_rules import flat_rows

SCORES_AT_ONCE = 1 << 26  # a batch holds fewer users than asked for if its float32 (B, V) were larger: 256 MB


@dataclass(frozen=True)
class RankedTargets:
    """What `rank_targets` found.

    Attributes:
        ranks (`int64 (n,)`): rank of each target, 1 for the best.
        top_items (`int64 (U, k)`): token ids of the best candidates, best first; 0 where there are no more.
    """

    ranks: np.ndarray
    top_items: np.ndarray


def next_item_ranks(model, ids, offsets, targets, target_offsets=None, seen="history", batch_size=64, **options):
    """Returns the rank of each target among all candidates, `int64 (n,)`, 1 for the best.

    Args:
        model, ids, offsets, targets, target_offsets, seen, batch_size, options: as for `rank_targets`.
    """
    arguments = (model, ids, offsets, targets, target_offsets, seen, batch_size)
    return rank_targets(*arguments, top_k=0, **options).ranks


def rank_targets(
    model,
    ids,
    offsets,
    targets,
    target_offsets=None,
    seen="history",
    batch_size=64,
    top_k=0,
    max_history=None,
    device=None,
):
    """Returns the `RankedTargets` of U users: the ranks of their targets and, in the same pass, their best items.

    Args:
        model (`PreTrainedModel` or function): has `next_item_scores(input_ids, attention_mask)`, or is that function:
            `int64 (B, T)` twice, padded with 0 on the right, to `float (B, V)`.
        ids (`int (N,)`), offsets (`int (U + 1,)`): token ids of the histories, oldest first: history u is
            `ids[offsets[u]:offsets[u + 1]]`. It may be empty.
        targets (`int (n,)`): token ids of what came next.
        target_offsets (`int (U + 1,)`, *optional*): which are whose, as `offsets`. Default: one target a user.
        seen (`str` or pair of arrays): "history", "nothing", or `(ids, offsets)` of other items to leave out.
        batch_size (`int`): users scored at once, fewer with a very large catalogue.
        top_k (`int`): recommended items to keep of each user; 0 keeps none.
        max_history (`int`, *optional*): newest items given to the model, 0 for all. Default: the model's
            `config.max_history`, all for a function.
        device (*optional*): where to score. Default: where the model's parameters are.

    Raises:
        ValueError: if the arrays do not belong together, or a score of an item is not finite.
    """
    ids, offsets = flat_rows(ids, offsets, "ids")
    users = len(offsets) - 1
    target_offsets = np.arange(users + 1) if target_offsets is None else target_offsets
    targets, target_offsets = flat_rows(targets, target_offsets, "targets", None, users, "target_offsets")
    if len(targets) and targets.min() < FIRST_ITEM_ID:
        raise ValueError(
            f"Expected targets that are items (token ids from {FIRST_ITEM_ID}), got {int(targets.min())}: leave out "
            "targets that are not in the vocabulary, or count them as not found."
        )
    if batch_size < 1 or top_k < 0:
        raise ValueError(
            f"Expected a batch_size of at least 1 and a top_k from 0, got {batch_size} and {top_k}: raise the one that "
            "is too low."
        )
    seen_ids, seen_offsets = _seen(seen, ids, offsets, users)
    config = getattr(model, "config", None)
    newest = getattr(config, "max_history", 0) if max_history is None else max_history
    read = np.diff(offsets) if not newest else np.minimum(np.diff(offsets), newest)
    device = _device(model) if device is None else torch.device(device)
    rows_at_once = max(1, min(batch_size, SCORES_AT_ONCE // max(1, getattr(config, "vocab_size", 0) or 1)))

    order = np.argsort(-read, kind="stable")
    ranks = np.empty(len(targets), dtype=np.int64)
    top_items = np.zeros((users, top_k), dtype=np.int64)
    with _scoring(model) as score:
        for start in range(0, users, rows_at_once):
            batch = order[start : start + rows_at_once]
            rows, chosen = take_rows(np.arange(len(targets)), target_offsets, batch)
            if not len(chosen) and not top_k:
                continue
            padded = pad_rows(ids, offsets[batch + 1] - read[batch], read[batch])
            scores = score(*(torch.from_numpy(array).to(device) for array in padded))
            asked = torch.from_numpy(targets[chosen]).to(scores.device)
            asked_rows = torch.from_numpy(rows).to(scores.device)
            scores = _candidate_scores(scores, len(batch), seen_ids, seen_offsets, batch, asked_rows, asked)
            ranks[chosen] = _ranks(scores, asked_rows, asked, rows_at_once).cpu().numpy()
            if top_k:
                best = best_columns(scores, top_k)[0].cpu().numpy()
                top_items[batch, : best.shape[1]] = best
    return RankedTargets(ranks, top_items)


def _seen(seen, ids, offsets, users):
    if isinstance(seen, str):
        if seen == "history":
            return ids, offsets
        if seen == "nothing":
            return np.zeros(0, dtype=np.int64), np.zeros(users + 1, dtype=np.int64)
        raise ValueError(
            f'Expected seen as "history", "nothing" or a pair (ids, offsets), got {seen!r}: pass one of these.'
        )
    return flat_rows(*seen, "seen ids", None, users, "seen offsets")


def _candidate_scores(scores, users, seen_ids, seen_offsets, batch, target_rows, targets):
    """Returns scores `(B, V)` with -inf for all that is no candidate."""
    if scores.ndim != 2 or len(scores) != users:
        raise ValueError(
            f"Expected scores (B, V) of {users} histories, got shape {tuple(scores.shape)}: one row a history, one "
            "column a token."
        )
    scores = scores if scores.dtype == torch.float64 else scores.float()
    vocab_size = scores.shape[1]
    rows, seen = take_rows(seen_ids, seen_offsets, batch)
    largest = max(int(seen.max(initial=0)), int(targets.max()) if len(targets) else 0)
    if largest >= vocab_size:
        raise ValueError(
            f"Expected token ids below the {vocab_size} columns of the scores, got {largest}: the histories were "
            "encoded with another vocabulary than the model's."
        )
    finite = torch.isfinite(scores[:, FIRST_ITEM_ID:])
    if not finite.all():
        row, column = (int(place) for place in (~finite).nonzero()[0])
        raise ValueError(
            f"Expected finite scores of all items, got {float(scores[row, FIRST_ITEM_ID + column])} for token "
            f"{FIRST_ITEM_ID + column} and {int((~finite).sum())} such scores in one batch: the model has diverged, or "
            "marks items with infinity; leave out items by `seen` instead."
        )
    kept = scores[target_rows, targets]
    scores = scores.clone()  # a function may hand out its own table
    scores[:, :FIRST_ITEM_ID] = -torch.inf
    flat = torch.from_numpy(rows * vocab_size + seen).to(scores.device)
    scores.view(-1)[flat] = -torch.inf
    scores[target_rows, targets] = kept
    return scores


def _ranks(scores, rows, targets, at_once):
    columns = torch.arange(scores.shape[1], device=scores.device)
    ranks = torch.empty(len(targets), dtype=torch.int64, device=scores.device)
    whole = len(rows) == len(scores) <= at_once and bool((rows == torch.arange(len(rows), device=rows.device)).all())
    for start in range(0, len(targets), at_once):
        part = slice(start, start + at_once)
        theirs = scores if whole else scores[rows[part]]
        own = theirs.gather(1, targets[part, None])  # (b, 1)
        better = (theirs > own).sum(dim=1)
        equal = theirs == own
        tied = equal.sum(dim=1) > 1
        if tied.any():
            better[tied] += (equal[tied] & (columns < targets[part, None][tied])).sum(dim=1)
        ranks[part] = better + 1
    return ranks


@contextmanager
def _scoring(model):
    """Yields the function of scores, with the model in evaluation mode and no gradients; puts its mode back."""
    if not callable(getattr(model, "next_item_scores", model)):
        raise ValueError(
            f"Expected a model with `next_item_scores` or a function of scores, got {type(model).__name__}: load one "
            "by `AutoModel.from_pretrained(folder)`."
        )
    was_training = getattr(model, "training", False)
    if was_training:
        model.eval()
    try:
        with torch.inference_mode():
            yield model.scorer() if hasattr(model, "scorer") else getattr(model, "next_item_scores", model)
    finally:
        if was_training:
            model.train()


def _device(model):
    if not isinstance(model, torch.nn.Module):
        return torch.device("cpu")
    tensor = next((tensor for held in (model.parameters(), model.buffers()) for tensor in held), None)
    return torch.device("cpu") if tensor is None else tensor.device
