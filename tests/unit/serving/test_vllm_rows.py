"""The batch as vLLM's V1 runner keeps it: an engine of the tests makes the steps, and the changes between them, as it does."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from enum import Enum, auto
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.serving.position import Position
from monitor.serving.thresholds import InForce
from schemas.refusal_tokens import RefusalToken
from tests.unit.recalibration.logs import thresholds
from tests.unit.serving.serving_parts import held, served

torch = pytest.importorskip("torch")
from monitor.serving.vllm_rows import ARGUMENT, Rows, check_arguments  # noqa: E402 - needs torch

VOCABULARY = 20
AFTER = 9


class Direction(Enum):
    UNIDIRECTIONAL = auto()
    SWAP = auto()


@dataclass
class Change:
    """A BatchUpdate."""

    batch_size: int
    removed: list[int]
    added: list[tuple[int, Any, list[int] | None, list[int]]]
    moved: list[tuple[int, int, Direction]]


@dataclass
class Request:
    """`prefills`: steps whose token is thrown away, as the prompt isn't through. `wanted`: tokens until it ends."""

    name: str
    wanted: int
    prefills: int = 0
    prompt: list[int] = field(default_factory=lambda: [11, 12])
    thinks: int = 0
    output: list[int] = field(default_factory=list)


class Engine:
    """Persistent batch: removed rows are filled by new requests, lowest first; what is left open is closed by moving the last ones
    down; now and then two rows are swapped, or one is preempted and comes back later with what it had written."""

    def __init__(self, in_force: InForce, position: Position, seed: int = 0) -> None:
        self.records: list[tuple[str, RefusalToken]] = []
        self.rows = Rows(in_force, position, lambda name, record: self.records.append((name, record)))
        self.batch: list[Request] = []
        self.rng = np.random.default_rng(seed)
        self.seen: dict[str, list[Any]] = {}

    def step(
        self, arriving: list[Request], *, swaps: bool = False, preempt: int | None = None
    ) -> list[Request]:
        ended = [place for place, one in enumerate(self.batch) if len(one.output) >= one.wanted]
        if preempt is not None and preempt < len(self.batch) and preempt not in ended:
            ended.append(preempt)
        back = [
            self.batch[place] for place in ended if len(self.batch[place].output) < self.batch[place].wanted
        ]
        holes = sorted(ended)
        slots: list[Request | None] = [
            None if place in holes else one for place, one in enumerate(self.batch)
        ]
        change = Change(0, [], [], [])
        for one in arriving:
            place = holes.pop(0) if holes else len(slots)
            if place == len(slots):
                slots.append(one)
            else:
                slots[place] = one
            params = SimpleNamespace(extra_args={ARGUMENT: one.name})
            change.added.append((place, params, one.prompt, one.output))
        change.removed = sorted(holes, reverse=True)
        while holes:  # the last row goes into the lowest hole
            while slots and slots[-1] is None:
                slots.pop()
            holes = [hole for hole in holes if hole < len(slots)]
            if not holes:
                break
            change.moved.append((len(slots) - 1, holes[0], Direction.UNIDIRECTIONAL))
            slots[holes.pop(0)] = slots.pop()
        self.batch = [one for one in slots if one is not None]
        if swaps and len(self.batch) > 1:
            a, b = (int(place) for place in self.rng.choice(len(self.batch), 2, replace=False))
            self.batch[a], self.batch[b] = self.batch[b], self.batch[a]
            change.moved.append((a, b, Direction.SWAP))
        change.batch_size = len(self.batch)
        self.rows.update(change if change.removed or change.added or change.moved else None)
        if not self.batch:
            return back
        logits = torch.tensor(self.rng.normal(size=(len(self.batch), VOCABULARY)), dtype=torch.float32)
        for place, one in enumerate(self.batch):
            logits[place, AFTER] = 50.0 if len(one.output) + 1 == one.thinks else -50.0
        given = logits.clone()
        written = self.rows.apply(logits).argmax(-1).tolist()
        for place, one in enumerate(self.batch):
            self.seen.setdefault(one.name, []).append(given[place])
            if one.prefills:
                one.prefills -= 1
            else:
                one.output.append(written[place])
        return back


@st.composite
def traffic(draw: st.DrawFn) -> list[tuple[list[tuple[int, int, int]], bool, int | None]]:
    request = st.tuples(st.integers(2, 6), st.integers(0, 2), st.integers(0, 2))
    step = st.tuples(st.lists(request, max_size=3), st.booleans(), st.one_of(st.none(), st.integers(0, 4)))
    return draw(st.lists(step, min_size=1, max_size=12))


