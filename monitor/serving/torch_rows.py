"""Logits as torch tensors: what is looked at, and how a token is forced. On the device that they are on; one copy to the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from monitor.serving.deciding import Seen
from monitor.serving.tokens import Served


def see_rows(logits: torch.Tensor, served: Served, temperature: float) -> list[Seen]:
    """Of each row of logits, [n, vocabulary], any floating type; computed in float32."""
    z = logits.float()
    largest, largest_ids = z.max(dim=-1)
    ids = torch.tensor(served.ids, device=z.device)
    columns = torch.cat(
        [
            z.index_select(-1, ids),
            torch.logsumexp(z / temperature, dim=-1, keepdim=True),
            largest.unsqueeze(-1),
        ],
        dim=-1,
    )
    return [
        Seen(
            refusals=tuple(row[: len(served.refusal_ids)]),
            respond=row[-3],
            logsumexp=row[-2],
            temperature=temperature,
            largest_id=number,
            largest=row[-1],
        )
        for row, number in zip(columns.tolist(), largest_ids.tolist(), strict=True)
    ]


def force(logits: torch.Tensor, rows: Sequence[int], token_ids: Sequence[int]) -> None:
    """In place: in each of these rows of [n, vocabulary], nothing but its token can be chosen."""
    if rows:
        where = torch.tensor(rows, device=logits.device)
        logits[where] = float("-inf")
        logits[where, torch.tensor(token_ids, device=logits.device)] = 0.0
