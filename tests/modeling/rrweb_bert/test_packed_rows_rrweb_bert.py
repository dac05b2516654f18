"""Packed rows and `sdpa_varlen`: windows that share a row do not see each other, forwards or backwards."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import (
    RRWebBertForMaskedLM,
    RRWebBertForSequenceClassification,
)
from traceformers.modeling.rrweb_bert.rrweb_bert_attention import sdpa_varlen_attention_forward

LENGTHS = [7, 3, 7, 1, 12]


def tiny(model_class=RRWebBertForMaskedLM, attn_implementation="sdpa_varlen", **changes):
    shape = {
        "vocab_size": 99,
        "structural_vocab_size": 40,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 16,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    torch.manual_seed(0)
    config = RRWebBertConfig(**{**shape, **changes})
    return model_class._from_config(config, attn_implementation=attn_implementation).eval()


def windows_of(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(5, 99, (length,), generator=generator) for length in lengths]


def packed(windows):
    lengths = [len(window) for window in windows]
    borders = torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32)
    return {
        "input_ids": torch.cat(windows)[None],
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "cu_seq_lens_q": borders,
        "cu_seq_lens_k": borders,
        "max_length_q": max(lengths),
        "max_length_k": max(lengths),
    }


def gradients(model):
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    return found


@given(st.lists(st.integers(1, 16), min_size=1, max_size=8))
def test_a_packed_row_equals_its_windows_run_alone(lengths):
    model, windows = tiny(), windows_of(lengths)
    found = model(**packed(windows)).logits[0]
    expected = torch.cat([model(window[None]).logits[0] for window in windows])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_changing_one_window_leaves_the_others_equal_to_the_bit():
    model, windows = tiny(), windows_of(LENGTHS)
    before = model(**packed(windows)).logits[0].split(LENGTHS)
    for changed in range(len(windows)):
        others = list(windows)
        others[changed] = (others[changed] - 5 + 1) % 94 + 5
        after = model(**packed(others)).logits[0].split(LENGTHS)
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            assert torch.equal(old, new) == (number != changed)


def test_gradients_of_a_packed_row_equal_those_of_windows_run_alone():
    model, windows = tiny().train(), windows_of(LENGTHS)
    count = sum(LENGTHS)
    row = packed(windows)
    loss = model(**row, labels=row["input_ids"]).loss
    loss.backward()
    found = gradients(model)
    alone = [model(w[None], labels=w[None], num_items_in_batch=count).loss for w in windows]
    sum(alone).backward()
    expected = gradients(model)
    torch.testing.assert_close(loss, sum(alone), rtol=0, atol=1e-5)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-6)


def test_a_loss_in_one_window_gives_no_gradient_to_another():
    model, windows = tiny(), windows_of(LENGTHS)
    row = packed(windows)
    ids = row.pop("input_ids")
    vectors = model.get_input_embeddings()(ids).detach().requires_grad_()
    logits = model(inputs_embeds=vectors, token_type_ids=(ids >= 40).long(), **row).logits
    logits[0, 7:10].sum().backward()
    touched = vectors.grad[0].abs().sum(-1) > 0
    assert touched.tolist() == [7 <= position < 10 for position in range(len(touched))]


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_works_with_packed_rows(reentrant):
    row = packed(windows_of(LENGTHS))
    model = tiny(hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2).train()
    found = []
    for checkpointed in (False, True):
        if checkpointed:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            model.enable_input_require_grads()
        torch.manual_seed(3)
        model(**row, labels=row["input_ids"]).loss.backward()
        found.append(gradients(model))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_masked_positions_index_the_packed_row():
    model, row = tiny(), packed(windows_of(LENGTHS))
    positions = torch.tensor([0, 8, 29])
    chosen = model(**row, masked_positions=positions).logits
    torch.testing.assert_close(chosen, model(**row).logits[0, positions], rtol=0, atol=1e-6)


def test_positions_are_counted_from_each_window_when_not_given():
    model, row = tiny(), packed(windows_of(LENGTHS))
    expected = model(**row).logits
    for name in ("position_ids", "cu_seq_lens_k", "max_length_q", "max_length_k"):
        row.pop(name)
    assert torch.equal(model(**row).logits, expected)


def test_no_mask_as_large_as_the_row_squared_is_made(monkeypatch):
    from traceformers.modeling.rrweb_bert import modeling_rrweb_bert as module

    def refuse(*args, **kwargs):
        raise AssertionError("a mask was made for a packed row")

    calls = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def watched(query, key, value, attn_mask=None, **kwargs):
        calls.append((query.shape[2], key.shape[2], attn_mask))
        return attend(query, key, value, attn_mask=attn_mask, **kwargs)

    monkeypatch.setattr(module, "create_bidirectional_mask", refuse)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    tiny()(**packed(windows_of(LENGTHS)))
    assert calls == [(length, length, None) for length in LENGTHS] * 2


def test_a_packed_row_gives_one_classification_a_window():
    model, windows = tiny(RRWebBertForSequenceClassification, num_labels=3), windows_of(LENGTHS)
    found = model(**packed(windows)).logits
    expected = torch.cat([model(window[None]).logits for window in windows])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("implementation", ["sdpa", "eager", "flex_attention"])
def test_attention_that_would_mix_windows_is_refused(implementation):
    model = tiny(attn_implementation=implementation)
    with pytest.raises(ValueError, match=f"packed rows, got '{implementation}', under which windows .* see each"):
        model(**packed(windows_of(LENGTHS)))


def test_what_cannot_be_packed_is_refused():
    model, row = tiny(), packed(windows_of(LENGTHS))
    with pytest.raises(ValueError, match="no attention_mask with packed rows"):
        model(**row, attention_mask=torch.ones(1, 30))
    with pytest.raises(ValueError, match="one packed row, got 2 rows"):
        model(**{**row, "input_ids": row["input_ids"].repeat(2, 1)})
    with pytest.raises(ValueError, match=r"from 0 to the 30 tokens of the packed row, got \[0, 7\]"):
        model(**{**row, "cu_seq_lens_q": torch.tensor([0, 7], dtype=torch.int32)})
    with pytest.raises(ValueError, match="max_position_embeddings = 16 tokens, got 17"):
        model(**packed(windows_of([17, 3])))


def test_dropout_and_scale_reach_the_kernel():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 10, 8).unbind(0)
    borders = torch.tensor([0, 4, 10], dtype=torch.int32)

    def run(**options):
        module = torch.nn.Module()
        return sdpa_varlen_attention_forward(module, query, key, value, None, cu_seq_lens_q=borders, **options)[0]

    weights = torch.softmax(query[:, :, :4] @ key[:, :, :4].transpose(2, 3) * 0.5, -1)
    expected = (weights @ value[:, :, :4]).transpose(1, 2)
    torch.testing.assert_close(run(scaling=0.5)[:, :4], expected, rtol=0, atol=1e-6)
    assert not torch.equal(run(scaling=0.5, dropout=0.5), run(scaling=0.5))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the fused kernels need a GPU")
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_fused_kernels_agree_on_a_gpu(dropout):
    model = tiny(attention_probs_dropout_prob=dropout).to("cuda", torch.bfloat16)
    windows = [window.cuda() for window in windows_of(LENGTHS)]
    row = {k: v.cuda() if torch.is_tensor(v) else v for k, v in packed(windows).items()}
    expected = torch.cat([model(window[None]).logits[0] for window in windows])
    torch.testing.assert_close(model(**row).logits[0], expected, rtol=0, atol=3e-2)
    model.train()(**row, labels=row["input_ids"]).loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
