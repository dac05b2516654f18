"""Attention of RRWebBERT: rotary positions, plain attention, and attention within the windows of a packed row.

Importing this module registers `attn_implementation="sdpa_varlen"` with transformers.

Axes: B rows, T tokens of a row, N tokens of a packed row, A heads, D channels of a head.
"""

from itertools import pairwise

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.modeling_flash_attention_utils import _flash_attention_forward
from transformers.utils import is_flash_attn_2_available

try:  # a flash kernel inside newer torch, for half precision on a GPU and without dropout
    from torch.nn.attention.varlen import varlen_attn
except ImportError:
    varlen_attn = None


def rotary_angles(position_ids, head_dim, theta, dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (cos, sin), each (B, 1, T, D), of the angles by which positions (B, T) turn pairs of channels.

    Computed anew in every forward: a buffer for them would come back as garbage from a model built on the
    meta device.
    """
    channels = torch.arange(0, head_dim, 2, device=position_ids.device, dtype=torch.float32)
    angles = position_ids.float()[..., None] * theta ** (-channels / head_dim)  # (B, T, D / 2)
    angles = torch.cat([angles, angles], dim=-1)[:, None]  # (B, 1, T, D)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(states, cos, sin) -> torch.Tensor:
    """Return states (B, A, T, D) with channel i and channel i + D / 2 turned as a pair (eq. 34 of RoFormer)."""
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat([-second, first], dim=-1) * sin


def eager_attention_forward(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    """Return (output (B, T, A, D), weights (B, A, T, T)) of softmax(q k' * scaling + mask) v."""
    weights = torch.matmul(query, key.transpose(2, 3)) * scaling  # (B, A, T, T)
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = nn.functional.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    output = torch.matmul(weights, value).transpose(1, 2).contiguous()  # (B, T, A, D)
    return output, weights


def sdpa_varlen_attention_forward(
    module,
    query,
    key,
    value,
    attention_mask,
    dropout=0.0,
    scaling=None,
    cu_seq_lens_q=None,
    cu_seq_lens_k=None,
    max_length_q=None,
    max_length_k=None,
    **kwargs,
):
    """Return (output (1, N, A, D), None) where each window of a packed row attends to itself alone.

    Without `cu_seq_lens_q` this is transformers' `sdpa`, to the bit. With it, a GPU runs flash attention or
    torch's own varlen kernel where they apply (half precision; torch's only without dropout), anything else
    runs sdpa once per window. No N x N mask is ever made.

    Arguments:
        query, key, value (1, A, N, D): one packed row.
        cu_seq_lens_q int32 (n_windows + 1,): 0, then the end of each window.
        max_length_q, max_length_k (int): longest window; found from `cu_seq_lens_q` when absent.
    """
    if cu_seq_lens_q is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    attend = _flash_kernel(query, dropout)
    if attend is None:
        return _attend_per_window(query, key, value, cu_seq_lens_q.tolist(), dropout, scaling), None
    borders = cu_seq_lens_q.to(device=query.device, dtype=torch.int32)
    longest = int(max_length_q or borders.diff().max())
    # The kernels scale by 1 / sqrt(D), which not every torch lets one change: the query takes other scales.
    if scaling is not None and scaling != query.shape[-1] ** -0.5:
        query = query * (scaling * query.shape[-1] ** 0.5)
    # (1, A, N, D) -> (1, N, A, D)
    query, key, value = (states.transpose(1, 2).contiguous() for states in (query, key, value))
    return attend(query, key, value, borders, longest, dropout), None


def _flash_kernel(query, dropout):
    """Return a function that attends within the windows of a packed row on a GPU, or None where none can."""
    fits = query.is_cuda and query.dtype in (torch.float16, torch.bfloat16)
    if not fits or query.shape[-1] % 8 or query.shape[-1] > 256:
        return None
    if is_flash_attn_2_available():
        return _attend_by_flash_attn
    return _attend_by_torch if varlen_attn is not None and dropout == 0 else None


def _attend_by_flash_attn(query, key, value, borders, longest, dropout):
    return _flash_attention_forward(
        query,
        key,
        value,
        None,
        query.shape[1],
        is_causal=False,
        dropout=dropout,
        cu_seq_lens_q=borders,
        cu_seq_lens_k=borders,
        max_length_q=longest,
        max_length_k=longest,
        attn_implementation="flash_attention_2",
    )


def _attend_by_torch(query, key, value, borders, longest, dropout):
    return varlen_attn(query[0], key[0], value[0], borders, borders, longest, longest)[None]


def _attend_per_window(query, key, value, borders, dropout, scaling):
    """Return attention (1, N, A, D) by one sdpa call a window.

    Joining windows of one length into one call was tried: 8 to 128 windows a row, 1 and 2 cores, 4 x 32 and
    12 x 64 heads; forward and backward took the same time within the noise.
    """
    lengths = [stop - start for start, stop in pairwise(borders)]
    if borders[0] != 0 or borders[-1] != query.shape[2] or min(lengths, default=-1) < 0:
        raise ValueError(
            f"Expected cu_seq_lens_q to rise from 0 to the {query.shape[2]} tokens of the packed row, got "
            f"{borders}; count every token of the row, padding in a window of its own."
        )
    # split, not slices: the gradient of a slice is a tensor as long as the row, once for every window
    windows = zip(*(states.split(lengths, dim=2) for states in (query, key, value)), strict=True)
    attended = [
        nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling)
        for q, k, v in windows
        if q.shape[2] > 0
    ]
    return torch.cat(attended, dim=2).transpose(1, 2).contiguous()


AttentionInterface.register("sdpa_varlen", sdpa_varlen_attention_forward)
AttentionMaskInterface.register("sdpa_varlen", sdpa_mask)
