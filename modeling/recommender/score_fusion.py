"""One table of scores made of several: reciprocal ranks, weighted scores, or the best of one and then another.

Reciprocal ranks after "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods" (Cormack,
Clarke, Buettcher, SIGIR 2009); there all weights are 1 and k is 60:

    score(i) = sum over members m of  weight_m / (k + place_m(i)),   places from 1

Places, means and standard deviations are those among the items that are ranked, by default those that the user has not
had: a member that puts what is known first would else push its news down. All others come last, with one score.

Axes: M members, B users, V ids.
"""

import torch

from .configuration_recommender import FIRST_ITEM_ID, NO_ITEM_SCORE

METHODS = ("reciprocal_rank", "scores", "top_then")
NORMALIZATIONS = ("zscore", "softmax")


def fuse_scores(tables, unseen, method, weights, rank_constant=60.0, normalization="zscore", top_items=2):
    """Returns float32 scores (B, V), finite for all items and `NO_ITEM_SCORE` for ids that are no items.

    Args:
        tables (list of float (B, V)): scores of the M members.
        unseen (bool (B, V)): the items that are ranked.
        method (`str`): one of `METHODS`. weights (list of `float`): one a member; "top_then" takes none.
        rank_constant (`float`): k of the formula.
        normalization (`str`): what "scores" sums: "zscore", or "softmax", probabilities.
        top_items (`int`): how many of the first member "top_then" takes before the second one's.
    """
    unseen, tables = ranked_part(tables, unseen)
    if method == "top_then":
        fused = top_then(tables[0], tables[1], top_items)
    elif method == "reciprocal_rank":
        fused = weighted_sum([reciprocal(places(table), rank_constant) for table in tables], weights)
    else:
        fused = weighted_sum([normalized(table, unseen, normalization) for table in tables], weights)
    return with_the_rest_last(fused, unseen)


def ranked_part(tables, unseen):
    """Returns (unseen without ids that are no items, tables that are -inf at all that is not ranked)."""
    unseen = unseen.clone()
    unseen[:, :FIRST_ITEM_ID] = False
    return unseen, [table.masked_fill(~unseen, -torch.inf) for table in tables]


def weighted_sum(parts, weights):
    """Returns the sum (B, V) of weights times float64 parts; what is equal stays equal in another order of members."""
    return sum(weight * part for weight, part in zip(weights, parts, strict=True))


def with_the_rest_last(fused, unseen):
    """Returns float32 scores (B, V): items not `unseen` are one below the least of the others."""
    lowest = fused.masked_fill(~unseen, torch.inf).amin(1, keepdim=True)  # (B, 1); inf where all were had
    lowest = torch.where(lowest.isinf(), 1.0, lowest)
    fused = torch.where(unseen, fused, lowest - 1).float()
    fused[:, :FIRST_ITEM_ID] = NO_ITEM_SCORE
    return fused


def reciprocal(place, rank_constant):
    """Returns 1 / (k + place), float64, of places (B, V)."""
    return (place + rank_constant).double().reciprocal()


def places(table):
    """Returns the place of each id in its row, int64 (B, V), 1 for the best; of equal scores the lower id is first.

    >>> places(torch.tensor([[0.5, 2.0, 0.5]]))
    tensor([[2, 1, 3]])
    """
    order = table.sort(dim=1, descending=True, stable=True).indices
    count = torch.arange(1, table.shape[1] + 1, device=table.device)
    return torch.empty_like(order).scatter_(1, order, count.expand_as(order))


def normalized(table, unseen, normalization):
    """Returns float64 (B, V) of scores that are -inf where `unseen` (B, V) is False: z-scores or probabilities."""
    if normalization == "softmax":
        return table.double().softmax(1).nan_to_num(0)  # nan where all items were had
    values = table.double().masked_fill(~unseen, 0)
    count = unseen.sum(1, keepdim=True).clamp(min=1)
    centred = (values - values.sum(1, keepdim=True) / count).masked_fill(~unseen, 0)
    deviation = (centred.square().sum(1, keepdim=True) / count).sqrt()
    return centred / torch.where(deviation > 0, deviation, 1)


def top_then(first, second, top_items):
    """Returns float64 (B, V), 1 / place: the best `top_items` of `first`, then the others as `second` has them."""
    leading = places(first)
    chosen = leading <= top_items
    following = places(second.masked_fill(chosen, -torch.inf)) + top_items
    return torch.where(chosen, leading, following).double().reciprocal()