@settings(max_examples=30, deadline=None)
@given(traffic(), st.sampled_from([None, AFTER]))
def test_each_request_gets_its_token_and_its_record_once_however_rows_come_go_and_move(
    steps: list[tuple[list[tuple[int, int, int]], bool, int | None]], after: int | None
) -> None:
    model = served(("[a]", "[b]"))
    rule = thresholds("sum", 0.09, selected=("[a]", "[b]"))
    engine = Engine(held(rule, model), Position(after_id=after), seed=len(steps))
    requests: dict[str, Request] = {}
    waiting: list[Request] = []
    for arriving, swaps, preempt in steps:
        for wanted, prefills, thinks in arriving:
            name = f"r{len(requests)}"
            requests[name] = Request(
                name, wanted + thinks, prefills, thinks=thinks, prompt=[11, AFTER if not thinks else 12]
            )
            waiting.append(requests[name])
        waiting = engine.step(waiting, swaps=swaps, preempt=preempt)
    while waiting or any(len(one.output) < one.wanted for one in engine.batch):
        waiting = engine.step(waiting)
    engine.step([])
    assert sorted(name for name, _ in engine.records) == sorted(requests)
    for name, record in engine.records:
        one = requests[name]
        place = one.thinks if after is not None else 0
        assert one.output[place] in (1, 2, 3)
        assert record.emitted == model.name_of(one.output[place])
        assert record.logits is not None
        logged = [record.logits[token] for token in ("[a]", "[b]", "[respond]")]
        matches = [torch.allclose(torch.tensor(logged), row[1:4]) for row in engine.seen[name]]
        assert any(matches)  # its own logits, of some step of its own
        p = torch.softmax(engine.seen[name][matches.index(True)], -1)
        assert (one.output[place] != 3) == (float(p[1] + p[2]) >= 0.09)


def test_without_a_rule_logits_stay_as_they_are() -> None:
    engine = Engine(held(None), Position())
    engine.step([Request("r", 2)])
    engine.step([])
    assert engine.batch[0].output[0] == int(engine.seen["r"][0].argmax())
    ((_, record),) = engine.records
    assert (record.rule, record.emitted) == (None, served().name_of(engine.batch[0].output[0]))


def test_tokens_that_are_not_told_are_not_guessed(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(held(thresholds("single", 0.0)), Position())
    engine.step([Request("r", 3)])
    engine.batch[0].output[0] = -1
    engine.step([])
    assert [record.emitted for _, record in engine.records] == ["[refuse]"]  # it was forced
    engine = Engine(held(thresholds("single", 0.0)), Position(after_id=AFTER))
    engine.step([Request("r", 9)])
    engine.batch[0].output[:] = [-1, -1]
    caplog.clear()
    engine.step([])
    engine.step([])
    assert len(caplog.records) == 1
    assert "the end of thinking can't be seen" in caplog.text


def test_bad_logits_leave_the_choice_to_the_model_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    rows = Rows(held(thresholds("single", 0.0)), Position(), None)
    output: list[int] = []
    rows.update(Change(1, [], [(0, SimpleNamespace(extra_args=None), None, output)], []))
    logits = torch.full((1, VOCABULARY), float("nan"))
    caplog.clear()
    assert rows.apply(logits).isnan().all()
    assert "1 answers without a rule" in caplog.text
    assert len(rows.apply(torch.zeros(0, VOCABULARY))) == 0


@pytest.mark.parametrize("bad", ["", 3, ["x"], "x" * 257, "\ud800", "a\nb"])
def test_a_bad_argument_is_refused_at_the_door(bad: Any) -> None:
    with pytest.raises(ValueError, match=ARGUMENT):
        check_arguments({ARGUMENT: bad})
    check_arguments(None)
    check_arguments({ARGUMENT: "x", "other": 1})


def test_the_class_that_vllm_loads_fills_its_interface() -> None:
    """Against a stand-in of the interface: the abstract methods that vLLM's class has."""
    from abc import ABC, abstractmethod

    class Interface(ABC):
        @abstractmethod
        def __init__(self, vllm_config: Any, device: Any, is_pin_memory: bool) -> None: ...  # noqa: FBT001

        @abstractmethod
        def apply(self, logits: Any) -> Any: ...

        @abstractmethod
        def is_argmax_invariant(self) -> bool: ...

        @abstractmethod
        def update_state(self, batch_update: Any) -> None: ...

    names = ["vllm", "vllm.v1", "vllm.v1.sample", "vllm.v1.sample.logits_processor"]
    stand_in = {name: ModuleType(name) for name in names}
    stand_in[names[-1]].LogitsProcessor = Interface  # type: ignore[attr-defined]  # a module made here
    sys.modules.update(stand_in)
    try:
        found = importlib.import_module("monitor.serving.vllm_processor")
        assert issubclass(found.RefusalTokens, Interface)
        assert not found.RefusalTokens.__abstractmethods__
        with pytest.raises(Exception, match="REFUSAL_TOKENS_FILE isn't set"):
            found.RefusalTokens(None, "cpu", False)
        found.RefusalTokens.validate_params(SimpleNamespace(extra_args={}))
    finally:
        for name in [*names, "monitor.serving.vllm_processor"]:
            sys.modules.pop(name, None)
