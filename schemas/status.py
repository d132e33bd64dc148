"""What a worker says of itself, every few seconds, on safety.control: where each partition stands and where the time goes.

No user text, ever. Times are seconds; offsets are Kafka's. Counts are since the worker's start.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

STATUS_SCHEMA: Final = 1

Stage = Literal["decode", "guard", "turn", "write", "retry"]
"""What a batch is doing: decoding, at the guard (at the judge, in judging), waiting for those before it, being written (to Kafka by moderation, to
the store by storage), or waiting to be tried again."""


class PartitionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One partition that the worker owns.

        `position`: the end of its durable prefix. `end`: the log's end as last heard, -1 before it was. `still_s`: for how long
        the prefix hasn't moved although there is something to do; 0 where there is nothing. `doing`: the stage of the oldest batch
        in flight, "" without one. `trouble`: why it doesn't get on, "" where nothing has failed since it last did; `failed_at`: the
    stage in which that happened; `is_halted`: a person has to mend that.
    """

    partition: int
    position: int
    end: int
    in_flight: int
    still_s: float
    doing: Stage | Literal[""]
    trouble: str
    is_halted: bool
    failed_at: Stage | Literal[""] = ""


class RoleStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One role of the worker. `spent_s`: seconds that batches spent in each stage, added up over batches.

    `in_flight_limit`: how many batches may be under way; as many as that are when the worker is at its limit, and the stage
    in which they spend their time is what is slow. `exchanges` that the guard was asked about and `unanswered` of them (status
    unknown or error); both 0 for storage. `breaker`: "" where the role has none. `strata`: exchanges by the stratum of the
    judging policy that they fell into, and `asked` of them a judge was asked about; nothing where nobody judges.
    """

    role: str
    topic: str
    group: str
    partitions: tuple[PartitionStatus, ...]
    in_flight: int
    in_flight_limit: int
    spent_s: dict[Stage, float]
    messages: int
    exchanges: int
    unanswered: int
    dead: int
    breaker: Literal["", "closed", "open", "half-open"]
    strata: dict[str, int] = {}
    asked: int = 0


class WorkerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process. `worker` names it for as long as it lives: host, process id and a random part.

    `fleet` is the prefix of its consumer groups: several fleets can share the topic. A worker that is "starting" has no
    roles yet, and waits for the part that `waits_for` names ("": for none). "leaving" is its last word: the silence after
    it is no alarm. `cpu_s`: processor time that the process has used.
    """

    worker: str
    fleet: str
    version: str
    started_at: datetime
    at: datetime
    state: Literal["starting", "running", "leaving"]
    waits_for: str
    cpu_s: float
    roles: tuple[RoleStatus, ...]
    schema_version: Literal[1] = STATUS_SCHEMA

    @classmethod
    def from_bytes(cls, value: bytes) -> WorkerStatus:
        """Decode and validate one record. Raises msgspec.ValidationError or msgspec.DecodeError."""
        return _DECODER.decode(value)

    def to_bytes(self) -> bytes:
        """One JSON object, UTF-8, no newline inside."""
        return _ENCODER.encode(self)


_DECODER = msgspec.json.Decoder(WorkerStatus)
_ENCODER = msgspec.json.Encoder()
