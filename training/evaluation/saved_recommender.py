"""A saved recommender, whatever it is, and histories in its own token ids."""

import json
from importlib import import_module

import numpy as np

from traceformers.modeling.recommender import MODEL_CLASSES
from traceformers.modeling.recommender.configuration_recommender import FIRST_ITEM_ID
from traceformers.tokenization.item.tokenization_item import ItemTokenizer
from traceformers.training.model_files import model_folder


def recommender_class(model_type):
    """Returns the class of a model type; its config's is its `config_class`."""
    module, _, name = MODEL_CLASSES[model_type].rpartition(".")
    return getattr(import_module(module), name)


def load_recommender(name, revision=None, device="cpu"):
    """Returns a saved recommender with its item tokenizer, ready to score; it runs code of this package only.

    Args:
        name (path): folder or Hub id; revision (`str`, *optional*): commit or tag of a Hub id.
        device (`str`): where it scores.

    Raises:
        FileNotFoundError: there is no such folder or repository. ValueError: it holds no recommender.
    """
    folder = model_folder(name, revision)
    path = folder / "config.json"
    model_type = json.loads(path.read_text(encoding="utf-8")).get("model_type") if path.is_file() else None
    if model_type not in MODEL_CLASSES:
        got = f"model type {model_type!r}" if path.is_file() else "no config.json"
        raise ValueError(
            f"Expected a recommender ({', '.join(MODEL_CLASSES)}) in {name}, got {got}. Name the folder of a saved "
            "model, which is model/ in the output folder of a run."
        )
    model = recommender_class(model_type).from_pretrained(folder)
    model.item_tokenizer = ItemTokenizer.from_pretrained(folder)
    return model.to(device).eval()


def token_table(tokenizer, model_tokenizer):
    """Returns the model's token id of each token id of another vocabulary, `int64 (V,)`; -1 where it has none.

    Args:
        tokenizer, model_tokenizer (`ItemTokenizer`): from which, and to which.
    """
    known = dict(zip(model_tokenizer.items, range(FIRST_ITEM_ID, len(model_tokenizer)), strict=True))
    return np.array([*range(FIRST_ITEM_ID), *(known.get(item, -1) for item in tokenizer.items)], dtype=np.int64)


def translated(ids, offsets, table):
    """Returns `(ids, offsets, number left out)` of histories in another vocabulary's token ids.

    Args:
        ids (`int (N,)`), offsets (`int (U + 1,)`): histories.
        table (`int (V,)`): as of `token_table`; items that are -1 in it are left out.

    >>> translated(np.array([3, 4, 3]), np.array([0, 2, 3]), np.array([0, 1, 2, 7, -1]))[1].tolist()
    [0, 1, 2]
    """
    ids = table[ids]
    known = ids >= 0
    before = np.concatenate([[0], np.cumsum(known)])
    return ids[known], before[offsets], int(len(ids) - before[-1])
