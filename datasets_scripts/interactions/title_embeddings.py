"""Vectors of item titles by a sentence encoder, computed once: title_embeddings.safetensors and title_embeddings.json.

The JSON says which model, revision and weights made them, how wide they are, which items they are of (row i is of
`items[i]`), the SHA-256 of the titles and a short one of each; another model or other titles are refused, not mixed.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from safetensors import safe_open

from traceformers.training.tensor_files import write_json, write_tensors

VECTORS, ABOUT, HALF = "title_embeddings.safetensors", "title_embeddings.json", "title_embeddings.half"
TENSOR = "embeddings"
# What must agree for two files to hold the same vectors.
IDENTITY = ("weights_sha256", "pooling", "normalize", "dimension", "max_length", "titles_sha256", "item_count")
HASH_DIGITS = 12


class OtherVectorsError(ValueError):
    """A folder holds vectors of another model or of other titles."""


def titles_of(interactions):
    """Returns (items, titles), lists of `str`: all items with a title, those without rows too.

    Raises:
        ValueError: if no item has a title.
    """
    tables = [table for table in (interactions.items_table, interactions.untouched_items) if table is not None]
    pairs = [
        (item, title)
        for table in tables
        for item, title in zip(table.column("item").to_pylist(), table.column("title").to_pylist(), strict=True)
        if title
    ]
    if not pairs:
        raise ValueError(
            "Expected items with titles, got none. Name data with titles, or a table of items with --items-path."
        )
    return [item for item, _ in pairs], [title for _, title in pairs]


def titles_sha256(items, titles):
    """Returns the SHA-256 of items and titles, in their order."""
    return hashlib.sha256(json.dumps([items, titles], ensure_ascii=False).encode()).hexdigest()


def title_hash(title):
    """Returns what a title is known by again: the first `HASH_DIGITS` hexadecimal digits of its SHA-256."""
    return hashlib.sha256(title.encode()).hexdigest()[:HASH_DIGITS]


def write_title_embeddings(items, titles, encoder, folder, batch_size=1024, progress=False):
    """Returns the content of title_embeddings.json of the folder; what an interrupted call had done is not done again.

    Args:
        items, titles (`list[str]`): of equal length.
        encoder (`Teacher`): see `load_teacher`; anything with `fingerprint` and `encode(texts)`.
        folder (path): where both files go.
        batch_size (`int`): titles that are lost at most when it is interrupted.
        progress (`bool`): show a progress bar.

    Raises:
        OtherVectorsError: if the folder holds, finished or not, vectors of another model or of other titles.
    """
    from tqdm.auto import tqdm

    folder = Path(folder)
    held = encoder.fingerprint
    about = {
        "model": held["teacher"],
        **{key: held.get(key) for key in ("revision", "weights_sha256", "pooling", "normalize", "dimension")},
        "max_length": held.get("max_length"),
        "item_count": len(items),
        "titles_sha256": titles_sha256(items, titles),
        "items": list(items),
        "title_hashes": [title_hash(title) for title in titles],
    }
    if (folder / ABOUT).is_file() and (folder / VECTORS).is_file():
        held = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        _refuse_other(held, about, folder / ABOUT)
        if "title_hashes" not in held:
            write_json(folder / ABOUT, about)
        return about
    half = folder / HALF
    half.mkdir(parents=True, exist_ok=True)
    if (half / ABOUT).is_file():
        _refuse_other(json.loads((half / ABOUT).read_text(encoding="utf-8")), about, half / ABOUT)
    else:
        write_json(half / ABOUT, about)
    parts = []
    for start in tqdm(range(0, len(items), batch_size), unit="batch", disable=not progress):
        batch = titles[start : start + batch_size]
        part = half / f"{start:09d}-{len(batch)}.safetensors"
        if not part.is_file():
            write_tensors(part, {TENSOR: np.asarray(encoder.encode(batch), dtype=np.float32)})
        parts.append(_read(part))
    write_tensors(folder / VECTORS, {TENSOR: np.concatenate(parts)}, {"titles_sha256": about["titles_sha256"]})
    write_json(folder / ABOUT, about)
    shutil.rmtree(half)
    return about


def load_title_vectors(path, items, titles):
    """Returns (vectors float32 (len(items), E), content of the JSON); an item without a vector has zeros.

    A vector is only used for the title it was made of: the same id can be another item in other data.

    Args:
        path (path): the folder, or either of its files.
        items (`list[str]`): ids, in the order that the rows shall have.
        titles (list of `str` or None, or None): of these items.

    Raises:
        FileNotFoundError: if there are no such files.
        ValueError: if they do not fit each other, none of the items has a vector, or an item has another title.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if not (folder / ABOUT).is_file() or not (folder / VECTORS).is_file():
        raise FileNotFoundError(
            f"Expected a folder with {VECTORS} and {ABOUT}, found not both at {path}. Write them with "
            "prepare_title_embeddings.py."
        )
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    vectors = _read(folder / VECTORS)
    shape = (about["item_count"], about["dimension"])
    if vectors.shape != shape or len(about["items"]) != len(vectors):
        raise ValueError(f"Expected vectors {shape} in {folder} by {ABOUT}, got {vectors.shape}. Write them again.")
    row_of = {item: row for row, item in enumerate(about["items"])}
    rows = np.array([row_of.get(str(item), -1) for item in items], dtype=np.int64)
    if not (rows >= 0).any():
        raise ValueError(
            f"Expected vectors of these items in {folder}, got those of others, {about['items'][:3]} for instance. "
            "Write them for this data."
        )
    _refuse_strange_titles(about, rows, items, titles, folder)
    found = np.zeros((len(rows), vectors.shape[1]), dtype=np.float32)
    found[rows >= 0] = vectors[rows[rows >= 0]]
    return found, about


def _refuse_strange_titles(about, rows, items, titles, folder):
    if "title_hashes" not in about:
        raise ValueError(
            f"Expected title_hashes in {folder / ABOUT}, to tell whose vectors they are, found none. Write them again."
        )
    if titles is None:
        raise ValueError(
            f"Expected titles of the items, to tell whether the vectors in {folder} are theirs, got none. Name data "
            "with titles, or a table of items with --items_path."
        )
    used = [(row, item, title) for row, item, title in zip(rows.tolist(), items, titles, strict=True) if row >= 0]
    strange = [(i, title) for row, i, title in used if title_hash(title or "") != about["title_hashes"][row]]
    if strange:
        item, title = strange[0]
        raise ValueError(
            f"Expected in {folder} vectors of the titles of these items, got those of other titles for "
            f"{len(strange):,} of {len(used):,}, {item!r} ({title!r}) for instance. Write them for this data."
        )


def _read(path):
    with safe_open(path, framework="numpy") as file:
        return file.get_tensor(TENSOR)


def _refuse_other(held, asked, path):
    other = [key for key in IDENTITY if held.get(key) != asked.get(key)]
    if other:
        what = "other titles" if other[0] in ("titles_sha256", "item_count") else f"another model ({held.get('model')})"
        raise OtherVectorsError(
            f"Expected in {path} vectors of {asked['model']} for these {asked['item_count']:,} titles, got those of "
            f"{what}: {', '.join(other)} differ. Name another folder, or delete this one."
        )
