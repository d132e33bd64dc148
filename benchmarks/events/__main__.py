"""A verdict through decode, validate and encode, msgspec against pydantic: `python -m benchmarks.events`.

Both sides take the same bytes, hold every constraint of schemas.events.Verdict, build one frozen object with aware
datetimes and a nested refusal token, and write JSON again. The pydantic model is derived from the struct, field by
field, so it can't lag behind. Rounds alternate between the two and the best of each counts: the machine may be busy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, ConfigDict, Field, create_model

from schemas.events import Verdict
from schemas.refusal_tokens import RefusalToken

EVENTS_A_ROUND: Final = 5_000
ROUNDS: Final = 15


def sample() -> Verdict:
    """A verdict of usual size: 160-character excerpts and a refusal token."""
    return Verdict(
        event_id="chatcmpl-9a8b7c6d5e4f3a2b1c0d",
        tenant="acme",
        model="gpt-4o-2024-08-06",
        conversation_id="conversation-0123456789",
        format="openai",
        occurred_at=datetime(2025, 6, 1, 12, 30, 15, 123456, tzinfo=UTC),
        occurred_at_source="log",
        arrived_at=datetime(2025, 6, 1, 12, 30, 16, tzinfo=UTC),
        source_topic="chat.logs",
        source_partition=3,
        source_offset=1_234_567,
        source_index=0,
        guard_name="guard_lite",
        guard_version="0.1.0",
        guard_prompt_hash="0123456789abcdef",
        status="ok",
        prompt_harm=0.91,
        prompt_harmful=True,
        refusal=0.87,
        refused=True,
        response_harm=0.02,
        response_harmful=False,
        category="cyberattacks",
        category_probability=0.77,
        has_response=True,
        truncated=False,
        provider_refusal=False,
        content_filtered=False,
        tool_calls=0,
        context_turns=4,
        sampling_decision="scored",
        sampling_probability=1.0,
        calibration_version=0,
        refusal_token=RefusalToken(logits={"[refuse]": 1.5, "[respond]": 2.5}, logsumexp=3.1, threshold=0.5),
        content_hash="0123456789abcdef0123456789abcdef",
        excerpt_policy="redacted",
        prompt_excerpt="p" * 160,
        response_excerpt="r" * 160,
    )


def pydantic_type(kind: Any) -> Any:
    """The same type for pydantic: structs become models, msgspec's bounds become Field's."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return pydantic_model(kind)
    if hasattr(kind, "__metadata__"):
        (meta,) = kind.__metadata__
        return msgspec_bounds(kind.__origin__, meta)
    arguments = get_args(kind)
    if not arguments or get_origin(kind) is Literal:
        return kind
    if get_origin(kind) in {dict, tuple}:
        return get_origin(kind)[tuple(a if a is ... else pydantic_type(a) for a in arguments)]
    union = pydantic_type(arguments[0])
    for argument in arguments[1:]:
        union |= pydantic_type(argument)
    return union


def msgspec_bounds(origin: Any, meta: msgspec.Meta) -> Any:
    """A probability, in pydantic's words."""
    return Annotated[origin, Field(ge=meta.ge, le=meta.le)]


def pydantic_model(struct: type[msgspec.Struct]) -> type[BaseModel]:
    """The struct as a frozen pydantic model with the same fields, types, bounds and defaults."""
    hints = get_type_hints(struct, include_extras=True)
    fields: dict[str, Any] = {
        field.name: (pydantic_type(hints[field.name]), ... if field.required else field.default)
        for field in msgspec.structs.fields(struct)
    }
    extra: Literal["forbid", "ignore"] = (
        "forbid" if struct.__struct_config__.forbid_unknown_fields else "ignore"
    )
    return create_model(struct.__name__, __config__=ConfigDict(frozen=True, extra=extra), **fields)


def seconds(action: Callable[[], object]) -> float:
    """Seconds for one round of an action."""
    began = time.perf_counter()
    for _ in range(EVENTS_A_ROUND):
        action()
    return time.perf_counter() - began


def main() -> None:
    """Print microseconds an event on each side and their ratio."""
    verdict = sample()
    value = verdict.to_bytes()
    model = pydantic_model(Verdict)
    peer = model.model_validate_json(value)
    if msgspec.json.decode(peer.model_dump_json()) != msgspec.json.decode(value):
        raise RuntimeError("the two sides don't say the same; the comparison would mean nothing")
    sides: dict[str, dict[str, Callable[[], object]]] = {
        "decode and validate": {
            "msgspec": lambda: Verdict.from_bytes(value),
            "pydantic": lambda: model.model_validate_json(value),
        },
        "encode": {"msgspec": verdict.to_bytes, "pydantic": lambda: peer.model_dump_json().encode()},
        "decode, validate, encode": {
            "msgspec": lambda: Verdict.from_bytes(value).to_bytes(),
            "pydantic": lambda: model.model_validate_json(value).model_dump_json().encode(),
        },
    }
    print(f"a verdict of {len(value)} bytes, best of {ROUNDS} rounds of {EVENTS_A_ROUND} events a side")
    for name, actions in sides.items():
        best = dict.fromkeys(actions, float("inf"))
        for _ in range(ROUNDS):
            for side, action in actions.items():
                best[side] = min(best[side], seconds(action))
        micros = {side: taken / EVENTS_A_ROUND * 1e6 for side, taken in best.items()}
        ratio = micros["pydantic"] / micros["msgspec"]
        print(
            f"{name:26} msgspec {micros['msgspec']:6.2f} µs  pydantic {micros['pydantic']:6.2f} µs  ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
