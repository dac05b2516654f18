"""Do texts look like those an encoder was trained on? Compared by distributions, with a snapshot in its repository.

Four figures of each text:
    unknown_share        share of its ids that stand for unknown words: [UNK], pieces, hashed buckets
    ids_per_text         number of its ids
    norm                 length of its vector before it is scaled to length 1
    centroid_similarity  cosine of its vector and the mean vector of the training texts

Each figure of the training texts is cut at their quantiles into bins; new texts are counted into the same bins and
compared by the population stability index, sum (p - q) ln(p / q), where 0.1 is by convention a change and 0.25 a drift,
and by the Kolmogorov-Smirnov distance, which tells whether so many texts could differ so much by chance.
"""

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from traceformers.tokenization.ngram.ngram_vocabulary import BUCKET, CONTINUATION, FIRST_PIECE

FILE_NAME = "encoder_snapshot.json"
FORMAT = 1
FIGURES = ("unknown_share", "ids_per_text", "norm", "centroid_similarity")
BINS = 20
CHANGE, DRIFT = 0.1, 0.25
FEWEST_TEXTS = 30
KS_FACTOR = 1.95  # of sqrt(1/n + 1/m): exceeded by chance once in a thousand comparisons
SAMPLE = 20_000
VERDICTS = ("stable", "changed", "drifted")
UNKNOWN_ID = 1  # [UNK], in every vocabulary
_BATCH = 4096


class TextFigures:
    """The figures of texts under one encoder.

    Args:
        runtime (`NgramRuntime`): the encoder.
    """

    def __init__(self, runtime):
        self.tokenizer, self.max_length = runtime.tokenizer, runtime.max_length
        self.bare = copy.copy(runtime)  # shares the tables
        self.bare.normalize = False
        kinds = np.asarray(runtime.tokenizer.vocabulary.kinds)
        self.stands_for_unknown = np.isin(kinds, (FIRST_PIECE, CONTINUATION, BUCKET))
        self.stands_for_unknown[UNKNOWN_ID] = True

    def __call__(self, texts):
        """Returns (figures float64 (B, 3) without the similarity, vectors float64 (B, D) of length 1)."""
        ids, offsets = self.tokenizer.encode_flat(texts, self.max_length)
        lengths = np.diff(offsets)
        unknown = np.diff(np.concatenate([[0], np.cumsum(self.stands_for_unknown[ids])])[offsets])
        vectors = self.bare.encode_ids(ids, offsets).astype(np.float64)
        norms = np.linalg.norm(vectors, axis=1)
        units = vectors / np.maximum(norms, 1e-12)[:, None]
        return np.stack([unknown / np.maximum(lengths, 1), lengths, norms], axis=1), units


def make_snapshot(runtime, texts, sample=SAMPLE, seed=0):
    """Returns the snapshot of training texts, JSON-safe; `write_snapshot` puts it into the repository.

    Args:
        runtime (`NgramRuntime`): the encoder they trained.
        texts (iterable of `str`): read once; of many, a random sample is taken.
        sample (`int`): size of the sample.
        seed (`int`): of the sample.

    Raises:
        ValueError: there are too few texts.
    """
    chosen = _sample(texts, sample, np.random.default_rng(seed))
    if len(chosen) < FEWEST_TEXTS:
        raise ValueError(
            f"Expected at least {FEWEST_TEXTS} texts for a snapshot, got {len(chosen)}. "
            "Give more of the training texts."
        )
    measure = TextFigures(runtime)
    parts = [measure(chosen[start : start + _BATCH]) for start in range(0, len(chosen), _BATCH)]
    figures, units = (np.concatenate(column) for column in zip(*parts, strict=True))
    # Rounded as it is written, so that the figures are those a monitor finds.
    centroid = np.round(units.mean(0), 6)
    columns = dict(zip(FIGURES, [*figures.T, similarity(units, centroid)], strict=True))
    return {
        "format": FORMAT,
        "texts": len(chosen),
        "dimension": runtime.dimension,
        "centroid": centroid.tolist(),
        "figures": {name: _described(values) for name, values in columns.items()},
    }


def _sample(texts, size, random):
    """Returns `size` texts, each with the same chance (reservoir sampling)."""
    chosen = []
    for count, text in enumerate(texts):
        if count < size:
            chosen.append(text)
        elif (place := int(random.integers(count + 1))) < size:
            chosen[place] = text
    return chosen


def _described(values):
    edges = np.unique(np.round(np.quantile(values, np.arange(1, BINS) / BINS), 9))
    return {
        "edges": edges.tolist(),
        "counts": _counted(values, edges).tolist(),
        "mean": round(float(values.mean()), 6),
    }


def _counted(values, edges):
    """Returns how many values lie in each bin; a bin holds its upper edge."""
    return np.bincount(np.searchsorted(edges, np.round(values, 9), side="left"), minlength=len(edges) + 1)


def similarity(units, centroid):
    """Returns the cosines (B,) of unit vectors (B, D) and the centroid (D,)."""
    return units @ (centroid / max(np.linalg.norm(centroid), 1e-12))


