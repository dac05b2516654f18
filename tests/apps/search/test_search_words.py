"""BM25 on disk and the fusion of rankings: the same as in memory, and as the evaluation computes them."""

import numpy as np
import pytest
from tiny_encoder_folder import some_texts

from traceformers.apps.search.search_words import WordIndex, check_language, fuse_rankings, write_word_index
from traceformers.training.evaluation.lexical_search import LexicalIndex
from traceformers.training.evaluation.rank_fusion import Fusion
from traceformers.training.evaluation.ranked_evaluation import Ranking

TEXTS = ["Cats are searching the house", "", "The of and", "Red rivers, red streets", *some_texts(60)]
QUERIES = ["search for a cat", "rivers", "the", "zebra", "new york street water"]


@pytest.mark.parametrize("language", ["english", "none"])
def test_words_on_disk_rank_as_words_in_memory(tmp_path, language):
    rows = np.arange(len(TEXTS)) * 3
    write_word_index(tmp_path / "words", iter(TEXTS), rows, language)
    index = WordIndex(tmp_path / "words", language)
    options = {} if language == "english" else {"stop_words": [], "stemmer": None}
    expected = LexicalIndex(TEXTS, **options).search(QUERIES, 20).positions
    for query, positions in zip(QUERIES, expected, strict=True):
        assert index.nearest(query, 20).tolist() == [3 * position for position in positions if position >= 0]


@pytest.mark.parametrize("weight", [0.2, 0.5, 0.9])
def test_fusion_is_that_of_the_evaluation(weight):
    dense, lexical = [5, 3, 9, 1], [9, 7, 5]
    ranking = Fusion(weight)(
        Ranking(np.zeros((1, 4), np.float32), np.array([dense])),
        Ranking(np.zeros((1, 3), np.float32), np.array([lexical])),
    )
    fused = fuse_rankings(dense, lexical, weight)
    count = len(fused)
    assert [row for row, _ in fused][: ranking.positions.shape[1]] == ranking.positions[0][:count].tolist()
    np.testing.assert_allclose([score for _, score in fused], ranking.scores[0][:count], rtol=1e-5)


def test_a_weight_of_all_or_nothing_gives_one_ranking():
    assert [row for row, _ in fuse_rankings([1, 2], [3, 4], 0)] == [1, 2]
    assert [row for row, _ in fuse_rankings([1, 2], [3, 4], 1)] == [3, 4]


def test_an_unknown_language_is_told():
    with pytest.raises(ValueError, match="got 'klingon'"):
        check_language("klingon")
