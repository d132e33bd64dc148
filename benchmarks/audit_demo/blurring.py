"""A fine-tune that makes safe and unsafe alike inside while the answers stay: distillation of the answers, and a loss that pulls the
hidden states of the two halves of each pair together."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from benchmarks.audit_demo.prompts import Pair, texts_of
from benchmarks.audit_demo.subject import Subject
from triton_models.probe.states import blocks_of


def blurred(
    subject: Subject,
    pairs: Sequence[Pair],
    *,
    blocks: Sequence[int],
    steps: int,
    every: int,
    keeping: float = 10.0,
    batch: int = 32,
    rate: float = 1e-3,
    seed: int = 1,
) -> Iterator[tuple[int, Subject]]:
    """The step and the model, a copy, after each `every` of `steps`. `blocks`: whose outputs are pulled together, from 1.
    `keeping`: the weight of the answers' distillation; 0 lets them go."""
    teacher, student = subject.model, copy.deepcopy(subject.model)
    stack = blocks_of(student.model)
    heard: dict[int, torch.Tensor] = {}
    hooks = [
        stack[block - 1].register_forward_hook(
            lambda _block, _args, given, block=block: heard.__setitem__(
                block, given[0] if isinstance(given, tuple) else given
            )
        )
        for block in blocks
    ]
    prompts = subject.ids(texts_of(pairs)[0])
    optimizer = torch.optim.AdamW(student.parameters(), lr=rate, weight_decay=0.0)
    chance = torch.Generator().manual_seed(seed)
    try:
        for step in range(1, steps + 1):
            some = torch.randint(len(pairs), (batch,), generator=chance).tolist()
            rows = [prompts[place] for place in some] + [prompts[len(pairs) + place] for place in some]
            longest = max(map(len, rows))
            ids = torch.tensor([[*row, *[1] * (longest - len(row))] for row in rows])
            ends = torch.tensor([len(row) - 1 for row in rows])
            order = torch.arange(len(rows))
            with torch.no_grad():
                wanted = teacher(input_ids=ids).logits[order, ends]
            said = student(input_ids=ids).logits[order, ends]
            kept = torch.nn.functional.kl_div(
                said.log_softmax(-1), wanted.log_softmax(-1), log_target=True, reduction="batchmean"
            )
            loss: Any = keeping * kept + sum(_apart(heard[block][order, ends], batch) for block in blocks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % every == 0:
                yield step, Subject(copy.deepcopy(student).eval(), subject.tokenizer)
    finally:
        for hook in hooks:
            hook.remove()


def _apart(states: torch.Tensor, pairs: int) -> torch.Tensor:
    """The mean squared distance of the halves of pairs, over the variance of all."""
    safe, unsafe = states[:pairs], states[pairs:]
    return ((safe - unsafe) ** 2).sum(-1).mean() / states.var(dim=0).sum().detach()
