"""A causal model of some hundred thousand parameters, trained here and now to write a refusal token in front of its answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.refusal_tokens.traffic import Prompt, answer, draw, words
from schemas.refusal_tokens import CATEGORY_TOKENS, RESPOND

TEMPLATE: Final = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|> ' + message['content'] + ' ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
SPECIAL: Final = ("<pad>", "<unk>", "<bos>", "<eos>", "<|user|>", "<|assistant|>")


@dataclass(frozen=True)
class Tiny:
    """The trained model and its tokenizer."""

    model: Any
    tokenizer: Any

    @property
    def parameters(self) -> int:
        """How many."""
        return sum(one.numel() for one in self.model.parameters())

    def encode(self, prompts: list[Prompt]) -> Any:
        """A batch with its attention mask, by the chat template, padded on the left."""
        texts = [
            self.tokenizer.apply_chat_template(
                [{"role": "user", "content": one.text}], tokenize=False, add_generation_prompt=True
            )
            for one in prompts
        ]
        return self.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)


def a_tokenizer() -> Any:
    """One id a word; the paper's tokens are added as it has them, with a leading space."""
    vocabulary = {word: place for place, word in enumerate((*SPECIAL, *words()))}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.add_special_tokens(list(SPECIAL))
    inner.add_tokens([AddedToken(f" {name}", normalized=False) for name in (*CATEGORY_TOKENS, RESPOND)])
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers' own
        tokenizer_object=inner,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        padding_side="left",
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def train(*, seed: int = 7, steps: int = 130, batch: int = 128) -> Tiny:
    """Deterministic for a seed on a machine; in one thread, as more only get in each other's way at this size. Half of the answers refuse, as people called the prompt harmful or not, under the
    token of their category or the respond token; the words follow the token."""
    with one_thread():
        return _train(seed, steps, batch)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch's threads, for a while."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(seed: int, steps: int, batch: int) -> Tiny:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tokenizer = a_tokenizer()
    model = LlamaForCausalLM(  # type: ignore[no-untyped-call]  # transformers' own
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=192,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=64,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    tiny = Tiny(model, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps, pct_start=0.15)
    model.train()
    for _ in range(steps):
        ids, labels, mask = _batch(tiny, draw(batch, rng))
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()  # type: ignore[no-untyped-call]  # transformers' own
    return tiny


def _batch(tiny: Tiny, prompts: list[Prompt]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids [n, length], labels (-100 where nothing is learnt: prompts and padding), and the mask."""
    encoded = tiny.encode(prompts)
    answers = tiny.tokenizer(
        [
            f" {one.category if one.is_harmful else RESPOND} {answer(one, is_refused=one.is_harmful)}<eos>"
            for one in prompts
        ],
        return_tensors="pt",
        add_special_tokens=False,
    )["input_ids"]
    ids = torch.cat([encoded["input_ids"], answers], dim=1)
    labels = torch.cat([torch.full_like(encoded["input_ids"], -100), answers], dim=1)
    mask = torch.cat([encoded["attention_mask"], torch.ones_like(answers)], dim=1)
    return ids, labels, mask
