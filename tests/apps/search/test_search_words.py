"""BM25 on disk: the same as in memory."""

import numpy as np
import pytest
from tiny_encoder_folder import some_texts

from traceformers.apps.search.search_words import WordIndex, check_language, write_word_index
from traceformers.training.evaluation.lexical_search import LexicalIndex

TEXTS = ["Cats are searching the house", "", "The of and", "Red rivers, red streets", *some_texts(60)]
QUERIES = ["search for a cat", "rivers", "the", "zebra", "new york street water"]


@pytest.mark.parametrize("language", ["english", "none"])
def test_words_on_disk_rank_as_words_in_memory(tmp_path, language):
    rows = np.arange(len(TEXTS)) * 3
    write_word_index(tmp_path / "words", iter(TEXTS), rows, language)
    index = WordIndex(tmp_path / "words", language)
    options = {} if language == "english" else {"stop_words": [], "stemmer": None}
    expected, found = LexicalIndex(TEXTS, **options).search(QUERIES, 20), index.nearest(QUERIES, 20)
    np.testing.assert_array_equal(found.positions, np.where(expected.positions < 0, -1, 3 * expected.positions))
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


def test_documents_without_any_word_are_never_found(tmp_path):
    write_word_index(tmp_path / "words", iter(["the", "", "of and"]), np.arange(3))
    assert (WordIndex(tmp_path / "words", "english").nearest(["the red", ""], 3).positions == -1).all()


def test_an_unknown_language_is_told():
    with pytest.raises(ValueError, match="got 'klingon'"):
        check_language("klingon")
