"""The vectors of an index: a plain file of rows as encoded, and the FAISS index made from it."""

import os
from pathlib import Path

import numpy as np

try:
    import faiss
except ImportError as error:
    raise ImportError(
        "Expected FAISS, which a search index is made of; it is not installed. Run: pip install 'traceformers[search]'"
    ) from error

KINDS = ("flat", "ivfpq", "hnsw")
BLOCK = 65_536  # vectors copied to FAISS at a time
# FAISS wants 39 training points a cell and 256 codes a sub-quantizer.
POINTS_PER_CELL, SMALLEST_IVFPQ = 39, 39 * 256
CODE_ROUNDS, POINTS_PER_CODE = 10, 64
HNSW_LINKS, HNSW_BUILD_WIDTH, HNSW_SEARCH_WIDTH = 32, 200, 128
PROBED_SHARE = 16  # one of so many cells is searched, at least PROBED_CELLS
PROBED_CELLS = 16
REFINED = 4  # times as many candidates by codes as answers by whole vectors


class VectorFile:
    """Vectors on disk, `dtype (rows, dimension)`, written in place and read through memory mapping.

    What is beyond the last row of the document store was never committed and is written over.
    """

    def __init__(self, path, dimension, dtype="float32"):
        self.path, self.dimension, self.dtype = Path(path), dimension, np.dtype(dtype)

    def write(self, rows, vectors):
        """Writes vectors (n, dimension) to their rows; returns after they are on the disk."""
        vectors = np.ascontiguousarray(vectors, dtype=self.dtype)
        width = self.dimension * self.dtype.itemsize
        with open(self.path, "r+b" if self.path.exists() else "w+b") as file:
            for row, vector in zip(rows, vectors, strict=True):
                file.seek(row * width)
                file.write(vector)
            file.flush()
            os.fsync(file.fileno())

    def open(self, rows):
        """Returns the first `rows` vectors, memory-mapped.

        Raises:
            ValueError: the file is shorter than that.
        """
        size = self.path.stat().st_size if self.path.exists() else 0
        expected = rows * self.dimension * self.dtype.itemsize
        if size < expected:
            raise ValueError(
                f"Expected {expected} bytes of vectors in {self.path}, got {size}. "
                "The file was cut off: copy the index again, or build it anew in another folder."
            )
        if not rows:
            return np.empty((0, self.dimension), dtype=self.dtype)
        return np.memmap(self.path, dtype=self.dtype, mode="r", shape=(rows, self.dimension))


def check_size(kind, documents):
    """Raises ValueError if there are too few documents for an index of this kind."""
    if kind not in KINDS:
        raise ValueError(f"Expected an index of {', '.join(KINDS)}, got {kind!r}. Choose one of these.")
    if kind == "ivfpq" and documents < SMALLEST_IVFPQ:
        raise ValueError(
            f"Expected at least {SMALLEST_IVFPQ} documents to learn the codes of ivfpq from, got {documents}. "
            "Use --index flat, which is exact and fast at this size, or hnsw."
        )


def make_index(kind, vectors, rows, previous=None, trained_on=0, progress=None):
    """Returns a FAISS index of some rows, answering with row numbers, and the number of vectors it was trained on.

    Args:
        kind (`str`): "flat", "ivfpq" or "hnsw".
        vectors (`(n, D)`): all vectors, memory-mapped.
        rows (`int64 (m,)`): rows to index, ascending.
        previous (`faiss.Index`, *optional*): the index of before. hnsw grows when nothing was removed; ivfpq keeps its
            cells and codes until there are twice the vectors they were learned from.
        trained_on (`int`): of `previous`.
        progress (callable, *optional*): called with the number of vectors added.
    """
    held = faiss.vector_to_array(previous.id_map) if isinstance(previous, faiss.IndexIDMap) else None
    if kind == "hnsw" and held is not None and np.isin(held, rows).all():
        rows, index = np.setdiff1d(rows, held), previous
    elif kind == "ivfpq" and previous is not None and len(rows) <= 2 * trained_on:
        index, held = previous, _listed(previous)
        index.remove_ids(faiss.IDSelectorBatch(np.setdiff1d(held, rows)))
        rows = np.setdiff1d(rows, held)
    else:
        index = _new_index(kind, vectors, rows)
        trained_on = len(rows)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        index.add_with_ids(np.ascontiguousarray(vectors[part], dtype=np.float32), part)
        if progress is not None:
            progress(len(part))
    return index, trained_on


