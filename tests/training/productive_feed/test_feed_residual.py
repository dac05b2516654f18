"""What base and hybrid add to the linear model: nothing at first, learned from honest logits, refused without gain."""

import numpy as np
import pytest
import torch
from invented_feed import invented_tables
from tiny_encoder_folder import encoder_folder

from traceformers.modeling.productive_feed.feed_heads import linear_feature_sizes
from traceformers.modeling.productive_feed.modeling_productive_feed import ProductiveFeedModel
from traceformers.training.productive_feed.feed_arguments import FeedModelArguments
from traceformers.training.productive_feed.feed_batches import OrderedBatches
from traceformers.training.productive_feed.feed_examples import build_examples
from traceformers.training.productive_feed.feed_model import build_model, inputs_of, prepare_training
from traceformers.training.productive_feed.feed_residual import (
    adjusted_logits,
    better_heads,
    foretold_by_others,
    forget_residual,
    honest_offsets,
    log_losses,
)
from traceformers.training.productive_feed.feed_trainer import model_logits
from traceformers.training.productive_feed.linear_feed import fit_linear

TRAIN, VALIDATION = np.arange(80), np.arange(85, 105)


@pytest.fixture(scope="module")
def examples():
    tables = invented_tables(videos=120, noise=0.1)
    return build_examples(tables["videos"], tables["events"], tables["feedback"], "Europe/Berlin")


def fitted(examples, kind, **settings):
    """Returns (model, inputs, what `fit_linear` returns) of a linear model or the linear part of another."""
    arguments = FeedModelArguments(model=kind, encoder=str(encoder_folder()), use_lora=False, **settings)
    torch.manual_seed(0)
    model = build_model(arguments, arguments.kind(), examples, TRAIN).eval()
    inputs = inputs_of(model, examples)
    found = fit_linear(model, inputs, TRAIN, VALIDATION)
    prepare_training(model, arguments, arguments.kind())
    return model, inputs, found


def told(model, inputs):
    """Returns the logits (n, 2) of all examples, as evaluation sees them."""
    return model_logits(model, OrderedBatches(inputs, np.arange(len(inputs))), 64)[0]


@pytest.fixture(scope="module")
def hybrid(examples):
    return fitted(examples, "hybrid")


@pytest.mark.parametrize(("kind", "use_activity"), [("hybrid", True), ("base", False)])
def test_before_the_first_step_it_is_the_linear_model(examples, kind, use_activity):
    model, inputs, _ = fitted(examples, kind)
    linear, of_linear, _ = fitted(examples, "linear", use_activity=use_activity)
    assert model.config.head == "residual" and linear.config.head == "linear"
    expected = told(linear, of_linear)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(told(model, inputs), expected, atol=1e-6)


def test_a_hybrid_without_residual_is_saved_and_scores_as_the_linear_model_to_the_bit(hybrid, tmp_path):
    model, inputs, _ = hybrid
    expected = told(model, inputs)
    model.save_pretrained(tmp_path)
    assert np.array_equal(told(ProductiveFeedModel.from_pretrained(tmp_path), inputs), expected)


def test_the_linear_part_is_not_trained(hybrid):
    learning = {name.partition(".")[0] for name, p in hybrid[0].named_parameters() if p.requires_grad}
    assert {"interest_residual", "productive_residual", "film", "activity_pooler"} <= learning
    assert not {"encoder", "interest_head", "productive_head"} & learning


def test_offsets_lead_to_the_logits_of_fits_without_the_example(hybrid, examples):
    model, inputs, (chosen, judged, _) = hybrid
    offsets = honest_offsets(model, inputs, TRAIN, chosen, judged)
    honest = told(model, inputs) + offsets
    np.testing.assert_allclose(honest[VALIDATION], judged[VALIDATION], atol=1e-4)
    said = TRAIN[~np.isnan(examples.labels[TRAIN, 0])]
    losses = [
        np.nanmean(log_losses(examples.labels, 1 / (1 + np.exp(-logits)))[said, 0])
        for logits in (honest, honest - offsets)
    ]
    assert losses[0] > losses[1] + 0.01  # who has seen the answers seems better than they are


