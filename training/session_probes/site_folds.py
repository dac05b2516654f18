"""Folds in which no site is on both sides: what is learned must hold on sites that were never seen."""

import json
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupKFold


def site_folds(sites, n_folds=5, seed=0) -> list:
    """Returns `n_folds` pairs (train, test) of row numbers; every site is in exactly one test part.

    Args:
        sites (sequence): the site of each session.
        n_folds (`int`): parts; no more than there are sites.
        seed (`int`): which sites come together; other seeds, other parts.

    Raises:
        ValueError: fewer sites than folds, or fewer than two folds.

    Example:
        >>> [sorted(set(test)) for _, test in site_folds(["a", "a", "b"], n_folds=2)]
        [[2], [0, 1]]
    """
    sites = np.asarray(sites, dtype=str)
    n_sites = len(set(sites.tolist()))
    if not 2 <= n_folds <= n_sites:
        raise ValueError(
            f"Expected between 2 folds and one a site, got {n_folds} folds for {n_sites} sites. Ask for fewer, or "
            "record more sites."
        )
    folds = GroupKFold(n_folds, shuffle=True, random_state=seed)
    return [(train, test) for train, test in folds.split(sites, groups=sites)]


def named_folds(path, sites) -> list:
    """Returns pairs (name, sites out) of a JSON file `{"0": ["shop.test", ...], "1": [...]}`.

    Such a file says which sites the encoder of each fold has never seen.

    Args:
        path (`str` or `os.PathLike`).
        sites (sequence): the site of each session; each must be in exactly one fold.

    Raises:
        ValueError: a site of the sessions is in no fold, or in two.
    """
    folds = {str(name): [str(site) for site in out] for name, out in json.loads(Path(path).read_text()).items()}
    listed = [site for out in folds.values() for site in out]
    twice = sorted({site for site in listed if listed.count(site) > 1})
    missing = sorted(set(np.asarray(sites, dtype=str).tolist()) - set(listed))
    if twice or missing:
        wrong = f"{', '.join(twice)} twice" if twice else f"no {', '.join(missing)}"
        raise ValueError(
            f"Expected every site of the sessions in exactly one fold of {path}, found {wrong}. Each fold lists the "
            "sites that its encoder has never seen."
        )
    return list(folds.items())


def inner_folds(sites, n_folds=4, seed=0) -> list:
    """Returns folds within the training sites, by site where there are two or more, else none."""
    n_sites = len(set(np.asarray(sites, dtype=str).tolist()))
    return site_folds(sites, min(n_folds, n_sites), seed) if n_sites >= 2 else []


__all__ = ["inner_folds", "named_folds", "site_folds"]
