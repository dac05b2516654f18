"""Texts as ids with a teacher's vectors, read a batch at a time.

Texts are tokenized once into a folder: `ids.int32` holds the ids of all texts one after the other, `offsets.int64`
where each text begins, `tokens.json` what they were made from. Both are mapped into memory, so many processes share
them. A training batch is cut out with a few array operations; there is no Python for each text.
"""

import hashlib
import json
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from traceformers.training.distillation.teacher_cache import texts_sha256
from traceformers.training.epoch_batches import EpochBatches
from traceformers.training.tensor_files import write_json

FORMAT = 1
#: Texts of more ids than this are long ones.
SHORT_TEXT_IDS, LONG_TEXT_IDS = 12, 32
#: Texts that are tokenized and hashed at a time.
TEXTS_PER_RUN = 8192


class TokenizedTexts:
    """The ids of texts, memory-mapped.

    Args:
        folder (`str` or `os.PathLike`): what `tokenize_texts` wrote.

    Attributes:
        ids (int32 (N,)), offsets (int64 (n + 1,)): text i is ids[offsets[i]:offsets[i + 1]].
        about (`dict`): contents of `tokens.json`.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.about = read_tokens_about(folder)
        if self.about is None:
            raise FileNotFoundError(
                f"Expected tokenized texts in {folder}, found no tokens.json of format {FORMAT}. Tokenize them first."
            )
        n, total = self.about["texts"], self.about["ids"]
        self.ids = np.memmap(self.folder / "ids.int32", np.int32, "r", shape=(total,))
        self.offsets = np.memmap(self.folder / "offsets.int64", np.int64, "r", shape=(n + 1,))

    def __len__(self):
        return len(self.offsets) - 1

    def __reduce__(self):
        return TokenizedTexts, (self.folder,)

    @property
    def lengths(self):
        """Ids of each text, int64 (n,)."""
        return np.diff(self.offsets)

    def flat(self, indices):
        """Returns the ids (M,) and offsets (B + 1,), both int64, of the texts `indices` (B,), one after the other."""
        begins = self.offsets[indices]
        lengths = self.offsets[np.asarray(indices) + 1] - begins
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        positions = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], lengths)
        return self.ids[positions].astype(np.int64), offsets


def tokenize_texts(tokenizer, texts, folder, max_length=512):
    """Returns the `TokenizedTexts` of `texts`, from the folder if it holds them already.

    Args:
        tokenizer (`NgramTokenizer`).
        texts (iterable of `str`): gone through twice where the folder holds others; in bounded memory.
        folder (path): made if missing; what is in it of other texts is replaced.
        max_length (`int`): most ids of a text.

    Raises:
        ValueError: if there is no text.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    about = {"format": FORMAT, "max_length": max_length, "vocabulary_sha256": vocabulary_sha256(tokenizer)}
    old = read_tokens_about(folder)
    if old and {key: old.get(key) for key in about} == about and _same_texts(texts, old["texts_sha256"]):
        return TokenizedTexts(folder)
    (folder / "tokens.json").unlink(missing_ok=True)  # last written, first removed: it says that all is there
    offsets, hashes, total = [np.zeros(1, np.int64)], [], 0
    with open(folder / "ids.int32", "wb") as file:
        for run in _runs(texts):
            ids, ends = tokenizer.encode_flat(run, max_length)
            file.write(np.ascontiguousarray(ids, dtype=np.int32).tobytes())
            offsets.append(ends[1:] + total)
            total += len(ids)
            hashes.append(texts_sha256(run))
    offsets = np.concatenate(offsets)
    if len(offsets) == 1:
        raise ValueError("Expected texts, got none. Name files that are not empty.")
    offsets.tofile(folder / "offsets.int64")
    write_json(folder / "tokens.json", about | {"texts": len(offsets) - 1, "ids": total, "texts_sha256": hashes})
    return TokenizedTexts(folder)


def vocabulary_sha256(tokenizer):
    """Returns the hash of a tokenizer's entries in the order of their ids."""
    return hashlib.sha256("\n".join(tokenizer.vocabulary.tokens).encode("utf-8", "surrogatepass")).hexdigest()