@dataclass(frozen=True)
class FigureDrift:
    """One figure of new texts against that of the training texts."""

    name: str
    training_mean: float
    mean: float
    psi: float
    ks: float
    critical_ks: float

    @property
    def verdict(self):
        """ "stable", "changed" or "drifted"; what could be chance is stable."""
        if self.ks <= self.critical_ks or self.psi <= CHANGE:
            return "stable"
        return "drifted" if self.psi > DRIFT else "changed"


@dataclass(frozen=True)
class DriftReport:
    """New texts against the training texts, figure by figure."""

    texts: int
    figures: list

    @property
    def verdict(self):
        """The worst verdict of the figures, or "too few texts"."""
        if self.texts < FEWEST_TEXTS:
            return "too few texts"
        return max((figure.verdict for figure in self.figures), key=VERDICTS.index)

    def lines(self):
        """Returns a table to print, and what it means."""
        table = [f"{'figure':20} {'training':>9} {'now':>9} {'PSI':>7} {'KS':>6} {'chance':>7}  verdict"]
        for one in self.figures:
            table.append(
                f"{one.name:20} {one.training_mean:9.3f} {one.mean:9.3f} {one.psi:7.3f} {one.ks:6.3f} "
                f"{one.critical_ks:7.3f}  {one.verdict}"
            )
        advice = {
            "stable": "the texts look like those of training",
            "changed": "the texts differ from those of training: check a sample of results",
            "drifted": "warning: the texts are unlike those of training; vectors may be poor. Train on such texts, or "
            "extend the vocabulary",
            "too few texts": f"at least {FEWEST_TEXTS} are needed to tell",
        }
        return [*table, f"{self.verdict} ({self.texts} texts): {advice[self.verdict]}"]


class DriftMonitor:
    """Counts the figures of texts as they come, in bounded memory.

    Args:
        runtime (`NgramRuntime`): the encoder.
        snapshot (`dict`): of `make_snapshot`.

    Raises:
        ValueError: the snapshot is of an encoder of another width.
    """

    def __init__(self, runtime, snapshot):
        if snapshot["dimension"] != runtime.dimension:
            raise ValueError(
                f"Expected a snapshot of vectors of width {runtime.dimension}, got {snapshot['dimension']}. "
                "Make it again from the training texts, with this encoder."
            )
        self.measure, self.snapshot = TextFigures(runtime), snapshot
        self.centroid = np.array(snapshot["centroid"])
        self.edges = {name: np.array(snapshot["figures"][name]["edges"]) for name in FIGURES}
        self.counts = {name: np.zeros(len(edges) + 1, dtype=np.int64) for name, edges in self.edges.items()}
        self.sums = dict.fromkeys(FIGURES, 0.0)
        self.texts = 0

    def update(self, texts):
        """Takes texts into account."""
        for start in range(0, len(texts), _BATCH):
            figures, units = self.measure(texts[start : start + _BATCH])
            columns = [*figures.T, similarity(units, self.centroid)]
            for name, values in zip(FIGURES, columns, strict=True):
                self.counts[name] += _counted(values, self.edges[name])
                self.sums[name] += float(values.sum())
            self.texts += len(figures)

    def report(self):
        """Returns the `DriftReport` of all texts so far."""
        figures = []
        for name in FIGURES:
            held = self.snapshot["figures"][name]
            expected = np.array(held["counts"])
            psi, ks, critical = compare_counts(expected, self.counts[name])
            mean = self.sums[name] / max(self.texts, 1)
            figures.append(FigureDrift(name, held["mean"], mean, psi, ks, critical))
        return DriftReport(self.texts, figures)


def compare_counts(expected, found):
    """Returns (population stability index, Kolmogorov-Smirnov distance, the distance that chance can reach).

    Args:
        expected, found (`int (bins,)`): counts of two samples in the same bins.
    """
    n, m = max(expected.sum(), 1), max(found.sum(), 1)
    p = (expected + 0.5) / (n + 0.5 * len(expected))  # no bin is empty: ln 0 has no value
    q = (found + 0.5) / (m + 0.5 * len(found))
    psi = float(((p - q) * np.log(p / q)).sum())
    ks = float(np.abs(np.cumsum(expected) / n - np.cumsum(found) / m).max())
    return psi, ks, float(KS_FACTOR * np.sqrt(1 / n + 1 / m))


def write_snapshot(folder, snapshot):
    """Writes the snapshot into a repository folder; a reader sees the old one or the whole new one."""
    path = Path(folder) / FILE_NAME
    half = path.with_name(path.name + ".half")
    with open(half, "w", encoding="utf-8") as file:
        file.write(json.dumps(snapshot) + "\n")
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)


def read_snapshot(folder):
    """Returns the snapshot of a repository folder.

    Raises:
        FileNotFoundError: there is none. ValueError: it is of another format.
    """
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected {FILE_NAME} in {folder}, found none. "
            "Make it from the training texts: traceformers encode TEXTS --model FOLDER --write-snapshot"
        )
    snapshot = json.loads(path.read_text(encoding="utf-8"))
    if snapshot.get("format") != FORMAT or set(snapshot.get("figures", ())) != set(FIGURES):
        raise ValueError(
            f"Expected a snapshot of format {FORMAT} in {path}, got {snapshot.get('format')!r}. "
            "Make it again from the training texts."
        )
    return snapshot
