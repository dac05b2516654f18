"""What an n-gram encoder promises: order does not matter, nor who else is in the batch, nor how it is stored."""

import itertools

import numpy as np
import pytest
import torch
from assertions import assert_save_load_keeps_outputs
from tiny_ngram import tiny_tokenizer, tiny_vocabulary
from tiny_ngram_encoder import TEXTS, flat, padded, tiny_config, tiny_encoder, vectors

from traceformers import NgramEncoderModel
from traceformers.modeling.ngram_encoder import modeling_ngram_encoder
from traceformers.modeling.ngram_encoder.ngram_table import bag

SHAPES = [
    {"pooling": pooling, "phi": phi, "rho": rho, "num_attention_heads": heads, "composed_entries": composed}
    for pooling, phi, rho, heads, composed in itertools.product(
        ("attention", "sif", "mean"), ("none", "mlp"), ("none", "linear", "mlp"), (1, 4), (True, False)
    )
]
SOME = [
    {},
    {"phi": "mlp", "rho": "mlp", "num_attention_heads": 4},
    {"pooling": "sif", "rho": "linear", "normalize": False},
    {"pooling": "mean", "embedding_size": 8, "rho": "linear"},
    {"num_self_attention_layers": 2, "phi": "mlp", "num_attention_heads": 2},
]


def name_of(settings):
    return "-".join(f"{value}" for value in settings.values()) or "default"


def by_hand(model, ids):
    """Returns the vector of one text, straight from the equations, an entry at a time in double precision."""
    config, model = model.config, model.double()
    heads, width = config.num_attention_heads, config.embedding_size // config.num_attention_heads
    above, below = torch.zeros(heads, width).double(), torch.zeros(heads).double()

    def weigh(entry, z):
        logits = torch.zeros(heads) if model.logits is None else model.logits[entry]
        if model.logit_map is not None:
            logits = logits + z @ model.logit_map.weight.T
        return logits.double().expand(heads).exp()

    for i in ids.tolist():
        composition = model.composition[i].tolist() if config.composed_entries else [-1]
        for word in [w for w in composition if w >= 0] or ([i] if composition[0] == -1 else []):
            z = model.embeddings.weight[word]
            z = z if model.phi is None else model.phi(z)
            weight = weigh(word, z)
            above += weight[:, None] * z.view(heads, width)
            below += weight
        if composition[0] != -1:  # the residual
            row = model.embeddings.weight[i]
            above += weigh(i, row)[:, None] * row.view(heads, width)
    pooled = (above / below[:, None]).flatten()
    out = pooled if model.rho is None else model.rho(pooled)
    return (torch.nn.functional.normalize(out, dim=0) if config.normalize else out).float()


# --- the equations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SOME[:4], ids=name_of)
def test_vectors_are_those_of_the_equations(settings):
    model, inputs = tiny_encoder(**settings), flat()
    found = vectors(model)
    ids = inputs["input_ids"].tensor_split(inputs["offsets"][1:-1])
    assert any(i >= 0 for row in ids for i in tiny_vocabulary().composition[row][:, 0])  # n-grams are among them
    with torch.no_grad():
        expected = torch.stack([by_hand(model, row) for row in ids])
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-4)


def test_an_ngram_without_residual_is_its_words_and_a_skipgram_without_one_is_nothing():
    model, vocabulary = tiny_encoder(phi="mlp"), tiny_vocabulary()
    model.set_vocabulary(vocabulary)  # residuals to zero again
    ids = vocabulary.ids
    ngram, skipgram = ids["new york city"], ids["more _ than"]
    words = [ids["new"], ids["york"], ids["city"]]
    rows = torch.tensor([ngram, *words, ngram, skipgram])
    one, two, three = vectors(model, {"input_ids": rows, "offsets": torch.tensor([0, 1, 4, 6])})
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(one, three)


@pytest.mark.parametrize("settings", [{}, {"phi": "mlp"}, {"pooling": "mean"}], ids=name_of)
def test_a_residual_of_zero_moves_from_the_first_step(settings):
    model, vocabulary = tiny_encoder(**settings), tiny_vocabulary()
    model.set_vocabulary(vocabulary)
    ngram = vocabulary.ids["new york"]
    out = model(torch.tensor([ngram, vocabulary.ids["the"]]), offsets=torch.tensor([0, 2])).pooler_output
    (out * torch.linspace(-1, 1, out.shape[1])).sum().backward()
    assert not model.embeddings.weight[ngram].any()
    assert model.embeddings.weight.grad[ngram].abs().max() > 1e-3


