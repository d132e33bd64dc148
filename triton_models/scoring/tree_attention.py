"""Attention for prompts with an answer tree behind them: the masks, and a kernel choice that keeps flash attention.

Keys are laid out as shared prefix, prompt (padded), tree. A tree's token sees the whole prompt, its own ancestors and itself.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch.nn import functional
from torch.nn.attention.bias import causal_lower_right

NAME: Final = "watchkeeper_tree"
"""The attention implementation's name for transformers."""


def tree_mask(
    lengths: torch.Tensor, sees: torch.Tensor, *, width: int, cached: int, left: bool, dtype: torch.dtype
) -> torch.Tensor:
    """Additive, shape (rows, 1, nodes, width + nodes): what the tree's tokens see of a prompt of `lengths` (rows) tokens in
    `width` places, and of the tree. The first `cached` places are the shared prefix; padding stands right after it (`left`)
    or at the prompt's end."""
    mask = torch.zeros(len(lengths), 1, len(sees), width + len(sees), dtype=dtype, device=lengths.device)
    low = torch.finfo(dtype).min
    mask[..., :width].masked_fill_(~_real(lengths, width, cached, left=left)[:, None, None, :], low)
    mask[..., width:].masked_fill_(~sees, low)
    return mask


def whole_mask(
    lengths: torch.Tensor, sees: torch.Tensor, *, width: int, cached: int, left: bool, dtype: torch.dtype
) -> torch.Tensor:
    """Additive, shape (rows, 1, width - cached + nodes, width + nodes): the tree's rows under those of the prompt's tokens
    after the `cached` first ones, which see what is before them and not padding."""
    tree = tree_mask(lengths, sees, width=width, cached=cached, left=left, dtype=dtype)
    places = torch.arange(width, device=lengths.device)
    causal = places[None, :] <= places[cached:, None]
    low = torch.finfo(dtype).min
    prompt = torch.zeros(
        len(lengths), 1, width - cached, width + len(sees), dtype=dtype, device=lengths.device
    )
    prompt[..., :width].masked_fill_(~causal, low)
    prompt[..., width:] = low
    if left:
        prompt[..., :width].masked_fill_(~_real(lengths, width, cached, left=left)[:, None, None, :], low)
    return torch.cat([prompt, tree], dim=2)


def _real(lengths: torch.Tensor, width: int, cached: int, *, left: bool) -> torch.Tensor:
    """Shape (rows, width): which places hold a token of the prompt."""
    places = torch.arange(width, device=lengths.device)
    if left:
        return (places < cached) | (places >= width + cached - lengths[:, None])
    return places < lengths[:, None]


def tree_attention(  # noqa: PLR0917  # the interface's own order
    module: torch.nn.Module,  # noqa: ARG001  # the interface's
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """The attention interface of transformers, for prompts padded on the right; `attention_mask` is a tree_mask, or None without
    a tree.

    A dense mask over the whole of it would rule flash attention out. So the prompt's queries go causally without a mask (what
    follows a prompt on the right it doesn't see), and only the few of the tree with one.
    """
    if kwargs.get("softcap") is not None or kwargs.get("dropout"):
        raise ValueError(
            "tree attention has no soft cap and no dropout; load this model with attention='eager'"
        )
    nodes = 0 if attention_mask is None else attention_mask.shape[2]
    prompt = query.shape[2] - nodes
    before = key.shape[2] - nodes
    parts = []
    if prompt:
        parts.append(_causal(query[:, :, :prompt], key[:, :, :before], value[:, :, :before], scaling))
    if nodes:
        parts.append(_masked(query[:, :, prompt:], key, value, attention_mask, scaling))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def _causal(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    groups = query.shape[1] // key.shape[1]
    if query.shape[2] == key.shape[2]:
        return functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scaling, enable_gqa=groups > 1
        )
    if groups > 1:
        key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key, value))
    bias: Any = causal_lower_right(query.shape[2], key.shape[2])
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=scaling)


def _masked(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float | None,
) -> torch.Tensor:
    """The query heads that share a key head as so many more queries, so that keys aren't copied."""
    rows, heads, nodes, size = query.shape
    groups = heads // key.shape[1]
    if groups > 1:
        query = query.reshape(rows, key.shape[1], groups * nodes, size)
        mask = None if mask is None else mask.repeat(1, 1, groups, 1)
    found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling)
    return found.reshape(rows, heads, nodes, value.shape[-1])
