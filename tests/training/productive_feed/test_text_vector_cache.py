"""Vectors are found again by encoder, id and text, and never for an edited text or another encoder."""

import numpy as np
import torch

from traceformers.training.productive_feed.feed_features import EventEncoder
from traceformers.training.productive_feed.text_vector_cache import TextVectorCache, text_hash


def vectors(*values):
    return np.array([[value, -value] for value in values], dtype=np.float32)


def test_saved_vectors_are_found_by_another_process(tmp_path):
    TextVectorCache(tmp_path).save_text_vectors("k", ["a", "b"], ["1", "2"], vectors(1, 2))
    cache = TextVectorCache(tmp_path)
    cache.save_text_vectors("k", ["c"], ["3"], vectors(3))
    found, held = TextVectorCache(tmp_path).text_vectors("k", ["c", "a", "b", "d"], ["3", "1", "x", "4"])
    assert found.tolist() == [True, True, False, False]
    np.testing.assert_array_equal(held, vectors(3, 1, 0, 0))


def test_encoders_do_not_share_vectors(tmp_path):
    cache = TextVectorCache(tmp_path)
    cache.save_text_vectors("k", ["a"], ["1"], vectors(1))
    assert not cache.text_vectors("other", ["a"], ["1"])[0].any()


def test_a_vector_saved_again_is_replaced():
    cache = TextVectorCache()
    cache.save_text_vectors("k", ["a"], ["1"], vectors(1))
    cache.save_text_vectors("k", ["a"], ["1"], vectors(9))
    np.testing.assert_array_equal(cache.text_vectors("k", ["a"], ["1"])[1], vectors(9))


def test_each_text_is_encoded_once_and_kept():
    asked = []

    def encode(texts):
        asked.extend(texts)
        return torch.tensor([[len(text), 0.0] for text in texts])

    cache = TextVectorCache()
    encoder = EventEncoder(encode, cache, "k")
    assert encoder.rows_of(["aa", "b", "aa"]).tolist() == [0, 1, 0]
    assert encoder.rows_of(["b", "cccc"]).tolist() == [1, 2]
    again = EventEncoder(encode, cache, "k")
    again.rows_of(["cccc", "dd", "aa"])
    assert asked == ["aa", "b", "cccc", "dd"]
    assert again._vectors[:, 0].tolist() == [4, 2, 2] and text_hash("aa") != text_hash("b")
