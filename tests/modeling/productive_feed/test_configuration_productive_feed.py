"""The configuration is checked where it is made, keeps what was fitted, and touches no network."""

import json

import pytest
from tiny_ngram_encoder import tiny_config as tiny_ngram_config
from transformers import AutoConfig, BertConfig, XLMRobertaConfig

from traceformers import ProductiveFeedConfig, ProductiveFeedModel

BERT = {"model_type": "bert", "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}


def test_the_default_is_the_forebears_encoder_and_its_values():
    config = ProductiveFeedConfig()
    assert (config.encoder_name, config.encoder_config.model_type) == ("BAAI/bge-m3", "xlm-roberta")
    assert (config.text_size, config.max_length) == (1024, 8192)
    assert (config.interest_dropout, config.productive_dropout) == (0.1, 0.1)
    assert (config.interest_loss_weight, config.productive_loss_weight) == (1, 1)
    assert (config.interest_label_smoothing, config.productive_label_smoothing) == (0, 0)
    assert config.event_size == 384
    assert config.use_activity


def test_an_encoder_of_ones_own_is_not_called_by_the_name_of_the_default():
    assert ProductiveFeedConfig(encoder_config=BERT).encoder_name is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pooling", "max"),
        ("activity_fusion", "add"),
        ("head", "tree"),
        ("max_length", 0),
        ("max_events", 2.5),
        ("activity_hidden_size", True),
        ("interest_dropout", 1.0),
        ("vector_dropout", 1.0),
        ("productive_dropout", -0.1),
        ("interest_loss_weight", -1),
        ("productive_loss_weight", float("nan")),
        ("productive_label_smoothing", 1),
        ("event_window_hours", 0),
        ("categories", ["Work", "Work"]),
        ("categories", "Work"),
        ("number_names", ["duration", ""]),
        ("number_means", [0.0]),
        ("number_stds", [0.0] * 6),
        ("number_means", [float("nan")] * 6),
        ("event_number_stds", [1.0, -1.0]),
        ("temperatures", [1.0, 0.0]),
        ("temperatures", [1.0]),
        ("calibration_biases", ["0", "0"]),
        ("base_rates", [0.5]),
        ("class_weights", [1.0, 2.0]),
        ("class_weights", [[1.0, 2.0], [1.0, -2.0]]),
        ("use_activity", 1),
        ("encoder_name", ""),
        ("text_prefix", None),
        ("time_zone", ""),
        ("lora", {"r": 8}),
        ("activity_heads", 3),
    ],
)
def test_a_wrong_value_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"ProductiveFeedConfig: expected ({field}|activity_hidden_size) to be"):
        ProductiveFeedConfig(encoder_config=BERT, **{field: value})


@pytest.mark.parametrize(
    "settings",
    [
        {"activity_fusion": "token", "pooling": "encoder"},
        {"activity_fusion": "token", "head": "linear"},
        {"activity_fusion": "token", "head": "residual"},
    ],
)
def test_choices_that_do_not_go_together_are_refused(settings):
    with pytest.raises(ValueError, match="activity_fusion"):
        ProductiveFeedConfig(encoder_config=BERT, **settings)


@pytest.mark.parametrize("encoder", ["bert", {"hidden_size": 3}, {"model_type": "no-such-encoder"}])
def test_an_encoder_that_nobody_knows_is_refused(encoder):
    with pytest.raises(ValueError, match="encoder_config"):
        ProductiveFeedConfig(encoder_config=encoder)


def test_an_encoder_is_a_config_or_its_dict():
    config = BertConfig(**{key: value for key, value in BERT.items() if key != "model_type"})
    made = ProductiveFeedConfig(encoder_config=config)
    assert made.encoder_config is config
    assert ProductiveFeedConfig(encoder_config=config.to_dict()).encoder_config.to_dict() == config.to_dict()


def test_the_attention_of_a_built_encoder_is_left_as_it_was():
    encoder = BertConfig(**{key: value for key, value in BERT.items() if key != "model_type"})
    encoder._attn_implementation = "sdpa"
    ProductiveFeedConfig(encoder_config=encoder)
    assert encoder._attn_implementation == "sdpa"


def test_scalers_temperatures_and_categories_come_back_from_a_folder(tmp_path):
    fitted = {
        "categories": ["Work", "東京"],
        "number_names": ["duration", "age_days"],
        "number_means": [1.0, 2.0],
        "number_stds": [0.5, 0.25],
        "event_number_means": [3.0, 4.0],
        "event_number_stds": [0.1, 0.2],
        "temperatures": [1.5, 0.7],
        "calibration_biases": [0.1, -0.2],
        "base_rates": [0.3, 0.6],
        "class_weights": [[0.7, 1.3], [1.0, 2.0]],
        "time_zone": "Europe/Berlin",
        "lora": {"r": 8, "alpha": 16, "dropout": 0.0, "target": "all-linear"},
    }
    ProductiveFeedConfig(encoder_config=BERT, **fitted).save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert {name: getattr(loaded, name) for name in fitted} == fitted
    again = ProductiveFeedConfig.from_dict(loaded.to_dict())
    assert again.to_dict() == loaded.to_dict()


def test_a_config_without_arguments_survives_saving(tmp_path):
    ProductiveFeedConfig().save_pretrained(tmp_path)
    loaded = ProductiveFeedConfig.from_pretrained(tmp_path)
    assert loaded.encoder_config.to_diff_dict() == ProductiveFeedConfig().encoder_config.to_diff_dict()
    assert isinstance(loaded.encoder_config, XLMRobertaConfig)
    assert loaded.encoder_config.max_position_embeddings == 8194


def test_an_encoder_of_this_package_names_its_files(tmp_path):
    ProductiveFeedConfig(encoder_config=tiny_ngram_config(), pooling="encoder").save_pretrained(tmp_path)
    said = json.loads((tmp_path / "config.json").read_text())["encoder_config"]
    assert said["auto_map"]["AutoModel"] == "modeling_ngram_encoder.NgramEncoderModel"
    assert AutoConfig.from_pretrained(tmp_path).encoder_config.model_type == "ngram_encoder"


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("Work", 1),
        ("Work > Programming", 2),
        ("Work > Programming > Python", 2),
        ("Work > Mail", 1),
        ("Working", 0),
        ("Games > Work", 0),
        ("", 0),
        (None, 0),
    ],
)
def test_a_category_is_known_by_its_deepest_known_parent(name, index):
    config = ProductiveFeedConfig(encoder_config=BERT, categories=["Work", "Work > Programming"])
    assert config.category_index(name) == index


def test_making_a_config_and_a_model_asks_the_hub_nothing(hub):
    before = len(hub.requests)
    config = ProductiveFeedConfig(encoder_config=BERT, encoder_name="user/nowhere", encoder_revision="0" * 40)
    ProductiveFeedModel(config)
    assert len(hub.requests) == before


def test_sub_configs_are_ours_to_set():
    config = ProductiveFeedConfig(encoder_config=BERT, attn_implementation="eager")
    assert config.encoder_config._attn_implementation == "eager"
