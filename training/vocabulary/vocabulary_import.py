"""A vocabulary that was built elsewhere, with its embeddings: read, checked, and put into our order of ids.

Tokens are one a line (`.txt`), a JSON list, or a JSON object of ids; embeddings one table (n, D), row i that of token
i, in a `.safetensors`, `.npy` or `.h5` file. The spelling of tokens is that of `tokenization/ngram`: `[PAD]`, `[UNK]`,
words, `x##` and `##x` pieces, `a b` n-grams, `a _ c` skip-grams. `[PAD]` and `[UNK]` may be missing, and are then put
before the others: [PAD] with zeros, [UNK] with the mean of the words.
"""

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from traceformers.tokenization.ngram.ngram_vocabulary import SPECIAL_TOKENS, WORD, NgramVocabulary

try:
    import h5py
except ImportError:
    h5py = None

TABLE_NAMES = ("vectors", "embeddings", "embedding", "table", "embedding.weight", "embeddings.weight")
SHOWN = 5


def import_vocabulary(tokens_file, embeddings_file, dimension=None):
    """Returns (`NgramVocabulary`, vectors float32 (V, D)) of a vocabulary built elsewhere.

    Args:
        tokens_file (`str`): `.txt` or `.json`.
        embeddings_file (`str`): `.safetensors`, `.npy`, `.h5` or `.hdf5`.
        dimension (`int`, *optional*): the width that the vectors must have.

    Raises:
        ValueError: if sizes differ, a token is there twice or is none, a vector is not finite or of another width, or a
            file is of another format; the message says where.
    """
    tokens = read_tokens(tokens_file)
    vectors = read_table(embeddings_file)
    if len(tokens) != len(vectors):
        raise ValueError(
            f"Expected one row of embeddings a token, got {len(tokens)} tokens in {tokens_file} and {len(vectors)} "
            f"rows in {embeddings_file}. Give the two files of one vocabulary."
        )
    if dimension is not None and vectors.shape[1] != dimension:
        raise ValueError(
            f"Expected embeddings of width {dimension}, got {vectors.shape[1]} in {embeddings_file}. "
            "Give those of this teacher, or name the teacher that they are of."
        )
    first = {}
    twice = [
        f"{token!r} (lines {first[token]} and {i})"
        for i, token in enumerate(tokens, 1)
        if first.setdefault(token, i) != i
    ]
    if twice:
        raise ValueError(
            f"Expected every token once in {tokens_file}, got {len(twice)} duplicates: {', '.join(twice[:SHOWN])}. "
            "Remove them, and their rows of the embeddings."
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        shown = ", ".join(f"{i} ({tokens[i]!r})" for i in bad[:SHOWN])
        raise ValueError(f"Expected finite embeddings in {embeddings_file}, got others in rows {shown}. Correct them.")
    return with_specials(tokens, vectors)


def with_specials(tokens, vectors):
    """Returns (`NgramVocabulary`, vectors float32 (V, D)) with `[PAD]` and `[UNK]` first."""
    place = {token: i for i, token in enumerate(tokens)}
    order = [place.get(token, -1) for token in SPECIAL_TOKENS]
    order += [i for i, token in enumerate(tokens) if token not in SPECIAL_TOKENS]
    try:
        vocabulary = NgramVocabulary([tokens[i] if i >= 0 else SPECIAL_TOKENS[at] for at, i in enumerate(order)])
    except ValueError as error:
        raise ValueError(f"Expected tokens as tokenization/ngram spells them, got others: {error}") from error
    table = np.where(np.array(order)[:, None] >= 0, vectors[order], np.float32(0))
    words = np.asarray(vocabulary.kinds) == WORD
    if order[1] < 0 and words.any():
        table[1] = table[words].mean(axis=0)
    return vocabulary, table


def read_tokens(path):
    """Returns the tokens of a file in the order of their rows, `list[str]`."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        lines = text.removesuffix("\n").split("\n")  # splitlines would also cut at characters inside tokens
        content = json.loads(text) if path.suffix == ".json" else [line.rstrip("\r") for line in lines]
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"Expected tokens as UTF-8 lines or JSON in {path}, got {error}. Convert the file.") from error
    if isinstance(content, dict):
        ids = list(content.values())
        if any(type(i) is not int for i in ids) or sorted(ids) != list(range(len(ids))):
            raise ValueError(
                f"Expected the ids 0 to {len(content) - 1} in {path}, each once, got {ids[:SHOWN]} and others. "
                "Give a list of tokens in the order of the rows."
            )
        content = sorted(content, key=content.get)
    if not isinstance(content, list) or not content or not all(isinstance(token, str) for token in content):
        raise ValueError(
            f"Expected a list of tokens in {path}, got {type(content).__name__} {str(content)[:60]!r}. "
            "Give one token a line, a JSON list, or a JSON object of ids."
        )
    return content


def read_table(path):
    """Returns the table of embeddings of a file, float32 (n, D)."""
    path = Path(path)
    readers = {".safetensors": _safetensors, ".npy": _npy, ".h5": _hdf5, ".hdf5": _hdf5}
    if path.suffix not in readers:
        raise ValueError(
            f"Expected embeddings in {', '.join(readers)}, got {path.name}. Save the table in one of these formats."
        )
    if not path.is_file():
        raise FileNotFoundError(f"Expected embeddings at {path}, found no file. Give the path of the table.")
    table = readers[path.suffix](path)
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.floating) or 0 in table.shape:
        raise ValueError(
            f"Expected a table of numbers (tokens, width) in {path}, got {table.dtype} of shape {table.shape}. "
            "Save the embeddings as one two-dimensional array of floats."
        )
    return table.astype(np.float32)


def _safetensors(path):
    try:
        with safe_open(path, "np") as file:
            name = _name_of_table(path, {name: len(file.get_slice(name).get_shape()) for name in file.keys()})  # noqa: SIM118
            return file.get_tensor(name)
    except (SafetensorError, OSError, TypeError) as error:  # TypeError: bfloat16, which numpy has not
        raise ValueError(
            f"Expected a safetensors file of float32 or float16, got {path}: {error}. Save it again."
        ) from error


def _npy(path):
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"Expected one array of numbers in {path}, got what numpy cannot read without running code ({error}). "
            "Save a plain array with np.save."
        ) from error


def _hdf5(path):
    if h5py is None:
        raise ValueError(
            f"Expected the package h5py, with which {path} is read, found none. "
            "Install h5py, or convert the table to .safetensors or .npy."
        )
    try:
        with h5py.File(path, "r") as file:
            found = {}
            file.visititems(
                lambda name, item: found.update({name: item.ndim}) if isinstance(item, h5py.Dataset) else None
            )
            return file[_name_of_table(path, found)][()]
    except OSError as error:
        raise ValueError(f"Expected an HDF5 file, got {path}: {error}. Save or copy it again.") from error


def _name_of_table(path, dimensions):
    """Returns the name of the table among arrays {name: number of dimensions}: the only one of two, or a known name."""
    tables = [name for name, n in dimensions.items() if n == 2]
    named = [name for name in TABLE_NAMES if name in tables] or tables
    if len(named) != 1:
        raise ValueError(
            f"Expected one table in {path}, got arrays {sorted(dimensions)}, {len(tables)} of two dimensions. "
            f"Name the embeddings {TABLE_NAMES[0]!r}."
        )
    return named[0]
