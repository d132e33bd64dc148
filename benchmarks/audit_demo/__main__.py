"""Does an audit see it before the answers change? `python -m benchmarks.audit_demo` (two minutes on one core).

A tiny causal model is taught to refuse what is unsafe. Then it is fine-tuned so that safe and unsafe prompts look alike inside, twice:
once while its answers are held by distillation, once without. Along the way each step is audited on matched pairs that no training
saw, and the model is asked prompts that no training saw. Printed: J by layer, whether the audit alerts (a significant and large
fall since the first audit), and the refusal rates with their intervals beside it. How firmly the answers are held was chosen so that they stay:
held a third as firmly at twice the rate, one prompt in 25 is answered for some steps, after the audit has alerted. Then the same with other
models and other prompts, in a line each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch

from benchmarks.audit_demo.blurring import blurred
from benchmarks.audit_demo.prompts import Pair, pairs
from benchmarks.audit_demo.subject import Subject, taught
from benchmarks.audit_demo.watching import Behaviour, Inside, Rate, js_of

TAUGHT: Final = 2000
CHECKED: Final = 200
SEEDS: Final = (1, 2, 3)
ANCHORS: Final = 128


@dataclass(frozen=True, slots=True)
class Course:
    """A fine-tune: which blocks are pulled together, how firmly the answers are held, how fast."""

    name: str
    blocks: tuple[int, ...]
    keeping: float
    rate: float
    steps: int
    every: int


HELD: Final = Course("answers held by distillation, block 2 blurred", (2,), 100.0, 5e-5, 80, 8)
LOOSE: Final = Course("answers not held, blocks 1 to 3 blurred slowly", (1, 2, 3), 0.0, 3e-5, 48, 4)


@dataclass(frozen=True, slots=True)
class Parts:
    """Pairs that no other part has: what the model is taught and fine-tuned on, what it is asked, and what it is audited on."""

    taught: Sequence[Pair]
    tuned: Sequence[Pair]
    checked: Sequence[Pair]
    anchors: Sequence[Pair]

    @classmethod
    def of(cls, seed: int = 1) -> Parts:
        """Drawn by this seed."""
        every = pairs(seed)
        ends = [TAUGHT, TAUGHT + CHECKED, TAUGHT + CHECKED + ANCHORS]
        return cls(
            every[: ends[0]], every[ends[2] :][:1000], every[ends[0] : ends[1]], every[ends[1] : ends[2]]
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """At one step: J by layer, the layers that alert, the refusal rates, and whether they moved."""

    step: int
    j: dict[str, float]
    fallen: tuple[str, ...]
    behaviour: Behaviour
    has_moved: bool


def followed(subject: Subject, parts: Parts, course: Course) -> list[Seen]:
    """The steps of a course, the untouched model first."""
    before = Behaviour.of(subject, parts.checked)
    inside = Inside.begin(subject.reader(), parts.anchors)
    found = [Seen(0, js_of(inside.first), (), before, has_moved=False)]
    for step, changed in blurred(
        subject,
        parts.tuned,
        blocks=course.blocks,
        steps=course.steps,
        every=course.every,
        keeping=course.keeping,
        rate=course.rate,
    ):
        audit = inside.audit(changed.reader())
        fallen = [one.change.layer for one in inside.changes(audit) if one.has_changed and one.is_fall]
        behaviour = Behaviour.of(changed, parts.checked)
        found.append(
            Seen(step, js_of(audit), tuple(fallen), behaviour, has_moved=behaviour.has_moved_from(before))
        )
    return found


def table(course: Course, seen: Sequence[Seen]) -> str:
    """As text."""
    layers = list(seen[0].j)
    names = [name.replace("layer_", "J ").replace("pooled_uniform", "J pooled") for name in layers]
    lines = [
        course.name,
        " step " + "".join(f"{name:>10}" for name in names) + "   audit    refused: safe          unsafe",
    ]
    for one in seen:
        values = "".join(f"{one.j[name]:10.2f}" for name in layers)
        said = f"{len(one.fallen)} fell" if one.fallen else "-"
        moved = "  moved" if one.has_moved else ""
        safe, unsafe = one.behaviour.safe, one.behaviour.unsafe
        lines.append(f"{one.step:5} {values}   {said:7} {_rate(safe)} {_rate(unsafe)}{moved}")
    return "\n".join([*lines, outcome(seen)])


def outcome(seen: Sequence[Seen]) -> str:
    """Which came first."""
    alert = next((one.step for one in seen if one.fallen), None)
    move = next((one.step for one in seen if one.has_moved), None)
    moves = "never move" if move is None else f"move at step {move}"
    return f"the audit alerts at step {alert}; the refusal rates {moves}"


def _rate(rate: Rate) -> str:
    return f"{rate.value:5.1%} [{rate.low:5.1%}, {rate.high:6.1%}]"


def main() -> None:
    """See the module."""
    torch.set_num_threads(1)
    for seed in SEEDS:
        parts = Parts.of(seed)
        subject = taught(parts.taught, seed=seed)
        if seed == SEEDS[0]:
            print(
                f"{len(parts.anchors)} anchor pairs, {2 * len(parts.checked)} prompts asked, {len(parts.taught)} pairs taught, "
                f"{len(parts.tuned)} pairs in the fine-tune; no pair that is asked or audited is in another part\n"
            )
        for course in (HELD, LOOSE):
            seen = followed(subject, parts, course)
            said = (
                table(course, seen) + "\n"
                if seed == SEEDS[0]
                else f"seed {seed}, {course.name}: {outcome(seen)}"
            )
            print(said, flush=True)


if __name__ == "__main__":
    main()
