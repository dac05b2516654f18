import dataclasses

import pytest
import yaml
from transformers import PreTrainedConfig

from traceformers.model_cards.recommender_card import KINDS, READS
from traceformers.modeling.recommender import MODEL_TYPES
from traceformers.modeling.recommender.modeling_ensemble import MEMBER_CLASSES
from traceformers.training.evaluation.saved_recommender import recommender_class
from traceformers.training.recommenders.recommender_arguments import (
    RecommenderDataArguments,
    RecommenderModelArguments,
    parse_recommender,
)
from traceformers.training.run_arguments import resolved_config

#: Fields that follow from the data, or that nobody changes.
FROM_DATA = set(
    "vocab_size pad_token_id mask_token_id unk_token_id num_genres num_directors num_writers title_embedding_size "
    "title_encoder title_encoder_revision layer_norm_eps".split()
)


@pytest.mark.parametrize("model_type", MODEL_TYPES[:-1])  # those of an ensemble are found by validation
def test_every_field_of_a_config_has_an_argument(model_type):
    common = {each.name for each in dataclasses.fields(PreTrainedConfig)}
    fields = {each.name for each in dataclasses.fields(recommender_class(model_type).config_class)}
    given = {each.name for each in dataclasses.fields(RecommenderModelArguments)}
    assert fields - common - FROM_DATA <= given


def test_every_model_type_has_a_class_a_card_and_a_place_in_ensembles():
    assert [recommender_class(model_type).config_class.model_type for model_type in MODEL_TYPES] == [*MODEL_TYPES]
    assert set(MODEL_TYPES) == set(KINDS) == set(READS) == {*MEMBER_CLASSES, "ensemble_recommender"}


def test_what_is_not_given_is_left_to_the_config():
    assert RecommenderModelArguments(hidden_size=8).config_fields() == {"hidden_size": 8}
    assert RecommenderModelArguments(output_bias=False).config_fields() == {"output_bias": False}
    assert RecommenderModelArguments(hidden_dropout_prob=0.0).config_fields() == {"hidden_dropout_prob": 0.0}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"model_type": "ease", "hidden_size": 8}, "say something to ease, got --hidden_size"),
        ({"model_type": "popularity", "l2": [1.0]}, "say something to popularity, got --l2"),
        ({"model_type": "bert4rec", "recency": [0.5]}, "say something to bert4rec, got --recency"),
        ({"model_type": "multivae", "l2": [1.0]}, "say something to multivae, got --l2"),
        ({"model_type": "multivae", "recency": [0.5, 1.0]}, "one value of --recency for a multivae, got 2"),
        ({"model_type": "ensemble_recommender", "members": ["a"], "loss": "full"}, "got --loss"),
    ],
)
def test_an_argument_of_another_model_type_is_not_passed_over(given, match):
    with pytest.raises(ValueError, match=match):
        RecommenderModelArguments(**given)


def test_multivae_takes_one_recency():
    arguments = RecommenderModelArguments(model_type="multivae", recency=[0.5], hidden_size=8)
    assert arguments.config_fields() == {"hidden_size": 8, "recency": 0.5}


@pytest.mark.parametrize("text", ["1998-03-01", "888710400", "1998-03-01T01:00:00+01:00", 888710400.0])
def test_moments_of_a_split_are_dates_or_numbers(text):
    assert RecommenderDataArguments(validation_time=text).validation_time == 888710400.0
    with pytest.raises(ValueError, match=r"Expected test_time as a number .* got 'in May'"):
        RecommenderDataArguments(test_time="in May")


def test_arguments_come_back_from_the_resolved_config(tmp_path):
    # Trainer's own defaults, where ours are others: they must not be taken for "not given"
    asked = [
        "--logging_strategy",
        "steps",
        "--restore_callback_states_from_checkpoint",
        "false",
        "--max_grad_norm",
        "1",
    ]
    asked += ["--output_bias", "false", "--metadata_features", "genre", "title", "--adam_beta2", "0.999"]
    asked += ["--lr_scheduler_type", "linear"]
    asked += ["--test_time", "1998-03-01", "--column_names", "user", "item"]
    groups = parse_recommender(["--output_dir", str(tmp_path), "--use_cpu", "true", *asked])
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(resolved_config(*groups)))
    again = parse_recommender([str(path)])
    assert groups[:2] == again[:2]
    for name in ("logging_strategy", "restore_callback_states_from_checkpoint", "max_grad_norm", "adam_beta2"):
        assert getattr(again[2], name) == getattr(groups[2], name), name
    assert again[2].logging_strategy == "steps" and again[2].lr_scheduler_type == "linear"
