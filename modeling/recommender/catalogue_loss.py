"""Losses over the items of a catalogue, without ever holding the scores of all positions for all items.

- `full`: cross-entropy over the whole catalogue, in chunks; the gradient of a chunk is computed while its scores are
  there, after "Cut Your Losses in Large-Vocabulary Language Models" (Wijmans et al., 2024, arXiv 2411.09009).
- `sampled`: softmax over the target and negatives that all positions of a batch share, with the logQ correction of
  "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations" (Yi et al., RecSys 2019).
- `gbce`: the generalised binary cross-entropy of "gSASRec: Reducing Overconfidence in Sequential Recommendation Trained
  with Negative Sampling" (Petrov, Macdonald, RecSys 2023, arXiv 2308.07192).

Each returns the sum over positions; the caller divides.

Axes: M positions that are asked, H width, I items, K negatives.
"""

import math

import torch
from torch import nn

LOSSES = ("full", "sampled", "gbce")

#: Scores that are in memory at a time: 8 MB in float32.
SCORES_AT_ONCE = 1 << 21
#: Positions whose scores are computed together at least: fewer make thin products, which are slow.
LEAST_POSITIONS = 32


def catalogue_loss(
    hidden, targets, weight, bias=None, loss="full", num_negatives=256, calibration=0.75, num_items=None
):
    """Returns the sum of the losses of M positions, a scalar in float32.

    Arguments:
        hidden (M, H), targets int64 (M,): what was read, and the row of `weight` that is right.
        weight (I, H), bias (I,) or None: one row an item. With "sampled" and "gbce" weight may also be a function of
            rows int64 (n,) to their vectors (n, H), which is called once, for the targets and the negatives.
        loss (str): one of `LOSSES`.
        num_negatives (int): K; of "sampled" and "gbce".
        calibration (float): t of gBCE, from 0 (plain binary cross-entropy) to 1.
        num_items (int): I, where weight is a function.
    """
    if loss == "full":
        return LinearCrossEntropy.apply(hidden, weight, bias, targets)
    num_items = num_items if callable(weight) else len(weight)
    others = max(1, num_items - 1)  # a catalogue of one item has none: each negative is the target then
    negatives = torch.randint(num_items, (num_negatives,), device=hidden.device)
    drawn = torch.cat([targets, negatives])
    vectors = weight(drawn) if callable(weight) else weight[drawn]
    positive = (hidden * vectors[: len(targets)]).sum(-1)  # (M,)
    scores = hidden @ vectors[len(targets) :].T  # (M, K)
    if bias is not None:
        positive = positive + bias[targets]
        scores = scores + bias[negatives]
    positive, scores = positive.float(), scores.float()
    scores = scores.masked_fill(negatives == targets[:, None], float("-inf"))  # drawn by chance: not a negative
    if loss == "sampled":
        scores = scores + math.log(others / num_negatives)  # so that K draws stand for all other items
        return (torch.logsumexp(torch.cat([positive[:, None], scores], 1), 1) - positive).sum()
    return _gbce(positive, scores, num_negatives / others, calibration)


def _gbce(positive, scores, share, calibration):
    """Returns the sum of gBCE: `-beta log sigmoid(positive)` and the usual terms of the negatives, divided by 1 + K."""
    share = min(share, 1.0)
    beta = share * (calibration * (1 - 1 / share) + 1 / share)
    negative = nn.functional.softplus(scores).sum(1)
    return (beta * nn.functional.softplus(-positive) + negative).sum() / (1 + scores.shape[1])


class LinearCrossEntropy(torch.autograd.Function):
    """`cross_entropy(hidden @ weight.T + bias, targets, reduction="sum")` in chunks, gradients computed on the way."""

    @staticmethod
    def forward(ctx, hidden, weight, bias, targets):
        if torch.is_autocast_enabled(hidden.device.type):
            dtype = torch.get_autocast_dtype(hidden.device.type)
            inner_hidden, inner_weight = hidden.to(dtype), weight.to(dtype)
        else:
            inner_hidden, inner_weight = hidden, weight
        wants = any(ctx.needs_input_grad[:3])
        grad_hidden = torch.empty_like(inner_hidden) if wants else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if wants else None
        grad_bias = None if bias is None or not wants else torch.zeros_like(bias, dtype=torch.float32)
        total = hidden.new_zeros((), dtype=torch.float32)
        rows = max(LEAST_POSITIONS, SCORES_AT_ONCE // max(1, len(weight)))
        for begin in range(0, len(hidden), rows):
            part = inner_hidden[begin : begin + rows]
            scores = (part @ inner_weight.T).float()  # (rows, I)
            if bias is not None:
                scores += bias
            right = targets[begin : begin + rows, None]
            greatest = scores.amax(1, keepdim=True)
            chosen = scores.gather(1, right)
            exponents = scores.sub_(greatest).exp_()  # in the memory of the scores
            norm = exponents.sum(1, keepdim=True)
            total += (norm.log() + greatest - chosen).sum()
            if wants:
                grad = exponents.div_(norm)  # the softmax
                grad.scatter_add_(1, right, grad.new_full(right.shape, -1.0))
                if grad_bias is not None:
                    grad_bias += grad.sum(0)
                grad = grad.to(part.dtype)
                torch.mm(grad, inner_weight, out=grad_hidden[begin : begin + rows])
                grad_weight.addmm_(grad.T, part) if grad.dtype == torch.float32 else grad_weight.add_(grad.T @ part)
        if wants:
            ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
            ctx.dtypes = hidden.dtype, weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    def backward(ctx, grad_output):
        grads = [
            None if grad is None else (grad * grad_output).to(dtype)
            for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        ]
        return (*grads, None)
