import json

import numpy as np
import pytest
import torch
from distillation_corpus import write_corpus

from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer
from traceformers.training.distillation.distillation_dataset import (
    LONG_TEXT_IDS,
    SHORT_TEXT_IDS,
    DistillationBatches,
    TokenizedTexts,
    tokenize_texts,
)
from traceformers.training.distillation.mined_documents import mine_documents
from traceformers.training.distillation.teacher_cache import TeacherCache
from traceformers.training.epoch_batches import batch_as_it_is


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def tokenizer(corpus):
    return NgramTokenizer.from_pretrained(corpus["vocabulary"])


@pytest.fixture(scope="module")
def texts(corpus):
    return open(corpus["texts"]).read().splitlines()


@pytest.fixture(scope="module")
def tokens(tokenizer, texts, tmp_path_factory):
    return tokenize_texts(tokenizer, texts, tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
def cache(corpus):
    return TeacherCache.open(corpus["teacher_cache"])


def test_every_text_keeps_the_ids_of_the_tokenizer(tokenizer, texts, tokens):
    indices = np.random.default_rng(0).integers(0, len(texts), 50)
    ids, offsets = tokens.flat(indices)
    expected_ids, expected_offsets = tokenizer.encode_flat([texts[i] for i in indices])
    assert np.array_equal(ids, expected_ids) and np.array_equal(offsets, expected_offsets)
    assert ids.dtype == offsets.dtype == np.int64


def test_texts_are_tokenized_once_and_again_when_something_changed(tokenizer, texts, tmp_path):
    def stamp():
        return (tmp_path / "ids.int32").stat().st_mtime_ns

    tokenize_texts(tokenizer, texts, tmp_path)
    first = stamp()
    assert len(tokenize_texts(tokenizer, texts, tmp_path)) == len(texts) and stamp() == first
    changed = [*texts[:-1], "another text"]
    for arguments in ((changed, 512), (texts, 4), (texts, 512)):
        found = tokenize_texts(tokenizer, arguments[0], tmp_path, arguments[1])
        assert stamp() != first and found.lengths.max() <= arguments[1]
        first = stamp()


def test_what_was_not_tokenized_to_its_end_is_not_read(tokenizer, texts, tmp_path):
    tokenize_texts(tokenizer, texts, tmp_path)
    about = json.loads((tmp_path / "tokens.json").read_text())
    assert about["texts"] == len(texts)
    (tmp_path / "tokens.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"found no tokens\.json"):
        TokenizedTexts(tmp_path)
    with pytest.raises(ValueError, match="Expected texts, got none"):
        tokenize_texts(tokenizer, [], tmp_path)


def test_an_epoch_holds_every_text_once_with_its_vector(tokens, cache):
    batches = DistillationBatches(tokens, cache, seed=1)
    loader = torch.utils.data.DataLoader(batches, batch_size=64, collate_fn=batch_as_it_is)
    found = list(loader)
    assert [len(batch["teacher_vectors"]) for batch in found] == [64, 64, 32]
    order = batches.order
    assert sorted(order) == list(range(len(tokens))) and list(order) != sorted(order)
    vectors = torch.cat([batch["teacher_vectors"] for batch in found])
    assert vectors.dtype == torch.float16 and np.array_equal(vectors, cache.vectors(order))
    ids = torch.cat([batch["input_ids"] for batch in found])
    assert np.array_equal(ids, tokens.flat(order)[0])
    assert all(batch["offsets"][-1] == len(batch["input_ids"]) for batch in found)


def test_the_order_follows_from_seed_and_epoch_alone(tokens, cache):
    def order(seed, epoch):
        batches = DistillationBatches(tokens, cache, seed=seed)
        batches.set_epoch(epoch)
        return batches.order.tolist()

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4) and order(0, 3) != order(1, 3)


def test_workers_that_persist_see_the_new_epoch(tokens, cache):
    batches = DistillationBatches(tokens, cache)
    options = {"num_workers": 1, "persistent_workers": True, "multiprocessing_context": "fork"}
    loader = torch.utils.data.DataLoader(batches, batch_size=80, collate_fn=batch_as_it_is, **options)
    for epoch in range(2):
        batches.set_epoch(epoch)
        found = torch.cat([batch["teacher_vectors"] for batch in loader])
        assert np.array_equal(found, cache.vectors(np.random.default_rng([0, epoch]).permutation(len(tokens))))


@pytest.mark.parametrize(("short_weight", "long_weight"), [(1, 0), (1, 1), (2, 3), (0, 1)])
def test_short_and_long_texts_are_drawn_as_often_as_told(tokenizer, cache, texts, tmp_path, short_weight, long_weight):
    texts = [" ".join([text] * (6 if i % 10 == 0 else 2 if i % 10 == 1 else 1)) for i, text in enumerate(texts)]
    tokens = tokenize_texts(tokenizer, texts, tmp_path)
    batches = DistillationBatches(tokens, cache, short_text_weight=short_weight, long_text_weight=long_weight)
    drawn = np.bincount(batches.order, minlength=len(texts))
    short, long = tokens.lengths <= SHORT_TEXT_IDS, tokens.lengths > LONG_TEXT_IDS
    assert short.any() and long.any() and (~short & ~long).any()
    assert (drawn[short] == short_weight).all() and (drawn[long] == long_weight).all()
    assert (drawn[~short & ~long] == 1).all()


def test_mined_documents_come_with_the_nearest_first(tokens, cache):
    mined = mine_documents(cache, k=5, progress=False)
    batches = DistillationBatches(tokens, cache, mined=mined, documents_per_text=3)
    batch = batches.__getitems__(list(range(32)))
    assert batch["documents"].shape == (32, 3, 16)
    scores = torch.einsum("bd,bmd->bm", batch["teacher_vectors"].float(), batch["documents"].float())
    assert (scores.diff(dim=1) <= 1e-2).all()
    again = batches.__getitems__(list(range(32)))
    assert all(torch.equal(batch[name], again[name]) for name in batch)


def test_what_does_not_belong_together_is_refused(tokens, cache, tokenizer, texts, tmp_path):
    fewer = tokenize_texts(tokenizer, texts[:-1], tmp_path)
    with pytest.raises(ValueError, match="Expected as many texts as teacher vectors, got 159 and 160"):
        DistillationBatches(fewer, cache)
    mined = mine_documents(cache, k=3, progress=False)
    with pytest.raises(ValueError, match="Expected 2 to 3 documents_per_text, got 4"):
        DistillationBatches(tokens, cache, mined=mined, documents_per_text=4)
    mined.neighbours = mined.neighbours[:-1]
    with pytest.raises(ValueError, match="mined documents of 160 texts, got those of 159"):
        DistillationBatches(tokens, cache, mined=mined)