def test_an_answer_does_not_reach_the_honest_logit_of_its_own_example():
    random = np.random.default_rng(0)
    features, is_yes = random.normal(size=(60, 4)), random.random(60) < 0.5
    chosen, sizes = {"blocks": ["text"], "c": 1.0}, {"text": 4}
    before = foretold_by_others(features, is_yes, sizes, chosen, np.arange(len(features)))
    is_yes[30] = ~is_yes[30]
    after = foretold_by_others(features, is_yes, sizes, chosen, np.arange(len(features)))
    assert before[30] == after[30] and (before != after).any()


def test_another_answer_about_the_same_video_does_not_reach_it_either():
    random = np.random.default_rng(4)
    ids = np.eye(16)  # the text names the video, and says nothing else
    videos = random.integers(0, 16, 320)
    is_yes = videos % 2 == 0
    found = foretold_by_others(ids[videos], is_yes, {"text": 16}, {"blocks": ["text"], "c": 1.0}, videos)
    knowing = foretold_by_others(ids[videos], is_yes, {"text": 16}, {"blocks": ["text"], "c": 1.0}, np.arange(320))
    assert knowing[is_yes].min() > knowing[~is_yes].max()
    assert found[is_yes].mean() < knowing[is_yes].mean() / 2


def test_one_answer_among_the_others_is_a_rate():
    is_yes = np.zeros(40, dtype=bool)
    is_yes[0] = True
    features = np.random.default_rng(0).normal(size=(40, 2))
    found = foretold_by_others(features, is_yes, {"text": 2}, {"blocks": ["text"], "c": 1.0}, np.arange(len(features)))
    assert np.isfinite(found).all() and found[0] == pytest.approx(np.log((1 / 37) / (36 / 37)))


def test_training_compares_calibrated_honest_logits_with_the_labels(hybrid):
    config = hybrid[0].config
    try:
        config.temperatures, config.calibration_biases = [2.0, 0.5], [1.0, 0.0]
        found = adjusted_logits(config, torch.tensor([[3.0, 3.0]]), torch.tensor([[1.0, -1.0]]))
        assert found.tolist() == [[3.0, 4.0]]
    finally:
        config.temperatures, config.calibration_biases = [1.0, 1.0], [0.0, 0.0]


def losses_of(gain, n=100, seed=0):
    """Returns (losses, losses of the linear model) (n, 2), the second head's only in even rows."""
    random = np.random.default_rng(seed)
    linear = random.random((n, 2))
    linear[1::2, 1] = np.nan
    return linear - np.asarray(gain) + random.normal(0, 0.1, (n, 2)), linear


@pytest.mark.parametrize("together", [False, True])
def test_a_head_leaves_the_linear_model_only_for_a_sure_gain(together):
    def kept(gain):
        return better_heads(*losses_of(gain), (0.35, 0.65), together)

    assert kept((0.1, 0.1)) == ["interest", "productive"]
    assert kept((-0.1, -0.1)) == []
    same = losses_of((0.0, 0.0))[1]
    assert better_heads(same, same, (0.35, 0.65), together) == []
    assert kept((0.1, -0.1)) == ([] if together else ["interest"])
    assert better_heads(*losses_of((0.1, 0.1), n=0), (0.35, 0.65), together) == []


def test_a_residual_that_is_forgotten_leaves_the_linear_model_to_the_bit(examples):
    model, inputs, _ = fitted(examples, "hybrid")
    expected = told(model, inputs)
    with torch.no_grad():
        for head in (model.interest_residual, model.productive_residual):
            head.out.weight.normal_()
            head.out.bias.fill_(1.0)
    forget_residual(model, ["interest"])
    half = told(model, inputs)
    assert np.array_equal(half[:, 0], expected[:, 0]) and (half[:, 1] != expected[:, 1]).all()
    forget_residual(model)
    assert np.array_equal(told(model, inputs), expected)


def test_a_model_without_numbers_is_fitted_and_scores(examples):
    model, inputs, (chosen, _, _) = fitted(examples, "hybrid", number_names=[])
    assert "numbers" not in linear_feature_sizes(model.config) and all(
        "numbers" not in (c["blocks"] or []) for c in chosen.values()
    )
    assert np.isfinite(told(model, inputs)).all()


def test_a_token_of_activity_is_refused_where_vectors_are_kept(examples):
    with pytest.raises(ValueError, match="Expected activity_fusion film, got 'token'"):
        FeedModelArguments(model="hybrid", activity_fusion="token")
    model, _, _ = fitted(examples, "hybrid")
    model.config.activity_fusion = "token"
    with pytest.raises(ValueError, match="Expected a model with activity_fusion film"):
        inputs_of(model, examples)
