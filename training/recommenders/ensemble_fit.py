"""An ensemble chosen on validation users: method, weights, constants, and which of the members it needs.

Scores of the members are computed once, a batch of users at a time; every setting is tried on them, so that a choice
among hundreds costs little more than one evaluation of each member.

    axes: M members, B users of a batch, n users of the validation, V ids
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from tqdm.auto import tqdm

from traceformers.modeling.recommender.modeling_ensemble import EnsembleRecommenderModel
from traceformers.modeling.recommender.score_fusion import (
    NORMALIZATIONS,
    normalized,
    places,
    ranked_part,
    reciprocal,
    top_then,
    weighted_sum,
    with_the_rest_last,
)
from traceformers.training.recommenders.closed_form_fit import DEPTH, ndcg_gains

RANK_CONSTANTS = (1, 10, 60)
TOP_ITEMS = (1, 2, 3, 5, 8)
#: Weights that are tried are multiples of 1 / parts; fewer parts for more members.
WEIGHT_PARTS = {1: 1, 2: 10, 3: 6, 4: 4, 5: 3}


@dataclass(frozen=True)
class EnsembleTrial:
    """One setting and how good it was.

    Attributes:
        members (tuple of `int`): which of the models, in this order.
        settings (`dict`): fields of `EnsembleRecommenderConfig`.
        ndcg (`float`): NDCG@10, mean over the validation users.
    """

    members: tuple
    settings: dict
    ndcg: float


@dataclass
class EnsembleFit:
    """What `fit_ensemble` found.

    Attributes:
        model (`EnsembleRecommenderModel`): of the members that the best setting needs.
        best (`EnsembleTrial`); trials (list of `EnsembleTrial`): all, best first.
        singles (list of `float`): NDCG@10 of each model alone.
        gain, standard_error (`float`): of the best above the best single model, a mean over users and its error. The
            best of many trials looks better on the users it was chosen on than it is: report the test.
    """

    model: EnsembleRecommenderModel
    best: EnsembleTrial
    trials: list
    singles: list
    gain: float
    standard_error: float


def fit_ensemble(
    models,
    validation,
    weight_parts=None,
    rank_constants=RANK_CONSTANTS,
    top_items=TOP_ITEMS,
    seen_last=True,
    batch_size=256,
    progress=False,
):
    """Returns the `EnsembleFit` of trained models: the setting with the best NDCG@10, of equals the simplest.

    Args:
        models (list): recommenders of one vocabulary, which were not trained on the validation's targets.
        validation (`NextItems`).
        weight_parts (`int`, *optional*): weights are multiples of 1 / weight_parts.
        rank_constants (list of `float`): to try with reciprocal ranks.
        top_items (list of `int`): to try with "top_then", for each two models in both orders.
        seen_last (`bool`): see `EnsembleRecommenderConfig`; False where targets can be items of the history.
        batch_size (`int`): users scored at once.
        progress (`bool`): show a progress bar over the users, on each of whom all settings are tried.

    Raises:
        ValueError: there are no models or users, or the vocabularies differ.
    """
    models = list(models)
    if not models or not len(validation):
        raise ValueError(f"Expected models and validation users, got {len(models)} and {len(validation)}. Give some.")
    everything = EnsembleRecommenderModel.from_models(models, seen_last=seen_last)
    settings = list(_settings(len(models), weight_parts, rank_constants, top_items))
    gains = _gains(everything, validation, settings, batch_size, progress)  # (settings, n)
    means = gains.mean(1)
    order = np.argsort(-means, kind="stable")
    trials = [EnsembleTrial(*settings[row], float(means[row])) for row in order]
    singles = means[: len(models)]  # the first settings are single models
    ahead = gains[order[0]] - gains[int(np.argmax(singles))]
    best = trials[0]
    chosen = [models[index] for index in best.members]
    model = EnsembleRecommenderModel.from_models(chosen, seen_last=seen_last, **best.settings)
    error = float(ahead.std(ddof=1) / len(ahead) ** 0.5) if len(ahead) > 1 else 0.0
    return EnsembleFit(model, best, trials, singles.tolist(), float(ahead.mean()), error)


def weightings(members, parts):
    """Yields all weights of so many members that are multiples of 1 / parts and sum to 1, as tuples.

    >>> list(weightings(2, 2))
    [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)]
    """

    def counts(slots, left):
        if slots == 1:
            yield (left,)
            return
        for count in range(left + 1):
            yield from ((count, *others) for others in counts(slots - 1, left - count))

    yield from (tuple(count / parts for count in each) for each in counts(members, parts))


def _settings(count, parts, rank_constants, top_items):
    """Yields (members, fields of the configuration): single models first, and none twice."""
    for member in range(count):
        yield (member,), {"method": "reciprocal_rank", "weights": [1.0]}
    for weights in weightings(count, parts or WEIGHT_PARTS.get(count, 2)):
        members = tuple(index for index, weight in enumerate(weights) if weight)
        if len(members) < 2:
            continue
        kept = [weights[index] for index in members]
        for constant in rank_constants:
            yield members, {"method": "reciprocal_rank", "weights": kept, "rank_constant": constant}
        for normalization in NORMALIZATIONS:
            yield members, {"method": "scores", "weights": kept, "normalization": normalization}
    for pair in permutations(range(count), 2):
        for top in top_items:
            yield pair, {"method": "top_then", "top_items": top}


@torch.inference_mode()
def _gains(ensemble, validation, settings, batch_size, progress):
    """Returns NDCG@10 (settings, n) of each user under each setting."""
    histories, users = validation.histories, len(validation)
    gains = np.zeros((len(settings), users))
    order = np.argsort(-histories.lengths, kind="stable")  # the longest together: little padding
    bar = tqdm(total=users, unit=" users", desc=f"{len(settings):,} settings", disable=not progress)
    for first in range(0, users, batch_size):
        rows = order[first : first + batch_size]
        ids, mask = (torch.from_numpy(array).to(ensemble.device) for array in histories.padded(rows))
        targets = torch.from_numpy(validation.targets[rows]).to(ensemble.device)[:, None]
        tables, unseen = ensemble.member_scores(ids, mask)
        unseen, tables = ranked_part(tables, unseen)
        place = [places(table) for table in tables]
        normal = {kind: [normalized(table, unseen, kind) for table in tables] for kind in NORMALIZATIONS}
        for number, (members, fields) in enumerate(settings):
            if fields["method"] == "top_then":
                fused = top_then(*(tables[index] for index in members), fields["top_items"])
            elif fields["method"] == "scores":
                fused = weighted_sum([normal[fields["normalization"]][i] for i in members], fields["weights"])
            else:
                constant = fields.get("rank_constant", 60)
                fused = weighted_sum([reciprocal(place[i], constant) for i in members], fields["weights"])
            ranks = _ranks(with_the_rest_last(fused, unseen), unseen, targets)
            gains[number, rows] = ndcg_gains(ranks.cpu().numpy(), DEPTH)
        bar.update(len(rows))
    bar.close()
    return gains


def _ranks(scores, unseen, targets):
    """Returns the rank of targets (B, 1) among the unseen items and themselves, of equals the lower id first, (B,)."""
    own = scores.gather(1, targets)
    earlier = torch.arange(scores.shape[1], device=scores.device) < targets
    better = (scores > own) | ((scores == own) & earlier)
    return (better & unseen).sum(1) + 1
