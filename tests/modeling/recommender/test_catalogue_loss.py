"""The chunked loss is the cross-entropy; the sampled ones estimate it and never punish the right item."""

import math

import pytest
import torch
from torch.nn import functional

from traceformers.modeling.recommender import catalogue_loss as module
from traceformers.modeling.recommender.catalogue_loss import catalogue_loss


@pytest.fixture
def problem():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(37, 8, generator=generator, requires_grad=True)
    weight = torch.randn(50, 8, generator=generator, requires_grad=True)
    bias = torch.randn(50, generator=generator, requires_grad=True)
    return hidden, torch.randint(0, 50, (37,), generator=generator), weight, bias


@pytest.mark.parametrize("scores_at_once", [1, 1750, 1 << 20])
@pytest.mark.parametrize("with_bias", [True, False])
def test_the_full_loss_and_its_gradients_equal_cross_entropy_whatever_the_chunks(
    problem, scores_at_once, with_bias, monkeypatch
):
    monkeypatch.setattr(module, "SCORES_AT_ONCE", scores_at_once)
    hidden, targets, weight, bias = problem
    bias = bias if with_bias else None
    inputs = [tensor for tensor in (hidden, weight, bias) if tensor is not None]
    ours = catalogue_loss(hidden, targets, weight, bias)
    theirs = functional.cross_entropy(functional.linear(hidden, weight, bias), targets, reduction="sum")
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(3 * ours, inputs), torch.autograd.grad(3 * theirs, inputs))


def test_the_full_loss_survives_scores_that_overflow_an_exponential(problem):
    hidden, targets, weight, _ = problem
    loss = catalogue_loss(hidden * 1e3, targets, weight)
    expected = functional.cross_entropy(hidden * 1e3 @ weight.T, targets, reduction="sum")
    torch.testing.assert_close(loss, expected)


def test_the_full_loss_needs_no_gradient_where_none_is_asked(problem):
    hidden, targets, weight, bias = problem
    with torch.no_grad():
        without = catalogue_loss(hidden, targets, weight, bias)
    torch.testing.assert_close(without, catalogue_loss(hidden, targets, weight, bias).detach())


def test_under_autocast_the_loss_is_that_of_rounded_vectors(problem):
    hidden, targets, weight, bias = problem
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = catalogue_loss(hidden, targets, weight, bias)
    ours.backward()
    assert ours.dtype == torch.float32
    assert hidden.grad.dtype == torch.float32
    torch.testing.assert_close(ours, catalogue_loss(hidden, targets, weight, bias), rtol=0.02, atol=0.1)


def test_the_sampled_loss_is_the_full_one_on_average(problem):
    hidden, targets, weight, bias = problem
    torch.manual_seed(0)
    draws = [catalogue_loss(hidden, targets, weight, bias, "sampled", 4000).item() for _ in range(20)]
    full = catalogue_loss(hidden, targets, weight, bias).item()
    assert abs(sum(draws) / 20 - full) < 0.02 * full


def test_a_target_drawn_as_negative_does_not_count_as_one():
    hidden, weight = torch.ones(1, 2), torch.tensor([[9.0, 9.0]])  # one item: each negative is the target
    for loss in ("sampled", "gbce"):
        value = catalogue_loss(hidden, torch.tensor([0]), torch.cat([weight, -weight]), None, loss, 1000)
        assert value < 0.01


@pytest.mark.parametrize("calibration", [0.0, 0.75, 1.0])
def test_gbce_equals_the_formula_of_its_paper(problem, calibration):
    hidden, targets, weight, bias = problem
    torch.manual_seed(7)
    ours = catalogue_loss(hidden, targets, weight, bias, "gbce", 6, calibration).item()
    torch.manual_seed(7)
    negatives = torch.randint(50, (6,))
    share = 6 / 49
    beta = share * (calibration * (1 - 1 / share) + 1 / share)
    expected = 0.0
    scores = (hidden.double() @ weight.double().T + bias.double()).tolist()
    for row, target in zip(scores, targets.tolist(), strict=True):
        score = row[target]
        value = -math.log((1 / (1 + math.exp(-score))) ** beta)
        for negative in negatives.tolist():
            if negative != target:
                value -= math.log(1 - 1 / (1 + math.exp(-row[negative])))
        expected += value / 7
    assert ours == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_a_catalogue_of_one_item_leaves_nothing_to_learn(loss):
    assert catalogue_loss(torch.ones(2, 3), torch.tensor([0, 0]), torch.ones(1, 3), None, loss, 5) == 0
