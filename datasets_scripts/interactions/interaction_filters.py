"""Filters of interactions: doubles, low values, users and items with few rows; what they drop is told in `about`."""

from dataclasses import replace

import numpy as np

DUPLICATES = ("first", "last", "all")


def drop_duplicates(interactions, keep="first"):
    """Returns the interactions with each pair of user and item once.

    Args:
        interactions (`Interactions`).
        keep (`str`): "first" or "last" by time (of equal times, by the order of the rows), or "all" as they are.

    Raises:
        ValueError: for another `keep`.
    """
    if keep not in DUPLICATES:
        raise ValueError(f"Expected duplicates to be one of {', '.join(DUPLICATES)}, got {keep!r}.")
    pairs = interactions.users * max(1, len(interactions.item_ids)) + interactions.items
    ordered = np.sort(pairs)  # np.unique hashes, which is slower
    if keep == "all" or (ordered[1:] != ordered[:-1]).all():
        return interactions
    order = interactions.time_order()
    if keep == "last":
        order = order[::-1]
    _, first = np.unique(pairs[order], return_index=True)
    return _kept(interactions, np.sort(order[first]), f"the same user and item again (kept: {keep})")


def filter_values(interactions, least):
    """Returns the rows whose value is at least `least`; rows without a value are dropped.

    Raises:
        ValueError: if there are no values.
    """
    if interactions.values is None:
        raise ValueError(
            "Expected a column of values to compare with min_value, got none. Name it, or leave min_value out."
        )
    return _kept(interactions, interactions.values >= least, f"value below {least:g} or missing")


def k_core(interactions, user_interactions=1, item_interactions=1):
    """Returns the largest part in which every user and every item has so many rows, found by dropping in turns.

    Args:
        interactions (`Interactions`).
        user_interactions, item_interactions (`int`): fewest rows of a user and of an item.
    """
    users, items = interactions.users, interactions.items
    kept = np.arange(len(interactions))
    while True:
        enough = np.bincount(users[kept], minlength=1)[users[kept]] >= user_interactions
        enough &= np.bincount(items[kept], minlength=1)[items[kept]] >= item_interactions
        if enough.all():
            break
        kept = kept[enough]
    return _kept(interactions, kept, f"users below {user_interactions} or items below {item_interactions} rows")


def filter_interactions(
    interactions, min_value=None, min_user_interactions=1, min_item_interactions=1, duplicates="first"
):
    """Returns the interactions after all filters: values, then doubles, then the core.

    Raises:
        ValueError: see the functions above, or if nothing is left.
    """
    if min_value is not None:
        interactions = filter_values(interactions, min_value)
    interactions = drop_duplicates(interactions, duplicates)
    if max(min_user_interactions, min_item_interactions) > 1:
        interactions = k_core(interactions, min_user_interactions, min_item_interactions)
    if not len(interactions):
        raise ValueError(
            f"Expected rows after the filters, got none; dropped: {interactions.about['dropped']}. Relax them."
        )
    return interactions


def _kept(interactions, rows, reason):
    selected = interactions.select(rows)
    count = len(interactions) - len(selected)
    if not count:
        return interactions
    dropped = dict(interactions.about.get("dropped", {}))
    dropped[reason] = dropped.get(reason, 0) + count
    return replace(selected, about={**interactions.about, "dropped": dropped})
