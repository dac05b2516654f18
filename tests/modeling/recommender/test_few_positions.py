"""The attention of a few asked positions is the attention of all of them, at those positions."""

import pytest
import torch

from traceformers.modeling.recommender.configuration_sasrec import SASRecConfig
from traceformers.modeling.recommender.sequence_encoder import SelfAttention

B, T, Q = 3, 11, 1


@pytest.fixture
def attention():
    torch.manual_seed(0)
    layer = SelfAttention(SASRecConfig(vocab_size=9, hidden_size=16, num_attention_heads=4)).eval()
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, std=0.5)  # biases too
    return layer


@pytest.mark.parametrize("masked", [False, True])
def test_keys_and_values_that_are_never_made_change_nothing(attention, masked):
    states, asked = torch.randn(B, T, 16), torch.randn(B, Q, 16)
    mask = torch.rand(B, 1, Q, T) < 0.5 if masked else None
    if masked:
        mask[..., 0] = True
    few = attention(asked, states, mask)
    many = attention(asked.repeat(1, 3, 1), states, None if mask is None else mask.repeat(1, 1, 3, 1))  # 4 Q > H / 2
    torch.testing.assert_close(few, many[:, :Q], rtol=1e-5, atol=1e-5)


def test_a_position_that_may_not_be_seen_says_nothing(attention):
    states, asked = torch.randn(B, T, 16), torch.randn(B, Q, 16)
    mask = torch.ones(B, 1, Q, T, dtype=torch.bool)
    mask[..., 4] = False
    other = states.clone()
    other[:, 4] = 100.0
    assert torch.equal(attention(asked, states, mask), attention(asked, other, mask))
