import pytest
import yaml

from traceformers.training.recommenders.recommender_arguments import parse_recommender

FUSED = ("--model_type", "sasrec", "--metadata_fusion", "gate")


def parsed(folder, *words, **config):
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump({"use_cpu": True, "output_dir": str(folder)} | config))
    return parse_recommender([str(path), *words])


@pytest.mark.parametrize(
    ("model_type", "words"),
    [
        ("sasrec", ("--mask_probability", "0.2")),
        ("sasrec", ("--last-item-probability=0.2",)),
        ("ease", ("--random_windows", "true")),
        ("multivae", ("--random_windows", "true")),
        ("multivae", ("--title_encoder", "x")),
        ("ease", ("--num_train_epochs", "2")),
        ("popularity", ("--learning_rate", "0.1")),
    ],
)
def test_an_option_that_says_nothing_to_the_model_is_refused_on_the_command_line_only(tmp_path, model_type, words):
    name = words[0].removeprefix("--").partition("=")[0].replace("-", "_")
    with pytest.raises(ValueError, match=f"Expected arguments that say something to {model_type}, got --{name}. Leave"):
        parsed(tmp_path, *words, model_type=model_type)
    assert parsed(tmp_path, model_type=model_type, **{name: 1})[0].model_type == model_type


def test_an_option_of_the_training_of_members_is_sent_to_their_configs(tmp_path):
    with pytest.raises(
        ValueError, match=r"got --num_train_epochs\. Leave it out, or name it in the configs of members"
    ):
        parsed(tmp_path, "--num_train_epochs", "2", model_type="ensemble_recommender", member_configs=["a.yaml"])
    given = {"model_type": "ensemble_recommender", "member_configs": ["a.yaml"]}
    assert parsed(tmp_path, "--title_embeddings", "titles", **given)[1].title_embeddings == "titles"


def test_the_command_line_chooses_between_an_encoder_and_vectors(tmp_path):
    data = parsed(tmp_path, *FUSED, "--title_embeddings", "titles", title_encoder="x", title_encoder_revision="r")[1]
    assert (data.title_encoder, data.title_encoder_revision, data.title_embeddings) == (None, None, "titles")
    data = parsed(tmp_path, *FUSED, "--title_encoder", "x", title_embeddings="titles")[1]
    assert (data.title_encoder, data.title_embeddings) == ("x", None)
    for words in ((), ("--title_encoder", "x", "--title_embeddings", "titles")):
        with pytest.raises(ValueError, match="Expected --title_encoder or --title_embeddings, got both"):
            parsed(tmp_path, *FUSED, *words, title_encoder="x", title_embeddings="titles")
    with pytest.raises(ValueError, match="Expected --title_encoder with the title_encoder_revision r, got none"):
        parsed(tmp_path, *FUSED, "--title_encoder_revision", "r")


@pytest.mark.parametrize(
    ("config", "got"),
    [
        ({}, "metadata_fusion none and metadata_features none"),
        ({"metadata_fusion": "add", "metadata_features": ["genre"]}, "metadata_fusion add and metadata_features genre"),
    ],
)
def test_an_encoder_of_titles_that_are_not_read_is_refused(tmp_path, config, got):
    with pytest.raises(ValueError, match=f"the feature title with --title_encoder, got {got}"):
        parsed(tmp_path, "--title_encoder", "x", model_type="sasrec", **config)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--num_train_epochs", "0"), "^Expected num_train_epochs above 0, got 0. Set --num_train_epochs"),
        (("--num_train_epochs", "-1"), "got -1"),
        (("--num_train_epochs", "nan"), "got nan"),
        (("--per_device_train_batch_size", "0"), "^Expected per_device_train_batch_size of 1 or more, got 0"),
        (("--per_device_eval_batch_size", "-8"), "^Expected per_device_eval_batch_size of 1 or more, got -8"),
        (("--gradient_accumulation_steps", "0"), "^Expected gradient_accumulation_steps of 1 or more, got 0"),
    ],
)
def test_a_training_of_nothing_is_refused_in_a_line(tmp_path, words, message):
    with pytest.raises(ValueError, match=message) as caught:
        parsed(tmp_path, *words)
    assert "\n" not in str(caught.value)


def test_steps_may_be_counted_in_place_of_epochs(tmp_path):
    assert parsed(tmp_path, "--num_train_epochs", "0", "--max_steps", "3")[2].max_steps == 3
