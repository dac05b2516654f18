"""Counts of words, n-grams and skip-grams of a streamed corpus: exact, in memory that does not grow with the corpus.

What does not fit is written to disk in sorted runs, which are merged in the end; nothing is estimated. The corpus is
read twice: once for its words, then as a file of word ids, over which numpy counts the n-grams. A longer n-gram is
counted only where the two shorter ones in it are frequent, which loses none that is frequent itself.

Counts say how often the words follow each other in texts, whatever a tokenizer would make of the place: "new york
city" counts for "york city" too. `count_entries` counts what the tokenizer makes of the texts.
"""

import heapq
import json
import os
import tempfile
from array import array
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice, repeat
from operator import itemgetter
from pathlib import Path

import numpy as np
from safetensors import safe_open

from traceformers.tokenization.ngram.ngram_normalization import words_of
from traceformers.training.tensor_files import write_tensors

UNKNOWN, BORDER = -1, -2  # in a stream of word ids: a word that has none, and the end of a text
MEMORY_WORDS = 3_000_000  # about 100 bytes each
MEMORY_KEYS = 1 << 25  # 16 bytes each, twice while merging
CHUNK = 1 << 22
MOST_RUNS = 32


@dataclass(frozen=True)
class WordCounts:
    """Words that occur at least `min_count` times, the most frequent first, ties by spelling.

    Attributes:
        words (`list[str]`): W words.
        counts (`int64 (W,)`): their counts.
        total (`int`): words of the corpus, all of them.
        types (`int`): different words of the corpus.
        texts (`int`): texts of the corpus.
    """

    words: list
    counts: np.ndarray
    total: int
    types: int
    texts: int


def count_words(texts, min_count=1, memory_words=MEMORY_WORDS, folder=None):
    """Returns the exact `WordCounts` of texts.

    Args:
        texts (iterable of `str`).
        min_count (`int`): leave out rarer words; they stay in `total` and `types`.
        memory_words (`int`): different words held at a time, before they go to disk.
        folder (`str`, *optional*): for the sorted runs; a temporary one by default.

    >>> count_words(["A rose is a rose", "is it?"]).words
    ['a', 'is', 'rose', 'it']
    """
    counter, n_texts, total, types = Counter(), 0, 0, 0
    with tempfile.TemporaryDirectory(dir=folder) as runs:
        paths = []
        for text in texts:
            words = words_of(text)
            counter.update(words)  # counted in C
            n_texts, total = n_texts + 1, total + len(words)
            if len(counter) >= memory_words:
                paths.append(_write_run(Path(runs) / f"words-{len(paths):05d}", counter))
                counter.clear()
        kept = []
        for word, count in _merged_words(paths, counter):
            types += 1
            if count >= min_count:
                kept.append((word, count))
    kept.sort(key=lambda pair: (-pair[1], pair[0]))
    counts = np.fromiter((count for _, count in kept), np.int64, len(kept))
    return WordCounts([word for word, _ in kept], counts, total, types, n_texts)


def _write_run(path, counter):
    with open(path, "w", encoding="utf-8", newline="\n") as run:
        run.writelines(f"{word}\t{counter[word]}\n" for word in sorted(counter))
    return path


def _read_run(path):
    with open(path, encoding="utf-8", newline="\n") as run:
        for line in run:
            word, _, count = line.rpartition("\t")
            yield word, int(count)


def _merged_words(paths, counter):
    if not paths:
        yield from counter.items()
        return
    runs = [*map(_read_run, paths), ((word, counter[word]) for word in sorted(counter))]
    for word, group in groupby(heapq.merge(*runs, key=itemgetter(0)), key=itemgetter(0)):
        yield word, sum(count for _, count in group)


def write_word_ids(texts, words, path):
    """Writes the ids of all words of the texts, `UNKNOWN` for others, and `BORDER` after each text; returns `path`.

    Args:
        texts (iterable of `str`).
        words (`list[str]`): the word of id 0, of id 1, ...
        path (`str`): of int32 values, to be read by `np.memmap(path, np.int32, "r")`.
    """
    id_of = {word: i for i, word in enumerate(words)}
    with open(path, "wb") as file:
        file.write(array("i", [BORDER]).tobytes())  # a file of no texts can be mapped, too
        ids = array("i")
        for text in texts:
            ids.extend(map(id_of.get, words_of(text), repeat(UNKNOWN)))
            ids.append(BORDER)
            if len(ids) >= CHUNK:
                file.write(ids.tobytes())
                ids = array("i")
        file.write(ids.tobytes())
    return path