def test_sums_of_bags_are_those_of_a_loop_with_gradients():
    generator = torch.Generator().manual_seed(0)
    for heads in (1, 3):
        rows = torch.randn(7, 6, generator=generator, dtype=torch.float64, requires_grad=True)
        weights = torch.rand(9, heads, generator=generator, dtype=torch.float64, requires_grad=True)
        index, offsets = torch.tensor([6, 0, 0, 3, 2, 1, 5, 5, 4]), torch.tensor([0, 4, 4, 9])
        spread = (rows[index].view(9, heads, -1) * weights[..., None]).flatten(1)
        expected = torch.stack([spread[first:last].sum(0) for first, last in itertools.pairwise(offsets.tolist())])
        torch.testing.assert_close(bag(rows, index, offsets, weights), expected)
        wanted = torch.autograd.grad(expected.sin().sum(), (rows, weights))
        found = torch.autograd.grad(bag(rows, index, offsets, weights).sin().sum(), (rows, weights))
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other)


# --- laws ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SOME, ids=name_of)
@pytest.mark.parametrize("folded", [False, True], ids=["training", "folded"])
def test_no_order_of_the_ids_changes_a_vector(settings, folded):
    model, inputs = tiny_encoder(**settings), flat()
    if folded and not model.layers:
        model = model.fold()
    expected = vectors(model)
    generator = torch.Generator().manual_seed(1)
    rows = inputs["input_ids"].tensor_split(inputs["offsets"][1:-1])
    for _ in range(3):
        shuffled = torch.cat([row[torch.randperm(len(row), generator=generator)] for row in rows])
        found = vectors(model, {**inputs, "input_ids": shuffled})
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_no_order_of_the_words_changes_a_vector_of_a_vocabulary_of_words():
    vocabulary = tiny_vocabulary()
    words = [i for i, token in enumerate(vocabulary.tokens) if " " not in token]
    small, old_ids = vocabulary.select(words)
    assert not (small.composition >= 0).any()
    model = tiny_encoder()
    model.select_entries(old_ids)
    tokenizer = type(tiny_tokenizer())(vocabulary=small)
    ids = [
        torch.from_numpy(tokenizer.encode_flat([text])[0]).long()
        for text in ("the big city in york", "york in the city big")
    ]
    one, other = (vectors(model, {"input_ids": row, "offsets": torch.tensor([0, len(row)])}) for row in ids)
    torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize("settings", SOME, ids=name_of)
