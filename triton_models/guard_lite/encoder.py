"""MiniLM-L6 with guard_lite's heads, in torch: what train.py fits and export.py turns into ONNX. Serving needs neither.

One pass reads an exchange: the prompt's tokens see the prompt alone, the response's see both. So a prompt's answer is
the same with and without a response, and a refusal can't make its prompt look harmful.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

WIDTH: Final = 384
HEADS: Final = 12
LAYERS: Final = 6
INNER: Final = 1_536
POSITIONS: Final = 512
CATEGORIES: Final = 13

PROMPT: Final = 0
RESPONSE: Final = 1
PADDING: Final = 2


class Layer(nn.Module):
    """One transformer layer, post-norm, as BERT has it."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm_1 = nn.LayerNorm(WIDTH, eps=1e-12)
        self.up = nn.Linear(WIDTH, INNER)
        self.down = nn.Linear(INNER, WIDTH)
        self.norm_2 = nn.LayerNorm(WIDTH, eps=1e-12)
        self.dropout = dropout

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """The layer's output on x (n, length, width); bias (n, 1, length, length) is added to the attention's logits."""
        n, length, _ = x.shape
        rate = self.dropout if self.training else 0.0
        q, k, v = self.qkv(x).view(n, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        if torch.onnx.is_in_onnx_export():
            seen = (q @ k.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5 + bias).softmax(-1) @ v
        else:
            seen = functional.scaled_dot_product_attention(
                q, k, v, attn_mask=bias.to(q.dtype), dropout_p=rate
            )
        seen = self.out(seen.transpose(1, 2).reshape(n, length, WIDTH))
        x = self.norm_1(x + functional.dropout(seen, rate, self.training))
        inner = self.down(functional.gelu(self.up(x)))
        done: Tensor = self.norm_2(x + functional.dropout(inner, rate, self.training))
        return done


class Guard(nn.Module):
    """Token ids and segments (PROMPT, RESPONSE, PADDING), both (n, length), to logits (n, 3 + 13).

    The columns are prompt harm, refusal, response harm, and the harms of schemas.taxonomy. Without a response its two
    columns mean nothing.
    """

    def __init__(self, vocabulary: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.words: nn.Module = nn.Embedding(vocabulary, WIDTH)
        self.positions = nn.Embedding(POSITIONS, WIDTH)
        self.segments = nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(Layer(dropout) for _ in range(LAYERS))
        self.of_prompt = nn.Linear(2 * WIDTH, 1 + CATEGORIES)
        self.of_response = nn.Linear(3 * WIDTH, 2)
        self.dropout = dropout

    def embed(self, ids: Tensor) -> Tensor:
        """The word embeddings alone: what adversarial training disturbs."""
        found: Tensor = self.words(ids)
        return found

    def forward(self, ids: Tensor, segments: Tensor, words: Tensor | None = None) -> Tensor:
        """Logits. `words` stands in for the word embeddings of `ids` where it is given."""
        sees = segments[:, None, :] <= segments.clamp(max=RESPONSE)[:, :, None]
        x = self.words(ids) if words is None else words
        bias = torch.where(sees, 0.0, -1e4).to(x.dtype)[:, None]
        place = torch.arange(ids.shape[1], device=ids.device)[None]
        x = self.norm(x + self.positions(place) + self.segments(segments.clamp(max=RESPONSE)))
        x = functional.dropout(x, self.dropout, self.training)
        for layer in self.layers:
            x = layer(x, bias)
        asked = (segments == PROMPT).to(x.dtype)
        answered = (segments == RESPONSE).to(x.dtype)
        prompt = _mean(x, asked)
        first_of_response = functional.relu(answered[:, 1:] - answered[:, :-1])
        opening = (x[:, 1:] * first_of_response[:, :, None]).sum(1)
        prompt_view = torch.cat([x[:, 0], prompt], -1)
        response_view = torch.cat([opening, _mean(x, answered), prompt], -1)
        rate = self.dropout
        harm = self.of_prompt(functional.dropout(prompt_view, rate, self.training))
        answer = self.of_response(functional.dropout(response_view, rate, self.training))
        return torch.cat([harm[:, :1], answer, harm[:, 1:]], -1)


def _mean(x: Tensor, weight: Tensor) -> Tensor:
    return (x * weight[:, :, None]).sum(1) / weight.sum(1, keepdim=True).clamp(min=1.0)


def from_minilm(weights: Path, *, dropout: float = 0.1, seed: int) -> Guard:
    """A guard with MiniLM's layers and fresh heads. `weights` is the package's model.safetensors, in any precision."""
    stored = {name.removeprefix("bert."): value.float() for name, value in load_file(weights).items()}
    torch.manual_seed(seed)
    guard = Guard(stored["embeddings.word_embeddings.weight"].shape[0], dropout)
    own = {
        "words.weight": stored["embeddings.word_embeddings.weight"],
        "positions.weight": stored["embeddings.position_embeddings.weight"],
        "segments.weight": stored["embeddings.token_type_embeddings.weight"],
        "norm.weight": stored["embeddings.LayerNorm.weight"],
        "norm.bias": stored["embeddings.LayerNorm.bias"],
    }
    for index in range(LAYERS):
        layer = f"encoder.layer.{index}."
        for kind in ("weight", "bias"):
            own[f"layers.{index}.qkv.{kind}"] = torch.cat(
                [stored[f"{layer}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            )
            for name, theirs in (
                ("out", "attention.output.dense"),
                ("norm_1", "attention.output.LayerNorm"),
                ("up", "intermediate.dense"),
                ("down", "output.dense"),
                ("norm_2", "output.LayerNorm"),
            ):
                own[f"layers.{index}.{name}.{kind}"] = stored[f"{layer}{theirs}.{kind}"]
    missing, unexpected = guard.load_state_dict(own, strict=False)
    if unexpected or any(not name.startswith("of_") for name in missing):
        raise ValueError(f"{weights} isn't MiniLM-L6: missing {missing}, unexpected {unexpected}")
    return guard
