"""Title vectors of a run by a sentence encoder: computed once into its folder, and used again where they still fit."""

import json
import shutil
from pathlib import Path

from traceformers.datasets_scripts.interactions.title_embeddings import (
    ABOUT,
    HALF,
    VECTORS,
    OtherVectorsError,
    titles_sha256,
    write_title_embeddings,
)


def encode_titles(encoder, tokenizer, folder, revision=None, device=None, progress=False):
    """Returns the content of title_embeddings.json in `folder`, where the vectors of a catalogue's titles are.

    Vectors of the same titles by the same encoder are kept, without loading it; others in this folder are replaced.
    What an interrupted call had done is not done again.

    Args:
        encoder (`str`): a repository on the Hub, a folder, or `package:<module>`, see `load_teacher`.
        tokenizer (`ItemTokenizer`): of items with titles.
        folder (path): for nothing else.
        revision (`str`, *optional*): commit or tag of a repository.
        device (*optional*): where it is computed.
        progress (`bool`): show a progress bar.

    Raises:
        ValueError: if no item has a title.
    """
    pairs = [(item, title) for item, title in zip(tokenizer.items, tokenizer.titles or [], strict=False) if title]
    if not pairs:
        raise ValueError(
            f"Expected items with titles for --title_encoder {encoder}, got none. Name data with titles, a table of "
            "items with --items_path, or leave --title_encoder out."
        )
    items, titles = map(list, zip(*pairs, strict=True))
    folder = Path(folder)
    held = _held(folder)
    asked = {"model": str(encoder), "titles_sha256": titles_sha256(items, titles)}
    asked |= {} if revision is None else {"revision": revision}
    fits = held is not None and "title_hashes" in held and all(held.get(key) == asked[key] for key in asked)
    if fits and not Path(encoder).is_dir():  # a folder may hold other weights by now
        return held
    from traceformers.training.distillation.teacher import load_teacher

    loaded = load_teacher(encoder, revision, device=None if device is None else str(device), precision="float32")
    try:
        return write_title_embeddings(items, titles, loaded, folder, progress=progress)
    except OtherVectorsError:
        for name in (VECTORS, ABOUT):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / HALF, ignore_errors=True)
        return write_title_embeddings(items, titles, loaded, folder, progress=progress)


def _held(folder):
    """Returns the content of the JSON of finished vectors, or None."""
    if not (folder / ABOUT).is_file() or not (folder / VECTORS).is_file():
        return None
    return json.loads((folder / ABOUT).read_text(encoding="utf-8"))
