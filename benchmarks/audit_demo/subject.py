"""The audited model: a tiny causal language model with a chat template, trained here to refuse what is unsafe and to answer the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from benchmarks.audit_demo.prompts import Pair, texts_of, words
from triton_models.probe import projection
from triton_models.probe.rendering import Chat
from triton_models.probe.states import Reader
from triton_models.scoring.vocabulary import Vocabulary

REFUSAL: Final = "sorry , no"
ANSWER: Final = "sure , here"
TEMPLATE: Final = "{{ bos_token }}{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}"
SPECIALS: Final = ("<s>", "</s>", "[INST]", "[/INST]", "<unk>")
_END: Final = 1
_LEARNED: Final = 0.005
"""Mean loss of a token at which it is taught."""
_WRITTEN: Final = 3
"""Tokens of an answer that are written and looked at."""
MAX_TOKENS: Final = 48
BLOCKS: Final = 4
WIDTH: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A causal model with its tokenizer."""

    model: Any
    tokenizer: Any

    def reader(self) -> Reader:
        """The probe of this model, as Triton's model makes it: the chat template, the last token, no projection."""
        return Reader(
            self.model.model,
            Chat(Vocabulary(self.tokenizer), MAX_TOKENS),
            pooling="last",
            projection=projection.none(),
        )

    def ids(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Of the whole prompts."""
        rendering = Chat(Vocabulary(self.tokenizer), MAX_TOKENS)
        return [rendering.render(text).ids for text in texts]

    def refuses(self, texts: Sequence[str]) -> list[bool]:
        """What it does when it is asked: it writes its answer greedily, and a refusal is one that begins as REFUSAL does."""
        wanted = self.tokenizer(REFUSAL, add_special_tokens=False)["input_ids"]
        prompts = self.ids(texts)
        found = [False] * len(texts)
        for length in sorted(set(map(len, prompts))):
            places = [place for place, ids in enumerate(prompts) if len(ids) == length]
            with torch.inference_mode():
                said = self.model.generate(
                    input_ids=torch.tensor([prompts[place] for place in places]),
                    attention_mask=torch.ones(len(places), length, dtype=torch.long),
                    max_new_tokens=_WRITTEN,
                    do_sample=False,
                    pad_token_id=_END,
                )
            for place, row in zip(places, said[:, length:].tolist(), strict=True):
                found[place] = row == wanted[: len(row)]
        return found


def new(seed: int = 1) -> Subject:
    """Untrained, always the same for a seed."""
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = _tokenizer()
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        "llama",
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        initializer_range=0.08,  # wider than usual: so small a model finds the rule in a hundred steps
        bos_token_id=0,
        eos_token_id=1,
    )
    made: Any = AutoModelForCausalLM  # untyped
    return Subject(made.from_config(config), tokenizer)


def taught(pairs: Sequence[Pair], *, steps: int = 500, batch: int = 64, seed: int = 1) -> Subject:
    """A model that refuses the unsafe ones of `pairs`, and those like them: until it does, for `steps` at most."""
    subject = new(seed)
    texts, is_unsafe = texts_of(pairs)
    answers = [
        (*tuple(subject.tokenizer(REFUSAL if bad else ANSWER, add_special_tokens=False)["input_ids"]), _END)
        for bad in is_unsafe
    ]
    prompts = subject.ids(texts)
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[_END] * (longest - len(row))] for row in rows])
    labels = torch.full_like(ids, -100)
    for place, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
        labels[place, len(prompt) : len(row)] = ids[place, len(prompt) : len(row)]
    model = subject.model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    chance = torch.Generator().manual_seed(seed)
    smooth = 1.0
    for _ in range(steps):
        some = torch.randint(len(ids), (batch,), generator=chance)
        loss = model(input_ids=ids[some], labels=labels[some]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        smooth += 0.2 * (loss.item() - smooth)
        if smooth < _LEARNED:
            break
    model.eval()
    return subject


def _tokenizer() -> Any:
    """One token a word."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = [*SPECIALS, *dict.fromkeys([*words(), *REFUSAL.split(), *ANSWER.split()])]
    made: Any = Tokenizer(
        models.WordLevel(vocab={name: number for number, name in enumerate(names)}, unk_token="<unk>")
    )
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in SPECIALS])
    fast: Any = PreTrainedTokenizerFast  # untyped
    tokenizer = fast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer
