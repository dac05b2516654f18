"""Moves a search index to its next generation: encodes what is new, then writes its files beside the old ones."""

import fcntl
import shutil
from contextlib import contextmanager
from itertools import islice

import numpy as np
from tqdm import tqdm

from traceformers.apps.search import search_vectors
from traceformers.apps.search.search_corpus import iterate_documents
from traceformers.apps.search.search_documents import DocumentStore
from traceformers.apps.search.search_manifest import read_manifest, write_manifest

CHUNK = 1024  # documents encoded between two commits: what a kill can cost


def change_index(folder, model, corpus, remove=(), remove_missing=False, progress=False, word_weight=None):
    """Brings an index to a corpus; returns {"added": n, "removed": m, "encoded": k}, counts of documents.

    A replaced document counts as added and removed. Killed at any moment, the index answers as before, and the same
    call goes on from the documents encoded so far.

    Args:
        folder (`Path`): the index, finished or not.
        model (`SearchModel`): the one it is built with.
        corpus (path or None): as for `iterate_documents`; None adds nothing.
        remove (iterable of `str`): ids to remove.
        remove_missing (`bool`): remove what the corpus does not hold.
        progress (`bool`): show progress bars.
        word_weight (`float`, *optional*): the weight of words to record from now on.

    Raises:
        ValueError: the corpus cannot be read, or an id to remove is not there, or no document would be left.
        RuntimeError: another process changes the index.
    """
    if corpus is None and remove_missing:
        raise ValueError("Expected a corpus to compare with, got none. Give one, or name the ids to remove.")
    with _locked(folder):
        manifest = read_manifest(folder)
        if word_weight is not None and manifest.get("word_weight") != word_weight:
            manifest["word_weight"] = word_weight
            write_manifest(folder, manifest)
        generation = manifest["generation"]
        vectors = search_vectors.VectorFile(folder / "vectors.bin", manifest["dimension"], manifest["dtype"])
        store = DocumentStore(folder / "documents.sqlite", write=True)
        try:
            store.begin(generation)
            encoded = 0
            if corpus is not None:
                label = "documents" if progress else None
                documents = iterate_documents(corpus, manifest["passage_words"], progress=label)
                while part := list(islice(documents, CHUNK)):
                    encoded += _take(store, vectors, model, part, manifest)
            store.settle(generation, remove, remove_missing)
            added, removed = store.counts(generation)
            if added or removed or not generation:
                _write_generation(folder, manifest, store, vectors, progress)
                store.purge(generation + 1)
            _remove_old_files(folder)
        finally:
            store.close()
    return {"added": added, "removed": removed, "encoded": encoded}


def _take(store, vectors, model, documents, manifest):
    """Adds those documents that are not there as they are; returns how many were encoded."""
    generation = manifest["generation"]
    changed = store.plan(documents, generation)
    if not changed:
        return 0
    copied = np.array([-1 if row is None else row for _, _, row in changed])
    rows = np.empty((len(changed), vectors.dimension), dtype=np.float32)
    new = [document.encoded_text for (document, _, row) in changed if row is None]
    if new:
        fresh = model.encode_documents(new, manifest["documents_by"] == "teacher")
        if fresh.shape[1] != vectors.dimension:
            raise ValueError(
                f"Expected vectors of width {vectors.dimension}, got {fresh.shape[1]}. "
                "The documents' encoder is not the one of the index: build an index anew."
            )
        rows[copied < 0] = fresh
    if (copied >= 0).any():
        rows[copied >= 0] = vectors.open(store.last_row() + 1)[copied[copied >= 0]]
    numbers = store.allocate(len(changed))
    vectors.write(numbers, rows)  # on the disk before the documents name them
    store.insert(numbers, changed, generation)
    return len(new)


def _write_generation(folder, manifest, store, vectors, progress):
    """Writes the files of the next generation, then the manifest that names them."""
    generation = manifest["generation"] + 1
    rows = store.rows(generation)
    if not len(rows):
        raise ValueError("Expected documents in the index, got none: nothing could be found. Give another corpus.")
    previous, trained_on = None, manifest.get("trained_on", 0)
    if manifest["index"] != "flat" and manifest["files"]:
        previous = search_vectors.read_index(folder / manifest["files"]["vectors"])
    with tqdm(total=len(rows), desc="index", unit=" vectors", disable=not progress) as bar:
        held = vectors.open(store.last_row() + 1)
        index, trained_on = search_vectors.make_index(manifest["index"], held, rows, previous, trained_on, bar.update)
    files = {"vectors": f"vectors-{generation}.faiss"}
    search_vectors.write_index(index, folder / files["vectors"])
    if manifest["mode"] == "hybrid":
        from traceformers.apps.search.search_words import write_word_index

        files["words"] = f"words-{generation}"
        texts = tqdm(store.texts(generation), total=len(rows), desc="words", unit=" texts", disable=not progress)
        write_word_index(folder / files["words"], texts, rows, manifest["language"])
    made = {
        "generation": generation,
        "documents": len(rows),
        "texts_sha256": store.texts_sha256(generation),
        "trained_on": trained_on,
        "files": files,
    }
    write_manifest(folder, {**manifest, **made})


def _remove_old_files(folder):
    kept = set(read_manifest(folder)["files"].values())
    for path in [*folder.glob("vectors-*.faiss*"), *folder.glob("words-*")]:
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _locked(folder):
    """One writer at a time; the lock goes with the process, however it ends."""
    with open(folder / "index.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"Expected to be the only one who changes {folder}, but another process does. Wait until it has ended."
            ) from None
        yield
