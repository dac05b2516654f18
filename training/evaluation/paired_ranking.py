"""Whether one model is better than another on the same users: paired differences over users, and over seeds.

Two things make a difference uncertain: which users were asked, and the seed of the training. Each has its standard
error; the difference counts as significant if it exceeds twice the root of both squared. Three seeds are the least from
which the second can be judged; a closed-form model, which has no seed, is one run that every seed of the other meets.

Axes: S seeds, U users.
"""

from dataclasses import asdict, dataclass

import numpy as np

LEAST_SEEDS = 3
DEVIATIONS = 2


@dataclass(frozen=True)
class PairedComparison:
    """Ours less theirs.

    Attributes:
        difference (`float`): of the means over users and seeds.
        error_users (`float` or None): standard error over users of the differences, each the mean over seeds.
        error_seeds (`float` or None): standard error over seeds of the differences of means; None with one seed.
        seeds, users (`int`): how many were compared.
        by_seed (`tuple` of `(float, float or None)`): difference and standard error over users of each seed.
        significant (`bool` or None): whether |difference| exceeds two standard errors, users' and seeds' together.
            None below three seeds, unless neither model has a seed.
    """

    difference: float
    error_users: float | None
    error_seeds: float | None
    seeds: int
    users: int
    by_seed: tuple
    significant: bool | None

    @property
    def error(self):
        """The standard error of the difference, users' and seeds' together; None below two users."""
        if self.error_users is None:
            return None
        return float(np.hypot(self.error_users, self.error_seeds or 0))

    def to_json(self):
        """Returns the fields and `error`, JSON-safe."""
        return {**asdict(self), "by_seed": [list(one) for one in self.by_seed], "error": self.error}


def compare_runs(ours, theirs, figure="ndcg@10", seeded=True):
    """Returns the `PairedComparison` of two models on the same users.

    Args:
        ours, theirs (`list` of `RankingReport` or of `float (U,)`): one a seed, users and seeds in the same
            order. One alone (of a model without a seed) is compared with every seed of the other.
        figure (`str`): which figure of the reports.
        seeded (`bool`): whether the seed matters for either model; False if both are closed-form.

    >>> ours, theirs = np.array([[1.0, 0.5], [0.9, 0.6], [1.0, 0.6]]), np.array([[0.5, 0.0]])
    >>> compare_runs(ours, theirs).difference.__round__(4), compare_runs(ours, theirs).significant
    (0.5167, True)
    """
    ours, theirs = _stacked(ours, figure, "ours"), _stacked(theirs, figure, "theirs")
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(
            f"Expected figures of the same users, got {ours.shape[1]} and {theirs.shape[1]} users; evaluate both "
            "on one split."
        )
    if len(ours) != len(theirs) and 1 not in (len(ours), len(theirs)):
        raise ValueError(
            f"Expected as many seeds of both, or one run of a model without a seed, got {len(ours)} and {len(theirs)}; "
            "train the seeds that are missing, or leave out those that only one has."
        )
    differences = ours - theirs  # (S, U)
    differences = differences[:, ~np.isnan(differences).any(axis=0)]
    seeds, users = differences.shape
    if not users:
        raise ValueError(
            "Expected a user with a figure of both models, got none: there is nothing to compare; evaluate both on "
            "users who have a target."
        )
    by_seed = tuple((float(one.mean()), _error(one)) for one in differences)
    error_users = _error(differences.mean(axis=0))
    error_seeds = _error(differences.mean(axis=1))
    difference = float(differences.mean())
    significant = None
    if error_users is not None and (seeds >= LEAST_SEEDS or not seeded):
        significant = bool(abs(difference) > DEVIATIONS * np.hypot(error_users, error_seeds or 0))
    return PairedComparison(difference, error_users, error_seeds, seeds, users, by_seed, significant)


def _stacked(runs, figure, name):
    rows = [_values(run, figure) for run in runs]
    if not rows or any(row.shape != rows[0].shape or row.ndim != 1 for row in rows):
        shapes = [row.shape for row in rows]
        raise ValueError(
            f"Expected {name} as flat arrays of figures, one a seed, same users, got shapes {shapes}; pass a list with "
            "the RankingReport of each seed, all of one split."
        )
    return np.stack(rows)


def _values(run, figure):
    per_user = getattr(run, "per_user", None)
    if per_user is None:
        return np.asarray(run, dtype=np.float64)
    if figure not in per_user:
        raise ValueError(
            f"Expected a figure of the report, one of {', '.join(sorted(per_user))}, got {figure!r}; name one of "
            "these, or make the report with the cut you want in ks."
        )
    return per_user[figure]


def _error(values):
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
