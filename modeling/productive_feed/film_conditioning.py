"""FiLM: a vector scaled and shifted, feature by feature, by what is known beside it.

After "FiLM: Visual Reasoning with a General Conditioning Layer" (Perez, Strub, de Vries, Dumoulin, Courville, AAAI
2018, arXiv 1709.07871). Differences from the paper:
- the scale is 1 + gamma, and the last map starts at zero: at first nothing is changed, whatever the condition;
- one layer with a narrow middle, so that it stays small beside a wide encoder.

Axes: B rows, H width of what is modulated, C width of the condition.
"""

import torch
from torch import nn


class ZeroStartLinear(nn.Linear):
    """A linear map whose weight and bias start at zero."""


class FilmConditioning(nn.Module):
    """`x * (1 + gamma(condition)) + beta(condition)`."""

    def __init__(self, width: int, condition_width: int, hidden_width: int):
        super().__init__()
        self.reduce = nn.Linear(condition_width, hidden_width)
        self.activation = nn.GELU()
        self.expand = ZeroStartLinear(hidden_width, 2 * width)

    def forward(self, rows: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Return (B, H) of rows (B, H) under condition (B, C)."""
        gamma, beta = self.expand(self.activation(self.reduce(condition))).chunk(2, -1)  # (B, H) each
        return torch.addcmul(beta, rows, 1 + gamma)
