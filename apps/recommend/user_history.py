"""One user's history, as typed or out of a file of interactions."""

import numpy as np


def history_of(words=None, interactions=None, user=None, format=None, **reading):
    """Returns item ids, `list[str]`, oldest first.

    Args:
        words (`list[str]`, *optional*): ids with commas between them.
        interactions (`str`, *optional*): file or folder of interactions, or the name of a set.
        user (`str`, *optional*): whose history in the file; equal times stay in the order of the file.
        format, **reading: of the file, see `read_interactions`.

    Raises:
        ValueError: neither or both are given, the history is empty, or there is no such user.
    """
    if bool(words) == bool(interactions) or bool(interactions) != (user is not None):
        raise ValueError(
            "Expected either --history, or --interactions with --user, got "
            f"{'both' if words and interactions else 'neither' if not (words or interactions) else 'one without'}. "
            "Give ids as in --history 1193,661, or a file and a user of it."
        )
    if words:
        items = [item.strip() for word in words for item in word.split(",") if item.strip()]
        if not items:
            raise ValueError(f"Expected item ids in --history, got {', '.join(words)!r}. Give them as 1193,661.")
        return items
    from traceformers.datasets_scripts.interactions.read_interactions import read_interactions

    found = read_interactions(interactions, format, **reading)
    if user not in found.user_ids:
        raise ValueError(
            f"Expected a user of {interactions}, got {user!r}. It has {len(found.user_ids):,}, as "
            f"{', '.join(found.user_ids[:3])}."
        )
    rows = np.flatnonzero(found.users == found.user_ids.index(user))
    if found.times is not None:
        rows = rows[np.argsort(found.times[rows], kind="stable")]
    return [found.item_ids[code] for code in found.items[rows].tolist()]
