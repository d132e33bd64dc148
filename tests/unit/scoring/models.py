"""Tiny random models of the guards' architectures with the real Mistral v3 vocabulary, and prompt files for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from benchmarks.guard_speed.shapes import mistral_tokenizer
from triton_models.scoring import prompt_file
from triton_models.scoring.loading import Attention, Loaded, load_model

ROOT = Path(__file__).resolve().parents[3]
GUARDS = ROOT / "triton_models" / "wildguard" / "prompts"
RUBRICS = ROOT / "triton_models" / "judge" / "prompts"

TINY = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 8192,
    "initializer_range": 0.3,  # far from uniform: differences would show
}


def wildguard() -> prompt_file.PromptFile:
    return prompt_file.load(GUARDS / "wildguard.toml")


def write_model(folder: Path, tokenizer: Any, architecture: str = "mistral", **more: Any) -> Path:
    """A model folder of this architecture with random weights, always the same."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(7)
    settings = TINY | {"vocab_size": len(tokenizer)} | more
    config = AutoConfig.for_model(architecture, **settings)
    made: Any = AutoModelForCausalLM  # untyped
    made.from_config(config, dtype=torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tokenizer_with(specials: list[str]) -> Any:
    """The Mistral v3 vocabulary with more special tokens at its end."""
    from tokenizers import AddedToken

    words = mistral_tokenizer()
    words.add_special_tokens(
        {
            "additional_special_tokens": [
                AddedToken(text, normalized=False, special=True) for text in specials
            ]
        },
        replace_extra_special_tokens=False,
    )
    return words


def load(folder: Path, attention: Attention = "sdpa") -> Loaded:
    return load_model(str(folder), dtype="float32", attention=attention, device="cpu")
