"""Figures of a full-ranking evaluation: HR, NDCG, MRR, recall, coverage and novelty at k, each user's own value kept.

    found = rank_targets(model, ids, offsets, targets, top_k=20)
    report = ranking_report(found.ranks, targets=targets, top_items=found.top_items, item_counts=counts,
                            history_lengths=lengths)
    report.figures["ndcg@10"], report.errors["ndcg@10"]

With one target a user, as leave-last-out has it, HR and recall are the same, and the NDCG is 1 / log2(1 + rank).

Axes: U users, n targets of all users, V tokens, k recommended items.
"""

from dataclasses import dataclass, field

import numpy as np

from traceformers.modeling.recommender.configuration_recommender import FIRST_ITEM_ID
from traceformers.modeling.recommender.recommendation_rules import flat_rows
from traceformers.training.evaluation.ranking_slices import COLD, history_length_slices, popularity_slices

CUTS = (5, 10, 20)


@dataclass(frozen=True)
class RankingReport:
    """What one model reached on one split.

    Attributes:
        figures (`{name: float}`): "hr@5", "ndcg@5", "mrr@5", "recall@5", ... and "mrr" without a cut, means over users
            that have a target; with recommended items also "coverage@5" (share of the items that anyone is
            recommended) and, with counts, "novelty@5".
        errors (`{name: float}`): standard errors of the means over users; coverage has none.
        per_user (`{name: float64 (U,)}`): what the means are of; NaN for a user without a target.
        slices (`{kind: {name: {"users", "targets", figure: float}}}`): "history_length" and "target_popularity", the
            latter with the least and the largest count in training, "from" and "to".
        users, targets (`int`): users with a target, and targets.
    """

    figures: dict
    errors: dict
    per_user: dict
    slices: dict = field(default_factory=dict)
    users: int = 0
    targets: int = 0

    def to_json(self):
        """Returns figures, errors, slices and counts, JSON-safe; without the users' own values."""
        counts = {"users": self.users, "targets": self.targets}
        return {"figures": self.figures, "errors": self.errors, "slices": self.slices, **counts}


def ranking_report(
    ranks,
    ks=CUTS,
    target_offsets=None,
    targets=None,
    top_items=None,
    item_counts=None,
    history_lengths=None,
    catalogue_size=None,
    cold=COLD,
):
    """Returns the `RankingReport` of ranks.

    Args:
        ranks (`int (n,)`): rank of each target, from 1; 0 for a target that can not be found, as one that is not in the
            vocabulary.
        ks (`tuple` of `int`): the cuts.
        target_offsets (`int (U + 1,)`, *optional*): which ranks are whose. Default: one a user.
        targets (`int (n,)`, *optional*): token ids of the targets; with `item_counts` for slices by popularity.
        top_items (`int (U, k)`, *optional*): recommended token ids, 0 for none, for coverage and novelty at each cut
            up to its width.
        item_counts (`int (V,)`, *optional*): interactions of each token in training.
        history_lengths (`int (U,)`, *optional*): items of each whole history, for slices by length.
        catalogue_size (`int`, *optional*): items that could be recommended. Default: from `item_counts`, V - 3.
        cold (`int`): interactions in training below which a target is cold.
    """
    ranks, target_offsets = _ranks(ranks, target_offsets)
    ks = _cuts(ks)
    per_user = user_figures(ranks, target_offsets, ks)
    counts = None if item_counts is None else np.asarray(item_counts)
    figures = {name: _mean(values) for name, values in per_user.items()}
    if top_items is not None:
        top_items = _lists(top_items, len(target_offsets) - 1)
        size = catalogue_size or (None if counts is None else len(counts) - FIRST_ITEM_ID)
        for k in [k for k in ks if k <= top_items.shape[1]]:
            if size:
                figures[f"coverage@{k}"] = coverage(top_items[:, :k], size)
            if counts is not None:
                per_user[f"novelty@{k}"] = novelty(top_items[:, :k], counts)
                figures[f"novelty@{k}"] = _mean(per_user[f"novelty@{k}"])
    slices = {}
    if history_lengths is not None:
        chosen = history_length_slices(_one_a_user(history_lengths, len(target_offsets) - 1))
        slices["history_length"] = {name: _slice(ranks, target_offsets, ks, users=u) for name, u in chosen.items()}
    if targets is not None and counts is not None:
        own = counts[_one_a_rank(targets, len(ranks))]
        chosen = popularity_slices(own, cold)
        slices["target_popularity"] = {
            name: {"from": int(own[m].min()), "to": int(own[m].max())} | _slice(ranks, target_offsets, ks, members=m)
            for name, m in chosen.items()
        }
    users = int((np.diff(target_offsets) > 0).sum())
    errors = {name: standard_error(values) for name, values in per_user.items()}
    return RankingReport(figures, errors, per_user, slices, users, len(ranks))


