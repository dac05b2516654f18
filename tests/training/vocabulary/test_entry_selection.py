import math

import numpy as np
import pytest

from traceformers.training.vocabulary.entry_selection import (
    candidates,
    distillation_gains,
    mutual_information,
    select_ngrams,
    select_pieces,
    select_words,
)
from traceformers.training.vocabulary.ngram_counts import WordCounts

WORDS = ["the", "of", "hot", "dog"]
COUNTS = WordCounts(WORDS, np.array([400, 300, 20, 20]), total=1000, types=9, texts=10)
# "of the" by chance: 0.3 * 0.4 = 0.12 of the places, and it is there 100 times; "hot dog" by chance 0.0004, 15 times
IDS = np.array([[1, 0, -1, -1], [2, 3, -1, -1], [0, 2, 3, -1]], np.int32)
NGRAM_COUNTS = np.array([100, 15, 5])
# The teacher's plane: a hot dog is food, which neither word says; the others mean what their words mean.
VECTORS = {"the": [1, 0], "of": [1, 0], "hot": [0, 1], "dog": [0, 1], "of the": [2, 0], "hot dog": [0, -3]}
VECTORS["the hot dog"] = [1, 0]


def encode(texts):
    return np.array([VECTORS[text] for text in texts], np.float32)


def chosen(selection, size=3):
    return select_ngrams(IDS, NGRAM_COUNTS, size, selection, COUNTS, WORDS, encode)


def test_by_count_the_most_frequent_come_first():
    found = chosen("count", 2)
    assert found.tokens == ["of the", "hot dog"] and found.counts.tolist() == [100, 15]
    assert found.scores.tolist() == [100, 15]
    kept = chosen("gain").among({"hot dog"})
    assert kept.tokens == ["hot dog"] and kept.counts.tolist() == [15] and len(kept.gains) == len(kept.scores) == 1


def test_by_mutual_information_what_is_more_frequent_than_by_chance_comes_first():
    found = chosen("pmi")
    assert found.tokens == ["hot dog", "the hot dog"], "of the is rarer than by chance"
    assert found.scores[0] == pytest.approx(15 * math.log(0.015 / 0.02**2))
    assert found.scores[1] == pytest.approx(5 * math.log(0.005 / (0.4 * 0.02**2)))


def test_by_gain_what_the_words_do_not_say_comes_first():
    found = chosen("gain", 2)
    assert found.tokens[0] == "hot dog" and found.gains[0] == pytest.approx(2) and found.scores[0] == pytest.approx(30)
    assert "of the" not in found.tokens, "its words say all of it"


def test_gain_measures_against_words_weighted_by_their_rarity():
    gains = distillation_gains(IDS, WORDS, COUNTS.counts / COUNTS.total, encode, sif=0.1)
    the, hot = 0.1 / (0.1 + 0.4), 0.1 / (0.1 + 0.02)
    mean = np.array([the, 2 * hot])
    assert gains[2] == pytest.approx(1 - mean[0] / np.linalg.norm(mean), abs=1e-6)
    assert gains[:2] == pytest.approx([0, 2], abs=1e-6)


def test_a_teacher_is_asked_for_the_frequent_candidates_only():
    asked = []
    select_ngrams(IDS[[2, 0, 1]], NGRAM_COUNTS[[2, 0, 1]], 0, "gain", COUNTS, WORDS, asked.extend)
    assert asked == []
    many = np.column_stack([np.arange(4).repeat(4), np.tile(np.arange(4), 4)]).astype(np.int32)
    n = []
    select_ngrams(many, np.arange(16), 2, "gain", COUNTS, WORDS, lambda t: n.append(len(t)) or np.eye(len(t), 2) + 1)
    assert n[-1] == 8


def test_candidates_of_all_lengths_are_ranked_together():
    ids, counts = candidates([(IDS[:2, :2], NGRAM_COUNTS[:2]), (IDS[2:, :3], np.array([50]))], 2)
    assert ids.tolist() == [[1, 0, -1, -1], [0, 2, 3, -1]] and counts.tolist() == [100, 50]
    assert candidates([], 5)[0].shape == (0, 4)


def test_skipgrams_are_spelled_with_their_gap():
    found = select_ngrams(np.array([[0, 1]]), np.array([7]), 5, "count", COUNTS, WORDS, joint=" _ ")
    assert found.tokens == ["the _ of"]
    assert mutual_information(np.array([[0, 1]]), np.array([7]), COUNTS.counts / 1000, 1000) < 0


def test_words_are_the_most_frequent_and_none_is_an_error():
    assert select_words(COUNTS, 3, 1) == ["the", "of", "hot"] and select_words(COUNTS, 9, 30) == ["the", "of"]
    with pytest.raises(ValueError, match=r"at least 500 times, got 'the' 400 times in 10 texts"):
        select_words(COUNTS, 9, 500)


def test_pieces_are_those_that_normalized_words_are_made_of():
    pieces = [
        "[CLS]",
        "[unused1]",
        "walk",
        "##ing",
        "##Ing",
        "##s",
        "Walk",
        "!",
        "##!",
        "café",
        "東",
        "##é",
        "don't",
        "7",
    ]
    assert select_pieces(pieces) == (["walk##", "東##", "don't##", "7##"], ["##ing", "##s", "##'", "##'s"])


def test_another_selection_is_an_error():
    with pytest.raises(ValueError, match="count, gain, pmi, got 'best'"):
        chosen("best")
