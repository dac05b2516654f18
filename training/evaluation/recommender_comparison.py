"""Several saved recommenders on one split: figures, slices, and paired differences over users and seeds.

A system is a name with one model a seed; a closed-form model has one. Models may have been trained on other data: their
token ids are translated, and a target that a model does not know is a miss.
"""

import numpy as np

from traceformers.training.evaluation.next_item_ranks import rank_targets
from traceformers.training.evaluation.paired_ranking import compare_runs
from traceformers.training.evaluation.ranking_report import CUTS, ranking_report, standard_error
from traceformers.training.evaluation.saved_recommender import token_table, translated

MAIN = "ndcg@10"


def evaluate_saved(model, tokenizer, asked, item_counts, ks=CUTS, batch_size=256, device=None):
    """Returns the `RankingReport` of a model on users who are asked for their next item.

    Args:
        model (`RecommenderPreTrainedModel`): with its `item_tokenizer`.
        tokenizer (`ItemTokenizer`): of the token ids in `asked` and `item_counts`.
        asked: has `histories` (`items`, `offsets`) and `targets (n,)`, one a user, as `NextItems`.
        item_counts (`int (V,)`): interactions of each token in training.
        ks (`tuple` of `int`), batch_size (`int`), device (*optional*): as for `ranking_report` and `rank_targets`.
    """
    table = token_table(tokenizer, model.item_tokenizer)
    ids, offsets, _ = translated(asked.histories.items, asked.histories.offsets, table)
    targets = table[asked.targets]
    known = targets >= 0
    target_offsets = np.concatenate([[0], np.cumsum(known)])
    found = rank_targets(
        model, ids, offsets, targets[known], target_offsets, batch_size=batch_size, top_k=max(ks), device=device
    )
    ranks = np.zeros(len(targets), dtype=np.int64)
    ranks[known] = found.ranks
    back = token_table(model.item_tokenizer, tokenizer)
    return ranking_report(
        ranks,
        ks,
        targets=asked.targets,
        top_items=np.maximum(back[found.top_items], 0),
        item_counts=item_counts,
        history_lengths=np.diff(asked.histories.offsets),
    )


def build_comparison(results, figure=MAIN, reference=None, seedless=()):
    """Returns the comparison of systems, JSON-safe.

    Args:
        results (`{name: list[RankingReport]}`): one report a seed, of the same users throughout.
        figure (`str`): what systems are compared by.
        reference (`str`, *optional*): which system the others are compared with. Default: the best.
        seedless (collection of `str`): systems whose model has no seed.

    Keys: `figure`, `reference`, `users`, and `systems`: for each its `name`, `seeds`, `figures` (means over seeds),
    `errors` (over users, of each user's mean over seeds), `seed_deviations`, `slices` (means over seeds) and `versus`:
    the `PairedComparison` with the reference, None for the reference itself.
    """
    if not results:
        raise ValueError("Expected a system to evaluate, got none: name a saved model.")
    for name, reports in results.items():
        if not reports or any(figure not in report.figures for report in reports):
            known = sorted(reports[0].figures) if reports else []
            raise ValueError(f"Expected {figure!r} among the figures of {name}, got {known}. Choose one of these.")
    best = max(results, key=lambda name: _mean(report.figures[figure] for report in results[name]))
    reference = best if reference is None else reference
    if reference not in results:
        raise ValueError(f"Expected a reference out of {', '.join(results)}, got {reference!r}. Name one of these.")
    systems = []
    for name, reports in results.items():
        versus = None
        if name != reference:
            seeded = not {name, reference} <= set(seedless)
            versus = compare_runs(reports, results[reference], figure, seeded).to_json()
        systems.append({"name": name, **_over_seeds(reports), "versus": versus})
    users = results[reference][0].users
    return {"figure": figure, "reference": reference, "users": users, "systems": systems}


def _over_seeds(reports):
    figures = {name: _mean(report.figures[name] for report in reports) for name in reports[0].figures}
    per_user = {name: np.mean([report.per_user[name] for report in reports], axis=0) for name in reports[0].per_user}
    several = len(reports) > 1
    spread = {name: float(np.std([r.figures[name] for r in reports], ddof=1)) for name in figures if several}
    slices = {
        kind: {
            part: {name: _mean(report.slices[kind][part][name] for report in reports) for name in values}
            for part, values in parts.items()
        }
        for kind, parts in reports[0].slices.items()
    }
    return {
        "seeds": len(reports),
        "figures": figures,
        "errors": {name: standard_error(values) for name, values in per_user.items()},
        "seed_deviations": spread,
        "slices": slices,
    }


def _mean(values):
    values = list(values)
    return None if any(value is None for value in values) else float(np.mean(values))