class KeyCounter:
    """Exact counts of non-negative int64 keys in bounded memory.

    Args:
        folder (`str`): an existing one, for the runs.
        memory_keys (`int`): different keys held at a time, before they go to disk.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     counter = KeyCounter(folder)
        ...     counter.add(np.array([7, 3, 7]))
        ...     counter.counts(min_count=2)
        (array([7]), array([2]))
    """

    def __init__(self, folder, memory_keys=MEMORY_KEYS):
        self.folder, self.memory_keys = Path(folder), max(2, memory_keys)
        self._held, self._n_held, self._disk, self._n_written = [], 0, [], 0

    def add(self, keys):
        """Counts `keys`, int64 (n,), once each."""
        keys, counts = np.unique(keys, return_counts=True)
        self._held.append((keys, counts))
        self._n_held += len(keys)
        # Runs of like size are merged with each other, so that no key is merged more often than a logarithm says.
        while len(self._held) > 1 and len(self._held[-2][0]) <= 2 * len(self._held[-1][0]):
            merged = _merge(self._held[-2:])
            self._n_held += len(merged[0]) - sum(len(run[0]) for run in self._held[-2:])
            self._held[-2:] = [merged]
        if self._n_held >= self.memory_keys:
            self._spill()

    def _spill(self):
        self._disk.append(self._write([_merge(self._held)]))
        self._held, self._n_held = [], 0
        if len(self._disk) >= MOST_RUNS:
            merged = self._write(self._ranges(self._disk))
            for keys, counts in self._disk:
                os.unlink(keys.filename)
                os.unlink(counts.filename)
            self._disk = [merged]

    def _write(self, parts):
        paths = [self.folder / f"run-{self._n_written:05d}.{name}" for name in ("keys", "counts")]
        self._n_written += 1
        with open(paths[0], "wb") as keys_file, open(paths[1], "wb") as counts_file:
            for keys, counts in parts:
                keys_file.write(keys.tobytes())
                counts_file.write(counts.tobytes())
        return tuple(np.memmap(path, np.int64, "r") for path in paths)

    def _ranges(self, runs):
        """Yields the merged (keys, counts) of one range of keys after the other, each small enough for memory."""
        # Every step-th key of every run: between two neighbours in this list lie fewer than `step` keys of each run.
        step = max(1, self.memory_keys // (2 * len(runs)))
        borders = np.unique(np.concatenate([run[0][::step] for run in runs]))
        cuts = [np.append(np.searchsorted(run[0], borders), len(run[0])) for run in runs]
        for i in range(len(borders)):
            yield _merge(
                [tuple(column[cut[i] : cut[i + 1]] for column in run) for run, cut in zip(runs, cuts, strict=True)]
            )

    def counts(self, min_count=1):
        """Returns the keys that were counted at least `min_count` times, int64 (n,) ascending, and their counts."""
        runs = [*self._disk, *([_merge(self._held)] if self._held else [])]
        runs = [run for run in runs if len(run[0])]
        if not runs:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        frequent = [(keys[counts >= min_count], counts[counts >= min_count]) for keys, counts in self._ranges(runs)]
        return tuple(np.concatenate(column) for column in zip(*frequent, strict=True))


def _merge(runs):
    keys, counts = (np.concatenate(column) for column in zip(*runs, strict=True))
    if len(runs) == 1:
        return keys, counts
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    return keys[first], np.add.reduceat(counts, first) if len(first) else counts


def count_ngrams(ids, n_words, longest=4, min_count=3, memory_keys=MEMORY_KEYS, folder=None, progress=iter):
    """Returns the n-grams of each length from 2 to `longest` and their counts: [(int32 (N, n), int64 (N,)), ...].

    Args:
        ids (`int32 (T,)`): of `write_word_ids`, memory-mapped.
        n_words (`int`): number of word ids.
        min_count (`int`): leave out rarer ones.
        memory_keys (`int`), folder: as of `KeyCounter`; the result itself is in memory, too.
        progress (callable): given the list of chunk starts of each length, returns what iterates over it.
    """
    found, frequent = [], []
    for n in range(2, longest + 1):
        with _counter(folder, memory_keys) as counter:
            for chunk in _chunks(ids, n - 1, min(CHUNK, memory_keys), progress):
                counter.add(_keys(chunk, frequent, n_words)[0])
            keys, counts = counter.counts(min_count)
        first, last = np.divmod(keys, n_words)
        first = found[-1][0][first] if found else first[:, None]
        found.append((np.column_stack([first, last]).astype(np.int32), counts))
        frequent.append(keys)
    return found


def _keys(chunk, frequent, n_words):
    """Returns the keys of the n-grams of a chunk, n = len(frequent) + 2, and where they start.

    A key is the number of the n-gram's beginning among the frequent ones of length n - 1, times `n_words`, plus its
    last word. A position whose two (n - 1)-grams are not both frequent has none.
    """
    words = chunk.astype(np.int64)
    node = words  # (T,) number of the (n-1)-gram that starts here, negative for none
    for n, keys_before in enumerate([*frequent, None], 2):
        start = np.flatnonzero((node[:-1] >= 0) & (node[1:] >= 0))
        keys = node[start] * n_words + words[start + n - 1]
        if keys_before is None:
            return keys, start
        node = np.full(len(node) - 1, -1, np.int64)
        if len(keys_before):
            place = np.minimum(np.searchsorted(keys_before, keys), len(keys_before) - 1)
            node[start] = np.where(keys_before[place] == keys, place, -1)
    return keys, start


def count_skipgrams(ids, n_words, min_count=3, memory_keys=MEMORY_KEYS, folder=None, progress=iter):
    """Returns the pairs of words with exactly one word between them and their counts: (int32 (N, 2), int64 (N,)).

    The word between may be one without an id.

    Arguments as of `count_ngrams`.
    """
    with _counter(folder, memory_keys) as counter:
        for chunk in _chunks(ids, 2, min(CHUNK, memory_keys), progress):
            first, middle, last = (chunk[i : len(chunk) - 2 + i].astype(np.int64) for i in range(3))
            here = (first >= 0) & (last >= 0) & (middle != BORDER)
            counter.add(first[here] * n_words + last[here])
        keys, counts = counter.counts(min_count)
    return np.column_stack(np.divmod(keys, n_words)).astype(np.int32), counts


@contextmanager
def _counter(folder, memory_keys):
    with tempfile.TemporaryDirectory(dir=folder) as runs:
        yield KeyCounter(runs, memory_keys)


def _chunks(ids, overlap, size, progress):
    for start in progress(range(0, max(0, len(ids) - overlap), size)):
        yield np.asarray(ids[start : start + size + overlap])


def count_entries(tokenizer, texts, vocab_size, batch_size=4096, max_length=512):
    """Returns how often each id occurs in the ids of texts, int64 (vocab_size,).

    Args:
        tokenizer: with `encode_flat(texts, max_length)` → ids (N,), offsets.
        texts (iterable of `str`).
    """
    counts, texts = np.zeros(vocab_size, np.int64), iter(texts)
    while batch := list(islice(texts, batch_size)):
        ids, _ = tokenizer.encode_flat(batch, max_length)
        counts += np.bincount(np.asarray(ids, np.int64), minlength=vocab_size)
    return counts


def save_counts(path, word_counts, ngrams, skipgrams, plan):
    """Writes counts to one safetensors file, whole or not at all.

    Args:
        path (`str`).
        word_counts (`WordCounts`).
        ngrams (list): of `count_ngrams`. skipgrams (tuple): of `count_skipgrams`.
        plan (`str`): what the counts depend on.
    """
    text = "\n".join(word_counts.words).encode()
    tensors = {"words": np.frombuffer(text, np.uint8), "word_counts": word_counts.counts}
    for name, (entries, counts) in [*((f"{i}", pair) for i, pair in enumerate(ngrams, 2)), ("skip", skipgrams)]:
        tensors |= {f"entries_{name}": entries, f"counts_{name}": counts}
    numbers = {name: getattr(word_counts, name) for name in ("total", "types", "texts")}
    write_tensors(path, tensors, {"numbers": json.dumps(numbers), "plan": plan})


def load_counts(path, plan):
    """Returns (`WordCounts`, n-grams, skip-grams) of `save_counts`, or None if there is no file of that plan."""
    if not Path(path).exists():
        return None
    with safe_open(path, "np") as file:
        if file.metadata()["plan"] != plan:
            return None
        tensors, numbers = {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["numbers"])  # noqa: SIM118
    words = bytes(tensors["words"]).decode().split("\n") if len(tensors["words"]) else []
    names = sorted(name.removeprefix("entries_") for name in tensors if name.startswith("entries_"))
    *ngrams, skipgrams = [(tensors[f"entries_{name}"], tensors[f"counts_{name}"]) for name in names]
    return WordCounts(words, tensors["word_counts"], **numbers), ngrams, skipgrams
