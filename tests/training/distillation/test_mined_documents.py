import numpy as np
import pytest
from distillation_corpus import random_texts
from tiny_teacher import tiny_teacher

from traceformers.training.distillation.mined_documents import MinedDocuments, faiss, mine_documents
from traceformers.training.distillation.teacher import load_teacher
from traceformers.training.distillation.teacher_cache import fill_cache


@pytest.fixture(scope="module", params=["cosine", "dot"])
def cache(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mined")
    teacher = load_teacher(tiny_teacher(folder / "teacher", normalize=request.param == "cosine"), device="cpu")
    texts = list(dict.fromkeys(random_texts(300, longest=12)))
    return fill_cache(teacher, texts, folder / "cache", shard_size=100, progress=False)


def scores_of(cache):
    vectors = cache.vectors(np.arange(len(cache))).astype(np.float32)
    if cache.about["similarity"] == "cosine":
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    return vectors @ vectors.T


def test_exact_mining_finds_the_nearest_of_all(cache):
    neighbours = mine_documents(cache, k=7, exact=True, progress=False).neighbours
    scores = scores_of(cache)
    found = np.take_along_axis(scores, neighbours, axis=1)
    assert (neighbours != np.arange(len(cache))[:, None]).all()
    assert all(len(set(row)) == 7 for row in neighbours)
    np.fill_diagonal(scores, -np.inf)
    np.testing.assert_allclose(found, np.sort(scores, axis=1)[:, :-8:-1], rtol=1e-4)


@pytest.mark.skipif(faiss is None, reason="needs faiss")
def test_an_inverted_file_finds_most_of_them(cache):
    exact, other = (mine_documents(cache, k=5, exact=e, progress=False).neighbours for e in (True, False))
    recall = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(exact, other, strict=True)])
    assert recall > 0.8
    assert ((other >= 0) & (other < len(cache)) & (other != np.arange(len(cache))[:, None])).all()


def test_what_was_mined_is_read_again_for_the_same_cache_only(cache, tmp_path):
    path = tmp_path / "mined.safetensors"
    assert MinedDocuments.open(path, cache) is None
    mined = mine_documents(cache, k=3, progress=False)
    mined.save(path, cache)
    assert np.array_equal(MinedDocuments.open(path, cache).neighbours, mined.neighbours)
    cache.texts_sha256[0], kept = "changed", cache.texts_sha256[0]
    with pytest.raises(ValueError, match=r"got those of another cache\. Delete the file"):
        MinedDocuments.open(path, cache)
    cache.texts_sha256[0] = kept
    with pytest.raises(ValueError, match="Ask for fewer"):
        mine_documents(cache, k=len(cache))
