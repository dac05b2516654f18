"""Any encoder of sessions as a function from recordings to vectors, one for each fold of sites, with a memory.

An encoder is named by a folder or repository that SentenceTransformer loads, or by `module:function`; the function
takes a list of sessions, each a path or a list of events, and returns one vector a session. `{fold}` in a name stands
for the fold: encoders that never saw the sites of it.

Axes: n sessions, D numbers of a vector.
"""

import hashlib
import importlib
import json
from functools import cached_property
from pathlib import Path

import numpy as np

FOLD = "{fold}"
AT_ONCE = 16  # sessions given to an encoder at a time


class SessionVectors:
    """Vectors of sessions by one encoder.

    Args:
        name (`str`): folder or repository of a SentenceTransformer, or `module:function`.
        memory (`str` or `os.PathLike`): folder where vectors are kept, so that a stopped run goes on; None for none.
        about (`str`): what distinguishes vectors of this encoder from others of the same name, for the memory.

    Raises:
        ValueError: the function is not there, or an encoder gives anything but one finite vector a session.
    """

    def __init__(self, name, memory=None, about=""):
        self.name, self.about = name, about
        self.memory = Path(memory) if memory else None

    @cached_property
    def encoder(self):
        """The SentenceTransformer, or the function."""
        module, colon, function = self.name.partition(":")
        if colon and not Path(self.name).exists():
            found = getattr(importlib.import_module(module), function, None)
            if not callable(found):
                raise ValueError(f"Expected a function {function!r} in {module}, found none. Check --encoder.")
            return found
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(self.name, trust_remote_code=True)

    @property
    def rrweb_bert(self):
        """(model, tokenizer) of an RRWebBERT behind the encoder; None of any other."""
        encoder = self.encoder
        first = encoder[0] if hasattr(encoder, "encode") else None
        model = getattr(first, "model", None)
        if getattr(getattr(model, "config", None), "model_type", None) != "rrweb_bert":
            return None
        return model, first.tokenizer

    def vectors(self, sessions, key="") -> np.ndarray:
        """Returns `float32 (n, D)` of sessions, from memory where they are remembered under `key`.

        Args:
            sessions (sequence): each a path, or a list of events; or a function without arguments that gives them.
            key (`str`): what these sessions are; no key, no memory.
        """
        return self.remembered(key, lambda: self._vectors(sessions() if callable(sessions) else sessions))

    def remembered(self, key, compute) -> np.ndarray:
        """Returns what `compute` gives, or gave for this encoder and key."""
        if self.memory is None or not key:
            return compute()
        digest = hashlib.sha256(json.dumps([self.name, self.about, key]).encode()).hexdigest()[:20]
        path = self.memory / f"{digest}.npy"
        if not path.is_file():
            found = compute()
            self.memory.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part.npy")
            np.save(part, found)
            part.replace(path)
        return np.load(path)

    def _vectors(self, sessions):
        sessions, found = list(sessions), []
        for first in range(0, len(sessions), AT_ONCE):
            batch = sessions[first : first + AT_ONCE]
            encode = getattr(self.encoder, "encode", None)
            vectors = encode(batch, show_progress_bar=False) if encode else self.encoder(batch)
            vectors = np.asarray(vectors, dtype=np.float32)
            if vectors.ndim != 2 or len(vectors) != len(batch) or not np.isfinite(vectors).all():
                raise ValueError(
                    f"Expected one vector of finite numbers for each of {len(batch)} sessions from {self.name}, got "
                    f"shape {vectors.shape}. The encoder takes a list of sessions and returns an array (n, D)."
                )
            found.append(vectors)
        return np.concatenate(found)


def encoders_of_folds(name, folds, memory=None, about="") -> dict:
    """Returns {fold: `SessionVectors`}; one and the same for all folds where the name has no `{fold}`.

    Args:
        name (`str`): as for `SessionVectors`, with `{fold}` for the name of the fold.
        folds (list of (name, sites out)).
        memory, about: as for `SessionVectors`.
    """
    if FOLD not in name:
        one = SessionVectors(name, memory, about)
        return {fold: one for fold, _ in folds}
    return {fold: SessionVectors(name.replace(FOLD, fold), memory, about) for fold, _ in folds}


__all__ = ["SessionVectors", "encoders_of_folds"]
