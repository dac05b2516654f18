import json

import numpy as np
import pytest

from traceformers.tokenization.ngram.ngram_reference import ReferenceTokenizer
from traceformers.tokenization.ngram.ngram_vocabulary import assemble
from traceformers.training.vocabulary.entry_selection import Selected
from traceformers.training.vocabulary.ngram_counts import count_entries, count_words
from traceformers.training.vocabulary.vocabulary_report import (
    CLASSES,
    cluster_entries,
    entry_classes,
    vocabulary_report,
    word_coverage,
    write_report,
)

TEXTS = ["new york is new", "the new york cat", "is it the yxx or 東"]
VOCABULARY = assemble("new york is the cat".split(), ["y"], ["x"], 0, ["new york", "is the cat"], ["the _ york"])


def tokenizer(vocabulary=VOCABULARY):
    return ReferenceTokenizer(vocabulary)


def test_each_entry_has_one_class():
    classes = dict(zip(VOCABULARY.tokens, entry_classes(VOCABULARY), strict=True))
    assert classes["[PAD]"] == "special" and classes["cat"] == "word" and classes["y##"] == "first piece"
    assert classes["##x"] == "continuation" and classes["the _ york"] == "skip-gram"
    assert classes["new york"] == "2-gram" and classes["is the cat"] == "3-gram"
    assert entry_classes(assemble([], buckets=1)).tolist() == ["special", "special", "bucket"]


def test_coverage_counts_running_words_by_what_becomes_of_them():
    # known: all but "it", "or" and 東, which nothing spells, and yxx, which pieces do
    found = word_coverage(VOCABULARY, tokenizer(), TEXTS)
    assert found == {
        "texts": 3,
        "words": 14,
        "known": 0.714286,
        "spelled": 0.071429,
        "bucketed": 0,
        "unknown": 0.214286,
    }
    buckets = assemble(["new"], buckets=4)
    assert word_coverage(buckets, tokenizer(buckets), ["new new york", ""])["bucketed"] == pytest.approx(
        1 / 3, abs=1e-6
    )
    assert word_coverage(buckets, tokenizer(buckets), [])["words"] == 0


def test_clusters_are_found_by_the_directions_of_vectors():
    rng = np.random.default_rng(0)
    vectors = np.repeat(np.eye(3), 10, axis=0) * rng.uniform(1, 9, (30, 1)) + rng.normal(0, 0.01, (30, 3))
    tokens, counts = [f"w{i}" for i in range(30)], np.repeat([1, 5, 2], 10)
    found, labels = cluster_entries(vectors, tokens, counts, clusters=3)
    assert [row["count"] for row in found] == [50, 20, 10] and [row["entries"] for row in found] == [10, 10, 10]
    assert labels.tolist() == [2] * 10 + [0] * 10 + [1] * 10
    assert set(found[0]["nearest"]) <= {f"w{i}" for i in range(10, 20)}


def test_the_report_says_what_is_in_the_vocabulary_and_why(tmp_path):
    counts = count_entries(tokenizer(), TEXTS, len(VOCABULARY))
    vectors = np.random.default_rng(0).normal(size=(len(VOCABULARY), 8)).astype(np.float16)
    coverage = {"held-out texts": word_coverage(VOCABULARY, tokenizer(), TEXTS)}
    chosen = Selected(["new york"], np.array([2]), np.array([0.5]), np.array([0.25], np.float32))
    words = count_words(TEXTS)
    settings = {"selection": "gain", "words": 5}
    report = vocabulary_report(VOCABULARY, counts, vectors, coverage, settings, [("n-grams", chosen)], words)
    write_report(tmp_path, report, VOCABULARY, counts, vectors, words)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert sum(row["entries"] for row in report["classes"].values()) == report["entries"] == len(VOCABULARY)
    assert sum(row["ids"] for row in report["classes"].values()) == report["ids"] == counts.sum()
    assert report["classes"]["2-gram"]["most_frequent"] == ["new york"] and report["classes"]["2-gram"]["ids"] == 2
    assert report["classes"]["3-gram"]["never_seen"] == 1
    assert report["selected"]["n-grams"]["first"] == [{"entry": "new york", "count": 2, "score": 0.5, "gain": 0.25}]
    text = (tmp_path / "report.md").read_text()
    assert all(name in text and CLASSES[name] in text for name in report["classes"])
    assert "held-out texts (3) | 14 | 71.43%" in text and "## Clusters" in text
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG") and len(list(tmp_path.iterdir())) == 3


def test_the_smallest_vocabulary_has_a_report(tmp_path):
    vocabulary = assemble([])
    vectors, counts = np.zeros((2, 4), np.float16), np.zeros(2, np.int64)
    report = vocabulary_report(vocabulary, counts, vectors, {})
    write_report(tmp_path, report, vocabulary, counts, vectors)
    assert report["clusters"] == [] and (tmp_path / "report.png").exists()
