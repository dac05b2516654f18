import shutil

import numpy as np
import pytest
from huggingface_hub import HfApi
from sentence_transformers import SentenceTransformer
from tiny_teacher import tiny_teacher, wordpieces

from traceformers.training.distillation.teacher import IDENTITY, length_batches, load_teacher

TEXTS = ["red cat", "", "the dog of the house is searching the river bank", "east \ud800 東", "a", "new york " * 200]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_teacher(tmp_path_factory.mktemp("teacher"))


def test_vectors_are_those_of_sentence_transformers(folder):
    texts = [text for text in TEXTS if text.isascii()]
    expected = SentenceTransformer(folder, device="cpu").encode(texts)
    teacher = load_teacher(folder, device="cpu", precision="float32")
    np.testing.assert_allclose(teacher.encode(texts), expected, atol=1e-6)
    assert (teacher.dimension, teacher.max_length, teacher.normalize, teacher.similarity) == (16, 64, True, "cosine")


@pytest.mark.parametrize("batch_size", [1, 2, None])
def test_a_batch_changes_no_vector(folder, batch_size):
    teacher = load_teacher(folder, device="cpu", precision="float32")
    alone = np.concatenate([teacher.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(teacher.encode(TEXTS, batch_size=batch_size), alone, atol=1e-6)
    assert teacher.encode([]).shape == (0, 16)


def test_bfloat16_is_near_float32(folder):
    one, other = (load_teacher(folder, device="cpu", precision=p).encode(TEXTS) for p in ("bfloat16", "float32"))
    assert one.dtype == np.float32 and (one * other).sum(1).min() > 0.99 and not np.array_equal(one, other)


def test_the_dot_product_and_no_normalization_are_read_from_the_config(tmp_path):
    teacher = load_teacher(tiny_teacher(tmp_path, normalize=False), device="cpu")
    assert (teacher.similarity, teacher.normalize) == ("dot", False)
    assert np.linalg.norm(teacher.encode(TEXTS), axis=1).std() > 0.01


def test_pooling_of_the_arguments_goes_before_that_of_the_config(folder, tmp_path):
    chosen = load_teacher(folder, pooling="cls", device="cpu", precision="float32")
    saved = load_teacher(tiny_teacher(tmp_path, pooling="cls"), device="cpu", precision="float32")
    assert (chosen.pooling, saved.pooling) == ("cls", "cls")
    np.testing.assert_allclose(chosen.encode(TEXTS), saved.encode(TEXTS), atol=1e-6)
    other = load_teacher(folder, device="cpu", precision="float32")
    assert np.abs(chosen.encode(TEXTS) - other.encode(TEXTS)).max() > 0.01
    assert chosen.fingerprint["weights_sha256"] == other.fingerprint["weights_sha256"]
    assert [key for key in IDENTITY if chosen.fingerprint[key] != other.fingerprint[key]] == ["pooling"]


def test_a_plain_bert_needs_a_pooling_and_works_with_one(folder, tmp_path):
    plain = shutil.copytree(folder, tmp_path / "bert", ignore=shutil.ignore_patterns("modules.json", "*_Pooling"))
    with pytest.raises(ValueError, match=r"Expected modules\.json.*--teacher-pooling cls"):
        load_teacher(plain, device="cpu")
    for pooling in ("cls", "mean"):
        teacher = load_teacher(plain, pooling=pooling, device="cpu", precision="float32")
        expected = load_teacher(folder, pooling=pooling, device="cpu", precision="float32").encode(TEXTS)
        found = teacher.encode(TEXTS)
        np.testing.assert_allclose(found / np.linalg.norm(found, axis=1, keepdims=True), expected, atol=1e-6)
        assert (teacher.pooling, teacher.normalize) == (pooling, False)


def test_a_shorter_limit_cuts_texts(folder):
    teacher = load_teacher(folder, device="cpu", precision="float32", max_length=4)
    np.testing.assert_allclose(*(teacher.encode([text]) for text in ("red cat dog house", "red cat")), atol=1e-6)
    assert teacher.fingerprint["max_length"] == 4


def test_a_repository_is_loaded_in_the_revision_that_is_recorded(folder, hub, tmp_path):
    api = HfApi()
    repository = api.create_repo("user/tiny-teacher", exist_ok=True).repo_id
    first = api.upload_folder(folder_path=folder, repo_id=repository).oid
    api.upload_folder(folder_path=tiny_teacher(tmp_path, seed=1), repo_id=repository)
    old = load_teacher(repository, revision=first, device="cpu", precision="float32")
    new = load_teacher(repository, device="cpu", precision="float32")
    np.testing.assert_array_equal(
        old.encode(TEXTS), load_teacher(folder, device="cpu", precision="float32").encode(TEXTS)
    )
    assert old.fingerprint["weights_sha256"] != new.fingerprint["weights_sha256"]
    assert old.fingerprint["revision"] == first and len(new.fingerprint["revision"]) == 40


def test_wordpieces_are_the_tokenizers_own(folder):
    pieces = load_teacher(folder, device="cpu").wordpieces()
    assert sorted(pieces, key=pieces.get) == wordpieces()


def test_bad_names_and_values_are_named():
    with pytest.raises(ValueError, match="pooling of from-config, cls, mean, got 'max'"):
        load_teacher("anything", pooling="max")
    with pytest.raises(ValueError, match="precision of bfloat16, float32, got 'int4'"):
        load_teacher("anything", precision="int4")
    with pytest.raises(FileNotFoundError, match="no such package"):
        load_teacher("package:no_such_package")
    with pytest.raises(FileNotFoundError, match="Expected the folder of a saved model"):
        load_teacher("./no/such/folder")


def test_batches_hold_every_text_once_within_the_budget():
    lengths = np.random.default_rng(0).integers(1, 300, 500)
    batches = length_batches(lengths, 2048, batch_size=64)
    assert sorted(np.concatenate(batches)) == list(range(500))
    assert all(lengths[b].max() * len(b) <= 2048 and len(b) <= 64 for b in batches)
    assert lengths.sum() / sum(lengths[b].max() * len(b) for b in batches) > 0.95
