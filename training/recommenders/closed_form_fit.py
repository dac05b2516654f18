"""Recommenders that are counted or solved, not trained: popularity, and EASE with lambda chosen by validation.

axes: I items, U users, n users of the validation
"""

import numpy as np
import scipy.sparse
import torch
from tqdm.auto import tqdm

from traceformers.modeling.recommender.bag_of_items import flat_item_sets
from traceformers.modeling.recommender.modeling_ease import EASEModel, require_memory
from traceformers.modeling.recommender.modeling_popularity import PopularityModel
from traceformers.training.evaluation.next_item_ranks import next_item_ranks

L2_GRID = (50, 100, 200, 500, 1000, 2000, 5000)
#: Rows of the Gram matrix that are counted at once.
ROWS_AT_ONCE = 1024
DEPTH = 10


def fit_popularity(train, vocab_size):
    """Returns the `PopularityModel` of `Histories`."""
    return PopularityModel.fit(train.items, train.offsets, vocab_size)


def counted_gram(ids, offsets, vocab_size=None):
    """Returns the Gram matrix of `item_gram`, float32 (I, I), by sparse products: some times as fast.

    Args:
        ids, offsets, vocab_size: as for `flat_item_sets`.
    """
    items, offsets, count = flat_item_sets(ids, offsets, vocab_size)
    ones = np.ones(len(items), np.float32)
    users = scipy.sparse.csr_array((ones, items, offsets), shape=(len(offsets) - 1, count))
    by_item = users.T.tocsr()
    gram = np.empty((count, count), np.float32)
    for first in range(0, count, ROWS_AT_ONCE):
        (by_item[first : first + ROWS_AT_ONCE] @ users).toarray(out=gram[first : first + ROWS_AT_ONCE])
    return gram


def ndcg_gains(ranks, depth=DEPTH):
    """Returns NDCG of each user, (n,): 1 / log2(1 + rank) of the one target, 0 below `depth`."""
    return np.where(ranks <= depth, 1 / np.log2(1 + np.asarray(ranks, np.float64)), 0.0)


def fit_ease(train, vocab_size, validation=None, l2=L2_GRID, recency=0.0, memory_limit_gib=16.0, progress=False):
    """Returns (`EASEModel`, trials): the best by NDCG@10 of the validation, trials {"l2", "recency", "ndcg@10"}.

    Where the best lambda is the last of the grid on either side, the grid is continued by factors of 2, so that the
    choice is not that of the grid.

    Args:
        train (`Histories`).
        vocab_size (`int`).
        validation (`NextItems`, *optional*): not needed with one lambda.
        l2 (`float` or list of `float`): lambda, or those to try.
        recency (`float` or list of `float`): see `EASEConfig`; each is tried with each lambda, which costs no new fit.
        memory_limit_gib (`float`): see `require_memory`.
        progress (`bool`): show a progress bar.

    Raises:
        ValueError: the catalogue takes more memory than the limit, or there is a choice and no validation.
    """
    grid, recencies = (sorted({float(value) for value in np.atleast_1d(values)}) for values in (l2, recency))
    if not grid or not recencies or (validation is None and len(grid) * len(recencies) > 1):
        raise ValueError(
            f"Expected validation users to choose among {len(grid)} values of l2 and {len(recencies)} of recency, got "
            "none. Give them, or one value of each."
        )
    require_memory(vocab_size, memory_limit_gib)
    gram = torch.from_numpy(counted_gram(train.items, train.offsets, vocab_size))
    if len(grid) == len(recencies) == 1:
        return EASEModel.from_gram(gram, grid[0], recencies[0]), []
    histories, figures, best, model = validation.histories, {}, None, None
    waiting = list(grid)
    with tqdm(total=len(grid) * len(recencies), unit=" settings", desc="lambda", disable=not progress) as bar:
        while waiting:
            value = waiting.pop(0)
            tried = EASEModel.from_gram(gram, value)
            for each in recencies:
                tried.config.recency = each
                ranks = next_item_ranks(tried, histories.items, histories.offsets, validation.targets)
                figures[value, each] = float(ndcg_gains(ranks).mean())
                if best is None or figures[value, each] > figures[best]:
                    best, model = (value, each), tried
                bar.set_postfix({f"best ndcg@{DEPTH}": f"{figures[best]:.4f}"}, refresh=False)
                bar.update()
            values = [value for value, _ in figures]
            edges = {min(values): min(values) / 2, max(values): max(values) * 2} if len(grid) > 1 else {}
            if not waiting and best[0] in edges:
                waiting.append(edges[best[0]])
                bar.total += len(recencies)
    model.config.recency = best[1]
    return model, [{"l2": l2, "recency": each, f"ndcg@{DEPTH}": figures[l2, each]} for l2, each in sorted(figures)]
