"""The loss of two heads with missing labels, and the features of a linear head, each against its definition."""

import pytest
import torch
from tiny_feed_model import logits, tiny_events, tiny_feed_model, tiny_inputs, tiny_numbers

from traceformers import ProductiveFeedConfig
from traceformers.modeling.productive_feed.feed_heads import feed_loss, linear_feature_sizes

BERT = {"model_type": "bert", "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
NONE = float("nan")


def config(**settings):
    return ProductiveFeedConfig(encoder_config=BERT, **settings)


def entropy(logit, label):
    """Returns -log of the probability that a logit gives to a label."""
    return -torch.nn.functional.logsigmoid(torch.tensor(logit) * (2 * label - 1)).item()


def test_the_loss_is_weight_times_mean_entropy_for_each_head():
    found = feed_loss(
        config(interest_loss_weight=0.33, productive_loss_weight=2.0),
        torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.0]]),
        torch.tensor([[1.0, 0.0], [0.0, NONE], [NONE, 1.0]]),
    )
    interest = (entropy(1.0, 1) + entropy(0.5, 0)) / 2
    productive = (entropy(-2.0, 0) + entropy(0.0, 1)) / 2
    assert found.item() == pytest.approx(0.33 * interest + 2 * productive, abs=1e-6)


@pytest.mark.parametrize("head", [0, 1])
def test_twice_the_weight_is_twice_the_loss(head):
    """Not the loss plus the weight: a head of weight 0 adds nothing, and one of weight 2 adds twice."""
    logit, labels = torch.tensor([[0.3, -0.7]]), torch.tensor([[1.0, 1.0]])
    weights = {"interest_loss_weight": 0.0, "productive_loss_weight": 0.0}
    name = list(weights)[head]
    once, twice = (feed_loss(config(**{**weights, name: weight}), logit, labels).item() for weight in (1.0, 2.0))
    assert feed_loss(config(**weights), logit, labels).item() == 0
    assert twice == pytest.approx(2 * once)
    assert once == pytest.approx(entropy(logit[0, head].item(), 1), abs=1e-6)


def test_a_missing_label_contributes_exactly_nothing():
    some = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    values = torch.tensor([[0.2, 0.4], [-1.0, 2.0]])
    missing = torch.full((3, 2), NONE)
    expected = feed_loss(config(), values, some)
    for wild in (0.0, 1e4, -1e4):
        more = torch.cat([values, torch.full((3, 2), wild)])
        assert feed_loss(config(), more, torch.cat([some, missing])).equal(expected)


def test_no_gradient_comes_from_a_missing_label():
    values = torch.tensor([[0.2, 0.4], [-1.0, 2.0]], requires_grad=True)
    feed_loss(config(), values, torch.tensor([[1.0, NONE], [NONE, NONE]])).backward()
    assert values.grad[0, 0] != 0
    assert values.grad.count_nonzero() == 1


def test_a_batch_without_labels_has_no_loss_and_no_gradient_but_zeros():
    values = torch.randn(4, 2, requires_grad=True)
    loss = feed_loss(config(), values, torch.full((4, 2), NONE))
    loss.backward()
    assert loss.item() == 0
    assert values.grad.count_nonzero() == 0


def test_class_weights_count_by_head_and_label():
    weighted = config(class_weights=[[2.0, 3.0], [5.0, 7.0]])
    for head in (0, 1):
        for label in (0, 1):
            labels = torch.full((1, 2), NONE)
            labels[0, head] = label
            values = torch.tensor([[0.3, 0.6]])
            expected = weighted.class_weights[head][label] * entropy(values[0, head].item(), label)
            assert feed_loss(weighted, values, labels).item() == pytest.approx(expected, abs=1e-6)


def test_smoothing_moves_labels_towards_one_half():
    smoothed = config(interest_label_smoothing=0.2)
    found = feed_loss(smoothed, torch.tensor([[0.7, 0.0]]), torch.tensor([[1.0, NONE]])).item()
    assert found == pytest.approx(0.9 * entropy(0.7, 1) + 0.1 * entropy(0.7, 0), abs=1e-6)


def test_a_label_between_yes_and_no_is_taken_as_it_is():
    found = feed_loss(config(), torch.tensor([[0.7, 0.0]]), torch.tensor([[0.25, NONE]])).item()
    assert found == pytest.approx(0.25 * entropy(0.7, 1) + 0.75 * entropy(0.7, 0), abs=1e-6)


def test_the_models_loss_is_this_loss():
    model = tiny_feed_model(productive_loss_weight=3.0, class_weights=[[1, 2], [3, 4]])
    inputs = tiny_inputs(model)
    labels = torch.tensor([[1.0, NONE], [NONE, 0.0], [0.0, 1.0]])
    with torch.no_grad():
        found = model(**inputs, labels=labels)
    assert torch.equal(found.loss, feed_loss(model.config, found.logits, labels))
    assert model(**inputs).loss is None


def test_the_linear_head_is_linear_in_its_rows():
    """What fits a logistic regression on `linear_rows` can write its weights into the heads."""
    model = tiny_feed_model(head="linear")
    inputs = tiny_inputs(model)
    vectors = model(**inputs).text_vectors
    events = {name: value for name, value in inputs.items() if name.startswith("event_")}
    rows = model.linear_rows(vectors, inputs["numbers"], **events)
    assert rows.shape[1] == sum(linear_feature_sizes(model.config).values())
    for column, head in enumerate((model.interest_head, model.productive_head)):
        expected = rows @ head.weight[0] + head.bias
        torch.testing.assert_close(logits(model, **inputs)[:, column], expected, atol=1e-5, rtol=1e-5)


def test_each_part_of_the_linear_rows_is_what_it_is_called():
    model = tiny_feed_model(head="linear")
    vectors = model.encode_texts(["red cat", "the river", "new york"])
    numbers, events = tiny_numbers(model), tiny_events(model, 3)
    events["event_mask"][2] = False
    rows = model.linear_rows(vectors, numbers, **events)
    sizes = linear_feature_sizes(model.config)
    parts = dict(zip(sizes, rows.split(list(sizes.values()), 1), strict=True))
    assert torch.equal(parts["text"], vectors)
    assert torch.equal(parts["numbers"], model.number_features(numbers, 3))
    seconds, minutes = events["event_numbers"].unbind(-1)
    weights = (1 + seconds).log() * 0.5 ** (minutes / model.config.activity_half_life_minutes) * events["event_mask"]
    share = weights / weights.sum(1, keepdim=True).clamp(min=1e-9)
    mean = torch.einsum("be,beh->bh", share, events["event_vectors"])
    torch.testing.assert_close(parts["activity"], mean)
    torch.testing.assert_close(parts["match"], vectors * mean * 4)  # the root of the width
    cosines = torch.einsum("bh,beh->be", vectors, events["event_vectors"])
    likeness = parts["likeness"]
    torch.testing.assert_close(likeness[:, 0], (vectors * mean).sum(1))
    torch.testing.assert_close(likeness[:2, 1], cosines.amax(1)[:2])
    assert likeness[:, 2].tolist() == [0, 0, 1]
    assert likeness[2].tolist() == [0, 0, 1]
    counted = torch.zeros(3, 4)
    for row in range(3):
        for event in range(5):
            counted[row, events["event_categories"][row, event]] += share[row, event]
    torch.testing.assert_close(parts["categories"], counted)
