"""Retrieval of the items with the greatest inner product, for catalogues too large to score them all for every user.

FAISS finds candidates where it can be imported; without it a product in chunks of the catalogue finds them. Either way
the candidates are then scored again by the same float32 product and ordered by `top_k`, so both give equal lists.

Axes: B queries, V token ids, H width of a vector, n items found.
"""

import numpy as np
import torch

from .item_ranking import NEVER, top_k

try:
    import faiss
except ImportError:
    faiss = None

KINDS = ("flat", "hnsw", "ivf")
#: Products that are held at once where FAISS is missing.
_PRODUCTS_AT_ONCE = 1 << 25
_VECTORS_AT_ONCE = 1 << 16


class ItemIndex:
    """Finds the items with the greatest `query @ vector + bias`.

    Arguments:
        vectors (V, H): one vector a token id.
        bias (V,) or None: added to every product.
        first: rows below this are never found: the special tokens.
        kind: "flat": exact; "hnsw" (a graph) and "ivf" (cells): approximate and faster, they need FAISS.
        settings: of "hnsw": `links` (32), `ef_construction` (80), `ef_search` (128); of "ivf": `cells` (4 sqrt(V)),
            `probes` (an eighth of the cells).

    Raises:
        ValueError: the kind or a setting is none of these, or there is no item.
        ImportError: "hnsw" and "ivf" without FAISS.
    """

    def __init__(
        self, vectors: torch.Tensor, bias: torch.Tensor | None = None, first: int = 0, kind="flat", **settings
    ):
        if kind not in KINDS:
            raise ValueError(f"Expected kind to be one of {', '.join(KINDS)}, got {kind!r}; pass one.")
        known = {"flat": (), "hnsw": ("links", "ef_construction", "ef_search"), "ivf": ("cells", "probes")}[kind]
        if set(settings) - set(known):
            raise ValueError(
                f"Expected settings of {kind!r} to be {', '.join(known) or 'none'}, got {', '.join(settings)}; drop it."
            )
        if faiss is None and kind != "flat":
            raise ImportError(
                f"Expected FAISS for an index of kind {kind!r}, got none; install faiss-cpu, or use 'flat'."
            )
        if len(vectors) <= first:
            raise ValueError(f"Expected vectors of at least one item, got {len(vectors)} rows; {first} are special.")
        self.kind, self.first = kind, first
        self.vectors = vectors.detach().float()
        self.bias = None if bias is None else bias.detach().float()
        self.index = None if faiss is None else self._build(settings)

    def __len__(self) -> int:
        return len(self.vectors) - self.first

    def search(self, queries: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (token ids int64 (B, n), scores float32 (B, n)), best first; n is at most the number of items.

        Places of which nothing was found, which approximate kinds may leave, hold id 0 and -inf.
        """
        queries = queries.detach().float()
        n = min(n, len(self))
        found = self._candidates(queries, n).sort(1).values  # rising ids, so that ties are in order
        real = found >= 0
        rows = found.clamp(min=0) + self.first
        scores = (self.vectors[rows] @ queries[:, :, None])[..., 0]  # (B, n)
        if self.bias is not None:
            scores = scores + self.bias[rows]
        places, scores = top_k(scores.masked_fill(~real, NEVER), n)
        return rows.gather(1, places).masked_fill(scores == NEVER, 0), scores

    def _build(self, settings):
        rows = _with_column(self.vectors[self.first :], None if self.bias is None else self.bias[self.first :])
        rows, inner = rows.cpu().numpy(), faiss.METRIC_INNER_PRODUCT
        V, H = rows.shape
        if self.kind == "flat":
            index = faiss.IndexFlatIP(H)
        elif self.kind == "hnsw":
            index = faiss.IndexHNSWFlat(H, settings.get("links", 32), inner)
            index.hnsw.efConstruction = settings.get("ef_construction", 80)
            index.hnsw.efSearch = settings.get("ef_search", 128)
        else:
            cells = min(settings.get("cells") or max(1, int(4 * V**0.5)), V)
            index = faiss.IndexIVFFlat(faiss.IndexFlatIP(H), H, cells, inner)
            index.nprobe = min(settings.get("probes") or max(1, cells // 8), cells)
            index.cp.min_points_per_centroid = 1  # silences a warning about small catalogues
            index.train(rows)
        for start in range(0, V, _VECTORS_AT_ONCE):
            index.add(rows[start : start + _VECTORS_AT_ONCE])
        return index

    def _candidates(self, queries, n):
        """Return the places (B, n) of the n best items, in any order, -1 where there is none."""
        if self.index is None:
            return self._candidates_in_chunks(queries, n)
        rows = _with_column(queries, None if self.bias is None else queries.new_ones(len(queries)))
        if self.kind == "hnsw":
            self.index.hnsw.efSearch = max(self.index.hnsw.efSearch, n)
        _, found = self.index.search(np.ascontiguousarray(rows.cpu().numpy()), n)
        return torch.from_numpy(found).to(queries.device)

    def _candidates_in_chunks(self, queries, n):
        B = max(1, len(queries))
        size = max(n, _PRODUCTS_AT_ONCE // B)
        best, places = queries.new_zeros(len(queries), 0), queries.new_zeros(len(queries), 0, dtype=torch.long)
        for start in range(self.first, len(self.vectors), size):
            scores = queries @ self.vectors[start : start + size].T
            if self.bias is not None:
                scores = scores + self.bias[start : start + size]
            found, columns = scores.topk(min(n, scores.shape[1]))
            best = torch.cat([best, found], 1)
            places = torch.cat([places, columns + (start - self.first)], 1)
            best, order = best.topk(min(n, best.shape[1]))
            places = places.gather(1, order)
        return places


def _with_column(rows, column):
    """Return rows (R, H), with `column` (R,) as one more where it is given: a bias is a product with 1."""
    return rows if column is None else torch.cat([rows, column[:, None]], 1)


__all__ = ["KINDS", "ItemIndex"]
