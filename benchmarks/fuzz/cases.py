"""The cases of the fuzz run: what is damaged, and what is counted.

Each case is one fixture (of all families, as JSON and as OTLP protobuf, bare and in CloudEvents) with damaged bytes.
A case is the same for the same seed and number, whatever the processes.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Final

import msgspec
import orjson

from benchmarks.fuzz.mutations import mutate
from monitor.errors import Rejected
from monitor.ingest.decoder import Decoded, Decoder
from monitor.ingest.reasons import Reason
from schemas.events import Exchange
from tests.unit.ingest.corpus import load, protobuf_of

_FALLBACK: Final = "chat.logs-0-0"
_HEADER_SHARE: Final = 0.1


class Seed(msgspec.Struct, frozen=True):
    """A message to damage."""

    family: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Tally(msgspec.Struct):
    """What became of the cases. Keys: family, or reason; `faults` names case, kind and what was raised."""

    cases: Counter[str]
    accepted: Counter[str]
    exchanges: Counter[str]
    rejected_parts: Counter[str]
    not_chat: Counter[str]
    refused: Counter[str]
    reasons: Counter[str]
    faults: list[str]
    slowest_ms: float = 0.0

    @classmethod
    def empty(cls) -> Tally:
        """Nothing counted yet."""
        return cls(Counter(), Counter(), Counter(), Counter(), Counter(), Counter(), Counter(), [])

    def merge(self, other: Tally) -> None:
        """Add another tally to this one."""
        for field in ("cases", "accepted", "exchanges", "rejected_parts", "not_chat", "refused", "reasons"):
            getattr(self, field).update(getattr(other, field))
        self.faults += other.faults
        self.slowest_ms = max(self.slowest_ms, other.slowest_ms)


def seeds() -> list[Seed]:
    """Every fixture bare, as protobuf where it is an OTLP payload, and in each envelope."""
    found: list[Seed] = []
    for fixture in load():
        family = fixture.name.split("/", 1)[0]
        document = orjson.loads(fixture.value)
        protobuf = protobuf_of(document) if isinstance(document, dict) else None
        found.append(Seed(family, fixture.value, fixture.headers))
        if protobuf:
            found.append(Seed("otel protobuf", protobuf))
        if family != "cloudevents":
            envelope = {
                "specversion": "1.0",
                "id": "ce-1",
                "source": "/s",
                "type": "t",
                "time": "2025-03-10T01:25:52Z",
            }
            encoded = b64encode(protobuf or fixture.value).decode()
            found.append(Seed("cloudevents", orjson.dumps({**envelope, "data": document})))
            found.append(Seed("cloudevents", orjson.dumps({**envelope, "data_base64": encoded})))
            found.append(Seed("cloudevents", fixture.value, (("ce_specversion", b"1.0"), ("ce_id", b"ce-1"))))
    return found


def run(seed: int, first: int, last: int) -> Tally:
    """Cases `first` up to `last`."""
    corpus = seeds()
    by_family = [
        [one for one in corpus if one.family == name] for name in sorted({one.family for one in corpus})
    ]
    decoder = Decoder(default_tenant="default", max_context_turns=20)
    reader = msgspec.json.Decoder(Exchange)
    tally = Tally.empty()
    for case in range(first, last):
        rng = Random((seed << 40) + case)
        origin = rng.choice(by_family[rng.randrange(len(by_family))])
        value = mutate(origin.value, corpus[rng.randrange(len(corpus))].value, rng)
        headers = origin.headers
        if headers and rng.random() < _HEADER_SHARE:
            headers = tuple((name, mutate(text, value[:64], rng)) for name, text in headers)
        tally.cases[origin.family] += 1
        started = time.perf_counter()
        try:
            decoded = decoder.decode(value, headers, fallback_id=_FALLBACK)
        except Rejected as fault:
            tally.refused[origin.family] += 1
            tally.reasons[str(fault.reason)] += 1
            if fault.reason == Reason.DECODER_FAULT:
                tally.faults.append(f"crash: case {case}: {fault.detail}")
            elif not isinstance(fault.reason, Reason):
                tally.faults.append(f"loss: case {case}: a reason that is not in the list")
        except Exception as exc:  # noqa: BLE001  # what is looked for
            tally.faults.append(f"crash: case {case}: {type(exc).__name__}")
        else:
            tally.accepted[origin.family] += 1
            tally.exchanges[origin.family] += len(decoded.exchanges)
            tally.rejected_parts[origin.family] += len(decoded.rejected)
            tally.not_chat[origin.family] += decoded.not_chat
            tally.reasons.update(f"part: {part.reason}" for part in decoded.rejected)
            tally.faults += [f"{fault} (case {case})" for fault in losses(decoded, reader)]
        tally.slowest_ms = max(tally.slowest_ms, (time.perf_counter() - started) * 1e3)
    return tally


def losses(decoded: Decoded, reader: msgspec.json.Decoder[Exchange]) -> Iterator[str]:
    """What a decoded message lost."""
    indexes = [index for index, _ in decoded.exchanges] + [part.index for part in decoded.rejected]
    if not indexes and not decoded.not_chat:
        yield "loss: no outcome"
    if sorted(indexes) != list(range(len(indexes))):
        yield "loss: the indexes have a hole or a double"
    if any(part.reason == Reason.DECODER_FAULT for part in decoded.rejected):
        yield "crash: inside a part"
    for _, exchange in decoded.exchanges:
        if not exchange.event_id:
            yield "loss: an exchange without an id"
        if reader.decode(msgspec.json.encode(exchange)) != exchange:
            yield "loss: an exchange does not come back from its JSON"
