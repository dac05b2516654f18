"""The trimodal model: its loss against NumPy, missing modalities, encoders handed in, saving and loading."""

import math
import socket

import numpy as np
import pytest
import torch
from assertions import assert_save_load_keeps_outputs
from tiny_trimodal import IMAGE_SIZE, tiny_batch, tiny_config, tiny_model
from transformers import AutoModel, BertModel, CLIPConfig, CLIPModel, CLIPTextConfig

from traceformers.modeling.rrweb_bert.configuration_rrweb_trimodal import MODALITIES, PAIRS
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, RRWebBertModel
from traceformers.modeling.rrweb_bert.modeling_rrweb_trimodal import RRWebTrimodalModel, info_nce

EMBEDS = tuple(f"{name}_embeds" for name in MODALITIES)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def batch():
    return tiny_batch(rows=4)


def run(model, batch, **more):
    with torch.no_grad():
        return model(**batch, **more)


def numpy_info_nce(first, second, scale):
    """The definition, row by row, in double precision."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    total = 0.0
    for i in range(len(first)):
        for query, candidates in ((first[i], second), (second[i], first)):
            scores = np.array([scale * float(query @ candidate) for candidate in candidates])
            total -= scores[i] - np.log(np.exp(scores).sum())
    return total / (2 * len(first))


def numpy_loss(outputs, masks, scales):
    losses = []
    for (a, b), scale in zip(PAIRS, scales, strict=True):
        both = masks[a] & masks[b]
        if both.sum() >= 2:
            losses.append(numpy_info_nce(outputs[f"{a}_embeds"][both], outputs[f"{b}_embeds"][both], scale))
    return np.mean(losses)


# --- loss ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [{}, {"text": [1]}, {"image": [0, 3], "session": [2]}, {"image": [0, 1, 2]}])
def test_the_loss_is_infonce_over_the_pairs_present(missing, batch):
    model = tiny_model(seed=3)
    with torch.no_grad():
        model.logit_scales.copy_(torch.tensor([0.5, 1.5, 2.5]))
    masks = {name: np.ones(4, bool) for name in MODALITIES}
    for name, rows in missing.items():
        masks[name][rows] = False
    outputs = run(model, batch, **{f"{name}_mask": torch.tensor(mask) for name, mask in masks.items()})
    expected = numpy_loss(outputs, masks, np.exp([0.5, 1.5, 2.5]))
    assert outputs.loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_equal_vectors_is_the_logarithm_of_the_batch():
    same = torch.nn.functional.normalize(torch.ones(7, 3), dim=-1)
    assert info_nce(same, same, torch.tensor(20.0)).item() == pytest.approx(math.log(7))


def test_mixed_precision_leaves_the_similarities_exact():
    torch.manual_seed(0)
    first, second = (torch.nn.functional.normalize(torch.randn(8, 16), dim=-1) for _ in range(2))
    exact = info_nce(first, second, torch.tensor(50.0))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(info_nce(first, second, torch.tensor(50.0)), exact)


def test_training_in_mixed_precision_works_with_rows_that_miss_something(batch):
    model = tiny_model().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**batch, image_mask=torch.tensor([True, False, True, True]), text_mask=torch.zeros(4).bool()).loss
    loss.backward()
    assert loss.dtype == torch.float32 and torch.isfinite(model.image_projection.weight.grad).all()


def test_vectors_have_length_one_and_missing_rows_are_zero(model, batch):
    outputs = run(model, batch, text_mask=torch.tensor([True, False, True, True]))
    assert torch.allclose(outputs.image_embeds.norm(dim=-1), torch.ones(4))
    assert outputs.text_embeds.norm(dim=-1).tolist() == pytest.approx([1, 0, 1, 1])


def test_the_order_of_the_rows_does_not_matter(model, batch):
    order = torch.tensor([2, 0, 3, 1])
    plain, shuffled = run(model, batch), run(model, {name: value[order] for name, value in batch.items()})
    assert shuffled.loss.item() == pytest.approx(plain.loss.item(), rel=1e-5)
    for name in EMBEDS:
        torch.testing.assert_close(shuffled[name], plain[name][order])


def test_what_stands_in_the_place_of_something_missing_changes_nothing(model, batch):
    masks = {
        "text_mask": torch.tensor([True, False, True, True]),
        "image_mask": torch.tensor([True, True, False, True]),
        "session_mask": torch.tensor([False, True, True, True]),
    }
    other = dict(batch)
    other["text_input_ids"] = batch["text_input_ids"].clone()
    other["text_input_ids"][1] = 7
    other["pixel_values"] = batch["pixel_values"].clone()
    other["pixel_values"][2] = torch.nan
    other["input_ids"] = batch["input_ids"].clone()
    other["input_ids"][0] = 9
    plain, changed = run(model, batch, **masks), run(model, other, **masks)
    assert torch.equal(plain.loss, changed.loss)
    for name in EMBEDS:
        assert torch.equal(plain[name], changed[name])


def test_a_row_without_a_modality_leaves_the_vectors_of_the_others_alone(model, batch):
    plain = run(model, batch)
    masked = run(model, batch, image_mask=torch.tensor([True, True, False, True]))
    keep = torch.tensor([0, 1, 3])
    torch.testing.assert_close(masked.image_embeds[keep], plain.image_embeds[keep])
    for name in ("text_embeds", "session_embeds"):
        assert torch.equal(masked[name], plain[name])


def test_a_modality_that_is_missing_everywhere_is_as_if_it_was_not_given(model, batch):
    without = {name: value for name, value in batch.items() if name != "pixel_values"}
    plain = run(model, without)
    masked = run(model, batch, image_mask=torch.zeros(4, dtype=torch.bool))
    assert plain.image_embeds is None and not masked.image_embeds.any()
    assert torch.equal(plain.loss, masked.loss)


def test_one_modality_or_one_row_alone_has_a_loss_of_zero_with_a_gradient(batch):
    model = tiny_model().train()
    texts = {name: batch[name] for name in ("text_input_ids", "text_attention_mask")}
    single = {name: value[:1] for name, value in batch.items()}
    for inputs in (texts, single):
        loss = model(**inputs).loss
        assert loss.item() == 0
        loss.backward()
        assert not model.text_projection.weight.grad.any()


# --- learning -----------------------------------------------------------------------------------------------


def test_gradients_reach_every_parameter_that_is_read(batch):
    model = tiny_model().train()
    model(**batch).loss.backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []
    for name in ("text_encoder", "vision_encoder", "rrweb_encoder"):
        assert any(parameter.grad.any() for parameter in getattr(model, name).parameters())
    assert model.logit_scales.grad.all()


def test_a_temperature_stops_at_its_bound_and_comes_back(batch):
    model = tiny_model(max_logit_scale=10.0, logit_scale_init_value=1.0).train()
    with torch.no_grad():
        model.logit_scales.fill_(7.0)
    assert model.eval().scales().tolist() == pytest.approx([10.0] * 3)
    model.train()(**batch).loss.backward()
    assert model.logit_scales.tolist() == pytest.approx([math.log(10)] * 3)  # no further away than the bound
    assert model.logit_scales.grad.all()  # and free to leave it


def test_training_brings_together_what_belongs_together(batch):
    model = tiny_model().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    first = model(**batch).loss.item()
    for _ in range(40):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
    assert loss.item() < first / 2


# --- encoders and their vectors -----------------------------------------------------------------------------


def test_vectors_of_a_frozen_encoder_stand_in_for_its_input(model, batch):
    with torch.no_grad():
        vectors = {
            "text_vectors": model.text_states(batch["text_input_ids"], batch["text_attention_mask"]),
            "image_vectors": model.image_states(batch["pixel_values"]),
            "session_vectors": model.session_states(
                batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]
            ),
        }
    plain, cached = run(model, batch), run(model, vectors)
    assert torch.equal(plain.loss, cached.loss)


def test_features_are_what_forward_gives(model, batch):
    outputs = run(model, batch)
    with torch.no_grad():
        text = model.get_text_features(batch["text_input_ids"], batch["text_attention_mask"])
        image = model.get_image_features(batch["pixel_values"])
        session = model.get_session_features(batch["input_ids"], batch["attention_mask"])
    for features, name in zip((text, image, session), EMBEDS, strict=True):
        assert torch.equal(features.pooler_output, outputs[name])


def test_padding_does_not_change_a_row(model, batch):
    alone = {name: value[:1] for name, value in batch.items()}
    length = int(alone["attention_mask"].sum())
    alone |= {name: alone[name][:, :length] for name in ("input_ids", "attention_mask", "token_type_ids")}
    torch.testing.assert_close(run(model, alone).session_embeds, run(model, batch).session_embeds[:1])


def test_building_a_model_touches_no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert tiny_model(text_name="user/no-such-model", text_revision="abc").config.text_name == "user/no-such-model"


def test_from_encoders_keeps_their_weights_and_draws_the_rest(batch):
    config = tiny_config()
    torch.manual_seed(5)
    text, rrweb = BertModel(config.text_config), RRWebBertForMaskedLM(config.rrweb_config)
    vision = AutoModel.from_config(config.vision_config)
    before = {name: value.clone() for name, value in rrweb.base_model.state_dict().items()}
    model = RRWebTrimodalModel.from_encoders(text, vision, rrweb, projection_dim=6, max_logit_scale=20.0)
    for name, value in model.rrweb_encoder.state_dict().items():
        assert torch.equal(value, before[name])
    assert model.config.projection_dim == 6 and model.config.max_logit_scale == 20
    assert model.config.text_name is None  # handed in, from nowhere that has a name
    assert {model.rrweb_encoder.config._attn_implementation, text.config._attn_implementation} == {"sdpa"}
    assert run(model.eval(), batch).text_embeds.shape == (4, 6)


def test_from_encoders_reads_folders_and_takes_the_vision_half_of_clip(tmp_path):
    config = tiny_config()
    half = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    words = CLIPTextConfig(**half, vocab_size=20, max_position_embeddings=8, eos_token_id=2, bos_token_id=1).to_dict()
    clip = CLIPModel(CLIPConfig(text_config=words, vision_config=config.vision_config.to_dict(), projection_dim=8))
    clip.save_pretrained(tmp_path / "clip")
    BertModel(config.text_config).save_pretrained(tmp_path / "text")
    rrweb = RRWebBertForMaskedLM(config.rrweb_config)
    rrweb.save_pretrained(tmp_path / "rrweb")
    model = RRWebTrimodalModel.from_encoders(tmp_path / "text", tmp_path / "clip", tmp_path / "rrweb").eval()
    pixels = torch.rand(2, 3, IMAGE_SIZE, IMAGE_SIZE)
    with torch.no_grad():
        expected = clip.eval().vision_model(pixel_values=pixels).pooler_output
        assert torch.equal(model.image_states(pixels), expected)
    weights = model.rrweb_encoder.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in rrweb.base_model.state_dict().items())


def test_without_a_recordings_encoder_there_is_no_trimodal_model():
    with pytest.raises(ValueError, match="Expected rrweb, the encoder of recordings"):
        RRWebTrimodalModel.from_encoders()


def test_save_and_load_keep_the_outputs(batch):
    assert_save_load_keeps_outputs(tiny_model(), batch)


def test_the_bare_encoder_of_a_saved_model_can_be_taken_out(model, batch, tmp_path):
    model.rrweb_encoder.save_pretrained(tmp_path)
    again = RRWebBertModel.from_pretrained(tmp_path).eval()
    names = ("input_ids", "attention_mask", "token_type_ids")
    with torch.no_grad():
        expected = model.rrweb_encoder(**{name: batch[name] for name in names}).last_hidden_state
        assert torch.equal(again(**{name: batch[name] for name in names}).last_hidden_state, expected)


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda batch: {}, "Expected a text, an image or a session, got none of the three"),
        (lambda batch: {"text_mask": torch.ones(2)}, "Expected a text, an image or a session, got none of the three"),
        (
            lambda batch: {**batch, "pixel_values": batch["pixel_values"][:3]},
            "Expected as many rows of every input, got .*pixel_values 3",
        ),
        (
            lambda batch: {**batch, "text_mask": torch.ones(3)},
            "Expected as many rows of every input|text_mask of shape",
        ),
        (
            lambda batch: {**batch, "pixel_values": batch["pixel_values"][:, :1]},
            r"pixel_values of shape \(B, 3, height",
        ),
        (lambda batch: {"text_vectors": torch.zeros(2, 5)}, r"Expected text_vectors of shape \(B, 16\), got \(2, 5\)"),
        (
            lambda batch: {"text_vectors": torch.zeros(2, 16), "image_mask": torch.ones(2, dtype=torch.bool)},
            "the image input that image_mask says is there",
        ),
    ],
)
def test_bad_input_is_refused_with_what_to_do(model, batch, change, said):
    with pytest.raises(ValueError, match=said):
        model(**change(batch))
