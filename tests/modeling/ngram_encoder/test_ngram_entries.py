"""A vocabulary that grows or shrinks: table, tokenizer and fold stay one model, and old texts keep their vectors."""

import numpy as np
import pytest
import torch
from tiny_ngram import tiny_vocabulary
from tiny_ngram_encoder import TEXTS, flat, tiny_encoder, vectors

from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer

NEW = ["river", "bank", "river bank", "the river", "bank _ city"]
NEW_TEXTS = ["the river", "river bank in the city", "bank", "bank big city"]
SHAPES = [
    {},
    {"phi": "mlp", "num_attention_heads": 4, "rho": "mlp"},
    {"pooling": "mean"},
    {"pooling": "sif", "num_attention_heads": 2, "rho": "linear"},
]


def ids_of(vocabulary, texts):
    ids, offsets = NgramTokenizer(vocabulary=vocabulary).encode_flat(texts)
    return {"input_ids": torch.from_numpy(ids).long(), "offsets": torch.from_numpy(offsets)}


@pytest.mark.parametrize("settings", SHAPES, ids=str)
@pytest.mark.parametrize("form", ["training", "float32", "int8"])
def test_new_entries_leave_old_texts_alone_and_new_ngrams_are_their_words(settings, form):
    model, vocabulary = tiny_encoder(**settings), tiny_vocabulary().append(NEW)
    model = model if form == "training" else model.fold(form)
    before = vectors(model)
    rows = np.random.default_rng(0).standard_normal((len(NEW), model.config.embedding_size))
    model.extend_to(vocabulary, rows)
    assert model.config.vocab_size == len(vocabulary)
    torch.testing.assert_close(vectors(model), before, atol=1e-6, rtol=0)
    found = vectors(model, ids_of(vocabulary, NEW_TEXTS))
    words, old_ids = vocabulary.select([i for i, token in enumerate(vocabulary.tokens) if " " not in token])
    spelled = ids_of(words, NEW_TEXTS)
    spelled["input_ids"] = torch.from_numpy(old_ids)[spelled["input_ids"]]
    assert len(spelled["input_ids"]) != len(ids_of(vocabulary, NEW_TEXTS)["input_ids"])
    close = {"atol": 1e-5 if form != "int8" else 2e-2, "rtol": 0}
    torch.testing.assert_close(found[0], vectors(model, spelled)[0], **close)
    torch.testing.assert_close(found[2:], vectors(model, spelled)[2:], **close)


@pytest.mark.parametrize("settings", SHAPES, ids=str)
def test_extending_and_folding_may_come_in_any_order_for_ngrams(settings):
    model, vocabulary = tiny_encoder(**settings), tiny_vocabulary().append(["the cafe", "big _ cafe", "big city cafe"])
    folded = model.fold()
    model.extend_to(vocabulary)
    folded.extend_to(vocabulary)
    inputs = ids_of(vocabulary, ["the cafe in york", "big city cafe", "big the cafe"])
    torch.testing.assert_close(vectors(folded, inputs), vectors(model, inputs), atol=1e-5, rtol=0)
    torch.testing.assert_close(vectors(model.fold(), inputs), vectors(model, inputs), atol=1e-5, rtol=0)


@pytest.mark.parametrize("settings", SHAPES, ids=str)
@pytest.mark.parametrize("form", ["training", "float32", "int8"])
def test_pruned_entries_leave_the_others_vectors_alone(settings, form):
    model, vocabulary = tiny_encoder(**settings), tiny_vocabulary()
    model = model if form == "training" else model.fold(form)
    gone = {"times", "o'clock", "a _ c"}
    small, old_ids = vocabulary.select([i for i, token in enumerate(vocabulary.tokens) if token not in gone])
    assert "new york city times" not in small.tokens and "new york city" in small.tokens
    inputs = ids_of(small, TEXTS)
    as_before = {**inputs, "input_ids": torch.from_numpy(old_ids)[inputs["input_ids"]]}
    expected = vectors(model, as_before)
    model.select_entries(old_ids)
    assert model.config.vocab_size == len(small)
    assert torch.equal(vectors(model, inputs), expected)
    if form == "training" and model.composition is not None:
        beside = small.kinds == 6
        assert np.array_equal(model.composition.numpy()[~beside], small.composition[~beside])
        assert (model.composition.numpy()[beside, 0] == -2).all()
        torch.testing.assert_close(vectors(model.fold(), inputs), expected, atol=1e-5, rtol=0)


def test_a_changed_model_saves_and_loads(tmp_path):
    vocabulary = tiny_vocabulary().append(NEW)
    for number, model in enumerate((tiny_encoder(), tiny_encoder().fold("int8"))):
        model.extend_to(vocabulary)
        model.select_entries(np.arange(len(vocabulary) - 1))
        model.save_pretrained(tmp_path / str(number))
        again = type(model).from_pretrained(tmp_path / str(number))
        assert torch.equal(vectors(again), vectors(model))


def test_new_rows_of_the_training_form_are_trained():
    model = tiny_encoder()
    model.extend_to(tiny_vocabulary().append(NEW))
    model(**ids_of(tiny_vocabulary().append(NEW), NEW_TEXTS)).pooler_output[:, 0].sum().backward()
    assert model.embeddings.weight.grad[-len(NEW) :].abs().sum(1).min() > 0


def test_a_new_entry_without_a_vector_adds_nothing_to_a_folded_model():
    folded = tiny_encoder().fold()
    before = vectors(folded, flat(["the city"]))
    folded.extend_entries(1)
    inputs = flat(["the city"])
    new = torch.cat([inputs["input_ids"], torch.tensor([folded.config.vocab_size - 1])])
    assert torch.equal(vectors(folded, {"input_ids": new, "offsets": torch.tensor([0, len(new)])}), before)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: m.extend_entries(2, vectors=np.zeros((2, 3))), r"vectors of shape \(2, 16\).* got \(2, 3\)"),
        (lambda m: m.extend_entries(2, composition=np.zeros((1, 4), int)), r"shape \(2, 4\).* got \(1, 4\)"),
        (lambda m: m.select_entries([0, 1, 5, 5]), r"different ids .* got 4 of which 3 differ"),
        (lambda m: m.select_entries([0, 1, 9999]), r"different ids in \[0, \d+\).* largest 9999"),
        (lambda m: m.select_entries([1, 0, 5]), "id 0 to stay where it is"),
        (lambda m: m.select_entries([0, 1, tiny_vocabulary().ids["new york"]]), "an n-gram without one; drop it too"),
    ],
)
def test_changes_that_do_not_fit_are_told(call, said):
    with pytest.raises(ValueError, match=said):
        call(tiny_encoder())