def _listed(index):
    """Returns the ids in all cells of an inverted file."""
    lists = index.invlists
    cells = [
        faiss.rev_swig_ptr(lists.get_ids(cell), lists.list_size(cell)).copy()
        for cell in range(index.nlist)
        if lists.list_size(cell)
    ]
    return np.concatenate(cells) if cells else np.empty(0, dtype=np.int64)


def _new_index(kind, vectors, rows):
    dimension, metric = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
    if kind == "flat":
        return faiss.index_factory(dimension, "IDMap,Flat", metric)
    if kind == "hnsw":
        index = faiss.index_factory(dimension, f"IDMap,HNSW{HNSW_LINKS}", metric)
        graph = faiss.downcast_index(index.index).hnsw
        graph.efConstruction, graph.efSearch = HNSW_BUILD_WIDTH, HNSW_SEARCH_WIDTH
        return index
    check_size(kind, len(rows))
    cells = min(int(4 * len(rows) ** 0.5), len(rows) // POINTS_PER_CELL)
    codes = max(m for m in range(1, dimension // 4 + 1) if dimension % m == 0)
    # np: without the order of codes that polysemous search, unused here, would need; at width 384 it takes minutes.
    index = faiss.index_factory(dimension, f"IVF{cells},PQ{codes}np", metric)
    # FAISS's defaults (25 rounds, 256 points a code) take minutes on a laptop for codes hardly better.
    index.pq.cp.niter, index.pq.cp.max_points_per_centroid = CODE_ROUNDS, POINTS_PER_CODE
    sample = rows
    if len(rows) > 256 * cells:
        sample = np.sort(np.random.default_rng(0).choice(rows, 256 * cells, replace=False))
    index.train(np.ascontiguousarray(vectors[sample], dtype=np.float32))
    index.nprobe = min(cells, max(PROBED_CELLS, cells // PROBED_SHARE))
    return index


def write_index(index, path):
    """Writes a FAISS index; a reader sees the whole file or none."""
    path = Path(path)
    half = path.with_name(path.name + ".half")
    faiss.write_index(index, str(half))
    with open(half, "rb") as file:
        os.fsync(file.fileno())
    half.replace(path)


def read_index(path):
    """Returns the FAISS index of a file."""
    return faiss.read_index(str(path))


def nearest(index, queries, top_k):
    """Returns scores float32 (Q, k) and rows int64 (Q, k), best first; -1 where there are no more."""
    count = min(top_k, index.ntotal)
    if count == 0:
        return np.empty((len(queries), 0), dtype=np.float32), np.empty((len(queries), 0), dtype=np.int64)
    return index.search(np.ascontiguousarray(queries, dtype=np.float32), count)


def refined(candidates, vectors, queries, top_k):
    """Returns scores and rows as `nearest` does, the best of some candidates by their whole vectors.

    Args:
        candidates (`int64 (Q, n)`): rows, -1 where there are no more.
        vectors (`(N, D)`): all vectors, memory-mapped.
        queries (`float32 (Q, D)`): of the candidates.
    """
    scores = np.full(candidates.shape, -np.inf, dtype=np.float32)
    for row, (query, found) in enumerate(zip(queries, candidates, strict=True)):
        held = (found >= 0) & (found < len(vectors))
        scores[row, held] = vectors[found[held]].astype(np.float32) @ query
    order = np.lexsort((candidates, -scores), axis=1)[:, :top_k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(candidates, order, axis=1)


def use_threads(threads):
    """Sets how many threads FAISS uses."""
    faiss.omp_set_num_threads(threads)


def version():
    """Returns the version of FAISS."""
    return faiss.__version__
