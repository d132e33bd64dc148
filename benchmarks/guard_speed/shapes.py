"""Randomly initialised models of Mistral's shape, the tokenizer they take, and what a device can multiply."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

SEVEN_BILLION: Final = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
}
"""Mistral-7B-v0.3, WildGuard's base."""

FIFTY_MILLION: Final = {
    "hidden_size": 512,
    "intermediate_size": 1792,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
}
"""54 million parameters, 34 of them in the two embeddings."""

VOCABULARY: Final = 32_768


def mistral_tokenizer() -> Any:
    """The real Mistral v3 vocabulary, from the package that carries it."""
    import mistral_common
    import sentencepiece
    from tokenizers import AddedToken
    from transformers import LlamaTokenizer
    from transformers.tokenization_utils_base import generate_merges

    data = Path(mistral_common.__file__).parent / "data" / "mistral_instruct_tokenizer_240323.model.v3"
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(data))
    names = [pieces.id_to_piece(at) for at in range(pieces.vocab_size())]
    control = [names[at] for at in range(3, len(names)) if pieces.is_control(at)]
    vocabulary = {name: at for at, name in enumerate(names)}
    return LlamaTokenizer(
        vocab=vocabulary,
        merges=generate_merges(vocabulary),
        additional_special_tokens=[AddedToken(name, normalized=False, special=True) for name in control],
    )


def random_model(shape: dict[str, int], device: torch.device, dtype: torch.dtype) -> Any:
    """A Mistral model with random weights, made on the device."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        "mistral", vocab_size=VOCABULARY, max_position_embeddings=32_768, sliding_window=None, **shape
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            made: Any = AutoModelForCausalLM  # untyped
            model = made.from_config(config, dtype=dtype)
    finally:
        torch.set_default_dtype(before)
    return model.eval().requires_grad_(False)


def matmul_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP a second of one large matrix product of random numbers: the median of ten, after three unmeasured."""
    size = 8192 if device.type == "cuda" else 2048
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    times = timed(lambda: left @ right, device, rounds=13)[3:]
    return 2 * size**3 / statistics.median(times)


def timed(work: Callable[[], object], device: torch.device, *, rounds: int) -> list[float]:
    """Seconds of each round, the device's work included. On a CPU those of this process, not the wall's: with one thread they
    are the same on an idle machine, and on a busy one they leave the others' work out."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    times = []
    for _ in range(rounds):
        _wait(device)
        start = clock()
        work()
        _wait(device)
        times.append(clock() - start)
    return times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def layer_parameters(shape: dict[str, int]) -> int:
    """Weights that every token is multiplied by: of the layers, without embeddings."""
    hidden, head = shape["hidden_size"], shape["head_dim"]
    attention = hidden * head * (2 * shape["num_attention_heads"] + 2 * shape["num_key_value_heads"])
    return shape["num_hidden_layers"] * (attention + 3 * hidden * shape["intermediate_size"])