def user_figures(ranks, target_offsets, ks=CUTS):
    """Returns `{name: float64 (U,)}`: HR, NDCG, MRR and recall of each user at each cut, and the MRR without a cut.

    The NDCG is over the best that the number of targets allows (Järvelin and Kekäläinen 2002, binary gain), the MRR is
    of the best target, recall the share of the targets. NaN for a user without a target.

    Args:
        ranks (`int (n,)`), target_offsets (`int (U + 1,)`): as for `ranking_report`.
        ks (`tuple` of `int`): the cuts.

    >>> user_figures([2, 11], [0, 1, 2], (10,))["ndcg@10"].round(4).tolist()
    [0.6309, 0.0]
    """
    ranks, offsets = _ranks(ranks, target_offsets)
    wanted = np.diff(offsets)
    users = np.repeat(np.arange(len(wanted)), wanted)
    gains = np.divide(1, np.log2(1 + ranks), out=np.zeros(len(ranks)), where=ranks > 0)
    reciprocal = np.zeros(len(wanted))
    np.maximum.at(reciprocal, users, np.divide(1, ranks, out=np.zeros(len(ranks)), where=ranks > 0))
    ideal = np.concatenate([[0], np.cumsum(1 / np.log2(1 + np.arange(1, 1 + max(1, wanted.max(initial=0)))))])
    figures = {}
    for k in ks:
        within = (ranks > 0) & (ranks <= k)
        found = np.bincount(users[within], minlength=len(wanted))
        gained = np.bincount(users[within], weights=gains[within], minlength=len(wanted))
        figures[f"hr@{k}"] = (found > 0).astype(np.float64)
        figures[f"ndcg@{k}"] = gained / np.maximum(ideal[np.minimum(wanted, k)], 1)
        figures[f"mrr@{k}"] = np.where(reciprocal * k >= 1 - 1e-12, reciprocal, 0.0)
        figures[f"recall@{k}"] = found / np.maximum(wanted, 1)
    figures["mrr"] = reciprocal
    return {name: np.where(wanted > 0, values, np.nan) for name, values in figures.items()}


def coverage(top_items, catalogue_size):
    """Returns the share of the catalogue that is recommended to anyone, 0 to 1.

    Args:
        top_items (`int (U, k)`): recommended token ids, 0 for none.
        catalogue_size (`int`): items there are.

    >>> coverage([[3, 4], [4, 0]], 4)
    0.5
    """
    if catalogue_size < 1:
        raise ValueError(
            f"Expected a catalogue of at least one item, got {catalogue_size}; pass how many could be recommended."
        )
    top_items = np.asarray(top_items)
    return float(len(np.unique(top_items[top_items >= FIRST_ITEM_ID])) / catalogue_size)


def novelty(top_items, item_counts):
    """Returns each user's mean of -log2(share of all training interactions) over the recommended items, in bits.

    The self-information of Zhou et al. (2010, PNAS, arXiv 0808.2670). An item that does not occur in training counts as
    one interaction. NaN where nothing is recommended.

    Args:
        top_items (`int (U, k)`): recommended token ids, 0 for none.
        item_counts (`int (V,)`): interactions of each token in training.

    >>> novelty([[3, 4], [4, 0]], [0, 0, 0, 6, 2]).round(4).tolist()
    [1.2075, 2.0]
    """
    top_items, counts = np.asarray(top_items), np.asarray(item_counts, dtype=np.float64)
    kept = top_items >= FIRST_ITEM_ID
    if kept.any() and top_items.max() >= len(counts):
        raise ValueError(
            f"Expected item_counts of all tokens, got {len(counts)} and recommended token {int(top_items.max())}; "
            "count by np.bincount(items, minlength=len(tokenizer)) with the tokenizer that the items are of."
        )
    bits = -np.log2(np.maximum(counts, 1) / max(1.0, counts[FIRST_ITEM_ID:].sum()))
    summed = np.where(kept, bits[np.where(kept, top_items, 0)], 0).sum(axis=1)
    number = kept.sum(axis=1)
    return np.where(number > 0, summed / np.maximum(number, 1), np.nan)


def standard_error(values):
    """Returns the standard error of the mean, NaN left out; None below two values.

    >>> standard_error([1.0, 2.0, float("nan"), 3.0])
    0.5773502691896258
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def _slice(ranks, offsets, ks, users=None, members=None):
    """Returns the figures of some users, or of some targets and the users who have them."""
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    members = users[owner] if members is None else members
    kept = np.concatenate([[0], np.cumsum(np.bincount(owner[members], minlength=len(offsets) - 1))])
    values = user_figures(ranks[members], kept, ks)
    means = {name: _mean(value) for name, value in values.items()}
    errors = {f"{name}_error": standard_error(value) for name, value in values.items()}
    return {"users": int((np.diff(kept) > 0).sum()), "targets": int(members.sum()), **means, **errors}


def _ranks(ranks, offsets):
    ranks = np.asarray(ranks)
    if ranks.ndim != 1 or (len(ranks) and (ranks.dtype.kind not in "iu" or ranks.min() < 0)):
        raise ValueError(
            f"Expected ranks as a flat array of whole numbers from 0, got {ranks!r:.80}; pass what next_item_ranks "
            "returns, with 0 for a target that can not be found."
        )
    offsets = np.arange(len(ranks) + 1) if offsets is None else offsets
    return flat_rows(ranks, offsets, "ranks", offsets_name="target_offsets")


def _cuts(ks):
    ks = tuple(ks)
    if not ks or any(int(k) != k or k < 1 for k in ks):
        raise ValueError(f"Expected cuts of whole numbers from 1, got {ks}; pass some, as ks=(5, 10, 20).")
    return ks


def _lists(top_items, users):
    top_items = np.asarray(top_items)
    if top_items.ndim != 2 or len(top_items) != users:
        raise ValueError(
            f"Expected top_items (U, k) of {users} users, got shape {top_items.shape}; pass those that rank_targets "
            "found with the ranks, and target_offsets if a user has no target or several."
        )
    return top_items


def _one_a_user(lengths, users):
    if len(lengths) != users:
        raise ValueError(
            f"Expected history_lengths of {users} users, got {len(lengths)}; pass one a user, as np.diff(offsets), and "
            "target_offsets if a user has no target or several."
        )
    return lengths


def _one_a_rank(targets, number):
    targets = np.asarray(targets)
    if targets.shape != (number,):
        raise ValueError(
            f"Expected the targets of {number} ranks, got shape {targets.shape}; pass those that were ranked."
        )
    return targets


def _mean(values):
    return None if np.isnan(values).all() else float(np.nanmean(values))
