"""A folded n-gram encoder without torch and transformers: text to vectors with numpy, and numba where it is installed.

    encoder = NgramRuntime.from_pretrained("folder")
    vectors = encoder.encode(["a text", "and another"])  # float32 (2, D)

The folder is one that `save_pretrained` of a folded model and of its tokenizer wrote. Its two safetensors files are
mapped into memory: processes on one machine share them, and what is not looked up is not read.
"""

import json
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from importlib import import_module
from pathlib import Path
from threading import Lock

import numpy as np

from .ngram_bag import mean_of_rows, uses_numba
from .ngram_files import read_tensors
from .ngram_rho import RhoLayers

PRECISIONS = ("float32", "float16", "int8")
MODEL_TYPE = "ngram_encoder"


class NgramRuntime:
    """Texts to vectors by look-up, division and a small rho.

    Arguments:
        tokenizer: has `encode_flat(texts, max_length) -> (ids int32 (N,), offsets int64 (B + 1,))`.
        tensors (dict): `table` (V, E), `weights` (V, H), `scale` (V, H) where the table is float16 or int8, and the
            parameters of rho.
        config (dict): what config.json holds.
        max_length (int): most ids of a text.
        threads (int): how many parts of a batch are encoded at once.
        precision (str or None): how the table is held in memory; None = as stored.
        cache_size (int): how many texts are remembered with their vectors, the least recently used dropped; 0 = none.
        back_end (str or None): "numba" or "python"; None = numba where it can be imported.
        dimension (int or None): how many components of a vector to keep, one of config's `matryoshka_dims`; None = all.

    Raises:
        ValueError: the model is not folded, table and vocabulary differ in size, or an argument is out of range.

    Attributes:
        dimension (int): length D of a vector. cache_hits, cache_misses (int): since the start.
    """

    def __init__(
        self,
        tokenizer,
        tensors,
        config,
        max_length=512,
        threads=1,
        precision=None,
        cache_size=0,
        back_end=None,
        dimension=None,
    ):
        if config.get("model_type") != MODEL_TYPE or not config.get("folded"):
            raise ValueError(
                f"Expected the config of a folded {MODEL_TYPE}, got model_type {config.get('model_type')!r} with "
                f"folded {config.get('folded')!r}; call `fold()` on the trained model and save what it returns."
            )
        for name, value, least in (("threads", threads, 1), ("cache_size", cache_size, 0)):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"Expected {name} to be an integer of at least {least}, got {value!r}; change it.")
        missing = [name for name in ("table", "weights") if name not in tensors]
        if missing:
            raise ValueError(
                f"Expected the tensors of a folded model, got {', '.join(tensors) or 'none'} without "
                f"{' and '.join(missing)}; call `fold()` on the trained model and save what it returns."
            )
        self.tokenizer, self.config, self.max_length = tokenizer, config, max_length
        self.table, self.scale = _converted(tensors["table"], tensors.get("scale"), tensors["weights"], precision)
        self.weights = tensors["weights"]
        n_tokens = len(tokenizer.vocabulary)
        if not n_tokens == len(self.table) == len(self.weights):
            raise ValueError(
                f"Expected one row of the table for each of the vocabulary's {n_tokens} entries, got {len(self.table)} "
                f"rows and {len(self.weights)} weights; the files belong to different models, save them again together."
            )
        rho = {name[4:]: array for name, array in tensors.items() if name.startswith("rho.")}
        self.rho = RhoLayers(rho, config["layer_norm_eps"]) if rho else None
        self.normalize = bool(config["normalize"])
        self.dimension = full = config["hidden_size"]
        self.threads, self.cache_size, self.back_end = threads, cache_size, back_end
        uses_numba(back_end)  # a wrong name is told now
        self.cache_hits = self.cache_misses = 0
        self._whole = None  # the encoder of uncut vectors
        if dimension not in (None, full):
            usable = sorted({*config.get("matryoshka_dims", ()), full})
            if dimension not in usable:
                raise ValueError(
                    f"Expected a dimension of {', '.join(map(str, usable))}, which this model was trained for, got "
                    f"{dimension!r}; choose one, or train with other matryoshka_dims."
                )
            self._whole = copy(self)
            self._whole.normalize, self.dimension = False, dimension
        self._cache, self._lock, self._pool = OrderedDict(), Lock(), None

    @classmethod
    def from_pretrained(
        cls, folder, threads=1, precision=None, cache_size=0, back_end=None, dimension=None
    ) -> "NgramRuntime":
        """Return the encoder in a folder, a local one; arguments as for the class.

        Raises:
            FileNotFoundError: a file is missing. ValueError: a file is damaged, or files do not fit together.
        """
        folder = Path(folder)
        names = ("config.json", "model.safetensors", "ngram_vocabulary.safetensors")
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise FileNotFoundError(
                f"Expected a saved n-gram encoder in {folder}, found no {', '.join(missing)}; save the folded model "
                "and its tokenizer there with save_pretrained."
            )
        config = json.loads((folder / names[0]).read_text(encoding="utf-8"))
        about = folder / "tokenizer_config.json"
        about = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
        vocabulary = _tokenizer_part("ngram_vocabulary").NgramVocabulary.load(folder / names[2])
        return cls(
            _tokenizer_part("ngram_kernel").tokenizer_for(vocabulary, back_end),
            read_tensors(folder / names[1])[0],
            config,
            max_length=min(int(about.get("model_max_length", 512)), 1 << 31),
            threads=threads,
            precision=precision,
            cache_size=cache_size,
            back_end=back_end,
            dimension=dimension,
        )

    # --- texts to vectors -----------------------------------------------------------------------------------

    def encode(self, texts, batch_size=1024) -> np.ndarray:
        """Return the vectors float32 (B, D) of texts, or the one (D,) of a text.

        Arguments:
            texts (str or sequence of str).
            batch_size (int): texts that a thread works on at once; bounds memory, changes no vector.

        Raises:
            TypeError: something is not a text.
        """
        if isinstance(texts, str):
            return self._remembered([texts], batch_size)[0] if self.cache_size else self._encode([texts])[0]
        texts = texts if isinstance(texts, (list, tuple)) else list(texts)
        return self._remembered(texts, batch_size) if self.cache_size else self._encode_batches(texts, batch_size)

    def encode_ids(self, ids, offsets, out=None) -> np.ndarray:
        """Return the vectors float32 (B, D) of texts that are ids int32 (N,) with offsets int64 (B + 1,) already.

        Arguments:
            out float32 (B, D) or None: where to write them.
        """
        if self._whole is not None:
            return self._cut(self._whole.encode_ids(ids, offsets), out)
        table = (self.table, self.scale, self.weights)
        if self.rho is None:
            return mean_of_rows(*table, ids, offsets, self.normalize, self.back_end, out)
        pooled = mean_of_rows(*table, ids, offsets, False, self.back_end)
        vectors = self.rho(pooled, self.normalize, uses_numba(self.back_end))
        for text in np.flatnonzero(~pooled.any(1)):  # zeros alone do not tell whether anything was said
            if not (self.weights[ids[offsets[text] : offsets[text + 1]], 0] > 0).any():
                vectors[text] = 0
        if out is None:
            return vectors
        out[:] = vectors
        return out

    def _cut(self, vectors, out):
        """Return the first components of vectors (B, D), of length 1 again where the model normalizes."""
        vectors = np.ascontiguousarray(vectors[:, : self.dimension])
        if self.normalize:
            vectors /= np.maximum(np.sqrt((vectors * vectors).sum(1, keepdims=True)), np.float32(1e-12))
        if out is None:
            return vectors
        out[:] = vectors
        return out

    def _encode(self, texts, out=None):
        return self.encode_ids(*self.tokenizer.encode_flat(texts, self.max_length), out)

    def _encode_batches(self, texts, batch_size):
        if batch_size < 1:
            raise ValueError(f"Expected batch_size to be at least 1, got {batch_size}; try 1024.")
        if len(texts) <= batch_size and self.threads == 1:
            return self._encode(texts)
        out = np.empty((len(texts), self.dimension), np.float32)
        size = max(min(batch_size, -(-len(texts) // self.threads)), 1)
        places = [slice(first, first + size) for first in range(0, len(texts), size)]
        if self.threads == 1 or len(places) < 2:
            for place in places:
                self._encode(texts[place], out[place])
            return out
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="ngram-runtime")
        for _ in self._pool.map(lambda place: self._encode(texts[place], out[place]), places):
            pass  # raises what a thread raised
        return out

    def _remembered(self, texts, batch_size):
        """Return vectors of texts, those of remembered ones from memory."""
        out = np.empty((len(texts), self.dimension), np.float32)
        new = {}  # text -> its places
        with self._lock:
            for place, text in enumerate(texts):
                vector = self._cache.get(text) if isinstance(text, str) else None
                if vector is None:
                    new.setdefault(text, []).append(place)
                else:
                    self._cache.move_to_end(text)
                    out[place] = vector
                    self.cache_hits += 1
            self.cache_misses += len(new)
        if new:
            vectors = self._encode_batches(list(new), batch_size)
            with self._lock:
                for (text, places), vector in zip(new.items(), vectors, strict=True):
                    out[places] = vector
                    self._cache[text] = vector.copy()
                while len(self._cache) > self.cache_size:
                    self._cache.popitem(last=False)
        return out

    def __reduce__(self):  # for worker processes: locks and pools stay behind
        tensors = {"table": self.table, "weights": self.weights}
        if self.scale is not None:
            tensors["scale"] = self.scale
        if self.rho is not None:
            tensors |= {f"rho.{name}": array for name, array in self.rho.tensors.items()}
        arguments = (self.max_length, self.threads, None, self.cache_size, self.back_end, self.dimension)
        return type(self), (self.tokenizer, tensors, self.config, *arguments)


# --- tables -------------------------------------------------------------------------------------------------


def _converted(table, scale, weights, precision):
    """Return (table, scale or None) in a precision, in memory where that differs from the stored one."""
    if precision not in (None, *PRECISIONS):
        raise ValueError(
            f"Expected precision to be one of {', '.join(PRECISIONS)} or None, got {precision!r}; None takes the table "
            "as it is stored."
        )
    if precision is None or table.dtype == precision:
        return table, scale
    blocks = table.astype(np.float32).reshape(len(table), weights.shape[1], -1)
    if scale is not None:
        blocks *= scale[:, :, None]
    scale = None
    if precision != "float32":
        smallest = np.finfo(np.float32).tiny
        scale = np.maximum(np.abs(blocks).max(-1), smallest)
        if precision == "int8":
            scale = np.maximum(scale / np.float32(127), smallest)
        blocks = blocks / scale[:, :, None]
    if precision == "int8":
        blocks = np.clip(np.rint(blocks), -127, 127)
    table = blocks.astype(precision).reshape(table.shape)
    for array in (table, scale):
        if array is not None:
            array.setflags(write=False)  # as mapped ones are: one type of arrays for the compiled kernel
    return table, scale


def _tokenizer_part(name):
    """Return a module of the tokenizer: it lies beside this file in a repository, in tokenization/ in the package."""
    package, in_package, _ = __package__.rpartition(".modeling.")
    return import_module(f"{package}.tokenization.ngram.{name}" if in_package else f"{__package__}.{name}")


__all__ = ["NgramRuntime"]
