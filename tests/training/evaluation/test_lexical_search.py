import math
from collections import Counter

import numpy as np
import pytest

from traceformers.training.evaluation.lexical_search import LexicalIndex

DOCUMENTS = ["cat mouse mouse barn", "dog moon", "mouse cheese", "moon earth moon moon", "cheese milk dairy wheel cow"]


def bm25_by_hand(query, documents, k1, b):
    words = [document.split() for document in documents]
    average = sum(map(len, words)) / len(words)
    scores = []
    for document in words:
        counts, score = Counter(document), 0.0
        for word in query.split():
            having = sum(word in other for other in words)
            if having:
                idf = math.log(1 + (len(words) - having + 0.5) / (having + 0.5))
                norm = k1 * (1 - b + b * len(document) / average)
                score += idf * counts[word] / (counts[word] + norm)
        scores.append(score)
    return scores


@pytest.mark.parametrize("query", ["mouse", "mouse cheese", "moon moon earth", "cow and mouse"])
def test_scores_are_those_of_the_formula(query):
    index = LexicalIndex(DOCUMENTS, k1=1.5, b=0.75, stop_words=[], stemmer=None)
    found = index.search([query])
    expected = np.array(bm25_by_hand(query, DOCUMENTS, 1.5, 0.75))
    order = [i for i in np.argsort(-expected, kind="stable") if expected[i] > 0]
    assert found.positions[0, : len(order)].tolist() == order
    np.testing.assert_allclose(found.scores[0, : len(order)], expected[order], rtol=1e-5)
    assert (found.positions[0, len(order) :] == -1).all() and (found.scores[0, len(order) :] == -np.inf).all()


def test_words_are_stemmed_and_stop_words_dropped():
    index = LexicalIndex(["the dogs were running", "the cat sat"])
    assert index.search(["a dog that runs", "The CAT"]).positions[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("query", ["", "the of and", "zebra", "\x00 \ud800"])
def test_a_query_without_a_known_word_finds_nothing(query):
    found = LexicalIndex(DOCUMENTS).search([query, "mouse"], k=3)
    assert found.positions[0].tolist() == [-1, -1, -1] and found.positions[1, 0] == 0


def test_equal_scores_stand_in_the_order_of_positions():
    assert LexicalIndex(["red apple"] * 5 + ["green pear"]).search(["apple"], k=3).positions.tolist() == [[0, 1, 2]]


def test_documents_without_words_are_an_error():
    with pytest.raises(ValueError, match="Expected words in the documents, got none in 2 texts"):
        LexicalIndex(["", "the"])
