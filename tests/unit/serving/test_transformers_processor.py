"""The processor in real `generate` calls of a random model: every mode, each prompt's own record."""

from __future__ import annotations

from typing import Any, Final

import pytest

from monitor.errors import Misconfigured
from monitor.recalibration.records import Record, decode
from monitor.recalibration.rules import contradicts
from monitor.serving.position import Position
from monitor.serving.thresholds import InForce
from monitor.serving.tokens import Served
from schemas.calibrations import Thresholds
from schemas.refusal_tokens import REFUSE
from tests.unit.recalibration.logs import thresholds
from tests.unit.serving.serving_parts import FIVE, held, served

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from monitor.serving.transformers_processor import RefusalTokenProcessor  # noqa: E402 - needs torch

PAD: Final = 0
FREE: Final = 30
"""Tokens from here on are none of the model's refusal tokens, whatever K is."""
NO_THRESHOLD: Final = thresholds("single", 0.0)
"""Refuses always: p >= 0."""
PROMPTS: Final = ([31, 32, 33, 34], [35, 36], [37], [38, 39, 40])


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=PAD,
        bos_token_id=None,
        eos_token_id=49,
    )
    return transformers.LlamaForCausalLM(config).eval()


def batch(prompts: tuple[list[int], ...] = PROMPTS, *, is_left: bool = True) -> dict[str, Any]:
    longest = max(map(len, prompts))
    rows, masks = [], []
    for prompt in prompts:
        padding = longest - len(prompt)
        rows.append([PAD] * padding + prompt if is_left else prompt + [PAD] * padding)
        masks.append([0] * padding + [1] * len(prompt) if is_left else [1] * len(prompt) + [0] * padding)
    return {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(masks)}


def generate(
    model: Any, in_force: InForce, position: Position | None = None, **options: Any
) -> tuple[Any, RefusalTokenProcessor]:
    ids = [f"r{place}" for place in range(len(PROMPTS))]
    processor = RefusalTokenProcessor(in_force, ids, position or Position(), pad_token_id=PAD)
    given = {"max_new_tokens": 4, "do_sample": False} | options
    torch.manual_seed(3)
    with torch.no_grad():
        return model.generate(**batch(), logits_processor=[processor], **given)[:, 4:], processor


def full(processor: RefusalTokenProcessor, generated: Any) -> Any:
    """Sequences with a prompt in front, as `generate` returns them."""
    return torch.cat([torch.zeros(len(generated), 4, dtype=torch.long), generated], dim=1)


def alone(model: Any, prompt: list[int], so_far: list[int]) -> Any:
    with torch.no_grad():
        return model(torch.tensor([prompt + so_far])).logits[0, -1]


