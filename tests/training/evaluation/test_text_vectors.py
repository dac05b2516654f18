import numpy as np
import pytest

from traceformers.training.evaluation.text_vectors import (
    cached_vectors,
    folder_sha256,
    read_vectors,
    texts_sha256,
    write_vectors,
)

TEXTS = ["a text", "another", ""]
VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_texts_are_encoded_once(tmp_path):
    calls = []

    def encode(texts):
        calls.append(texts)
        return VECTORS

    path = tmp_path / "deep" / "set.documents.safetensors"
    for _ in range(2):
        np.testing.assert_array_equal(cached_vectors(path, TEXTS, "one encoder", encode), VECTORS)
    assert calls == [TEXTS] and [p.name for p in path.parent.iterdir()] == [path.name]


def test_vectors_of_other_texts_or_another_encoder_are_refused(tmp_path):
    path = tmp_path / "v.safetensors"
    write_vectors(path, VECTORS, TEXTS, "one encoder")
    with pytest.raises(ValueError, match="Expected vectors of the texts"):
        read_vectors(path, TEXTS[::-1])
    with pytest.raises(ValueError, match="Expected vectors of the encoder another"):
        cached_vectors(path, TEXTS, "another", None)
    np.testing.assert_array_equal(read_vectors(path), VECTORS)


def test_the_hash_sees_order_and_borders_of_texts():
    hashes = {
        texts_sha256(texts) for texts in (["ab", "c"], ["a", "bc"], ["c", "ab"], ["abc"], ["abc", ""], ["\ud800"])
    }
    assert len(hashes) == 6


def test_a_folder_is_another_when_a_weight_changes_and_the_same_elsewhere(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    assert folder_sha256(tmp_path / "a") == folder_sha256(tmp_path / "b")
    (tmp_path / "b" / "README.md").write_text("words about it")
    assert folder_sha256(tmp_path / "a") == folder_sha256(tmp_path / "b")
    (tmp_path / "b" / "model.safetensors").write_bytes(b"other weights")
    assert folder_sha256(tmp_path / "a") != folder_sha256(tmp_path / "b")
