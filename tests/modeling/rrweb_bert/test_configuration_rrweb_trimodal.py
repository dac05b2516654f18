"""The configuration of the trimodal model: what it is by default, what it refuses, and that nothing is lost."""

import json

import pytest
from tiny_trimodal import tiny_config
from transformers import AutoConfig, BertConfig, CLIPConfig, CLIPVisionConfig

from traceformers.modeling.rrweb_bert.configuration_rrweb_trimodal import RRWebTrimodalConfig


def test_by_default_it_is_minilm_clip_and_rrwebbert_base():
    config = RRWebTrimodalConfig()
    assert config.sizes == {"text": 384, "image": 768, "session": 768}
    assert config.projection_dim == 512
    assert config.vision_config.patch_size == 32 and config.text_config.num_hidden_layers == 6


def test_save_and_load_keep_the_nested_configs(tmp_path):
    config = tiny_config(text_name="user/text", text_revision="abc", max_logit_scale=50)
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert type(again) is RRWebTrimodalConfig
    assert {**again.to_dict(), "_name_or_path": ""} == config.to_dict()
    assert [again.text_config.model_type, again.vision_config.model_type, again.rrweb_config.model_type] == [
        "bert",
        "clip_vision_model",
        "rrweb_bert",
    ]
    json.loads(config.to_json_string())


def test_a_config_object_does_as_well_as_a_dict():
    bert = BertConfig(hidden_size=8, num_attention_heads=2)
    assert tiny_config(text_config=bert).text_config.hidden_size == 8


def test_of_clip_the_vision_half_is_taken():
    clip = CLIPConfig(vision_config=CLIPVisionConfig(hidden_size=24).to_dict())
    for given in (clip, clip.to_dict()):
        config = tiny_config(vision_config=given)
        assert (config.vision_config.model_type, config.vision_config.hidden_size) == ("clip_vision_model", 24)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"projection_dim": 0}, "projection_dim to be an integer of at least 1, got 0"),
        ({"max_logit_scale": 0}, "max_logit_scale to be above 0, got 0"),
        ({"logit_scale_init_value": 5.0}, r"at most ln\(max_logit_scale\) = 4.6052, got 5.0"),
        ({"text_config": {"hidden_size": 8}}, "a model_type in text_config"),
        ({"rrweb_config": BertConfig()}, "model_type 'rrweb_bert', got 'bert'"),
        ({"text_config": AutoConfig.for_model("resnet")}, "config of an encoder with a hidden_size, got ResNetConfig"),
        ({"initializer_range": -1}, "initializer_range to be a number of at least 0, got -1"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_change(changes, said):
    with pytest.raises(ValueError, match=said):
        tiny_config(**changes)