MODES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "sampling": {"do_sample": True, "temperature": 0.7, "top_k": 5},
    "sampling, several": {"do_sample": True, "num_return_sequences": 3},
    "beams": {"num_beams": 3},
    "beams, several": {"num_beams": 4, "num_return_sequences": 2},
    "beams, sampled": {"num_beams": 2, "do_sample": True},
    "one token": {"max_new_tokens": 1},
}


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize(("value", "token"), [(0.0, 1), (1.0, 2)])
def test_the_first_token_is_the_rules_and_the_rest_the_models(
    model: Any, name: str, value: float, token: int
) -> None:
    rule = thresholds("single", value)
    generated, processor = generate(model, held(rule), **MODES[name])
    assert set(generated[:, 0].tolist()) == {token}
    records = processor.records(full(processor, generated))
    each = len(generated) // len(PROMPTS)
    for place, found in enumerate(records):
        assert found is not None
        record = decode(found, served().serving)
        assert isinstance(record, Record)
        assert contradicts(record, served().serving) is None
        logits = alone(model, PROMPTS[place // each], [])
        p = torch.softmax(logits, -1)
        assert record.logsumexp is not None
        logged = torch.tensor([*record.logits, record.respond])
        assert torch.allclose((logged - record.logsumexp).exp(), p[[1, 2]], atol=1e-5)
    if name == "greedy":
        for place, prompt in enumerate(PROMPTS):
            so_far = [token]
            for _ in range(3):
                if so_far[-1] == 49:
                    break
                so_far.append(int(alone(model, prompt, so_far).argmax()))
            assert generated[place, : len(so_far)].tolist() == so_far


def test_five_tokens_by_category_each_prompt_by_its_own(model: Any) -> None:
    many = served(FIVE)
    rule = thresholds("category", 0.02, selected=FIVE)
    generated, processor = generate(model, held(rule, many))
    records = processor.records(full(processor, generated))
    for prompt, found, first in zip(PROMPTS, records, generated[:, 0].tolist(), strict=True):
        p = torch.softmax(alone(model, prompt, []), -1)
        top = 1 + int(p[1:6].argmax())
        assert first == (top if float(p[top]) >= 0.02 else 6)
        assert found is not None
        assert (found.threshold, len(found.logits or ())) == (0.02, 6)


def test_a_smaller_models_guesses_change_neither_the_token_nor_the_record(model: Any) -> None:
    torch.manual_seed(9)
    assistant = transformers.LlamaForCausalLM(model.config).eval()
    one = {"input_ids": torch.tensor([PROMPTS[0]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    found = []
    for options in ({}, {"assistant_model": assistant}):
        processor = RefusalTokenProcessor(held(thresholds("single", 0.03)), ["r"])
        with torch.no_grad():
            written = model.generate(
                **one, **options, max_new_tokens=6, do_sample=False, logits_processor=[processor]
            )
        found.append((written.tolist(), processor.records(written)))
    assert found[0][0] == found[1][0]
    (plain,), (assisted,) = found[0][1], found[1][1]
    assert plain is not None
    assert assisted is not None
    assert (plain.emitted, plain.rule) == (assisted.emitted, assisted.rule)
    assert assisted.logsumexp == pytest.approx(plain.logsumexp, abs=1e-4)


def test_without_a_rule_nothing_changes_and_what_was_written_is_logged(model: Any) -> None:
    with torch.no_grad():
        plain = model.generate(**batch(), max_new_tokens=4, do_sample=False)[:, 4:]
    generated, processor = generate(model, held(None))
    assert torch.equal(plain, generated)
    records = processor.records(full(processor, generated))
    assert [one.rule for one in records if one is not None] == [None] * 4
    names = [served().name_of(token) for token in generated[:, 0].tolist()]
    assert [one.emitted for one in records if one is not None] == names


def test_behind_a_forced_prefix(model: Any) -> None:
    generated, processor = generate(model, held(NO_THRESHOLD), Position(prefix_tokens=2))
    assert set(generated[:, 2].tolist()) == {1}
    assert all(record is not None for record in processor.records(full(processor, generated)))


def test_behind_the_end_of_thinking_wherever_that_is(model: Any) -> None:
    class Thinks(transformers.LogitsProcessor):  # type: ignore[misc,name-defined]  # a base that pytest imported
        """Ends its thinking at another step in each row; never in the last; twice in the first."""

        def __call__(self, input_ids: Any, scores: Any) -> Any:
            step = input_ids.shape[1] - 4
            scores = scores.clone()
            scores[:, FREE + 1] = -1e9
            for row, steps in enumerate([(0, 3), (2,), (1,), ()]):
                if step in steps:
                    scores[row, FREE + 1] = 1e9
            return scores

    rows = [f"r{place}" for place in range(4)]
    processor = RefusalTokenProcessor(held(NO_THRESHOLD), rows, Position(after_id=FREE + 1))
    with torch.no_grad():
        generated = model.generate(
            **batch(),
            max_new_tokens=6,
            min_new_tokens=6,
            do_sample=False,
            logits_processor=[Thinks(), processor],
        )[:, 4:].tolist()
    assert [row.index(FREE + 1) for row in generated[:3]] == [0, 2, 1]
    assert [generated[0][1], generated[1][3], generated[2][2]] == [1, 1, 1]
    assert generated[0][4] != 1 or generated[0][3] != FREE + 1  # decided once
    records = processor.records(torch.tensor([[0] * 4 + row for row in generated]))
    assert [record is not None for record in records] == [True, True, True, False]
    assert len(processor.decisions()) == 3


def test_a_prompt_that_ends_with_the_end_of_thinking(model: Any) -> None:
    generated, _ = generate(model, held(NO_THRESHOLD), Position(after_id=34))
    assert generated[0, 0] == 1
    assert generated[1, 0] != 1


def test_all_answers_of_a_request_share_its_draw(model: Any) -> None:
    some: Served = served(randomised=0.5, seed=b"s")
    generated, processor = generate(model, held(NO_THRESHOLD, some), do_sample=True, num_return_sequences=3)
    firsts = generated[:, 0].reshape(4, 3).tolist()
    assert all(len(set(row)) == 1 for row in firsts)
    assert {row[0] for row in firsts} == {1, 2}
    assert {one.propensity for one in processor.records(full(processor, generated)) if one} == {0.5}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_logits_that_are_no_numbers_leave_the_choice_to_the_model(dtype: str) -> None:
    scores = torch.zeros(3, 50, dtype=getattr(torch, dtype))
    scores[0, 7] = float("nan")
    scores[1, 1] = float("-inf")
    processor = RefusalTokenProcessor(held(NO_THRESHOLD), ["a", "b", "c"])
    found = processor(torch.ones(3, 1, dtype=torch.long), scores)
    assert torch.equal(found[:2].isfinite(), scores[:2].isfinite())
    assert found[2].argmax() == 1
    assert found[2].isneginf().sum() == 49
    assert [one.fallback is not None for one in processor.decisions()] == [True, True, False]
    assert scores[2, 0] == 0  # what was given stays


def test_a_batch_of_none(model: Any) -> None:
    processor = RefusalTokenProcessor(held(NO_THRESHOLD), [])
    empty = torch.zeros(0, 50)
    assert processor(torch.zeros(0, 4, dtype=torch.long), empty) is empty
    assert processor.records(torch.zeros(0, 5, dtype=torch.long)) == ()


def test_what_it_cant_do_is_refused() -> None:
    rows, scores = torch.ones(4, 3, dtype=torch.long), torch.zeros(4, 50)
    with pytest.raises(Misconfigured, match="4 rows for 3 request ids"):
        RefusalTokenProcessor(held(NO_THRESHOLD), ["a", "b", "c"])(rows, scores)
    with pytest.raises(Misconfigured, match="4 rows for 0 request ids"):
        RefusalTokenProcessor(held(NO_THRESHOLD), [])(rows, scores)
    with pytest.raises(Misconfigured, match="padding_side='left'"):
        RefusalTokenProcessor(held(NO_THRESHOLD), list("abcd"), pad_token_id=PAD)(
            batch(is_left=False)["input_ids"], scores
        )
    used = RefusalTokenProcessor(held(NO_THRESHOLD), list("abcd"))
    used(rows, scores)
    with pytest.raises(Misconfigured, match="another call"):
        used(rows[:, :1], scores)


def test_the_rule_in_force_at_the_first_step_counts_for_all_of_the_call() -> None:
    in_force = held(NO_THRESHOLD)
    processor = RefusalTokenProcessor(in_force, ["a"])
    other: Thresholds = thresholds("single", 1.0)
    assert held(other).standing != in_force.standing
    assert processor(torch.ones(1, 2, dtype=torch.long), torch.zeros(1, 50)).argmax() == 1
    assert REFUSE in in_force.served.serving.refusals
