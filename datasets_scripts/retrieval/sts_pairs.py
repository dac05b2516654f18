"""Reads pairs of sentences with scores of their likeness, as the STS Benchmark has them.

Its files end in .csv but are tab-separated without quoting: a quotation mark is a character of the sentence, and
sentences begin with one. Columns: genre, file, year, number, score (0 to 5), sentence 1, sentence 2; more is ignored.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from traceformers.datasets_scripts.retrieval.retrieval_folder import open_text

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class STSPairs:
    """n pairs of sentences and how alike people found them.

    Attributes:
        first, second (`list[str]`): n sentences each.
        scores (`float64 (n,)`): likeness, higher is more alike.
    """

    first: list
    second: list
    scores: np.ndarray

    def __len__(self):
        return len(self.first)

    @property
    def sentences(self):
        """The sentences that differ, `list[str]`, in order of first appearance."""
        return list(dict.fromkeys(self.first + self.second))


def load_sts_pairs(path, split="test"):
    """Returns the `STSPairs` of a file, or of `sts-<split>.csv[.gz]` in a folder.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line has fewer than seven columns or its score is no number.
    """
    path = Path(path)
    if path.is_dir():
        candidates = [path / f"sts-{split}.csv", path / f"sts-{split}.csv.gz"]
        path = next((p for p in candidates if p.is_file()), candidates[0])
    if not path.is_file():
        raise FileNotFoundError(f"Expected a tab-separated file of sentence pairs, got {path}: no file.")
    first, second, scores = [], [], []
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip("\r\n").split("\t")
            if fields == [""]:
                continue
            score = _score(fields)
            if math.isnan(score):
                raise ValueError(
                    f"{path}:{number}: expected seven columns with tabs between, the fifth a number, got {line[:80]!r}."
                )
            scores.append(score)
            first.append(fields[5])
            second.append(fields[6])
    if not scores:
        raise ValueError(f"Expected pairs of sentences in {path}, got an empty file.")
    return STSPairs(first, second, np.array(scores))


def _score(fields):
    try:
        return float(fields[4]) if len(fields) >= 7 else math.nan
    except ValueError:
        return math.nan