def read_tokens_about(folder):
    """Returns the contents of a folder's `tokens.json`, or None where there is no complete one of this format."""
    try:
        about = json.loads((Path(folder) / "tokens.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return about if about.get("format") == FORMAT else None


def _same_texts(texts, hashes):
    found = [texts_sha256(run) for run in _runs(texts)]
    return found == hashes


def _runs(texts):
    texts = iter(texts)
    while run := list(islice(texts, TEXTS_PER_RUN)):
        yield run


class DistillationBatches(EpochBatches):
    """Training texts in the order of an epoch, fetched by whole batches.

    Position i of an epoch is a text that follows from (seed, epoch, i) alone, so ranks and resumed runs agree. A
    `DataLoader` asks for all positions of a batch at once (`__getitems__`), and what it gets is the batch.

    Args:
        tokens (`TokenizedTexts`), cache (`TeacherCache`): of the same texts.
        seed (`int`).
        short_text_weight, long_text_weight (`int`): texts of up to `SHORT_TEXT_IDS` ids and those of more than
            `LONG_TEXT_IDS` are drawn so often an epoch, others once; 0 leaves them out.
        mined (`MinedDocuments`, *optional*), documents_per_text (`int`): so many of the mined documents of each text,
            drawn at random, the nearest of them first.
    """

    def __init__(
        self, tokens, cache, seed=0, short_text_weight=1, long_text_weight=1, mined=None, documents_per_text=2
    ):
        super().__init__()
        if len(tokens) != len(cache):
            raise ValueError(
                f"Expected as many texts as teacher vectors, got {len(tokens)} and {len(cache)}. "
                "Tokenize and embed the same files."
            )
        if mined is not None and len(mined) != len(tokens):
            raise ValueError(
                f"Expected mined documents of {len(tokens)} texts, got those of {len(mined)}. Mine them again."
            )
        if mined is not None and not 2 <= documents_per_text <= mined.neighbours.shape[1]:
            raise ValueError(
                f"Expected 2 to {mined.neighbours.shape[1]} documents_per_text, got {documents_per_text}. "
                "Mine more of them, or use fewer."
            )
        self.tokens, self.cache, self.seed = tokens, cache, seed
        self.mined, self.documents_per_text = mined, documents_per_text
        times = np.ones(len(tokens), np.int64)
        times[tokens.lengths <= SHORT_TEXT_IDS] = short_text_weight
        times[tokens.lengths > LONG_TEXT_IDS] = long_text_weight
        self.drawn = np.repeat(np.arange(len(tokens)), times)
        if not len(self.drawn):
            raise ValueError(
                f"Expected texts that are drawn, got none with short_text_weight {short_text_weight} and "
                f"long_text_weight {long_text_weight}. Set them to 1 or more."
            )

    def __len__(self):
        return len(self.drawn)

    def order_of(self, epoch):
        """Returns the texts in the order of an epoch, int64 (n,)."""
        return np.random.default_rng([self.seed, epoch]).permutation(self.drawn)

    def __getitems__(self, positions):
        """Returns a batch: input_ids (M,), offsets (B + 1,), teacher_vectors float16 (B, D) and, where documents were
        mined, documents float16 (B, m, D)."""
        texts = self.order[positions]
        ids, offsets = self.tokens.flat(texts)
        batch = {"input_ids": ids, "offsets": offsets, "teacher_vectors": self.cache.vectors(texts)}
        if self.mined is not None:
            # in order of nearness, so that the first is the positive one
            draw = np.random.default_rng([self.seed, self.epoch, int(positions[0])])
            keys = draw.random((len(texts), self.mined.neighbours.shape[1]))
            ranks = np.sort(np.argsort(keys, axis=1)[:, : self.documents_per_text], axis=1)
            documents = np.take_along_axis(self.mined.neighbours[texts], ranks, axis=1)
            vectors = self.cache.vectors(documents.reshape(-1))
            batch["documents"] = vectors.reshape(*documents.shape, -1)
        return {name: torch.from_numpy(array) for name, array in batch.items()}