@pytest.mark.parametrize("dtype", [None, "float32", "int8"])
def test_a_text_has_the_same_vector_alone_and_in_a_batch(settings, dtype):
    model = tiny_encoder(**settings)
    if dtype and not model.layers:
        model = model.fold(dtype)
    alone = torch.cat([vectors(model, flat([text])) for text in TEXTS])
    torch.testing.assert_close(vectors(model), alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("settings", SOME, ids=name_of)
def test_padded_rows_give_the_vectors_of_flat_ids_to_the_bit(settings):
    model, inputs = tiny_encoder(**settings), padded()
    expected = vectors(model)
    assert torch.equal(vectors(model, inputs), expected)
    assert torch.equal(vectors(model, {"input_ids": inputs["input_ids"]}), expected)
    wider = {name: torch.nn.functional.pad(rows, (3, 5)) for name, rows in inputs.items()}
    wider["input_ids"][:, 0] = 4  # masked
    assert torch.equal(vectors(model, wider), expected)


@pytest.mark.parametrize("settings", SOME, ids=name_of)
def test_a_text_without_entries_has_the_vector_of_zeros(settings):
    model = tiny_encoder(**settings)
    forms = [model] if model.layers else [model, model.fold(), model.fold("int8")]
    for form in forms:
        found = vectors(form, {"input_ids": torch.tensor([5, 6]), "offsets": torch.tensor([0, 0, 2, 2])})
        assert not found[0].any() and not found[2].any() and found[1].any()
        assert not vectors(form, {"input_ids": torch.zeros(1, 3, dtype=torch.long)}).any()
        assert (
            vectors(form, {"input_ids": torch.zeros(0, dtype=torch.long), "offsets": torch.tensor([0])}).shape[0] == 0
        )


def test_weights_that_differ_beyond_all_bounds_give_finite_vectors():
    model = tiny_encoder()
    with torch.no_grad():
        model.logits[:] = torch.linspace(-400, 400, len(model.logits))[:, None]
    for form in (model, model.fold(), model.fold("int8"), model.fold("float16")):
        assert vectors(form).isfinite().all()


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_a_batch_too_large_to_look_up_at_once_gives_the_same_vectors(monkeypatch, dtype):
    folded = tiny_encoder(num_attention_heads=4).fold(dtype)
    expected = vectors(folded)
    monkeypatch.setattr(modeling_ngram_encoder, "_GATHER_AT_ONCE", 1)
    torch.testing.assert_close(vectors(folded), expected, atol=1e-6, rtol=0)


# --- folding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SHAPES, ids=name_of)
def test_a_folded_model_gives_the_same_vectors(settings):
    model = tiny_encoder(**settings)
    expected = vectors(model)
    folded = model.fold()
    assert folded.config.folded and not model.config.folded
    torch.testing.assert_close(vectors(folded), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(vectors(model.fold(absorb_rho=False)), expected, atol=1e-5, rtol=0)
    for dtype, least in (("int8", 0.999), ("float16", 0.99999)):
        found = vectors(model.fold(dtype))
        cosines = torch.nn.functional.cosine_similarity(found, expected)
        assert cosines.min() > least, (dtype, cosines)


def test_a_linear_rho_is_folded_away_where_there_is_one_head():
    assert tiny_encoder(rho="linear", embedding_size=8).fold().table.shape[1] == 16
    assert tiny_encoder(rho="linear").fold().rho is None
    assert tiny_encoder(rho="linear", num_attention_heads=2).fold().rho is not None
    assert tiny_encoder(rho="mlp").fold().rho is not None


def test_a_folded_model_can_be_folded_into_another_type():
    folded = tiny_encoder(rho="mlp", num_attention_heads=4).fold()
    expected = vectors(folded)
    assert torch.equal(
        vectors(folded.fold("int8")), vectors(tiny_encoder(rho="mlp", num_attention_heads=4).fold("int8"))
    )
    again = folded.fold("int8").fold("float32")
    assert torch.nn.functional.cosine_similarity(vectors(again), expected).min() > 0.999


def test_self_attention_refuses_to_fold_and_says_why():
    with pytest.raises(ValueError, match=r"num_self_attention_layers=0 to fold, got 1: .* no table can hold it"):
        tiny_encoder(num_self_attention_layers=1).fold()


def test_an_unknown_type_of_table_is_told():
    with pytest.raises(ValueError, match="one of float32, float16, int8, got 'int4'"):
        tiny_encoder().fold("int4")


def test_self_attention_lets_entries_see_each_other_and_not_other_texts():
    model = tiny_encoder(num_self_attention_layers=1, normalize=False)
    both, other = vectors(model, flat(["the city", "big cafe"])), vectors(model, flat(["the city", "york"]))
    torch.testing.assert_close(both[0], other[0], atol=1e-6, rtol=0)
    plain = model.config.num_self_attention_layers
    parts = vectors(model, flat(["the", "city"]))
    assert plain == 1 and not torch.allclose(both[0], parts.mean(0), atol=1e-2)


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", SOME, ids=name_of)
def test_save_and_load_keep_the_training_form_to_the_bit(settings):
    assert_save_load_keeps_outputs(tiny_encoder(**settings), flat())


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("rho", ["none", "mlp"])
def test_save_and_load_keep_the_folded_form_to_the_bit(dtype, rho):
    folded = tiny_encoder(rho=rho, num_attention_heads=2).fold(dtype)
    assert_save_load_keeps_outputs(folded, flat())


def test_loading_in_half_precision_leaves_weights_and_compositions_alone(tmp_path):
    model = tiny_encoder(pooling="sif")
    model.save_pretrained(tmp_path)
    again = NgramEncoderModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert again.embeddings.weight.dtype == torch.bfloat16
    assert torch.equal(again.logits, model.logits) and torch.equal(again.composition, model.composition)
    assert torch.nn.functional.cosine_similarity(vectors(again), vectors(model)).min() > 0.99


# --- where entries start ------------------------------------------------------------------------------------


def test_teacher_vectors_and_frequencies_start_as_the_smooth_inverse_frequency_mean():
    model, vocabulary = NgramEncoderModel(tiny_config(rho="linear")), tiny_vocabulary()
    model.set_vocabulary(vocabulary)
    rng = np.random.default_rng(0)
    rows, counts = rng.standard_normal((len(vocabulary), 16)), rng.integers(1, 900, len(vocabulary))
    model.set_entry_vectors(rows)
    model.set_entry_frequencies(counts)
    ids = [vocabulary.ids[word] for word in ("the", "big", "cafe")]
    weights = 1e-3 / (1e-3 + counts / counts.sum())
    expected = (weights[ids][:, None] * rows[ids]).sum(0)
    found = vectors(model, {"input_ids": torch.tensor(ids), "offsets": torch.tensor([0, 3])})[0].numpy()
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


def test_wider_teacher_vectors_start_as_their_principal_directions_and_the_way_back():
    model, vocabulary = NgramEncoderModel(tiny_config(embedding_size=4, rho="linear")), tiny_vocabulary()
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((len(vocabulary), 4)) @ rng.standard_normal((4, 16))  # rank 4: nothing is lost
    model.set_entry_vectors(rows)
    found = vectors(model, {"input_ids": torch.tensor([5]), "offsets": torch.tensor([0, 1])})[0].numpy()
    np.testing.assert_allclose(found, rows[5] / np.linalg.norm(rows[5]), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: m.set_entry_vectors(np.zeros((3, 16))), r"Expected vectors of shape \(\d+, 16\).*got \(3, 16\)"),
        (lambda m: m.set_entry_vectors(np.full((m.config.vocab_size, 16), np.nan)), "Expected finite vectors, got NaN"),
        (lambda m: m.set_entry_frequencies(np.ones(3)), r"frequencies .*got shape \(3,\)"),
        (lambda m: m.set_composition(np.zeros((3, 4), int)), r"composition of shape .*got \(3, 4\)"),
        (lambda m: m.set_composition(np.full((m.config.vocab_size, 4), 999)), r"word ids below \d+.*got 999 to 999"),
        (lambda m: m.fold().set_entry_vectors(np.zeros((1, 1))), "Expected the training form for set_entry_vectors"),
        (lambda m: m(torch.tensor([1, 2])), r"input_ids of shape \(B, T\), got \(2,\) and no offsets"),
        (lambda m: m(), "Expected input_ids, got None"),
        (lambda m: m(torch.tensor([1, 2]), offsets=torch.tensor([0, 1])), r"offsets from 0 to the number of ids, 2"),
        (lambda m: m(torch.ones(2, 3).long(), attention_mask=torch.ones(2, 2)), r"\(2, 3\), got \(2, 2\)"),
        (lambda m: m(torch.ones(2, 3).long(), offsets=torch.tensor([0, 3])), r"flat input_ids \(N,\) with offsets"),
    ],
)
def test_what_does_not_fit_is_told(call, said):
    with pytest.raises(ValueError, match=said):
        call(tiny_encoder())


