"""How good a recommender is on who is asked, the users shared by the processes of a run."""

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import reduce

from traceformers.training.evaluation.next_item_ranks import RankedTargets, rank_targets
from traceformers.training.evaluation.ranking_report import CUTS, ranking_report


def ranked_together(model, asked, top_k=0, batch_size=64):
    """Returns the `RankedTargets` of `NextItems`, the same on every process; each scores a share of the users.

    Args:
        model (`RecommenderPreTrainedModel`): where it is.
        asked (`NextItems`).
        top_k (`int`): best items that are kept of each user.
        batch_size (`int`): users scored at once.
    """
    state = PartialState()
    mine = np.arange(state.process_index, len(asked), state.num_processes)
    histories = asked.histories.cut(mine, asked.histories.lengths[mine])
    found = rank_targets(
        model, histories.items, histories.offsets, asked.targets[mine], batch_size=batch_size, top_k=top_k
    )
    if state.num_processes == 1:
        return found
    table = torch.zeros(len(asked), 1 + top_k, dtype=torch.int64)
    table[torch.from_numpy(mine)] = torch.from_numpy(np.column_stack([found.ranks, found.top_items]))
    table = reduce(table.to(state.device), reduction="sum").cpu().numpy()
    return RankedTargets(table[:, 0], table[:, 1:])


def split_figures(model, asked, train, vocab_size, batch_size=64):
    """Returns what is told of a model on a split, JSON-safe: figures at `CUTS`, "users", "errors", "slices".

    Args:
        model (`RecommenderPreTrainedModel`), asked (`NextItems`).
        train (`Histories`): popularity, of targets and recommended items, is counted there.
        vocab_size (`int`); batch_size (`int`).
    """
    found = ranked_together(model, asked, max(CUTS), batch_size)
    report = ranking_report(
        found.ranks,
        targets=asked.targets,
        top_items=found.top_items,
        item_counts=np.bincount(train.items, minlength=vocab_size),
        history_lengths=asked.histories.lengths,
    )
    return report.figures | {"users": report.users, "errors": report.errors, "slices": report.slices}
