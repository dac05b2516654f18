"""The texts whose teacher vectors are nearest to that of each text: documents that are hard to tell apart.

They are found once, by exact search in chunks or, among many, by FAISS, and stored as `mined.safetensors`:
"neighbours" int32 (n, k), nearest first, and the teacher and texts that they are of in the header.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from tqdm.auto import tqdm

from traceformers.training.distillation.teacher import IDENTITY
from traceformers.training.tensor_files import write_tensors

try:
    import faiss
except ImportError:
    faiss = None

#: Exact search among more texts than this takes long on a CPU.
EXACT_UP_TO = 50_000
QUERIES_PER_CHUNK = 1024
DOCUMENTS_PER_CHUNK = 16_384


class MinedDocuments:
    """Nearest texts of each text.

    Args:
        neighbours (int32 (n, k)): nearest first, never the text itself.
    """

    def __init__(self, neighbours):
        self.neighbours = neighbours

    def __len__(self):
        return len(self.neighbours)

    @classmethod
    def open(cls, path, cache):
        """Returns what `mine_documents` saved for the texts and teacher of `cache`, or None without such a file.

        Raises:
            ValueError: if the file is of other texts or another teacher.
        """
        path = Path(path)
        if not path.is_file():
            return None
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("cache") != cache_identity(cache):
                raise ValueError(
                    f"Expected documents mined from {cache.folder} in {path}, got those of another cache. "
                    "Delete the file to mine again, or name another one."
                )
            return cls(file.get_tensor("neighbours"))

    def save(self, path, cache):
        """Writes the file that `open` reads."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_tensors(path, {"neighbours": self.neighbours}, {"cache": cache_identity(cache)})


def cache_identity(cache):
    """Returns a hash of the teacher and the texts of a `TeacherCache`."""
    about = {key: cache.about[key] for key in (*IDENTITY, "similarity")}
    return hashlib.sha256(json.dumps([about, cache.texts_sha256]).encode()).hexdigest()


def mine_documents(cache, k=16, exact=None, progress=True):
    """Returns the `MinedDocuments` of all texts of a `TeacherCache`.

    Args:
        k (`int`): neighbours of each text.
        exact (`bool`, *optional*): compare with every text; by default up to `EXACT_UP_TO` texts, or without FAISS.
            Otherwise an inverted file of FAISS looks into 16 of its lists.
        progress (`bool`): show a progress bar.

    Raises:
        ValueError: if there are no k other texts.
    """
    n = len(cache)
    if not 1 <= k < n:
        raise ValueError(f"Expected 1 to {n - 1} neighbours of each of {n} texts, got {k}. Ask for fewer.")
    if exact is None:
        exact = faiss is None or n <= EXACT_UP_TO
    vectors = np.concatenate([block for _, block in cache.blocks()])  # float16
    if cache.about["similarity"] == "cosine":
        for start in range(0, n, DOCUMENTS_PER_CHUNK):
            block = vectors[start : start + DOCUMENTS_PER_CHUNK].astype(np.float32)
            norms = np.linalg.norm(block, axis=1, keepdims=True)
            vectors[start : start + DOCUMENTS_PER_CHUNK] = block / np.maximum(norms, 1e-12)
    search = _exact_search(vectors) if exact else _inverted_file_search(vectors)
    neighbours = np.empty((n, k), dtype=np.int32)
    with tqdm(total=n, unit=" texts", desc="mining", disable=not progress) as bar:
        for start in range(0, n, QUERIES_PER_CHUNK):
            queries = np.arange(start, min(n, start + QUERIES_PER_CHUNK))
            found = search(vectors[queries].astype(np.float32), k + 1)
            neighbours[queries] = _without_itself(found, queries, k)
            bar.update(len(queries))
    return MinedDocuments(neighbours)


def _exact_search(vectors):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    blocks = torch.from_numpy(vectors).split(DOCUMENTS_PER_CHUNK)

    def search(queries, k):
        queries = torch.from_numpy(queries).to(device)
        best, indices, first = None, None, 0
        for block in blocks:
            scores = queries @ block.to(device).float().T
            top, here = scores.topk(min(k, len(block)), dim=1)
            here = here + first
            first += len(block)
            if best is not None:
                top, here = torch.cat([best, top], 1), torch.cat([indices, here], 1)
            best, chosen = top.topk(min(k, top.shape[1]), dim=1)
            indices = here.gather(1, chosen)
        return indices.cpu().numpy()

    return search


def _inverted_file_search(vectors):
    n, D = vectors.shape
    n_lists = max(1, int(4 * n**0.5))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(D), D, n_lists, faiss.METRIC_INNER_PRODUCT)
    sample = np.random.default_rng(0).choice(n, min(n, 40 * n_lists), replace=False)
    index.train(vectors[np.sort(sample)].astype(np.float32))
    for start in range(0, n, DOCUMENTS_PER_CHUNK):
        index.add(vectors[start : start + DOCUMENTS_PER_CHUNK].astype(np.float32))
    index.nprobe = min(16, n_lists)
    return lambda queries, k: index.search(queries, k)[1]


def _without_itself(found, queries, k):
    """Returns k columns of found (n, k + 1), without the query where it is among them; gaps repeat the nearest."""
    itself = (found == queries[:, None]) | (found < 0)
    kept = np.take_along_axis(found, np.argsort(itself, axis=1, kind="stable"), axis=1)[:, :k]
    n_kept = (~itself).sum(1, keepdims=True)
    nearest = np.where(n_kept > 0, kept[:, :1], (queries[:, None] + 1) % (queries.max() + 2))
    return np.where(np.arange(k) < n_kept, kept, nearest)