def test_pooling_by_the_mean_has_no_frequencies():
    with pytest.raises(ValueError, match="Expected pooling 'attention' or 'sif', got 'mean'"):
        tiny_encoder(pooling="mean").set_entry_frequencies(np.ones(9))
    with pytest.raises(ValueError, match="composed_entries=True, got one without"):
        tiny_encoder(composed_entries=False).set_vocabulary(tiny_vocabulary())


# --- training -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [*SOME, {"pooling": "mean"}], ids=name_of)
def test_every_parameter_gets_a_gradient(settings):
    model = tiny_encoder(**settings).train()
    out = model(**flat()).pooler_output
    (out * torch.linspace(-1, 1, out.shape[1])).sum().backward()
    without = [
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert without == []


def test_sparse_gradients_are_the_dense_ones():
    model = tiny_encoder()
    for sparse in (False, True):
        model.zero_grad()
        model.sparse_gradients = sparse
        out = model(**flat()).pooler_output
        (out * torch.linspace(-1, 1, out.shape[1])).sum().backward()
        if not sparse:
            dense = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert parameter.grad.is_sparse
        torch.testing.assert_close(parameter.grad.to_dense(), dense[name])


def test_a_folded_float32_table_can_be_trained_and_an_int8_one_has_no_parameters():
    folded = tiny_encoder().fold()
    vectors_before = vectors(folded)
    optimizer = torch.optim.SGD(folded.parameters(), lr=1.0)
    folded(**flat()).pooler_output[:, 0].sum().backward()
    optimizer.step()
    assert (vectors(folded)[:, 0] - vectors_before[:, 0]).max() < 0
    assert list(tiny_encoder().fold("int8").parameters()) == []
