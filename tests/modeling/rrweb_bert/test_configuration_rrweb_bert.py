"""RRWebBertConfig: defaults, checks, and what survives saving."""

import pytest
from transformers import AutoConfig

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import MAX_VOCAB_SIZE, RRWebBertConfig


def test_the_defaults_are_the_base_size():
    config = RRWebBertConfig()
    shape = (config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.intermediate_size)
    assert shape == (12, 768, 12, 3072)
    assert (config.vocab_size, config.structural_vocab_size, config.text_vocab_size) == (12_520, 520, 12_000)
    assert (config.max_position_embeddings, config.type_vocab_size, config.pad_token_id) == (2048, 2, 0)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("hidden_size", 50, "a multiple of num_attention_heads = 12"),
        ("hidden_size", "768", "an integer of at least 1"),
        ("hidden_size", True, "an integer of at least 1"),
        ("num_hidden_layers", 0, "an integer of at least 1"),
        ("max_position_embeddings", -1, "an integer of at least 1"),
        ("structural_vocab_size", 12_521, "at most vocab_size = 12520"),
        ("vocab_size", MAX_VOCAB_SIZE + 1, "at most 65536"),
        ("type_vocab_size", 1, "at least 2"),
        ("pad_token_id", 12_520, "an id in [0, 12520)"),
        ("hidden_dropout_prob", 1.0, "a number in [0, 1)"),
        ("attention_probs_dropout_prob", None, "a number in [0, 1)"),
        ("classifier_dropout", -0.1, "a number in [0, 1)"),
        ("layer_norm_eps", 0, "a number above 0"),
        ("initializer_range", -1, "a number of at least 0"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_expected_and_what_came(name, value, expected):
    with pytest.raises(ValueError) as refusal:
        RRWebBertConfig(**{name: value})
    message = str(refusal.value)
    assert name in message and expected in message and repr(value) in message


@pytest.mark.parametrize("values", [{"vocab_size": 520}, {"vocab_size": MAX_VOCAB_SIZE}, {"pad_token_id": None}])
def test_the_borders_of_the_allowed_range_are_allowed(values):
    config = RRWebBertConfig(**values)
    assert {name: getattr(config, name) for name in values} == values


def test_a_saved_config_loads_through_autoconfig_with_every_value(tmp_path):
    config = RRWebBertConfig(vocab_size=700, hidden_size=48, classifier_dropout=0.3, own_note="kept")
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert again.model_type == "rrweb_bert"
    ignored = {"auto_map", "transformers_version", "_name_or_path"}
    assert {k: v for k, v in again.to_dict().items() if k not in ignored} == {
        k: v for k, v in config.to_dict().items() if k not in ignored
    }
    assert again.own_note == "kept"


def test_a_vocabulary_smaller_than_the_structural_one_is_all_structural():
    assert RRWebBertConfig().structural_vocab_size == 520
    assert RRWebBertConfig(vocab_size=99).structural_vocab_size == 99
    assert RRWebBertConfig(vocab_size=99).text_vocab_size == 0
