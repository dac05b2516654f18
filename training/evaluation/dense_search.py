"""Exact nearest documents of query vectors by inner product, in pieces of bounded memory."""

import numpy as np

QUERIES = 2_048  # scored at once


def dense_search(queries, documents, k=100, chunk=16_384, device="cpu"):
    """Returns `(scores float32 (Q, k), positions int64 (Q, k))`, best first; k is at most the number of documents.

    Documents with equal scores stand in the order of their positions. For the cosine, give vectors of length 1.

    Args:
        queries (`float (Q, D)`): query vectors.
        documents (`float (N, D)`): document vectors; may be memory-mapped, and of half precision.
        k (`int`): documents to find for each query.
        chunk (`int`): documents scored at once, for `QUERIES` queries: memory is 4 bytes x QUERIES x chunk.
        device (`str`): where the products are computed.

    Raises:
        ValueError: if the widths differ or there are no documents.
    """
    import torch  # here, for who imports this module to fuse rankings needs none

    queries, documents = np.asarray(queries), np.asarray(documents)
    if queries.ndim != 2 or documents.ndim != 2 or queries.shape[1] != documents.shape[1] or not len(documents):
        raise ValueError(
            f"Expected queries (Q, D) and documents (N, D) of one width, got {queries.shape} and {documents.shape}. "
            "Both sides must come from the same encoder, or from a student and its teacher."
        )
    k = min(k, len(documents))
    scores = np.empty((len(queries), k), dtype=np.float32)
    positions = np.empty((len(queries), k), dtype=np.int64)
    for start in range(0, len(queries), QUERIES):
        rows = slice(start, start + QUERIES)
        asked = torch.from_numpy(np.ascontiguousarray(queries[rows], dtype=np.float32)).to(device)
        scores[rows], positions[rows] = _search_block(asked, documents, k, chunk)
    return scores, positions


def _search_block(asked, documents, k, chunk):
    import torch

    scores = torch.empty(len(asked), 0, device=asked.device)
    positions = torch.empty(len(asked), 0, dtype=torch.int64, device=asked.device)
    for start in range(0, len(documents), chunk):
        block = np.ascontiguousarray(documents[start : start + chunk], dtype=np.float32)
        found, place = (asked @ torch.from_numpy(block).to(asked.device).T).topk(min(k, len(block)), dim=1)
        scores = torch.cat([scores, found], dim=1)
        positions = torch.cat([positions, place + start], dim=1)
        order = (-scores).argsort(dim=1, stable=True)[:, :k]
        scores, positions = scores.gather(1, order), positions.gather(1, order)
    return _in_order_of_position(scores.cpu().numpy(), positions.cpu().numpy())


def _in_order_of_position(scores, positions):
    order = np.lexsort((positions, -scores), axis=1)
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(positions, order, axis=1)
