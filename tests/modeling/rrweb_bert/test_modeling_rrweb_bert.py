"""The RRWebBERT models: embeddings, heads, losses, saving and loading. Packed rows are in their own file."""

import json
import math

import pytest
import torch
from assertions import assert_save_load_keeps_outputs
from safetensors import safe_open
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.utils import is_flash_attn_2_available

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import (
    HybridEmbedding,
    RRWebBertForMaskedLM,
    RRWebBertForSequenceClassification,
    RRWebBertModel,
)

STRUCTURAL, VOCABULARY, WIDTH = 40, 99, 32
HEADS = [RRWebBertModel, RRWebBertForMaskedLM, RRWebBertForSequenceClassification]


def tiny(model_class=RRWebBertForMaskedLM, seed=0, **changes):
    shape = {
        "vocab_size": VOCABULARY,
        "structural_vocab_size": STRUCTURAL,
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": 64,
    }
    implementation = changes.pop("attn_implementation", "sdpa")
    torch.manual_seed(seed)
    model = model_class._from_config(RRWebBertConfig(**{**shape, **changes}), attn_implementation=implementation)
    return model.eval()


def ids_of(rows=2, tokens=11, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(5, VOCABULARY, (rows, tokens), generator=generator)


# --- embeddings ---------------------------------------------------------------------------------------------


def test_each_id_comes_from_the_table_of_its_range():
    table = HybridEmbedding(structural=3, text=4, width=2)
    ids = torch.tensor([[0, 2, 3, 6]])
    found = table(ids)
    expected = torch.stack(
        [table.structural.weight[0], table.structural.weight[2], table.text.weight[0], table.text.weight[3]]
    )
    assert torch.equal(found[0], expected)
    assert torch.equal(found, table.weight[ids])


@pytest.mark.parametrize("unknown", [7, -1])
def test_an_id_outside_both_tables_is_an_error(unknown):
    with pytest.raises(IndexError):
        HybridEmbedding(structural=3, text=4, width=2)(torch.tensor([unknown]))


def test_only_the_rows_looked_up_get_a_gradient():
    table = HybridEmbedding(structural=3, text=4, width=2, padding_idx=0)
    table(torch.tensor([0, 1, 5])).sum().backward()
    assert table.structural.weight.grad.any(1).tolist() == [False, True, False]
    assert table.text.weight.grad.any(1).tolist() == [False, False, True, False]


def test_a_vocabulary_without_text_works():
    model = tiny(vocab_size=STRUCTURAL)
    ids = ids_of() % STRUCTURAL
    assert model(ids).logits.shape == (2, 11, STRUCTURAL)
    model.resize_token_embeddings(STRUCTURAL + 3)
    assert torch.isfinite(model(ids).logits).all()


def test_token_types_follow_from_ids_and_matter():
    model, ids = tiny(RRWebBertModel), ids_of()
    derived = model(ids).last_hidden_state
    given = model(ids, token_type_ids=(ids >= STRUCTURAL).long()).last_hidden_state
    turned = model(ids, token_type_ids=(ids < STRUCTURAL).long()).last_hidden_state
    assert torch.equal(derived, given)
    assert (derived - turned).abs().max() > 1e-3


def test_vectors_from_get_input_embeddings_equal_ids():
    model, ids = tiny(), ids_of()
    vectors = model.get_input_embeddings()(ids)
    types = (ids >= STRUCTURAL).long()
    assert torch.equal(model(inputs_embeds=vectors, token_type_ids=types).logits, model(ids).logits)
    with pytest.raises(ValueError, match="token_type_ids together with inputs_embeds"):
        model(inputs_embeds=vectors)
    with pytest.raises(ValueError, match="exactly one of input_ids and inputs_embeds, got both"):
        model(ids, inputs_embeds=vectors)


def test_a_window_longer_than_the_positions_is_refused():
    with pytest.raises(ValueError, match=r"max_position_embeddings = 64 tokens, got 65; cut the session"):
        tiny()(ids_of(tokens=65))


# --- resizing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("new", [VOCABULARY + 7, VOCABULARY - 20, STRUCTURAL])
def test_resizing_changes_text_ids_alone(new, tied):
    model, ids = tiny(tie_word_embeddings=tied), ids_of() % STRUCTURAL
    with torch.no_grad():
        for part in (model.decoder.structural, model.decoder.text):
            part.bias.normal_()
    table, before = model.get_input_embeddings().weight.detach().clone(), model(ids).logits
    model.resize_token_embeddings(new)
    after = model(ids).logits
    kept = min(new, VOCABULARY)
    assert model.config.vocab_size == new and after.shape[-1] == new
    assert torch.equal(model.get_input_embeddings().weight[:kept], table[:kept])
    torch.testing.assert_close(after[..., :kept], before[..., :kept], rtol=0, atol=1e-6)
    assert (model.decoder.text.weight is model.get_input_embeddings().text.weight) == tied
    assert model.decoder.bias.shape == (new,)
    assert_save_load_keeps_outputs(model, {"input_ids": ids})


def test_resizing_rounds_up_and_keeps_to_its_limits():
    model = tiny()
    assert model.resize_token_embeddings(pad_to_multiple_of=64).num_embeddings == 128
    assert model.resize_token_embeddings(100, pad_to_multiple_of=8).num_embeddings == 104
    for impossible in (STRUCTURAL - 1, 65_537):
        with pytest.raises(ValueError, match=f"between 40 .* and 65536 .* got {impossible}"):
            model.resize_token_embeddings(impossible)


# --- attention ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", ["eager", "sdpa_varlen"])
def test_attention_implementations_agree(implementation):
    ids, mask = ids_of(), torch.ones(2, 11, dtype=torch.long)
    mask[1, 6:] = 0
    expected = tiny()(ids, attention_mask=mask).logits
    found = tiny(attn_implementation=implementation)(ids, attention_mask=mask).logits
    tolerance = 0 if implementation == "sdpa_varlen" else 1e-5
    torch.testing.assert_close(found[mask.bool()], expected[mask.bool()], rtol=0, atol=tolerance)


@pytest.mark.filterwarnings("ignore:.*flex_attention.*:UserWarning")
def test_flex_attention_agrees():
    ids = ids_of(tokens=16)
    with torch.no_grad():  # flex attention has no backward pass on a CPU
        found = tiny(attn_implementation="flex_attention", hidden_size=64)(ids).logits
        torch.testing.assert_close(found, tiny(hidden_size=64)(ids).logits, rtol=0, atol=1e-5)


def test_flash_attention_is_refused_only_for_want_of_the_package():
    if is_flash_attn_2_available():
        assert tiny(attn_implementation="flash_attention_2").config._attn_implementation == "flash_attention_2"
    else:
        with pytest.raises(ImportError, match="seem to be installed"):
            tiny(attn_implementation="flash_attention_2")


def test_padding_does_not_change_a_row():
    model, ids = tiny(), ids_of()
    padded = torch.nn.functional.pad(ids, (0, 5))
    mask = torch.nn.functional.pad(torch.ones_like(ids), (0, 5))
    torch.testing.assert_close(model(padded, attention_mask=mask).logits[:, :11], model(ids).logits, rtol=0, atol=1e-5)
    classifier = tiny(RRWebBertForSequenceClassification)
    torch.testing.assert_close(
        classifier(padded, attention_mask=mask).logits, classifier(ids).logits, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("model_class", HEADS)
def test_a_row_of_padding_alone_is_finite(model_class):
    mask = torch.ones(2, 11, dtype=torch.long)
    mask[1] = 0
    for implementation in ("sdpa", "eager", "sdpa_varlen"):
        outputs = tiny(model_class, attn_implementation=implementation)(ids_of(), attention_mask=mask)
        assert torch.isfinite(outputs[0]).all(), implementation


def test_hidden_states_and_attentions_come_out_when_asked_for():
    outputs = tiny(attn_implementation="eager")(ids_of(), output_hidden_states=True, output_attentions=True)
    assert [tuple(h.shape) for h in outputs.hidden_states] == [(2, 11, WIDTH)] * 3
    assert [tuple(a.shape) for a in outputs.attentions] == [(2, 4, 11, 11)] * 2
    assert torch.allclose(outputs.attentions[0].sum(-1), torch.ones(2, 4, 11))
    as_tuple = tiny()(ids_of(), return_dict=False)
    assert isinstance(as_tuple, tuple) and torch.equal(as_tuple[0], tiny()(ids_of()).logits)


def test_there_is_no_untrained_pooler_output():
    assert list(tiny(RRWebBertModel)(ids_of())) == ["last_hidden_state"]


# --- masked tokens ------------------------------------------------------------------------------------------


def test_the_loss_of_a_random_model_is_that_of_guessing():
    model = tiny(vocab_size=2_000, hidden_size=64)
    ids = torch.randint(5, 2_000, (4, 60), generator=torch.Generator().manual_seed(2))
    labels = torch.randint(0, 2_000, (4, 60), generator=torch.Generator().manual_seed(3))
    assert model(ids, labels=labels).loss.item() == pytest.approx(math.log(2_000), abs=0.05)


def test_logits_at_chosen_positions_are_those_of_the_full_head():
    model, ids = tiny(), ids_of()
    positions = torch.tensor([3, 10, 11, 21])
    labels = torch.full_like(ids, -100)
    labels.view(-1)[positions] = ids.view(-1)[positions]
    full = model(ids, labels=labels)
    chosen = model(ids, labels=ids.view(-1)[positions], masked_positions=positions)
    assert chosen.logits.shape == (4, VOCABULARY)
    torch.testing.assert_close(chosen.logits, full.logits.flatten(0, 1)[positions], rtol=0, atol=1e-6)
    torch.testing.assert_close(chosen.loss, full.loss, rtol=0, atol=1e-6)
    full.loss.backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    chosen.loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"one label for each of the 4 masked_positions, got .* \(2, 11\)"):
        model(ids, labels=labels, masked_positions=positions)


@pytest.mark.parametrize("count", [None, 0, torch.tensor(0)])
@pytest.mark.parametrize("chosen", [False, True])
def test_a_batch_without_labels_has_loss_zero_and_gradient_zero(count, chosen):
    model, ids = tiny(), ids_of()
    none = torch.empty(0, dtype=torch.long)
    what = {"labels": none, "masked_positions": none} if chosen else {"labels": torch.full_like(ids, -100)}
    if count is not None:
        what["num_items_in_batch"] = count
    loss = model(ids, **what).loss
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
    assert model.get_input_embeddings().text.weight.grad is not None


def test_accumulated_losses_add_up_to_the_mean_over_all_labels():
    model, ids = tiny(), ids_of(rows=4)
    labels = torch.where(torch.arange(11) < 3, ids, -100)
    labels[0] = ids[0]  # rows with different numbers of labels: a mean of means would differ
    whole = model(ids, labels=labels).loss
    count = labels.ne(-100).sum()
    parts = [model(ids[i : i + 2], labels=labels[i : i + 2], num_items_in_batch=count).loss for i in (0, 2)]
    torch.testing.assert_close(sum(parts), whole, rtol=0, atol=1e-6)
    own = torch.nn.functional.cross_entropy(model(ids).logits.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(whole, own, rtol=0, atol=1e-6)


def test_it_learns_and_every_parameter_gets_a_gradient():
    model, ids = tiny(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train(), ids_of()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        loss = model(ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        assert [name for name, p in model.named_parameters() if p.grad is None] == []
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("model_class", HEADS)
def test_half_precision_runs_and_stays_close(model_class):
    expected = tiny(model_class)(ids_of())[0]
    found = tiny(model_class).to(torch.bfloat16)(ids_of())[0]
    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).abs().max() < 0.1


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_changes_no_gradient(reentrant):
    ids = ids_of()

    def gradients(checkpointed):
        model = tiny().train()
        if checkpointed:
            model.gradient_checkpointing_enable({"use_reentrant": reentrant})
            model.enable_input_require_grads()
        torch.manual_seed(5)
        model(ids, labels=ids).loss.backward()
        return {name: p.grad for name, p in model.named_parameters()}

    plain, checkpointed = gradients(False), gradients(True)
    assert all(torch.equal(plain[name], checkpointed[name]) for name in plain)


# --- classification -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "labels", "problem"),
    [
        ({"num_labels": 3}, torch.tensor([0, 2]), "single_label_classification"),
        ({"num_labels": 3}, torch.tensor([[0.0, 1.0, 1.0]] * 2), "multi_label_classification"),
        ({"num_labels": 1}, torch.tensor([0.3, -2.0]), "regression"),
        ({"num_labels": 3, "problem_type": "regression"}, torch.rand(2, 3), "regression"),
    ],
)
def test_the_kind_of_labels_decides_the_loss(changes, labels, problem):
    model = tiny(RRWebBertForSequenceClassification, **changes)
    outputs = model(ids_of(), labels=labels)
    assert model.config.problem_type == problem
    assert outputs.logits.shape == (2, changes["num_labels"])
    own = {
        "single_label_classification": torch.nn.functional.cross_entropy,
        "multi_label_classification": torch.nn.functional.binary_cross_entropy_with_logits,
        "regression": torch.nn.functional.mse_loss,
    }[problem](outputs.logits.squeeze(-1), labels)
    torch.testing.assert_close(outputs.loss, own)


def test_a_sequence_is_the_mean_of_its_attended_tokens():
    model, ids = tiny(RRWebBertForSequenceClassification, num_labels=3), ids_of()
    mask = torch.ones_like(ids)
    mask[0, 4:] = 0
    hidden = model.rrweb_bert(ids, attention_mask=mask).last_hidden_state
    pooled = torch.stack([hidden[0, :4].mean(0), hidden[1].mean(0)])
    torch.testing.assert_close(model(ids, attention_mask=mask).logits, model.classifier(pooled))


# --- saving and loading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model_class", HEADS)
def test_save_and_load_keep_everything(model_class):
    assert_save_load_keeps_outputs(tiny(model_class), {"input_ids": ids_of()})


def test_the_decoder_is_tied_in_memory_and_in_the_file(tmp_path):
    model = tiny()
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        names = set(file.keys())
    assert not {"decoder.structural.weight", "decoder.text.weight"} & names
    assert {"decoder.structural.bias", "decoder.text.bias"} <= names
    again = RRWebBertForMaskedLM.from_pretrained(tmp_path)
    for half in ("structural", "text"):
        table = getattr(again.get_input_embeddings(), half)
        assert getattr(again.decoder, half).weight is table.weight


def test_an_untied_decoder_is_saved(tmp_path):
    model = tiny(tie_word_embeddings=False)
    with torch.no_grad():
        model.decoder.text.weight.add_(1)
    assert_save_load_keeps_outputs(model, {"input_ids": ids_of()})


def test_a_model_made_on_the_meta_device_gets_every_weight(tmp_path):
    model = tiny(RRWebBertModel)
    model.save_pretrained(tmp_path)
    # from_pretrained builds on the meta device; the head, absent from the file, must be drawn and not left as it was
    loaded = RRWebBertForSequenceClassification.from_pretrained(tmp_path)
    assert not [name for name, tensor in loaded.state_dict().items() if tensor.is_meta]
    assert 0 < loaded.classifier.weight.std() < 0.1 and not loaded.classifier.bias.any()
    assert list(loaded.buffers()) == []


def test_the_encoder_of_a_head_checkpoint_is_the_trained_one(tmp_path):
    for head_class in (RRWebBertForMaskedLM, RRWebBertForSequenceClassification):
        head = tiny(head_class, seed=7)
        head.save_pretrained(tmp_path)
        base, report = RRWebBertModel.from_pretrained(tmp_path, output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"], report
        expected = head.rrweb_bert(ids_of()).last_hidden_state
        assert torch.equal(base.eval()(ids_of()).last_hidden_state, expected)


@pytest.mark.parametrize("model_class", HEADS)
def test_a_repository_saved_from_any_head_loads_through_every_auto_class(model_class, tmp_path):
    model = tiny(model_class)
    model.config.auto_map = {"AutoModel": "someone/else--modeling_rrweb_bert.RRWebBertModel"}
    model = model_class(model.config).eval()
    model.save_pretrained(tmp_path)
    auto_map = json.loads((tmp_path / "config.json").read_text())["auto_map"]
    assert set(auto_map) == {
        "AutoConfig",
        "AutoModel",
        "AutoModelForMaskedLM",
        "AutoModelForSequenceClassification",
        "AutoModelForNextSentencePrediction",
    }
    assert not [path for path in auto_map.values() if "--" in path]
    ids = ids_of()
    for trust in (None, True):
        for auto in (AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification):
            loaded = auto.from_pretrained(tmp_path, trust_remote_code=trust).eval()
            assert type(loaded).__name__ == auto_map[auto.__name__].split(".")[1]
            if type(loaded).__name__ == model_class.__name__:
                assert torch.equal(loaded(ids)[0], model(ids)[0])
        assert AutoConfig.from_pretrained(tmp_path, trust_remote_code=trust).model_type == "rrweb_bert"


def test_loading_a_copy_of_the_code_leaves_the_installed_classes_registered(tmp_path):
    tiny().save_pretrained(tmp_path)
    copy = get_class_from_dynamic_module("modeling_rrweb_bert.RRWebBertModel", str(tmp_path))
    assert copy is not RRWebBertModel and copy.__name__ == "RRWebBertModel"
    assert type(AutoConfig.from_pretrained(tmp_path)) is RRWebBertConfig
    assert type(AutoModel.from_pretrained(tmp_path)) is RRWebBertModel
