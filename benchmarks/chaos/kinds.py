"""The faults that the harness makes: one enum, each with its target, its meaning and the time-out that bounds it."""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import Self


class Target(Enum):
    """What a fault is done to. Two faults on one target never overlap."""

    WORKERS = auto()
    KAFKA = auto()
    TRITON = auto()
    CLICKHOUSE = auto()


class Bound(StrEnum):
    """The time-out that a recovery waits for first, as the harness sets it (`benchmarks.chaos.timeouts`)."""

    SESSION = "session time-out"
    DRAIN = "drain time-out"
    REQUEST = "Kafka request time-out"
    DEADLINE = "guard deadline"
    BREAKER = "guard's breaker"
    STORE = "store time-out"
    RETRY = "longest retry wait"


class Kind(StrEnum):
    """A kind of fault. Its value names it in tables and on the command line."""

    target: Target
    bound: Bound
    meaning: str

    def __new__(cls, name: str, target: Target, bound: Bound, meaning: str) -> Self:
        """A name that carries the rest."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.target = target
        member.bound = bound
        member.meaning = meaning
        return member

    WORKER_KILL = "worker SIGKILL", Target.WORKERS, Bound.SESSION, "A worker is killed; another is started."
    WORKER_STOP = (
        "worker SIGTERM",
        Target.WORKERS,
        Bound.DRAIN,
        "A worker drains and ends; another is started.",
    )
    WORKER_FREEZE = (
        "worker frozen",
        Target.WORKERS,
        Bound.SESSION,
        "A worker is stopped (SIGSTOP) past its session time-out, and then goes on.",
    )
    WORKER_ADD = "worker added", Target.WORKERS, Bound.DRAIN, "One more worker joins."
    WORKER_REMOVE = "worker removed", Target.WORKERS, Bound.DRAIN, "A worker drains and leaves for good."

    BROKER_KILL = "broker SIGKILL", Target.KAFKA, Bound.REQUEST, "The broker is killed and started again."
    KAFKA_CUT = "Kafka cut", Target.KAFKA, Bound.RETRY, "All connections of the workers to Kafka are reset."
    KAFKA_SLOW = "Kafka slow", Target.KAFKA, Bound.RETRY, "Each chunk to and from Kafka takes longer."
    KAFKA_SILENT = (
        "Kafka black hole",
        Target.KAFKA,
        Bound.REQUEST,
        "Connections to Kafka stay open and carry nothing.",
    )
    KAFKA_REFUSE = "Kafka refuses", Target.KAFKA, Bound.RETRY, "Connections are cut, new ones reset."

    TRITON_KILL = "Triton SIGKILL", Target.TRITON, Bound.BREAKER, "Triton is killed and started again."
    TRITON_STUB = (
        "guard process dies",
        Target.TRITON,
        Bound.BREAKER,
        "The model's process dies under Triton, which stays up and is started again later.",
    )
    GUARD_SLOW = "guard slow", Target.TRITON, Bound.DEADLINE, "Each batch of the model takes longer."
    GUARD_REQUESTS = (
        "guard fails requests",
        Target.TRITON,
        Bound.RETRY,
        "Single requests are answered with an error.",
    )
    GUARD_BATCHES = (
        "guard fails batches",
        Target.TRITON,
        Bound.RETRY,
        "Whole dynamic batches are answered with an error.",
    )
    TRITON_CUT = "Triton cut", Target.TRITON, Bound.RETRY, "All connections to Triton are reset."
    TRITON_SLOW = (
        "Triton's network slow",
        Target.TRITON,
        Bound.DEADLINE,
        "Each chunk to and from Triton takes longer.",
    )
    TRITON_SILENT = (
        "Triton black hole",
        Target.TRITON,
        Bound.BREAKER,
        "Connections to Triton stay open and carry nothing.",
    )

    STORE_KILL = (
        "store SIGKILL",
        Target.CLICKHOUSE,
        Bound.RETRY,
        "The engine is killed and started again on its data.",
    )
    STORE_REFUSE = "store refuses", Target.CLICKHOUSE, Bound.RETRY, "Inserts are refused (overloaded)."
    STORE_RESET = (
        "store resets",
        Target.CLICKHOUSE,
        Bound.RETRY,
        "Connections are reset before an insert is read.",
    )
    STORE_APPLIED_SILENT = (
        "insert applied, no answer",
        Target.CLICKHOUSE,
        Bound.STORE,
        "An insert is applied and its answer never comes.",
    )
    STORE_APPLIED_RESET = (
        "insert applied, reset",
        Target.CLICKHOUSE,
        Bound.RETRY,
        "An insert is applied and the connection reset instead of an answer.",
    )
    STORE_HALF_ANSWER = (
        "half an answer",
        Target.CLICKHOUSE,
        Bound.RETRY,
        "An answer breaks off in its middle.",
    )
    STORE_HALF_BODY = (
        "half an insert applied",
        Target.CLICKHOUSE,
        Bound.RETRY,
        "The engine gets half of an insert's rows, and the connection is reset.",
    )
    STORE_FULL = "store full", Target.CLICKHOUSE, Bound.RETRY, "The store says that its disk is full."
    STORE_PARTS = (
        "too many parts",
        Target.CLICKHOUSE,
        Bound.RETRY,
        "The store says that it has too many parts.",
    )
    STORE_MEMORY = (
        "store out of memory",
        Target.CLICKHOUSE,
        Bound.RETRY,
        "The store says that its memory is used up.",
    )
    STORE_AWAY = (
        "store away",
        Target.CLICKHOUSE,
        Bound.RETRY,
        "Nobody answers at the store's address for a while.",
    )
    STORE_CUT = "store cut", Target.CLICKHOUSE, Bound.RETRY, "All connections to the store are reset."
    STORE_SLOW = (
        "store's network slow",
        Target.CLICKHOUSE,
        Bound.STORE,
        "Each chunk to and from the store takes longer.",
    )
    STORE_SILENT = (
        "store black hole",
        Target.CLICKHOUSE,
        Bound.STORE,
        "Connections to the store stay open and carry nothing.",
    )
