"""Token-budget batches: within the limits, little padding, the short first."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from triton_models.scoring.batching import BATCH_TOKENS, load_of, plan

lengths_of = st.lists(st.integers(1, 5000), max_size=60)


@given(lengths_of, st.integers(100, 20_000), st.integers(1, 40))
def test_every_prompt_runs_once_within_budget_and_rows(lengths: list[int], budget: int, rows: int) -> None:
    batches = plan(lengths, budget=budget, rows=rows)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= rows
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget


@given(lengths_of)
def test_the_short_never_wait_for_the_long(lengths: list[int]) -> None:
    order = [lengths[index] for batch in plan(lengths, budget=4096, rows=16) for index in batch]
    assert order == sorted(order)


@given(st.lists(st.integers(1, 900), max_size=12))
def test_no_other_plan_in_order_computes_less(lengths: list[int]) -> None:
    def cost(batches: list[list[int]]) -> int:
        return load_of(lengths, batches).padded + BATCH_TOKENS * len(batches)

    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    chosen = cost(plan(lengths, budget=2000, rows=4))
    for cuts in range(1 << max(0, len(order) - 1)):
        batches: list[list[int]] = [[]]
        for at, index in enumerate(order):
            batches[-1].append(index)
            if cuts >> at & 1:
                batches.append([])
        batches = [batch for batch in batches if batch]
        fits = all(len(b) <= 4 and (len(b) == 1 or len(b) * lengths[b[-1]] <= 2000) for b in batches)
        assert not fits or chosen <= cost(batches)


def test_padding_is_a_tenth_where_chat_lengths_are_mixed() -> None:
    rng = random.Random(0)
    lengths = [int(100 + rng.lognormvariate(5, 1)) for _ in range(500)]
    batches = plan(lengths, budget=16_384, rows=256)
    assert load_of(lengths, batches).padding_share < 0.1
    padded_by_16 = load_of(lengths, [list(range(at, min(at + 16, 500))) for at in range(0, 500, 16)])
    assert padded_by_16.padding_share > 0.5
